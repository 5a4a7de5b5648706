"""One state of the flow, unpacked: all that its equations and their Jacobian need."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy import ndarray as Array

from mmcl.pair import Pair


class Masses(NamedTuple):
    """The noise of one modality."""

    squares: Array  # the distinct squared scales
    start: Array  # the mass that each of them starts with


class Point(NamedTuple):
    """A state. An axis of worlds may stand in front of all arrays; sums have one axis less than what they sum."""

    squares: Pair[Array]  # σ_A², σ_B²
    weights: Array  # of the coordinates in every sum
    noises: Pair[Masses]
    v: Array
    delta: Array
    clocks: Array  # (T_A, T_B)
    lengths: tuple[Array, ...]  # a, b, c
    noise: tuple[Array, Array]  # the masses of every distinct noise scale
    norms: Array  # (N_A², N_B²)
    theta: Array
    pull: Array
    pull_slope: Array
    pull_heat: Array  # slope in log τ², everything else held
    phi_heat: Array
    potential: Array  # Σφ
    clock: Array
    clock_slope: Array
    total: Any  # Λ
    course: Any  # e, the temperature's own number
    log_tau2: Array

    @property
    def arguments(self) -> tuple[Array, ...]:
        """What the compiled rates are functions of."""
        shared = (one[..., None] for one in (self.clock, self.total))
        return (
            self.v,
            self.delta,
            *columns(self.clocks),
            *columns(np.log(self.norms)),
            *shared,
            self.pull,
            *self.squares,
        )


def columns(pairs: Array) -> tuple[Array, Array]:
    """The number of A and that of B, with an axis to meet coordinates on."""
    return pairs[..., 0, None], pairs[..., 1, None]

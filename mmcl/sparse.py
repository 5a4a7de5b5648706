"""Paired data with sparse signal in dense noise: what feature learning with a non-linear encoder is studied on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray as Array
from numpy.typing import ArrayLike

from mmcl import checks
from mmcl.data import Batch


@dataclass(frozen=True)
class SparsePairs:
    r"""Two views of one sparse signal, each under dense noise that covers the signal's directions too.

    .. math:: x_A=\sum_p\sigma_pz_pe_p+\nu\big(\sqrt c\,\zeta+\sqrt{1-c}\,\zeta_A\big),\qquad
              z_p\in\{-1,0,1\},\quad P(z_p\ne0)=\rho

    with standard normal $\zeta,\zeta_A,\zeta_B$ in all d coordinates, and likewise for B.

    Source: ours; sparse features that are wanted and dense ones that are not, as in Wen & Li (2021).

    Args:
        signal: $\sigma_p$, shape (r,).
        frequency: ρ, how often a signal coordinate is active, in (0, 1].
        noise: ν, scale of the noise in every coordinate.
        common: c, share of the noise's power that the two views have in common, in [0, 1].
        ambient_dim: d.

    Raises:
        TypeError, ValueError: on scales that are not positive, shares outside their range, or r > d.
    """

    signal: ArrayLike
    frequency: float = 0.15
    noise: float = 0.4
    common: float = 0.0
    ambient_dim: int = 40

    def __post_init__(self) -> None:
        signal = checks.scales(self.signal, "`signal` (σ)", zero_allowed=False)
        object.__setattr__(self, "signal", signal)
        checks.non_negative(self.noise, "`noise` (ν)")
        d = checks.whole(self.ambient_dim, "`ambient_dim` (d)")
        if len(signal) > d:
            raise ValueError(f"`signal` (σ) must have at most d = {d} coordinates; got r = {len(signal)}.")
        if not checks.positive(self.frequency, "`frequency` (ρ)") <= 1:
            raise ValueError(f"`frequency` (ρ) must be at most 1; got {self.frequency!r}.")
        if not checks.non_negative(self.common, "`common` (c)") <= 1:
            raise ValueError(f"`common` (c) must be at most 1; got {self.common!r}.")

    @property
    def signal_dim(self) -> int:
        """r, the number of sparse coordinates."""
        return len(np.atleast_1d(self.signal))

    @property
    def reliability(self) -> Float[Array, " r"]:
        r"""$\rho\sigma_p^2/(\rho\sigma_p^2+\nu^2)$: the most that the views agree on, through one linear coordinate."""
        power = self.frequency * np.square(self.signal)
        return power / (power + self.noise**2)

    def sample(self, size: int, *, rng: np.random.Generator) -> Batch:
        """`size` independent positive pairs.

        Args:
            size: n, at least 1.
            rng: where signal and noise come from.
        """
        n, rng = checks.whole(size, "`size` (n)"), checks.generator(rng)
        r, d = self.signal_dim, self.ambient_dim
        z = (rng.random((n, r)) < self.frequency) * (2.0 * rng.integers(0, 2, size=(n, r)) - 1)
        shared = np.sqrt(self.common) * rng.standard_normal((n, d))
        views = [self.noise * (shared + np.sqrt(1 - self.common) * rng.standard_normal((n, d))) for _ in "AB"]
        for x in views:
            x[:, :r] += z * np.array(self.signal)
        return Batch(views[0], views[1], z)

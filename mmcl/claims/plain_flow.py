"""The flow on its 3r + 2 numbers as SymPy derived it, without our coordinates: what their solver is checked against."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray as Array

from mmcl.data import PairedData
from mmcl.objectives import InfoNCE
from mmcl.symbolic import symbols as s
from mmcl.symbolic.gram_flow import gram_flow
from mmcl.symbolic.stable import compiled


class Masses(NamedTuple):
    """$a_p,b_p,c_p$ and the noise masses, one per distinct scale."""

    a: Array
    b: Array
    c: Array
    n_a: Array
    n_b: Array


@dataclass(frozen=True, eq=False)
class PlainFlow:
    """The equations of motion in one world under InfoNCE, its force written out once more."""

    data: PairedData
    objective: InfoNCE

    @cached_property
    def noises(self) -> tuple[tuple[Array, Array], ...]:
        """For each modality the distinct noise scales and how many coordinates have each."""
        return tuple(np.unique(view.noise, return_counts=True) for view in self.data.views)

    def split(self, y: Float[Array, "n ..."]) -> Masses:
        """The state by name; further axes, of time for example, are kept."""
        r, (x, _) = self.data.signal_dim, self.noises[0]
        return Masses(y[:r], y[r : 2 * r], y[2 * r : 3 * r], y[3 * r : 3 * r + len(x)], y[3 * r + len(x) :])

    @property
    def start(self) -> Float[Array, " n"]:
        """Orthogonal rows of unit length."""
        a, b = (view.signal**2 for view in self.data.views)
        return np.concatenate([a, b, np.zeros_like(a), *(count * x**2 for x, count in self.noises)])

    @property
    def balanced(self) -> Float[Array, " n"]:
        """The point where all shares are 1/r and no noise is left, with the norms of the start."""
        r = self.data.signal_dim
        N2 = [view.active_dim * r / np.sum(view.signal**-2.0) for view in self.data.views]
        lengths = [np.full(r, x / r) for x in (*N2, np.sqrt(N2[0] * N2[1]))]
        return np.concatenate([*lengths, *(np.zeros(len(x)) for x, _ in self.noises)])

    def forces(self, y: Float[Array, " n"]) -> tuple[float, float, Array, Array]:
        r"""$N_A,N_B$, and $\theta_p,g_p$ of every coordinate."""
        a, b, c, n_a, n_b = self.split(y)
        tau2, K = self.objective.inverse_temperature, self.objective.negatives
        N_a, N_b = np.sqrt(a.sum() + n_a.sum()), np.sqrt(b.sum() + n_b.sum())
        theta = c / (N_a * N_b)
        odds = K * np.prod((1 + np.exp(-2 * tau2 * theta)) / 2)
        return N_a, N_b, theta, 2 * odds / (1 + odds) * tau2 * (1 - np.tanh(tau2 * theta))

    def velocity(self, y: Float[Array, " n"]) -> Float[Array, " n"]:
        """The derivatives of all masses."""
        a, b, c, n_a, n_b = self.split(y)
        N_a, N_b, theta, g = self.forces(y)
        in_signal, in_a, in_b = _rates()
        sigmas = [view.signal for view in self.data.views]
        L = g @ theta
        return np.concatenate(
            [
                *in_signal(a, b, c, N_a, N_b, g, L, *sigmas),
                in_a(n_a, N_a, L, self.noises[0][0]),
                in_b(n_b, N_b, L, self.noises[1][0]),
            ]
        )

    def decay_rates(self) -> Float[Array, " n"]:
        """All decay rates at the balanced point: minus the eigenvalues of a Jacobian by central differences."""
        y, step = self.balanced, 1e-5
        columns = [(self.velocity(y + step * e) - self.velocity(y - step * e)) / (2 * step) for e in np.eye(len(y))]
        return np.sort(-np.linalg.eigvals(np.column_stack(columns)).real)


@cache
def _rates() -> tuple:
    """The right-hand sides, compiled once."""
    flow = gram_flow()
    letters = [s.a, s.b, s.c, s.N_a, s.N_b, s.g, s.Lambda, s.sigma_a, s.sigma_b]
    return (
        compiled(letters, [flow.a_dot, flow.b_dot, flow.c_dot]),
        compiled([s.n_a, s.N_a, s.Lambda, s.noise_a], flow.n_a_dot),
        compiled([s.n_b, s.N_b, s.Lambda, s.noise_b], flow.n_b_dot),
    )

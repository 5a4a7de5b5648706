r"""Forces beyond the closed form: finite batches, and latents that are no signs.

Sign symmetry alone closes the flow, so any expected loss of the pair scores is a function of θ. Here it has no closed
form, but an integral over one or a few numbers, done to round-off. A force is a frozen value: called with θ, it returns
$g_p=-\partial L/\partial\theta_p$ and L.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from jaxtyping import Float
from numpy import ndarray as Array
from scipy.special import expit

from mmcl import checks
from mmcl.latents import GaussianLatents, Latents, SparseLatents, UniformLatents
from mmcl.latents import Signs as SignLatents
from mmcl.objectives import InBatchInfoNCE, InfoNCE

POINTS = 20  # of the quadrature in each coordinate
LARGEST = 2_000_000  # points of a tensor quadrature
SPACING = 0.25  # of log t; the trapezoidal rule is then exact to round-off


class Force(Protocol):
    """What drives the coordinates."""

    @property
    def inverse_temperature(self) -> float:
        """τ²."""
        ...

    def __call__(self, theta: Float[Array, " r"]) -> tuple[Float[Array, " r"], float]:
        """The force on every coordinate, and the loss."""
        ...


@dataclass(frozen=True)
class BatchForce:
    r"""The force of the *expected* in-batch loss on n pairs, exactly.

    .. math:: L_n(\theta)=2\,\mathbb E\log\Big(e^{\tau^2\sum_p\theta_p}+\sum_{j=2}^ne^{\tau^2s_j\cdot\theta}\Big)
              -2\tau^2\sum_p\theta_p

    with independent patterns of signs $s_j=z_1z_j$. From
    $\mathbb E\log X=\int_0^\infty(e^{-t}-\mathbb E\,e^{-tX})\frac{dt}t$ and the independence of the negatives, one
    integral replaces the mean over batches.

    Source: ours; the integral is Frullani's.

    Args:
        objective: the in-batch loss.
        batch_size: n, at least 2.

    Raises:
        TypeError, ValueError: on anything else.
    """

    objective: InBatchInfoNCE
    batch_size: int

    def __post_init__(self) -> None:
        checks.kind(self.objective, InBatchInfoNCE, "`objective`")
        checks.whole(self.batch_size, "`batch_size` (n)", least=2)

    @property
    def inverse_temperature(self) -> float:
        """τ²."""
        return self.objective.inverse_temperature

    def __call__(self, theta: Float[Array, " r"]) -> tuple[Float[Array, " r"], float]:
        """The force on every coordinate, and the loss."""
        theta = checks.real_array(theta, "`theta` (θ)", ndim=1)
        tau2, n, r = self.inverse_temperature, self.batch_size, len(theta)
        patterns = 1.0 - 2.0 * ((np.arange(2**r)[:, None] >> np.arange(r)) & 1)
        scores = tau2 * (patterns @ theta)
        log_y = scores - tau2 * theta.sum()  # of a negative, in units of the positive pair's
        # From where t X is round-off, for the largest X there is, to where e^{-t} is none, for X is 1 at least.
        largest = np.logaddexp(0.0, np.log(n - 1) + log_y.max())
        log_t = np.arange(-38.0 - largest, np.log(745.0), SPACING)
        weighed = np.exp(np.minimum(log_t[:, None] + log_y, 700.0))  # tY for every pattern
        each, alone = np.exp(-weighed), np.exp(-np.exp(log_t))
        mean = each.mean(axis=1)
        with np.errstate(divide="ignore"):
            others = alone * np.exp((n - 2) * np.log(mean))
        log_mean = SPACING * np.sum(alone - others * mean)
        # E[X_p / X] = ∫ E[X_p e^{-tX}] dt
        along = (each * weighed) @ patterns / len(patterns)
        pulled = others[:, None] * (np.exp(log_t) * mean)[:, None] + (n - 1) * others[:, None] * along
        share = SPACING * pulled.sum(axis=0)
        return 2 * tau2 * (1 - share), float(2 * log_mean)


@dataclass(frozen=True)
class LatentForce:
    r"""The force of InfoNCE for latents that are no signs, by quadrature.

    .. math:: L(\theta)=2\,\mathbb E_z\,\mathrm{softplus}\Big(\log K
              +\sum_p\big[\psi(\tau^2\theta_pz_p)-\tau^2\theta_pz_p^2\big]\Big),\qquad\psi(x)=\log\mathbb E\,e^{xz}

    Source: ours.

    Args:
        objective: the loss.
        latents: what z is drawn from.
        signal_dim: r; the quadrature has a number of points to the power r.
        points: of the quadrature in each coordinate.

    Raises:
        TypeError, ValueError: on anything else, or if the quadrature would have too many points.
    """

    objective: InfoNCE
    latents: Latents
    signal_dim: int
    points: int = POINTS
    nodes: tuple[Array, Array] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        checks.kind(self.objective, InfoNCE, "`objective`")
        kinds = (SignLatents, GaussianLatents, UniformLatents, SparseLatents)
        latents, r = checks.kind(self.latents, kinds, "`latents`"), checks.whole(self.signal_dim, "`signal_dim` (r)")
        z, weight = latents.quadrature(checks.whole(self.points, "`points`"))
        if len(z) ** r > LARGEST:
            raise ValueError(
                f"`signal_dim` (r) must leave the quadrature at most {LARGEST:,} points for {latents!r}, "
                f"{len(z)} to the power r; got r = {r}."
            )
        which = np.arange(len(z) ** r)[:, None] // len(z) ** np.arange(r)[::-1] % len(z)
        object.__setattr__(self, "nodes", (z[which], np.prod(weight[which], axis=1)))

    @property
    def inverse_temperature(self) -> float:
        """τ²."""
        return self.objective.inverse_temperature

    def __call__(self, theta: Float[Array, " r"]) -> tuple[Float[Array, " r"], float]:
        """The force on every coordinate, and the loss."""
        tau2, K, (z, weight) = self.inverse_temperature, self.objective.negatives, self.nodes
        slope, value = self.latents.log_moment(tau2 * theta * z)
        exponent = (np.log(K) if K else -np.inf) + np.sum(value - tau2 * theta * z**2, axis=1)
        losing = weight * expit(exponent)
        force = -2 * tau2 * (losing @ (slope * z - z**2))
        return force, float(2 * weight @ np.logaddexp(0, exponent))

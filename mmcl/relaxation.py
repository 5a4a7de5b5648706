r"""How fast stage two ends: the decay rates at the balanced point $\theta_p=1/r$."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray as Array

from mmcl import checks
from mmcl.data import PairedData
from mmcl.latents import Signs
from mmcl.objectives import InfoNCE
from mmcl.pair import Pair
from mmcl.symbolic.potentials import potential

EQUAL = 1e-12  # rates this close are one, in another unit of one modality
COLDEST = 1e150  # τ², whose square the slope of the force holds


@dataclass(frozen=True, eq=False)
class RelaxationRates:
    r"""Exponential decay rates near the balanced point, per unit of gradient-flow time, slowest first.

    Attributes:
        balance: of the imbalance between coordinates. Symmetric modalities: the r - 1 modes in which both move alike,
            the only ones that a symmetric start excites; otherwise all 2(r - 1).
        noise: of the left-over noise mass, one rate per distinct non-zero noise scale of each modality.
        misalignment: of $\|k_{-,p}\|^2$, one rate per coordinate.
    """

    balance: Float[Array, " balance"]
    noise: Float[Array, " noise"]
    misalignment: Float[Array, " r"]

    @property
    def slowest(self) -> float:
        """The rate that everything waits for."""
        return float(min(x[0] for x in (self.balance, self.noise, self.misalignment) if len(x)))


def relaxation_rates(data: PairedData, objective: InfoNCE) -> RelaxationRates:
    r"""The decay rates of the three things that stage two removes.

    .. math:: \frac{2g'}{rN_*^2}\,\mathrm{eig}\Big(\big(I-\tfrac{11^\top}{r}\big)\mathrm{diag}(\sigma^2)\Big),\qquad
              \frac{2\sigma_\xi^2\bar g}{N_*^2},\qquad
              2\bar g\Big(\frac{\sigma_{A,p}^2}{N_{A*}^2}+\frac{\sigma_{B,p}^2}{N_{B*}^2}\Big)

    with $\bar g$ the force and $-g'$ its slope at $\theta_p=1/r$, and $N_*^2=d\,r/\sum_p\sigma_p^{-2}$, where d counts
    the coordinates of non-zero scale. Unequal modalities couple the imbalances of A and B in one block.

    Source: ours; derived in the chapter "Stage two: negative pairs balance".

    Args:
        data: the world.
        objective: InfoNCE with K > 0; positives alone have no isolated balanced point.

    Raises:
        TypeError, ValueError: on any other objective, on a τ² whose square is no float.
    """
    data, objective = balancing(data, objective)
    r = data.signal_dim
    units = Pair(*(view.scales.max() for view in data.views))  # only ratios of scales enter
    s = Pair(*((view.signal / unit) ** 2 for view, unit in zip(data.views, units, strict=True)))
    N2 = Pair(*(_balanced_norm(squares, view.active_dim) for squares, view in zip(s, data.views, strict=True)))
    g, slope = _force(objective, r)
    rates = [
        2 * g * (x / unit) ** 2 / n
        for view, unit, n in zip(data.views, units, N2, strict=True)
        for x in view.noise[view.noise > 0]
    ]
    noise = np.unique(rates)
    return RelaxationRates(
        balance=_balance(s, N2, g, slope, symmetric=data.symmetric),
        noise=noise[np.diff(noise, prepend=0.0) > EQUAL * noise],
        misalignment=np.sort(2 * g * (s.a / N2.a + s.b / N2.b)),
    )


def balancing(data: PairedData, objective: InfoNCE) -> tuple[PairedData, InfoNCE]:
    """A world and an objective that bring each other to balance, at rates that floats can hold."""
    data = checks.kind(data, PairedData, "`data`")
    objective = checks.kind(objective, InfoNCE, "`objective`")
    checks.positive(objective.negatives, "`negatives` (K)")
    if objective.inverse_temperature > COLDEST:
        raise ValueError(
            f"`inverse_temperature` (τ²) must be at most {COLDEST:g}, where its square is still a float; "
            f"got {objective.inverse_temperature!r}."
        )
    checks.kind(data.latents, Signs, "`data.latents`")
    return data, objective


def _balanced_norm(squares: Float[Array, " r"], active_dim: int) -> float:
    r"""N² where $a_p=N^2/r$ and $\sum_pa_p/\sigma_p^2$ still has its initial value, with no noise left."""
    return active_dim * len(squares) / float(np.sum(1 / squares))


def _force(objective: InfoNCE, r: int) -> tuple[float, float]:
    """The force and minus its slope in its own θ, the common clock held, at θ = 1/r."""
    compiled = potential(objective).numeric
    pull, pull_slope = compiled.pull(1 / r)
    clock, _ = compiled.clock(r * compiled.phi(1 / r))
    return float(clock * pull), float(-clock * pull_slope)


def _balance(s: Pair[Array], N2: Pair[float], g: float, slope: float, *, symmetric: bool) -> Float[Array, " balance"]:
    r = len(s.a)
    centre = np.eye(r) - 1 / r
    if symmetric:
        # The centring matrix squares to itself: the product has the spectrum of a symmetric matrix.
        matrix = centre @ np.diag(s.a) @ centre
        return np.sort(np.linalg.eigvalsh(matrix))[1:] * 2 * slope / (r * N2.a)
    a, b = centre * (s.a / N2.a), centre * (s.b / N2.b)
    together, against = slope / r + g, slope / r - g
    block = np.block([[a * together, a * against], [b * against, b * together]])
    return np.sort(np.linalg.eigvals(block).real)[2:]

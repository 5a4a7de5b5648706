r"""Stage one in closed form: what positive pairs do to a symmetric world, without solving a differential equation.

While the force is the same for every coordinate, the lengths of $k_\pm=(k_A\pm k_B)/2$ are exponentials of two
numbers, $\|k_{+,p}\|\propto e^{\sigma_p^2P}$ and $\|k_{-,p}\|\propto e^{-\sigma_p^2M}$, and the conservation of
$\|W\|^2$ ties M to P. Scales are squared once, $s_p=\sigma_p^2$, $x_j=\sigma_{\xi,j}^2$.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray as Array
from numpy.typing import ArrayLike
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.special import logsumexp

from mmcl import checks
from mmcl.data import PairedData

BISECTIONS = 2000  # down to the smallest number
NEAREST = 1 - 1e-8  # full alignment takes for ever, and this close to it M(P) cancels


@dataclass(frozen=True, eq=False)
class StageOne:
    r"""The universal curve of stage one at given alignments.

    Attributes:
        alignment: $c=\sum_p\theta_p$, shape (T,).
        growth: P, with $\|k_{+,p}\|\propto e^{\sigma_p^2P}$, shape (T,).
        decay: M, with $\|k_{-,p}\|\propto e^{-\sigma_p^2M}$, shape (T,).
        condition_number: $\kappa$, shape (T,).
        time: gradient-flow time of positives only (force $g=2$), shape (T,).
    """

    alignment: Float[Array, " T"]
    growth: Float[Array, " T"]
    decay: Float[Array, " T"]
    condition_number: Float[Array, " T"]
    time: Float[Array, " T"]


def stage_one(data: PairedData, alignment: ArrayLike) -> StageOne:
    r"""The condition number at given alignments while all coordinates feel one force: no temperature, no K, no ODE.

    .. math:: \kappa^2=\frac{\sigma_1^2}{\sigma_r^2}\,
              \frac{e^{2\sigma_1^2P}+e^{-2\sigma_1^2M}}{e^{2\sigma_r^2P}+e^{-2\sigma_r^2M}},\qquad
              \tfrac12\sum_p\big(e^{2\sigma_p^2P}+e^{-2\sigma_p^2M}\big)+\sum_je^{-\sigma_{\xi,j}^2(M-P)}=d,
              \qquad t=\int\frac{N^2\,dP}{g\,(1-c)}

    Source: ours; derived in the chapter "Stage one: positive pairs align".

    Args:
        data: a world with symmetric modalities.
        alignment: values in [0, 1 - 1e-8], increasing, shape (T,).

    Raises:
        TypeError, ValueError: if the modalities differ or an alignment lies outside.
    """
    law = _Law.of(data)
    c = checks.times(alignment, "`alignment` (c)")
    if not c[-1] <= NEAREST:
        raise ValueError(
            f"`alignment` (c) must be at most 1 - 1e-8, where the conservation law is still above round-off; "
            f"got {float(c[-1])!r}."
        )
    top = law.terminal_growth()
    growth = np.array([law.growth_at(value, top) for value in c])
    decay = np.array([law.decay(P) for P in growth])
    lengths = np.array([law.lengths(P, M) for P, M in zip(growth, decay, strict=True)])
    legs = [quad(law.slowness, *ends, epsabs=0, epsrel=1e-10)[0] for ends in zip([0, *growth], growth, strict=False)]
    kappa = np.sqrt(lengths.max(axis=1) / lengths.min(axis=1))
    with np.errstate(over="ignore"):  # in units as small as 1e-200 P is infinite
        growth, decay = (x / law.unit / law.unit for x in (growth, decay))
    return StageOne(c, growth, decay, kappa, np.cumsum(legs) / 2)


def terminal_growth(data: PairedData) -> float:
    r"""$P_\infty$, where positives alone end.

    .. math:: \sum_{p=1}^re^{2\sigma_p^2P_\infty}=2d

    With noiseless coordinates d counts only those of non-zero scale: the weights of the others never move.

    Source: ours; derived in the chapter "Stage one: positive pairs align".

    Raises:
        TypeError, ValueError: if the modalities differ.
    """
    law = _Law.of(data)
    with np.errstate(over="ignore"):  # in units as small as 1e-200 P is infinite
        return float(np.float64(law.terminal_growth()) / law.unit / law.unit)


def terminal_condition_number(data: PairedData) -> float:
    r"""The condition number that positives alone end with, exactly.

    .. math:: \kappa_\infty=\frac{\sigma_1}{\sigma_r}\,e^{(\sigma_1^2-\sigma_r^2)P_\infty}

    Any noise above zero gives the same end, however late it comes; no noise at all gives another.

    Source: ours; it makes "close to rank one" of Ren & Li (2023) a number.

    Args:
        data: a world with symmetric modalities.

    Raises:
        TypeError, ValueError: if the modalities differ.

    >>> from mmcl import PairedData
    >>> round(terminal_condition_number(PairedData(signal_a=np.geomspace(2, 1, 8), ambient_dim=64)), 6)
    9.17695
    """
    law = _Law.of(data)
    high, low = law.s.max(), law.s.min()
    return float(np.sqrt(high / low) * np.exp((high - low) * law.terminal_growth()))


def terminal_slope(data: PairedData) -> float:
    r"""Local power of the ambient dimension in $\kappa_\infty$.

    .. math:: \frac{d\log\kappa_\infty}{d\log d}=\frac{(\sigma_1^2-\sigma_r^2)\,d}{2N_\infty^2},\qquad
              N_\infty^2=\tfrac12\sum_p\sigma_p^2e^{2\sigma_p^2P_\infty}

    Source: ours; it tends to $(1-\sigma_r^2/\sigma_1^2)/2$.
    """
    law = _Law.of(data)
    P = law.terminal_growth()
    return float((law.s.max() - law.s.min()) * law.dim / np.sum(law.s * np.exp(2 * law.s * P)))


def terminal_spread(data: PairedData) -> float:
    r"""$\sqrt m$ times the standard deviation of $\log\kappa_\infty$ from random weights, positives only, as m → ∞.

    .. math:: m\,\mathrm{Var}=2\sum_{p=1}^r\Big(\frac{[p=1]-[p=r]}2+\gamma\big(1-e^{2\sigma_p^2P_\infty}\big)\Big)^2
              +2\gamma^2(2d-r),\qquad \gamma=\frac{\sigma_1^2-\sigma_r^2}{4N_\infty^2}

    Source: ours; derived in the chapter "An exactly solvable model".

    Raises:
        TypeError, ValueError: if the modalities differ, or if two coordinates share the largest or the smallest scale:
            which of them ends longest is then a matter of chance, and κ is not Gaussian.
    """
    law = _Law.of(data)
    s = np.sort(law.s)[::-1]
    if len(s) > 1 and (s[0] == s[1] or s[-1] == s[-2]):
        raise ValueError("`data` must have one largest and one smallest signal scale; got one of them twice.")
    grown = np.exp(2 * s * law.terminal_growth())
    gamma = (s[0] - s[-1]) / (2 * np.sum(s * grown))
    weight = gamma * (1 - grown)
    weight[0], weight[-1] = weight[0] + 0.5, weight[-1] - 0.5
    return float(np.sqrt(2 * (weight @ weight + gamma**2 * (2 * law.dim - len(s)))))


@dataclass(frozen=True, eq=False)
class _Law:
    """The conservation law of a symmetric world, and what follows from P and M.

    The largest scale is the unit of all: P and M are in units of its inverse square, times are the same in any unit.
    """

    s: Float[Array, " r"]  # σ_p²
    x: Float[Array, " d-r"]  # σ_ξ,j², those above zero
    dim: int  # coordinates of non-zero scale
    unit: float = 1.0  # the largest scale

    @classmethod
    def of(cls, data: PairedData) -> _Law:
        checks.kind(data, PairedData, "`data`")
        if not data.symmetric:
            raise ValueError(
                "`data` must have symmetric modalities, the scales of B a multiple of those of A, for the closed form; "
                "follow `gradient_flow` instead."
            )
        view = data.views.a
        unit = view.scales.max()
        return cls((view.signal / unit) ** 2, (view.noise[view.noise > 0] / unit) ** 2, view.active_dim, unit)

    def terminal_growth(self) -> float:
        r"""$P_\infty$."""
        s, d = self.s, self.dim

        def excess(P: float) -> float:
            return float(logsumexp(2 * s * P) - np.log(2 * d))

        high = np.log(2 * d) / (2 * s.max()) * (1 + 1e-9)  # for one coordinate the root itself, but for round-off
        return float(brentq(excess, 0, high, xtol=1e-300, rtol=1e-15))

    def lengths(self, P: float, M: float) -> Float[Array, " r"]:
        r"""$a_p=\tfrac12\sigma_p^2(e^{2\sigma_p^2P}+e^{-2\sigma_p^2M})$."""
        return self.s / 2 * (np.exp(2 * self.s * P) + np.exp(-2 * self.s * M))

    def decay(self, P: float) -> float:
        """M, from the conservation of ‖W‖²."""

        def excess(M: float) -> float:
            # Less what each had at the start, which near it is nearly all.
            units = np.sum(np.expm1(2 * self.s * P) + np.expm1(-2 * self.s * M)) / 2
            return float(units + np.sum(np.expm1(-self.x * (M - P))))

        high = max(2 * P, 1e-300)
        while excess(high) > 0:
            high *= 2
        return float(brentq(excess, P, high, xtol=1e-300, rtol=1e-15, maxiter=BISECTIONS)) if P else 0.0

    def alignment(self, P: float) -> float:
        """c at P."""
        M = self.decay(P)
        inner = self.s / 2 * (np.expm1(2 * self.s * P) - np.expm1(-2 * self.s * M))
        return float(inner.sum() / self.norm(P, M))

    def norm(self, P: float, M: float) -> float:
        """N², signal and noise."""
        return float(self.lengths(P, M).sum() + np.sum(self.x * np.exp(-self.x * (M - P))))

    def growth_at(self, alignment: float, top: float) -> float:
        r"""P at a given alignment; `top` is $P_\infty$."""
        high = top * (1 - 1e-12)
        return float(
            brentq(lambda P: self.alignment(P) - alignment, 0, high, xtol=1e-300, rtol=1e-14, maxiter=BISECTIONS)
        )

    def slowness(self, P: float) -> float:
        """$N^2/(1-c)$, the time of a unit force per unit of P."""
        return self.norm(P, self.decay(P)) / (1 - self.alignment(P))

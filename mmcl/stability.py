r"""How large a step may be: the stiffest direction at the balanced point, among all directions of weight space.

A symmetric start excites few of them, `relaxation_rates`. Round-off, batches and finite width excite the rest: scores
between different coordinates, $R_{pq}$, which the flow keeps at zero and a step that is too large does not.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray as Array
from scipy.special import expit

from mmcl.data import PairedData
from mmcl.objectives import InfoNCE
from mmcl.pair import Pair
from mmcl.relaxation import balancing

ROUND_OFF = 1e-12  # of an eigenvalue, in units of the largest of its block
EQUAL = 1e-10  # rates this close are one


def step_limit(data: PairedData, objective: InfoNCE) -> float:
    r"""The largest step size under which descent stays at balance, for weights of the norm that they start with.

    .. math:: \eta_*=\frac2{\lambda_{\max}},

    with $\lambda_{\max}$ the largest eigenvalue of the Hessian of L in the weights at the balanced point. The loss is
    scale free, so the limit grows with $\|W\|^2$. Infinite where all curvatures are too small for floats.

    Source: ours; derived in the chapter "How far is practice from the limit".

    Args:
        data: the world.
        objective: InfoNCE with K > 0.

    Raises:
        TypeError, ValueError: on any other objective.
    """
    rates = weight_rates(data, objective)
    return 2 / float(rates[-1]) if len(rates) else np.inf


def weight_rates(data: PairedData, objective: InfoNCE) -> Float[Array, " n"]:
    r"""All distinct positive decay rates of the weights at the balanced point, slowest first, to ten digits.

    Of directions that mix two coordinates, those a trillion times slower than their fastest are left out: they cannot
    be told from zero.

    With $s_p=\sigma_p^2/N_*^2$, the force $\bar g$, its slope $g'$ and $S$ the probability of the positive pair, the
    scores $R_{pq},R_{qp}$ of two coordinates couple images as the coordinates themselves do, with the curvatures
    $h=g'+2S\bar g\tau^2(1-\tanh\frac{\tau^2}r)$ of their sum and $g'$ of their difference.

    Args:
        data: the world.
        objective: InfoNCE with K > 0.
    """
    data, objective = balancing(data, objective)
    r, tau2 = data.signal_dim, objective.inverse_temperature
    short = 2 * expit(-2 * tau2 / r)  # 1 - tanh(τ²/r), which would cancel
    odds = objective.negatives * ((1 + np.exp(-2 * tau2 / r)) / 2) ** r
    losing = odds / (1 + odds)
    force, slope = 2 * losing * tau2 * short, 2 * losing * tau2**2 * short * (2 - short)
    sum_slope = slope + 2 * (1 - losing) * force * tau2 * short
    s, noise = Pair(*_over_norm(data, "signal")), Pair(*_over_norm(data, "noise"))
    found = [*_above_round_off(_balance(s, force, slope)), *((s.a + s.b) * force)]
    for p in range(r):
        for q in range(p):
            found += list(_above_round_off(_mixing((s.a[p], s.b[p], s.a[q], s.b[q]), force, sum_slope, slope, r)))
    stray = losing * tau2**2 * (1 + short * (2 - short)) + losing * (1 - losing) * tau2**2 * (short**2 + 1)
    for side in noise:
        found += [*(side * force), *(side * (force + stray / r))]
    values = np.sort([value for value in found if value > 0])
    return values[np.diff(values, prepend=0.0) > EQUAL * values]


def _above_round_off(values: Array) -> Array:
    """Without the eigenvalues that are zero to round-off; those of a scale invariance and of rotations are."""
    return values[values > ROUND_OFF * np.abs(values).max()]


def _over_norm(data: PairedData, what: str) -> list[Array]:
    r"""$\sigma^2/N_*^2$ of either modality, of its signal or of its noise."""
    found = []
    for view in data.views:
        unit = view.scales.max()  # only ratios of scales enter
        norm = view.active_dim * data.signal_dim / np.sum((view.signal / unit) ** -2.0)
        found.append((getattr(view, what) / unit) ** 2 / norm)
    return found


def _balance(s: Pair[Array], force: float, slope: float) -> Float[Array, " 2r"]:
    """Of the lengths along their own directions, both modalities free."""
    r = len(s.a)
    centre = np.eye(r) - 1 / r
    together, against = slope / r + force, slope / r - force
    block = np.block([
        [s.a[:, None] * centre * together, s.a[:, None] * centre * against],
        [s.b[:, None] * centre * against, s.b[:, None] * centre * together],
    ])  # fmt: skip
    return np.linalg.eigvals(block).real


def _mixing(
    s: tuple[float, float, float, float], force: float, sum_slope: float, slope: float, r: int
) -> Float[Array, "4"]:
    """Of two coordinates into each other's directions: $k_{A,p},k_{B,p}$ along q, $k_{A,q},k_{B,q}$ along p."""
    read = np.array([[1, 0, 0, 1], [0, 1, 1, 0]]) / r  # R_pq and R_qp
    even, odd = (sum_slope + slope) / 2, (sum_slope - slope) / 2
    push = np.array([[even, odd], [odd, even]]) @ read
    part = force * np.array([[1, -1], [-1, 1]])
    block = read.T @ push * r + np.kron(np.eye(2), part)
    return np.linalg.eigvals(np.array(s)[:, None] * block).real

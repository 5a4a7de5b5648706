r"""The two temperatures at which alignment and balance pull hardest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit

from mmcl import checks


@dataclass(frozen=True)
class OptimalTemperatures:
    r"""Inverse temperatures at which stage two ends fastest.

    Attributes:
        alignment: the τ² at which the force $\bar g$, which removes noise and misalignment, is largest.
        balance: the τ² at which its slope $g'$, which removes imbalance, is largest; NaN for r = 1, which has none.
    """

    alignment: float
    balance: float


def optimal_temperatures(signal_dim: int, negatives: float = np.inf) -> OptimalTemperatures:
    r"""Where the force at the balanced point and its slope are largest.

    .. math:: x(1+\tanh x)+S\,r\,x(1-\tanh x)=1,\qquad 2x\tanh x+S\,r\,x(1-\tanh x)=2,\qquad x=\tau^2/r,

    with $S=1/(1+K((1+e^{-2x})/2)^r)$. For $K\to\infty$ the terms in S vanish: τ² = 0.639 r and 1.200 r.

    Source: ours; derived in the chapter "Temperature".

    Args:
        signal_dim: r, how many coordinates share the alignment.
        negatives: K; infinite by default.

    Raises:
        TypeError, ValueError: unless r is a whole number of at least 1 and K positive.

    >>> best = optimal_temperatures(8, negatives=1.0)
    >>> round(best.alignment / 8, 3), round(best.balance / 8, 3)
    (0.159, 0.366)
    """
    r = checks.whole(signal_dim, "`signal_dim` (r)")
    log_k = np.inf if negatives == np.inf else float(np.log(checks.positive(negatives, "`negatives` (K)")))

    def saturation(x: float) -> float:
        S = expit(-(log_k + r * np.log1p(np.expm1(-2 * x) / 2)))
        return float(S * r * x * (1 - np.tanh(x)))

    return OptimalTemperatures(
        alignment=r * _root(lambda x: 1 - x * (1 + np.tanh(x)) - saturation(x), 0.5 / (r + 2)),
        balance=r * _root(lambda x: 2 - 2 * x * np.tanh(x) - saturation(x), 0.5 / (r + 2)) if r > 1 else np.nan,
    )


def _root(derivative: Callable[[float], float], low: float) -> float:
    """Where a derivative, positive up to `low` (with S ≤ 1 those here are below x = 1/(r + 2)), first vanishes."""
    grid = np.geomspace(low, 2.0, 400)
    first = int(np.argmax([derivative(x) <= 0 for x in grid]))
    return float(brentq(derivative, grid[first - 1], grid[first], xtol=1e-300, rtol=1e-14))

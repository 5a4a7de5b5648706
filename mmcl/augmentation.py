r"""Noise *along* a signal direction, $x_{A,q}=\sigma_qz_q+\nu_q\xi_{A,q}$: an augmentation, and when it is fatal.

In `PairedData` noise has directions of its own and the loss simply removes them. Along a signal direction it cannot be
removed without the signal.
"""

from __future__ import annotations

import numpy as np

from mmcl import checks
from mmcl.objectives import InfoNCE, PositiveOnly


def escape_rate(
    objective: InfoNCE | PositiveOnly, kept: int, signal: float, augmentation: float, power: float = 1.0
) -> float:
    r"""The rate at which an almost empty direction grows, or (below zero) fades, beside balanced ones.

    .. math:: \frac{d}{dt}\log\|w_q\|=\frac{g_0\sigma_q^2-\Lambda(\sigma_q^2+\nu_q^2)}{N^2},\qquad
              g_0=2(1-S)\tau^2,\quad\Lambda=g_0\Big(1-\tanh\frac{\tau^2}s\Big)

    and $g_0=\Lambda=2$ for positives only.

    Source: ours; derived in the chapter "What neighbouring theories say".

    Args:
        objective: InfoNCE or PositiveOnly.
        kept: s, how many directions share the alignment equally, without augmentation.
        signal: $\sigma_q$.
        augmentation: $\nu_q$.
        power: $N^2$.
    """
    objective = checks.kind(objective, (InfoNCE, PositiveOnly), "`objective`")
    s = checks.whole(kept, "`kept` (s)")
    sigma, nu = checks.positive(signal, "`signal` (σ_q)"), checks.non_negative(augmentation, "`augmentation` (ν_q)")
    power = checks.positive(power, "`power` (N²)")
    if isinstance(objective, PositiveOnly):
        return -2 * nu**2 / power
    tau2, x = objective.inverse_temperature, objective.inverse_temperature / s
    odds = objective.negatives * ((1 + np.exp(-2 * x)) / 2) ** s
    g_0 = 2 * odds / (1 + odds) * tau2
    return float(g_0 * (sigma**2 * np.tanh(x) - nu**2 * (1 - np.tanh(x))) / power)


def augmentation_threshold(objective: InfoNCE | PositiveOnly, kept: int) -> float:
    r"""The ratio $\nu_q^2/\sigma_q^2$ from which on a direction is given up: no K in it, and no scale.

    .. math:: \frac{\nu_q^2}{\sigma_q^2}=\frac{\tanh(\tau^2/s)}{1-\tanh(\tau^2/s)}=\frac{e^{2\tau^2/s}-1}2

    Zero for positives only: any augmentation at all is fatal, in time.

    Source: ours; the counterpart here of the collapse by strong augmentation of Jing et al. (2022).

    Args:
        objective: InfoNCE or PositiveOnly.
        kept: s, how many other directions share the alignment.

    >>> round(augmentation_threshold(InfoNCE(2.0), kept=2), 3)
    3.195
    """
    objective = checks.kind(objective, (InfoNCE, PositiveOnly), "`objective`")
    s = checks.whole(kept, "`kept` (s)")
    if isinstance(objective, PositiveOnly):
        return 0.0
    with np.errstate(over="ignore"):  # beyond the floats nothing is fatal
        return float(np.expm1(2 * objective.inverse_temperature / s) / 2)

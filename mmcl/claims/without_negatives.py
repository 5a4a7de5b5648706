"""Claim: without negatives the condition number grows like a power of the ambient dimension."""

from __future__ import annotations

import numpy as np
from numpy import ndarray as Array

from mmcl.claims.claim import Evidence, Run, at_least, claim, close, zero
from mmcl.closed_form import terminal_condition_number, terminal_slope
from mmcl.data import PairedData
from mmcl.flow import gradient_flow
from mmcl.objectives import PositiveOnly
from mmcl.worlds import CANONICAL

DIMS = np.array([16, 32, 64, 128, 256, 512, 1024, 2048, 4096])
WIDE = 1.02  # factor either way in the dimension, for a local slope


@claim(
    id="power-law",
    statement="Between symmetric modalities positives alone end with a condition number that grows like a power of the "
    "ambient dimension; the local power has a closed form, which stays above $(1-\\sigma_r^2/\\sigma_1^2)/2$.",
    source="ours; Ren & Li (2023) call the end close to rank one",
    chapter="without-negatives",
)
def measure(flow: Run = gradient_flow) -> Evidence:
    """Every κ∞ followed by the flow, and the local slope by differences of followed values."""
    followed = np.array([_end(int(d), flow) for d in DIMS])
    formula = np.array([terminal_condition_number(_world(int(d))) for d in DIMS])
    last = int(DIMS[-1])
    near = [round(last / WIDE), round(last * WIDE)]
    local = np.diff(np.log([_end(d, flow) for d in near]))[0] / np.diff(np.log(near))[0]
    slopes = np.array([terminal_slope(_world(int(d))) for d in DIMS])
    signal = CANONICAL.views.a.signal
    limit = (1 - (signal.min() / signal.max()) ** 2) / 2
    return Evidence(
        (
            zero(
                "relative error of κ∞, d = 16 to 4096",
                np.abs(followed / formula - 1).max(),
                tolerance=1e-7,
                reason="the integrator's error at 1e-9",
            ),
            close(
                "local power at d = 4096",
                slopes[-1],
                local,
                rel=1e-4,
                reason="a central difference over 2% either way: a relative error of its square, and whole d",
            ),
            at_least(
                "smallest local power over the asymptote, d = 16 to 4096",
                1.0,
                slopes.min() / limit,
                reason="a weighted mean of the squared scales is at most the largest",
            ),
        ),
        {
            "d": DIMS,
            "kappa": followed,
            "formula": formula,
            "slope": slopes,
            "limit": np.array(limit),
        }
        | _formula_without_a_root(signal**2),
    )


def _formula_without_a_root(s: Array) -> dict[str, Array]:
    """κ∞, its local power and the effective rank of the end, for any d: P∞ is chosen and d follows from it."""
    grown = np.exp(2 * s * np.linspace(0.1, 3.1, 400)[:, None])  # one row per P∞
    d, share = grown.sum(axis=1) / 2, s * grown
    return {
        "fine d": d,
        "fine kappa": np.sqrt(share.max(axis=1) / share.min(axis=1)),
        "fine slope": (s.max() - s.min()) * d / share.sum(axis=1),
        "fine effective rank": share.sum(axis=1) ** 2 / (share**2).sum(axis=1),
    }


def _world(d: int) -> PairedData:
    return PairedData(signal_a=CANONICAL.signal_a, noise_a=0.5, ambient_dim=d)


def _end(d: int, flow: Run) -> float:
    return float(flow(_world(d), PositiveOnly(), [0.0, 1e8]).condition_number[-1])

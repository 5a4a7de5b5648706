"""The sweeps of the book: each a grid, and a function of one cell of it."""

from __future__ import annotations

import numpy as np

from mmcl.claims.temperature import waiting_times
from mmcl.closed_form import terminal_condition_number, terminal_slope
from mmcl.data import PairedData
from mmcl.flow import gradient_flow
from mmcl.objectives import InfoNCE
from mmcl.sweeps import Axis, Quantity, Study
from mmcl.temperature import LearnedTemperature
from mmcl.worlds import CANONICAL

TIME = "gradient-flow time"


def _grid(low: float, high: float, count: int) -> tuple[float, ...]:
    """Places that are even in the logarithm, to twelve digits, so that every machine has the same ones."""
    return tuple(float(f"{value:.12g}") for value in np.geomspace(low, high, count))


NEGATIVES = Axis("negatives", _grid(0.01, 1e6, 25), "1", "weight of the negatives K")


def _waits(inverse_temperature: float) -> dict[str, np.ndarray]:
    """When balance and alignment come, for every K: one path has them all."""
    balance, alignment = waiting_times(inverse_temperature, np.array(NEGATIVES.values))
    return {"balance_time": balance, "alignment_time": alignment}


def _learned(start: float, rate: float) -> dict[str, float]:
    """Where a run ends that learns log τ² beside its weights."""
    path = gradient_flow(
        CANONICAL, InfoNCE(start), [0.0, 2e5], temperature=LearnedTemperature(rate, cap=max(100.0, start))
    )
    return {
        "condition_number": float(path.condition_number[-1]),
        "alignment": float(path.alignment[-1]),
        "inverse_temperature": float(path.inverse_temperature[-1]),
    }


def _ended(ratio: float, ambient_dim: float) -> dict[str, float]:
    """Where positives alone end, in closed form."""
    world = PairedData(signal_a=np.geomspace(ratio, 1.0, 8), noise_a=0.5, ambient_dim=int(ambient_dim))
    return {"condition_number": terminal_condition_number(world), "local_power": terminal_slope(world)}


STUDIES = {
    study.name: study
    for study in (
        Study(
            "temperature-map",
            "Time to balance and to alignment in the canonical world, over temperature and weight of the negatives",
            (Axis("inverse_temperature", _grid(0.1, 300, 21), "1", "inverse temperature τ²"),),
            (
                Quantity("balance_time", TIME, "time from which on κ ≤ 1.1; NaN: not before 1e10 at K = 1"),
                Quantity("alignment_time", TIME, "time from which on the alignment is at least 0.9; NaN: likewise"),
            ),
            _waits,
            within=(NEGATIVES,),
        ),
        Study(
            "learning-rate",
            "Where the canonical world stands at t = 200,000 when log τ² learns with the weights, cap 100",
            (
                Axis("start", (0.05, 1.0), "1", "τ² at the start"),
                Axis("rate", _grid(1e-3, 3.0, 9), "1", "rate ρ of log τ² beside the weights"),
            ),
            (
                Quantity("condition_number", "1", "condition number κ at the end"),
                Quantity("alignment", "1", "alignment at the end"),
                Quantity("inverse_temperature", "1", "inverse temperature τ² at the end"),
            ),
            _learned,
        ),
        Study(
            "dimension",
            "Where positives alone end: eight signal scales, geometric from the ratio down to 1, noise 0.5",
            (
                Axis("ratio", _grid(1.1, 4.0, 11), "1", "σ₁/σ_r, the unevenness of the signal"),
                Axis("ambient_dim", tuple(float(2**k) for k in range(4, 21, 2)), "1", "ambient dimension d"),
            ),
            (
                Quantity("condition_number", "1", "condition number κ∞ at the end"),
                Quantity("local_power", "1", "d log κ∞ / d log d"),
            ),
            _ended,
        ),
    )
}


def study(name: str) -> Study:
    """The study of that name.

    Raises:
        KeyError: naming the studies there are.
    """
    if name not in STUDIES:
        raise KeyError(f"no study has the name {name!r}; there are: {', '.join(STUDIES)}")
    return STUDIES[name]

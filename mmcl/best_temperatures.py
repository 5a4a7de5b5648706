"""Which inverse temperature is best depends on the question: all of them in one table, in the canonical world."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mmcl.claims import Evidence, evidence
from mmcl.optimum import optimal_temperatures
from mmcl.worlds import CANONICAL

WEIGHTS = {"$K=1$": 1.0, "$K=511$": 511.0, "$K=10^6$": 1e6}


@dataclass(frozen=True)
class BestTemperatures:
    """The best τ² for each question, one for each of `WEIGHTS`; in a chapter they show themselves as a table."""

    rows: dict[str, tuple[float, ...]]

    def _repr_markdown_(self) -> str:
        lines = ["| best $\\tau^2$ for | " + " | ".join(WEIGHTS) + " |", "|:--|" + "--:|" * len(WEIGHTS)]
        for question, best in self.rows.items():
            lines.append(f"| {question} | " + " | ".join(f"{tau2:.2g}" for tau2 in best) + " |")
        return "\n".join(lines)


def best_temperatures(found: Callable[[str], Evidence] = evidence) -> BestTemperatures:
    """The table of the chapter "Temperature": the ends by formula, the whole way from the map of waiting times.

    Args:
        found: where the evidence of a claim comes from.
    """
    ends = [optimal_temperatures(CANONICAL.signal_dim, negatives=K) for K in WEIGHTS.values()]
    waits = found("wait-map").curves

    def fastest(wait: str) -> tuple[float, ...]:
        rows = (int(np.argmin(np.abs(np.log(waits["K"] / K)))) for K in WEIGHTS.values())
        return tuple(float(waits["tau2"][np.nanargmin(waits[wait][row])]) for row in rows)

    return BestTemperatures(
        {
            "fast alignment at the end": tuple(end.alignment for end in ends),
            "fast balance at the end": tuple(end.balance for end in ends),
            "the whole way to alignment 0.9": fastest("alignment"),
            "the whole way to $\\kappa=1.1$": fastest("balance"),
        }
    )

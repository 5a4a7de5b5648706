"""The family in one table: the end of every method beside what theory predicts, read from the claims' evidence."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray as Array

from mmcl.claims import all_claims, evidence
from mmcl.claims.summary import QUANTITIES

BALANCED, ALIGNED = 1.1, 0.9
HEADS = ("alignment", "$\\kappa$", "effective rank", "noise share", "time to 0.9")


@dataclass(frozen=True, eq=False)
class Row:
    """One method at the end of its run.

    Attributes:
        method: its name.
        chapter: the page that runs it.
        measured: the `QUANTITIES` of `mmcl.claims.summary`, shape (5,); NaN for one that means nothing here.
        predicted: the same from theory; NaN where nothing is predicted.
    """

    method: str
    chapter: str
    measured: Float[Array, "5"]
    predicted: Float[Array, "5"]

    @property
    def verdict(self) -> str:
        """Whether the end is aligned (alignment at least 0.9), and whether balanced (κ at most 1.1)."""
        alignment, kappa = self.measured[:2]
        aligned = "aligned" if alignment >= ALIGNED else "not aligned"
        return f"{aligned}, {'balanced' if kappa <= BALANCED else 'unbalanced'}"


@dataclass(frozen=True)
class Comparison:
    """Methods side by side; in a chapter it shows itself as a table, predictions in brackets."""

    rows: tuple[Row, ...]

    def __getitem__(self, method: str) -> Row:
        for row in self.rows:
            if row.method == method:
                return row
        raise KeyError(f"no method is called {method!r}; there are: {', '.join(row.method for row in self.rows)}")

    def _repr_markdown_(self) -> str:
        head = ["method", *HEADS, "at the end"]
        lines = ["| " + " | ".join(head) + " |", "|:--|" + "--:|" * len(HEADS) + ":--|"]
        for row in self.rows:
            cells = [_cell(x, due) for x, due in zip(row.measured, row.predicted, strict=True)]
            lines.append("| " + " | ".join([row.method, *cells, row.verdict]) + " |")
        return "\n".join(lines)


def comparison() -> Comparison:
    """Every method whose claim keeps a summary of its end, in the order of the ledger."""
    rows = []
    for claim in all_claims():
        curves = evidence(claim.id).curves
        for name in curves:
            if name.endswith(" summary"):
                method = name.removesuffix(" summary")
                nothing = np.full(len(QUANTITIES), np.nan)
                rows.append(Row(method, claim.chapter, curves[name], curves.get(f"{method} predicted", nothing)))
    return Comparison(tuple(rows))


def _cell(value: float, predicted: float) -> str:
    """A number with three digits, its prediction in brackets."""
    return _number(value) if np.isnan(predicted) else f"{_number(value)} ({_number(predicted)})"


def _number(value: float) -> str:
    if np.isnan(value):
        return "–"
    if np.isinf(value):
        return "never"
    if abs(value) < 5e-4:
        return "0"
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"

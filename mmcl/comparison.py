"""The family in one table: the end of every method beside what theory predicts, read from the claims' evidence."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray as Array

from mmcl.claims import all_claims, evidence
from mmcl.claims.summary import QUANTITIES

BALANCED, ALIGNED = 1.1, 0.9
FAINT = 0.1  # the alignment below which an effective rank is one of noise
HEADS = (
    "method", "$t$", "alignment", "$\\kappa$", "effective rank", "noise share", "time to 0.9", "state at $t$",
    "alignment, $\\kappa$ as $t\\to\\infty$",
)  # fmt: skip
#: Their losses see the length of the outputs, or count them in other units: their time is no other row's.
OWN_TIME = ("masked reconstruction", "VICReg", "Barlow Twins")


@dataclass(frozen=True, eq=False)
class Row:
    """One method at the end of its run.

    Attributes:
        method: its name.
        chapter: the page that runs it.
        measured: the `QUANTITIES` of `mmcl.claims.summary`, shape (5,); NaN for one that means nothing here.
        predicted: the same from theory; NaN where nothing is predicted.
        time: when the run ends.
        end: alignment and κ where theory ends, as t → ∞; NaN where no closed form is known.
    """

    method: str
    chapter: str
    measured: Float[Array, "5"]
    predicted: Float[Array, "5"]
    time: float = float("nan")
    end: tuple[float, float] = (float("nan"), float("nan"))

    @property
    def verdict(self) -> str:
        """Whether the end is aligned (alignment at least 0.9), and whether balanced (κ at most 1.1)."""
        alignment, kappa = self.measured[:2]
        aligned = "aligned" if alignment >= ALIGNED else "not aligned"
        return f"{aligned}, {'balanced' if kappa <= BALANCED else 'not balanced'}"

    @property
    def cells(self) -> list[str]:
        """The row as the table shows it."""
        shown = [_cell(x, due) for x, due in zip(self.measured, self.predicted, strict=True)]
        shown[2] += " †" if self.measured[0] < FAINT else ""
        if not self.end[0] < ALIGNED:  # it may still come
            shown[4] = shown[4].replace("never", f"> {_number(self.time)}")
        shown[4] += " ‡" if self.method.startswith(OWN_TIME) else ""
        end = "–" if np.isnan(self.end).all() else ", ".join(map(_number, self.end))
        return [self.method, _number(self.time), *shown, self.verdict, end]


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
        lines = [HEADS, (":--", *["--:"] * 6, ":--", "--:"), *(row.cells for row in self.rows)]
        return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def comparison() -> Comparison:
    """Every method whose claim keeps a summary of its end, in the order of the ledger."""
    rows = []
    for claim in all_claims():
        curves = evidence(claim.id).curves
        for name in curves:
            if name.endswith(" summary"):
                method = name.removesuffix(" summary")
                nothing = np.full(len(QUANTITIES), np.nan)
                end = curves.get(f"{method} end", nothing)
                rows.append(
                    Row(
                        method, claim.chapter, curves[name], curves.get(f"{method} predicted", nothing),
                        float(curves[f"{method} run time"][-1]), (float(end[0]), float(end[1])),
                    )
                )  # fmt: skip
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

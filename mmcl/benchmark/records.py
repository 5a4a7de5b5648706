"""What one contender took, who won, and how a cost grows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

AT_LEAST, AT_MOST = "at least", "at most"


@dataclass(frozen=True)
class Cost:
    """What one contender took, round by round.

    Attributes:
        name: who.
        values: seconds, or bytes.
        threads: how many it ran on; None where that means nothing.
    """

    name: str
    values: tuple[float, ...]
    threads: int | None = None

    @property
    def median(self) -> float:
        """The middle of the rounds."""
        return float(np.median(self.values))


@dataclass(frozen=True)
class Race:
    """One contender against another on the same work; their rounds took turns.

    Attributes:
        id: a short name, stable.
        work: what both did.
        ours: the cost of this package.
        theirs: the cost of the other.
        relation: "at least": the ratio is theirs over ours, and should be large; "at most": ours over theirs.
        bound: what the ratio should reach; None where nothing was promised.
        unit: "s" for times, "B" for memory.
        note: what a reader must know to judge it.
        censored: whether the other was stopped before it was done, so that its time is a lower bound.
    """

    id: str
    work: str
    ours: Cost
    theirs: Cost
    relation: str = AT_LEAST
    bound: float | None = None
    unit: str = "s"
    note: str = ""
    censored: bool = False

    @property
    def ratios(self) -> np.ndarray:
        """The ratio in every round, or (where the rounds did not pair) of the medians."""
        ours, theirs = np.array(self.ours.values), np.array(self.theirs.values)
        if len(ours) != len(theirs):
            ours, theirs = np.array([self.ours.median]), np.array([self.theirs.median])
        return theirs / ours if self.relation == AT_LEAST else ours / theirs

    @property
    def ratio(self) -> float:
        """The middle of the ratios."""
        return float(np.median(self.ratios))

    @property
    def reached(self) -> bool | None:
        """Whether the ratio is what was promised; None where nothing was."""
        if self.bound is None:
            return None
        return self.ratio >= self.bound if self.relation == AT_LEAST else self.ratio <= self.bound


@dataclass(frozen=True)
class Price:
    """What one piece of work costs, with nobody to race.

    Attributes:
        id: a short name, stable.
        work: what it was.
        values: seconds, round by round.
        note: what a reader must know to judge it.
    """

    id: str
    work: str
    values: tuple[float, ...]
    note: str = ""

    @property
    def median(self) -> float:
        """The middle of the rounds."""
        return float(np.median(self.values))


@dataclass(frozen=True)
class Growth:
    """How a cost grows with one size.

    Attributes:
        id: a short name, stable.
        work: what was timed.
        variable: the letter of the size.
        sizes: where.
        values: the median cost at each.
        expected: the slope that the formula has over these sizes.
        formula: which, as TeX.
    """

    id: str
    work: str
    variable: str
    sizes: tuple[float, ...]
    values: tuple[float, ...]
    expected: float | None = None
    formula: str = ""

    @property
    def slope(self) -> float:
        """Of the logarithm of the cost in the logarithm of the size, by least squares."""
        return slope(self.sizes, self.values)

    @property
    def reached(self) -> bool | None:
        """Whether the slope is the formula's, to 0.15."""
        return None if self.expected is None else abs(self.slope - self.expected) <= 0.15


def slope(sizes: Sequence[float], values: Sequence[float]) -> float:
    """Of the line through the logarithms, by least squares.

    >>> round(slope([1, 2, 4], [3, 12, 48]), 12)
    2.0
    """
    return float(np.polyfit(np.log(sizes), np.log(values), 1)[0])

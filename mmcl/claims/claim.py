"""A claim: a sentence that a run can refute."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy import ndarray as Array

from mmcl.trajectory import Trajectory

Run = Callable[..., Trajectory]
"""What a claim is measured with, the exact flow or training; a test passes a broken one."""
Relation = Literal["equals", "at least", "at most"]


@dataclass(frozen=True)
class Check:
    """One number of a claim, held against its prediction.

    Attributes:
        label: what is compared.
        predicted: the value, or the bound.
        measured: what the run gave.
        tolerance: how far the measured value may lie from the prediction, absolutely; 0 for a bound.
        reason: why this tolerance, or this bound.
        relation: what must hold between measured and predicted.
    """

    label: str
    predicted: float
    measured: float
    tolerance: float
    reason: str
    relation: Relation = "equals"

    @property
    def holds(self) -> bool:
        """Whether the measured value is where the claim says; a NaN is nowhere."""
        gap = self.measured - self.predicted
        if self.relation == "equals":
            return bool(abs(gap) <= self.tolerance)
        return bool(gap >= -self.tolerance if self.relation == "at least" else gap <= self.tolerance)


@dataclass(frozen=True)
class Evidence:
    """What measuring a claim gave: its checks, and the curves that its figure draws.

    Attributes:
        checks: every number that was compared.
        curves: what a figure draws, by name.
        seconds: how long the measurement took.
        ended_in: the error that ended it, in words; "" where it came to its end.
    """

    checks: tuple[Check, ...]
    curves: dict[str, Array] = field(default_factory=dict, repr=False)
    seconds: float = float("nan")
    ended_in: str = ""

    @property
    def holds(self) -> bool:
        """Whether every check holds; a claim without checks has shown nothing."""
        return bool(self.checks) and all(check.holds for check in self.checks)

    def __getitem__(self, label: str) -> Check:
        """The check of that label."""
        for check in self.checks:
            if check.label == label:
                return check
        raise KeyError(f"no check is labelled {label!r}; there are: {'; '.join(c.label for c in self.checks)}")


@dataclass(frozen=True)
class Claim:
    """A statement of the book, with the run that could refute it.

    Attributes:
        id: a short name, stable.
        statement: one sentence, in MyST Markdown.
        source: who says so: "ours", or a citation key with its words.
        chapter: the page that derives and shows it.
        measure: the run; its keyword arguments are the parts that a test replaces by broken ones.
    """

    id: str
    statement: str
    source: str
    chapter: str
    measure: Callable[..., Evidence]


REGISTRY: dict[str, Claim] = {}


def claim(*, id: str, statement: str, source: str, chapter: str) -> Callable[[Callable[..., Evidence]], Claim]:
    """Register the decorated run as the claim's measurement."""

    def register(measure: Callable[..., Evidence]) -> Claim:
        REGISTRY[id] = Claim(id, statement, source, chapter, measure)
        return REGISTRY[id]

    return register


def close(label: str, predicted: float, measured: float, *, rel: float, reason: str) -> Check:
    """A check within a relative tolerance."""
    return Check(label, float(predicted), float(measured), abs(float(predicted)) * rel, reason)


def zero(label: str, error: float, *, tolerance: float, reason: str) -> Check:
    """A check that an error vanishes."""
    return Check(label, 0.0, float(error), tolerance, reason)


def at_least(label: str, bound: float, measured: float, *, reason: str) -> Check:
    """A check from below."""
    return Check(label, float(bound), float(measured), 0.0, reason, "at least")


def at_most(label: str, bound: float, measured: float, *, reason: str) -> Check:
    """A check from above."""
    return Check(label, float(bound), float(measured), 0.0, reason, "at most")


def slope(x: Array, y: Array) -> float:
    """The exponent of a power law: least squares of log y on log x."""
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])


def ended_by(error: Exception) -> Evidence:
    """What a measurement shows that could not be finished: nothing, and why."""
    what = f"{type(error).__name__}: {' '.join(str(error).split())}"
    reason = "what cannot be measured has not been shown"
    return Evidence((Check(f"it can be measured ({what})", 1.0, 0.0, 0.0, reason),), ended_in=what)

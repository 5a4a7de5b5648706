r"""What $\log\tau^2$ does along one smooth stretch of a run.

A course has one number of its own, e: the parameter that learns, or the time of a schedule. It gives $\log\tau^2$ as a
function of e, and the velocity of e as a function of e and of the total force Λ, each with its slopes. Of
several states e and Λ are arrays, and so is what is returned.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np


class Course(Protocol):
    """What the flow needs of a temperature."""

    def start(self, time: float) -> float:
        """e where the stretch begins, at `time`."""
        ...

    def log_tau2(self, e: float) -> tuple[float, float]:
        r"""$\log\tau^2$, and its slope in e."""
        ...

    def velocity(self, e: float, total: float) -> tuple[float, float, float]:
        """ė, and its slopes in e and in Λ."""
        ...


class Stretch(NamedTuple):
    """A course, the time at which it ends, and the e at which it ends if that comes first."""

    until: float
    course: Course
    ceiling: float = math.inf


@dataclass(frozen=True)
class Held:
    """τ² stays."""

    log: float

    def start(self, time: float) -> float:
        """Nothing moves."""
        return 0.0

    def log_tau2(self, e: float) -> tuple[float, float]:
        """The constant."""
        return self.log, 0.0

    def velocity(self, e: float, total: float) -> tuple[float, float, float]:
        """None."""
        return 0.0, 0.0, 0.0


@dataclass(frozen=True)
class Ramp:
    """Between two values of log τ², along a line or half a cosine of time; e is the time."""

    first: float
    last: float
    duration: float
    cosine: bool

    def start(self, time: float) -> float:
        """The time itself."""
        return time

    def log_tau2(self, e: float) -> tuple[float, float]:
        """The value at time e."""
        share, slope = e / self.duration, 1 / self.duration
        if self.cosine:
            angle = np.pi * share
            share, slope = (1 - np.cos(angle)) / 2, np.pi * np.sin(angle) / 2 * slope
        gap = self.last - self.first
        return self.first + gap * share, gap * slope

    def velocity(self, e: float, total: float) -> tuple[float, float, float]:
        """Time passes."""
        return 1.0, 0.0, 0.0


@dataclass(frozen=True)
class Learned:
    r"""Gradient flow of $e=\log\tau^2$: ė = ρΛ, or ρΛ/τ⁴ where τ² itself is the parameter."""

    first: float
    rate: float
    logarithmic: bool

    def start(self, time: float) -> float:
        """The logarithm at the start."""
        return self.first

    def log_tau2(self, e: float) -> tuple[float, float]:
        """e itself."""
        return e, 1.0

    def velocity(self, e: float, total: float) -> tuple[float, float, float]:
        """What ∂L/∂log τ² = -Λ asks for."""
        if self.logarithmic:
            return self.rate * total, 0.0, self.rate
        factor = self.rate * np.exp(-2 * e)
        return factor * total, -2 * factor * total, factor

r"""How the inverse temperature τ² changes during a run: learned with the weights, or on a schedule.

Every run starts at the τ² of its objective. A temperature that is learned follows the gradient of the loss, as the
weights do; a schedule is a function of gradient-flow time. Without either τ² stays what it is.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from mmcl import checks
from mmcl.course import Course, Held, Learned, Ramp, Stretch

#: Where CLIP's learned temperature starts, and the cap that it is kept under (Radford et al., 2021).
CLIP_START, CLIP_CAP = 1 / 0.07, 100.0
ROUND_OFF = 1e-12  # of a time that is a sum of steps


@dataclass(frozen=True)
class LearnedTemperature:
    r"""τ² follows its own gradient flow.

    .. math:: \frac{d\log\tau^2}{dt}=-\rho\,\frac{\partial L}{\partial\log\tau^2}
              \qquad\text{or}\qquad\frac{d\tau^2}{dt}=-\rho\,\frac{\partial L}{\partial\tau^2}

    At infinite width the first is $\rho\Lambda$: the temperature spends the total force of the coordinates.

    Source: Radford et al. (2021) learn the logarithm, from 1/0.07, and cap τ² at 100; the flow is ours.

    Args:
        rate: ρ, how fast τ² learns beside the weights.
        cap: the largest τ² allowed; None: any.
        logarithmic: whether $\log\tau^2$ is the parameter that descends, or τ² itself.

    Raises:
        TypeError, ValueError: unless ρ and the cap are positive and finite.
    """

    rate: float = 1.0
    cap: float | None = None
    logarithmic: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "rate", checks.positive(self.rate, "`rate` (ρ)"))
        object.__setattr__(self, "logarithmic", checks.flag(self.logarithmic, "`logarithmic`"))
        if self.cap is not None:
            object.__setattr__(self, "cap", checks.positive(self.cap, "`cap` (τ²)"))

    def stretches(self, start: float) -> Iterator[Stretch]:
        """Learning from τ² = `start` on, and rest at the cap: Λ is never negative, so τ² does not come down again."""
        if self.cap is not None and start > self.cap:
            raise ValueError(
                f"`cap` (τ²) must be at least the τ² that the run starts from, {start:g}; got {self.cap:g}."
            )
        learned = Learned(math.log(start), self.rate, self.logarithmic)
        if self.cap is None:
            yield Stretch(math.inf, learned)
        else:
            yield Stretch(math.inf, learned, ceiling=math.log(self.cap))
            yield Stretch(math.inf, Held(math.log(self.cap)))


@dataclass(frozen=True)
class StagewiseTemperature:
    """τ² jumps at given times: small first, for alignment, then large, for balance.

    Source: the stages of Ren & Li (2023), who raise τ² when the first stage is over.

    Args:
        times: when τ² changes, increasing.
        values: what it becomes at each of them.

    Raises:
        TypeError, ValueError: unless there are as many values as times, all positive and the times increasing.
    """

    times: tuple[float, ...]
    values: tuple[float, ...]

    def __post_init__(self) -> None:
        times = checks.times(self.times, "`times` (t)")
        checks.positive(times[0], "the first of `times` (t)")
        values = checks.scales(self.values, "`values` (τ²)", zero_allowed=False)
        if len(values) != len(times):
            raise ValueError(f"`values` (τ²) must be as many as `times`, {len(times)}; got {len(values)}.")
        object.__setattr__(self, "times", tuple(map(float, times)))
        object.__setattr__(self, "values", values)

    def stretches(self, start: float) -> Iterator[Stretch]:
        """One stretch for each value."""
        for until, value in zip((*self.times, math.inf), (start, *self.values), strict=True):
            yield Stretch(until, Held(math.log(value)))


@dataclass(frozen=True)
class AnnealedTemperature:
    r"""$\log\tau^2$ goes to that of `end` within `duration` and stays there.

    Source: the linear and the cosine schedules of common practice.

    Args:
        end: the τ² to go to.
        duration: how long it takes, in gradient-flow time.
        cosine: along half a cosine, which starts and ends gently, instead of a line.

    Raises:
        TypeError, ValueError: unless both numbers are positive and finite.
    """

    end: float
    duration: float
    cosine: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "end", checks.positive(self.end, "`end` (τ²)"))
        object.__setattr__(self, "duration", checks.positive(self.duration, "`duration` (t)"))
        object.__setattr__(self, "cosine", checks.flag(self.cosine, "`cosine`"))

    def stretches(self, start: float) -> Iterator[Stretch]:
        """The way, and the rest."""
        yield Stretch(self.duration, Ramp(math.log(start), math.log(self.end), self.duration, self.cosine))
        yield Stretch(math.inf, Held(math.log(self.end)))


Schedule = StagewiseTemperature | AnnealedTemperature
Temperature = LearnedTemperature | Schedule


def scheduled(schedule: Schedule, start: float, time: float) -> float:
    """τ² at a time of a run that began at τ² = `start`; three steps of 0.3 are 0.9, whatever their sum in floats."""
    course: Course = next(s.course for s in schedule.stretches(start) if time * (1 + ROUND_OFF) < s.until)
    return math.exp(course.log_tau2(time)[0])

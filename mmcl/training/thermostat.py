"""The temperature of a training run: held, scheduled, or learned with the weights."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from mmcl.objectives import Objective, PositiveOnly
from mmcl.temperature import LearnedTemperature, Temperature, scheduled


class Thermostat:
    """Keeps τ² during a run.

    Attributes:
        value: τ² now; NaN for an objective without one.
    """

    def __init__(self, objective: Objective, temperature: Temperature | None, earlier: float | None) -> None:
        """A run of `objective`; `earlier` is the τ² that the run which it continues ended with."""
        self.objective, self.temperature = objective, temperature
        self.start = getattr(objective, "inverse_temperature", math.nan)
        self.value = self.start
        if temperature is not None:
            if isinstance(objective, PositiveOnly):
                raise TypeError("`temperature` must be left out for PositiveOnly, which has none to move.")
            if isinstance(temperature, LearnedTemperature) and earlier is not None and earlier > 0:
                self.value = earlier
            list(temperature.stretches(self.value))  # says so if they do not fit

    def set(self, time: float) -> Objective:
        """The objective for a step at `time`."""
        if self.temperature is None:
            return self.objective
        if not isinstance(self.temperature, LearnedTemperature):
            self.value = scheduled(self.temperature, self.start, time)
        return replace(self.objective, inverse_temperature=self.value)  # type: ignore[arg-type]

    def step(self, size: float, slope: float) -> None:
        r"""A step of descent of a learned temperature, where ``slope`` is $\partial L/\partial\log\tau^2$."""
        learned = self.temperature
        if not isinstance(learned, LearnedTemperature):
            return
        if learned.logarithmic:
            value = self.value * float(np.exp(-size * learned.rate * slope))
        else:
            value = self.value - size * learned.rate * slope / self.value
        self.value = value if learned.cap is None else min(value, learned.cap)

    @property
    def sound(self) -> bool:
        """Whether τ² is still a temperature."""
        return self.temperature is None or 0 < self.value < math.inf

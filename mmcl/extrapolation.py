r"""A stiff-safe integrator of any order: linearly implicit Euler steps, extrapolated to step size zero.

One basic step of size h solves $(I-hJ)\,\Delta=h\,F(y)$, so modes that decay fast are damped, not followed. Running
a basic step 1, 2, 3, ... times per stretch H and extrapolating the results to $h\to0$ (Aitken-Neville) raises the
order by one a row; step size and number of rows follow from the error and from the work per unit of time.

Source: Deuflhard (1985); Hairer & Wanner (1996), section IV.9. The system brings its own linear algebra, so a Jacobian
that is diagonal plus low rank costs no more than the right-hand side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

import numpy as np
from jaxtyping import Float
from numpy import ndarray as Array

State = Float[Array, " n"]
Solve = Callable[[State], State]

ROWS = 12  # at most; round-off in the extrapolation table grows with more
SAFETY = 0.9
GROWTH = (0.05, 8.0)  # smallest and largest change of the step size at once


class System(Protocol):
    r"""An autonomous system $\dot y=F(y)$ that can solve with $I-hJ$."""

    def velocity(self, y: State) -> State:
        """$F(y)$."""
        ...

    def linearised(self, y: State) -> Callable[[float], Solve]:
        r"""h ↦ (b ↦ $(I-hJ)^{-1}b$) with $J=\partial F/\partial y$ at y."""
        ...

    def coasting(self, y: State) -> State | None:
        """A velocity that stays what it is from y on, or None."""
        ...

    def tolerance(self, y: State) -> State:
        """The error that a component may have, as a multiple of the requested tolerance."""
        ...


def integrate(system: System, start: State, times: Float[Array, " T"], tolerance: float) -> Iterator[State]:
    """The states at `times` (increasing, from 0), one after another.

    Args:
        system: the right-hand side and its linear algebra.
        start: y at time 0.
        times: where the solution is wanted; every one is stepped on exactly.
        tolerance: local error allowed per step, in units of `system.tolerance`.

    Raises:
        ArithmeticError: if the start has no finite velocity or the step size underflows, naming the time.
    """
    now, y, stretch = 0.0, start, _first_stretch(system, start, tolerance)
    for target in times:
        while now < target:
            remaining = target - now
            with _quiet():
                constant = system.coasting(y)
            if constant is not None:
                y, now = y + remaining * constant, target
                break
            # A remainder just above the stretch is split evenly, not into a step and a sliver.
            size = remaining if remaining <= stretch else min(stretch, remaining / 2)
            with _quiet():  # too bold a step is refused below
                new, proposed, accepted = _step(system, y, size, tolerance)
            if accepted:
                y, now = new, (target if size == remaining else now + size)
                # A stretch cut short by an output time says little about the next one.
                stretch = max(proposed, stretch) if size < stretch else proposed
            else:
                stretch = proposed
                if not now + stretch > now:
                    raise ArithmeticError(f"The flow could not be followed beyond t = {now:g}: the step size vanished.")
        yield y


def _quiet() -> np.errstate:
    """No warnings: what leaves the floats is seen in the result, and refused."""
    return np.errstate(over="ignore", invalid="ignore", divide="ignore")


def _first_stretch(system: System, y: State, tolerance: float) -> float:
    with _quiet():
        speed = float(np.max(np.abs(system.velocity(y)) / system.tolerance(y)))
    if not np.isfinite(speed):
        raise ArithmeticError("The flow could not be followed beyond t = 0: its velocity there leaves the floats.")
    return 1e-2 / speed if speed > 0 else 1.0


def _step(system: System, y: State, size: float, tolerance: float) -> tuple[State, float, bool]:
    """One extrapolated step: the new state, the proposed next size, and whether the error was small enough."""
    allowed = tolerance * system.tolerance(y)
    linearised = system.linearised(y)
    table: list[State] = []
    work, best = 0, (np.inf, size * GROWTH[0])
    previous = np.inf
    for row in range(1, ROWS + 1):
        work += row + 1  # substeps, and one factorisation
        entry = _substeps(system, linearised(size / row), y, size / row, row)
        diagonal = [entry]
        for column, older in enumerate(table, start=1):
            diagonal.append(diagonal[-1] + (diagonal[-1] - older) / (row / (row - column) - 1))
        table = diagonal
        if row == 1:
            continue
        error = float(np.max(np.abs(table[-1] - table[-2]) / allowed))
        if not np.isfinite(error) or (row > 2 and error > 2 * max(previous, 1.0)):
            break  # the expansion does not converge at this size
        factor = np.clip(SAFETY * (0.65 / max(error, 1e-300)) ** (1 / row), *GROWTH)
        candidate = (work / (size * factor), size * factor)
        rising, best = candidate <= best, min(best, candidate)
        if error <= 1:
            # The last row was the cheapest so far: try a size that would need one more.
            bolder = (work + row + 2) / work if rising and row < ROWS else 1.0
            return table[-1], best[1] * bolder, True
        previous = error
    return y, min(best[1], size / 2), False


def _substeps(system: System, solve: Solve, y: State, h: float, count: int) -> State:
    for _ in range(count):
        y = y + solve(h * system.velocity(y))
    return y

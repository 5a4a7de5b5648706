r"""A stiff-safe integrator of any order: linearly implicit Euler steps, extrapolated to step size zero.

One basic step of size h solves $(I-hJ)\,\Delta=h\,F(y)$, so modes that decay fast are damped, not followed. Running
a basic step 1, 2, 3, ... times per stretch H and extrapolating the results to $h\to0$ (Aitken-Neville) raises the
order by one a row; step size and number of rows follow from the error and from the work per unit of time.

Source: Deuflhard (1985); Hairer & Wanner (1996), section IV.9. The system brings its own linear algebra, so a Jacobian
that is diagonal plus low rank costs no more than the right-hand side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from math import comb, factorial, prod
from typing import NamedTuple, Protocol

import numpy as np
from jaxtyping import Float
from numpy import ndarray as Array

State = Float[Array, " n"]
Solve = Callable[[State], State]

ROWS = 12  # at most; round-off in the extrapolation table grows with more
SAFETY = 0.9
LENIENT = 10.0  # the error that the shorter of two polynomials may have inside a step, in units of a step's
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


def integrate(
    system: System,
    start: State,
    times: Float[Array, " T"],
    tolerance: float,
    watch: Callable[[State], None] | None = None,
) -> Iterator[State]:
    """The states at `times` (increasing, from 0), one after another.

    Steps are as long as the accuracy allows, whatever the times: those inside a step are read off its polynomial.

    Args:
        system: the right-hand side and its linear algebra.
        start: y at time 0.
        times: where the solution is wanted; the last one is stepped on exactly, and never beyond.
        tolerance: local error allowed per step, in units of `system.tolerance`.
        watch: told the end of every step; what it raises ends the run.

    Raises:
        ArithmeticError: if the start has no finite velocity or the step size underflows, naming the time.
    """
    now, y, stretch, given = 0.0, start, _first_stretch(system, start, tolerance), 0
    while given < len(times):
        if times[given] <= now:
            given += 1
            yield y
            continue
        with _quiet():
            constant = system.coasting(y)
        if constant is not None:
            yield from (y + (time - now) * constant for time in times[given:])
            return
        remaining = times[-1] - now
        # A remainder just above the stretch is split evenly, not into a step and a sliver.
        size = remaining if remaining <= stretch else min(stretch, remaining / 2)
        with _quiet():  # too bold a step is refused below
            step = _step(system, y, size, tolerance)
        if not step.accepted:
            stretch = step.proposed
            if not now + stretch > now:
                raise ArithmeticError(f"The flow could not be followed beyond t = {now:g}: the step size vanished.")
            continue
        if watch is not None:
            watch(step.end)
        end = times[-1] if size == remaining else now + size
        for time in times[given : np.searchsorted(times, end)]:
            given += 1
            yield _between(system, y, step, (time - now) / size, tolerance)
        # A stretch cut short by the last time says little about the next one.
        stretch = max(step.proposed, stretch) if size < stretch else step.proposed
        now, y = end, step.end


def _quiet() -> np.errstate:
    """No warnings: what leaves the floats is seen in the result, and refused."""
    return np.errstate(over="ignore", invalid="ignore", divide="ignore")


def _first_stretch(system: System, y: State, tolerance: float) -> float:
    with _quiet():
        speed = float(np.max(np.abs(system.velocity(y)) / system.tolerance(y)))
    if not np.isfinite(speed):
        raise ArithmeticError("The flow could not be followed beyond t = 0: its velocity there leaves the floats.")
    return 1e-2 / speed if speed > 0 else 1.0


class Step(NamedTuple):
    """An extrapolated step."""

    size: float
    end: State
    values: Float[Array, "points n"]  # state and slope at the start, then the states along every row of the table
    rows: int
    proposed: float  # size of the next step
    accepted: bool


def _step(system: System, y: State, size: float, tolerance: float) -> Step:
    """One extrapolated step, and whether its error was small enough."""
    allowed = tolerance * system.tolerance(y)
    linearised, velocity = system.linearised(y), system.velocity(y)
    table: list[State] = []
    values = [y, size * velocity]
    work, best = 0, (np.inf, size * GROWTH[0])
    previous = np.inf
    for row in range(1, ROWS + 1):
        work += row + 1  # substeps, and one factorisation
        values += _substeps(system, linearised(size / row), y, velocity, size / row, row)
        diagonal = [values[-1]]
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
            return Step(size, table[-1], np.array(values), row, best[1] * bolder, True)
        previous = error
    return Step(size, y, np.array(values), row, min(best[1], size / 2), False)


def _substeps(system: System, solve: Solve, y: State, velocity: State, h: float, count: int) -> list[State]:
    """So many basic steps of size h from y on, where the velocity is known."""
    states = [y + solve(h * velocity)]
    while len(states) < count:
        y = states[-1]
        states.append(y + solve(h * system.velocity(y)))
    return states


def _between(system: System, start: State, step: Step, place: float, tolerance: float) -> State:
    """The state at a fraction of an accepted step; where its polynomial is not exact enough, by a step of its own."""
    points = 2 + step.rows * (step.rows - 1) // 2
    full = (place - 1) ** np.arange(step.rows + 3) @ _polynomial(step.rows) @ step.values
    short = (place - 1) ** np.arange(step.rows + 2) @ _polynomial(step.rows - 1) @ step.values[:points]
    # The difference is the error of the shorter one, well above that of the other; and nothing is built on it.
    if np.max(np.abs(full - short) / system.tolerance(start)) <= LENIENT * tolerance:
        return full
    with _quiet():
        shorter = _step(system, start, place * step.size, tolerance)
    return shorter.end if shorter.accepted else next(integrate(system, start, np.array([shorter.size]), tolerance))


@cache
def _polynomial(rows: int) -> Float[Array, "rows+2 points"]:
    r"""From the states along the table to the coefficients of $y(\theta)$ in powers of $\theta-1$.

    The derivatives at the end of the step are backward differences of the states along a row, extrapolated over the
    rows to $h\to0$ like the end itself; two more powers make value and slope right at the start. Source: Hairer &
    Ostermann (1990).
    """
    first = [2 + row * (row - 1) // 2 for row in range(rows + 1)]  # place of each row's first state
    coefficients = np.zeros((rows + 3, 2 + rows * (rows + 1) // 2))
    for order in range(rows + 1):
        used = range(max(order, 1), rows + 1)
        for row in used:
            weight = prod(row / (row - other) for other in used if other != row) * row**order / factorial(order)
            for back in range(order + 1):
                place = first[row] + row - 1 - back if back < row else 0
                coefficients[order, place] += weight * (-1) ** back * comb(order, back)
    # The last two powers give the value and the slope at the start, where the variable is -1.
    powers = np.arange(rows + 3)
    at_start = np.array([(-1.0) ** powers, powers * (-1.0) ** (powers - 1)])
    wanted = np.eye(2, coefficients.shape[1])
    coefficients[-2:] = np.linalg.solve(at_start[:, -2:], wanted - at_start[:, :-2] @ coefficients[:-2])
    return coefficients

r"""A stiff-safe integrator of any order: linearly implicit Euler steps, extrapolated to step size zero.

One basic step of size h solves $(I-hJ)\,\Delta=h\,F(y)$, so modes that decay fast are damped, not followed. Running
a basic step 1, 2, 3, ... times per stretch H and extrapolating the results to $h\to0$ (Aitken-Neville) raises the
order by one a row; step size and number of rows follow from the error and from the work per unit of time. The rows of
a small system are worked out side by side, for then a call costs more than what it works out.

Source: Deuflhard (1985); Hairer & Wanner (1996), section IV.9. The system brings its own linear algebra, so a Jacobian
that is diagonal plus low rank costs no more than the right-hand side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from math import comb, factorial, prod
from typing import NamedTuple, Protocol

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray as Array

State = Float[Array, " n"]
States = Float[Array, "k n"]
Solve = Callable[[States], States]

ROWS = 12  # at most; round-off in the extrapolation table grows with more
SAFETY = 0.9
LENIENT = 5.0  # the error that the shorter of two polynomials may have inside a step, in units of a step's
GROWTH = (0.05, 8.0)  # smallest and largest change of the step size at once
SMALL = 4096  # numbers of a state; the rows of larger ones, side by side, would leave the cache
SET_UP = 4  # what a step costs before its first substep, in units of a substep of all rows


class System(Protocol):
    r"""An autonomous system $\dot y=F(y)$ that can solve with $I-hJ$."""

    def velocity(self, y: Float[Array, "*k n"]) -> Float[Array, "*k n"]:
        """$F(y)$, of one state or of several."""
        ...

    def linearised(self, y: State) -> Callable[[Float[Array, " rows"]], Solve]:
        r"""h ↦ (b ↦ $(I-hJ)^{-1}b$) with $J=\partial F/\partial y$ at y, for several h; b has the last of them."""
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
    first: float | None = None,
) -> Iterator[State]:
    """The states at `times` (increasing, from 0), one after another.

    Steps are as long as the accuracy allows, whatever the times: those inside a step are read off its polynomial.

    Args:
        system: the right-hand side and its linear algebra.
        start: y at time 0.
        times: where the solution is wanted; the last one is stepped on exactly, and never beyond.
        tolerance: local error allowed per step, in units of `system.tolerance`.
        watch: told the end of every step; what it raises ends the run.
        first: the size of the step to begin with; None: a small one.

    Raises:
        ArithmeticError: if the start has no finite velocity or the step size underflows, naming the time.
    """
    now, y, given, rows = 0.0, start, 0, 4
    stretch = _first_stretch(system, start, tolerance) if first is None else first
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
            try:
                step = _step(system, y, size, tolerance, rows)
            except np.linalg.LinAlgError:
                step = Step(size, y, y[None], 1, size / 4, rows, False)
        rows = step.aimed
        if not step.accepted:
            stretch = step.proposed
            if not now + stretch > now:
                raise ArithmeticError(f"The flow could not be followed beyond t = {now:g}: the step size vanished.")
            continue
        if watch is not None:
            watch(step.end)
        end = times[-1] if size == remaining else now + size
        inside = times[given : np.searchsorted(times, end)]
        if len(inside):
            given += len(inside)
            yield from _inside(system, y, step, (inside - now) / size, tolerance)
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
    aimed: int  # its rows, as far as can be told
    accepted: bool


def _step(system: System, y: State, size: float, tolerance: float, expected: int) -> Step:
    """One extrapolated step, and whether its error was small enough."""
    allowed, velocity = tolerance * system.tolerance(y), system.velocity(y)
    table: list[State] = []
    values = [y, size * velocity]
    best = (np.inf, size * GROWTH[0], 2)
    previous, before = np.inf, np.inf
    for row, states in enumerate(_rows(system, y, velocity, size, expected), start=1):
        values += states
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
        work = _work(row, y)
        candidate = (work / (size * factor), size * factor, row)
        rising, best = candidate <= best, min(best, candidate)
        if error <= 1:
            # The last row was the cheapest so far: try a size that would need one more, as far beyond its own as that
            # is beyond the one before, or as substeps one after the other would pay for. Less might not need it.
            bolder = rising and row < ROWS
            beyond = max(_substeps_up_to(row + 1) / _substeps_up_to(row), size * factor / before)
            proposed = best[1] * (beyond if bolder else 1.0)
            return Step(size, table[-1], np.array(values), row, proposed, best[2] + bolder, True)
        previous, before = error, size * factor
    return Step(size, y, np.array(values), row, min(best[1], size / 2), row, False)


def _work(rows: int, y: State) -> float:
    """Of a step of so many rows."""
    return SET_UP + rows if len(y) <= SMALL else _substeps_up_to(rows)


def _substeps_up_to(rows: int) -> float:
    """Those of so many rows, one after the other, and one factorisation a row."""
    return rows * (rows + 3) / 2


def _rows(system: System, y: State, velocity: State, size: float, expected: int) -> Iterator[list[State]]:
    """The states along one row of the table after the other; those expected side by side, if the system is small."""
    linearised, row = system.linearised(y), 0
    while row < ROWS:
        last = max(row + 1, expected) if len(y) <= SMALL else row + 1
        yield from _substeps(system, linearised, y, velocity, size, np.arange(row + 1, last + 1))
        row = last


def _substeps(
    system: System,
    linearised: Callable[[Float[Array, " rows"]], Solve],
    y: State,
    velocity: State,
    size: float,
    counts: Int[Array, " rows"],
) -> list[list[State]]:
    """Rows of so many basic steps from y on, where the velocity is known."""
    h = size / counts
    solve, h = linearised(h), h[:, None]
    moving = y + solve(h * velocity)
    rows = [[one] for one in moving]
    for done in range(1, counts[-1]):
        still = int(np.sum(counts > done))
        moving = moving[-still:]
        moving = moving + solve(h[-still:] * system.velocity(moving))
        for own, one in zip(rows[-still:], moving, strict=True):
            own.append(one)
    return rows


def _inside(system: System, start: State, step: Step, places: Float[Array, " k"], tolerance: float) -> Iterator[State]:
    """The states at fractions of an accepted step; where its polynomial is not exact enough, by shorter steps."""
    points = 2 + step.rows * (step.rows - 1) // 2
    full = _polynomial(step.rows) @ step.values
    short = _polynomial(step.rows - 1) @ step.values[:points]
    allowed = LENIENT * tolerance * system.tolerance(start)
    found: list[State | None] = []
    for place in places:
        powers = (place - 1) ** np.arange(step.rows + 3)
        state = powers @ full
        # The difference is the error of the shorter one, above that of the other but for round-off, which long stiff
        # steps magnify in both; and nothing is built on it.
        found.append(state if (np.abs(state - powers[:-1] @ short) <= allowed).all() else None)
    missing = [place for place, state in zip(places, found, strict=True) if state is None]
    shorter = integrate(system, start, step.size * np.array(missing), tolerance, first=step.size / 2)
    for state in found:
        yield next(shorter) if state is None else state


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

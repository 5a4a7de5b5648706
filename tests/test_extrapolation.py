"""The stiff-safe integrator, on systems whose solution is known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

import mmcl.extrapolation
from mmcl.extrapolation import _polynomial, _step, integrate


@dataclass
class Linear:
    """y' = A (y - limit)."""

    matrix: np.ndarray
    limit: np.ndarray
    calls: int = 0

    def velocity(self, y):
        self.calls += y.size // len(self.limit)
        return (y - self.limit) @ self.matrix.T

    def linearised(self, y):
        def factorised(h):
            inverse = np.linalg.inv(np.eye(len(y)) - h[:, None, None] * self.matrix)
            return lambda b: np.einsum("kij,kj->ki", inverse[-len(b) :], b)

        return factorised

    def coasting(self, y):
        return None

    def tolerance(self, y):
        return np.ones_like(y)


class Logistic:
    """y' = y (1 - y), from 1/1000."""

    start = np.array([1e-3])

    def velocity(self, y):
        return y * (1 - y)

    def linearised(self, y):
        return lambda h: lambda b: b / (1 - h[-len(b) :, None] * (1 - 2 * y))

    def coasting(self, y):
        return None

    def tolerance(self, y):
        return np.ones_like(y)

    @staticmethod
    def solution(t):
        return 1 / (1 + 999 * np.exp(-t))


def _decay(rates) -> Linear:
    return Linear(-np.diag(np.array(rates, dtype=float)), np.zeros(len(rates)))


def test_a_decay_is_followed_to_its_tolerance():
    times = np.linspace(0, 5, 11)
    for tolerance in (1e-4, 1e-6, 1e-8, 1e-10):
        states = np.array(list(integrate(_decay([1.0]), np.ones(1), times, tolerance)))
        assert np.abs(states[:, 0] - np.exp(-times)).max() < 10 * tolerance  # a few steps of at most one tolerance each


def test_a_nonlinear_system_is_followed_to_its_tolerance():
    times = np.array([0.0, 1.0, 7.0, 30.0])
    for tolerance in (1e-5, 1e-8, 1e-11):
        states = np.array(list(integrate(Logistic(), Logistic.start, times, tolerance)))[:, 0]
        # Early errors grow with the solution, by up to 1/y(0) = 1000 in this system.
        assert np.abs(states - Logistic.solution(times)).max() < 1000 * tolerance


def test_the_order_adapts_so_that_accuracy_costs_little():
    cost = {}
    for tolerance in (1e-4, 1e-10):
        system = _decay([1.0])
        list(integrate(system, np.ones(1), np.array([5.0]), tolerance))
        cost[tolerance] = system.calls
    # A method of fixed order two would need a thousand times the work for a millionth of the error.
    assert cost[1e-10] < 12 * cost[1e-4]


def test_stiff_modes_are_damped_and_not_followed():
    system = Linear(np.array([[-1e6, 1e6], [0.0, -1.0]]), np.array([2.0, 2.0]))
    times = np.array([0.0, 1.0, 10.0, 1e4])
    states = np.array(list(integrate(system, np.zeros(2), times, 1e-9)))
    slow = 2 - 2 * np.exp(-times)
    fast = 2 - (2 / (1 - 1e-6)) * np.exp(-times) + (2 / (1 - 1e-6) - 2) * np.exp(-1e6 * times)
    np.testing.assert_allclose(states, np.column_stack([fast, slow]), atol=1e-7)
    assert system.calls < 20_000  # an explicit method needs 1e10


def test_every_output_is_stepped_on_exactly_and_asks_nothing_of_the_others():
    few = list(integrate(Logistic(), Logistic.start, np.array([10.0]), 1e-9))[-1]
    many = list(integrate(Logistic(), Logistic.start, np.linspace(0, 10, 173), 1e-9))[-1]
    np.testing.assert_allclose(few, many, atol=1e-6)
    np.testing.assert_allclose(many, Logistic.solution(10.0), atol=1e-6)


def test_the_start_is_given_back_untouched_at_time_zero():
    (state,) = integrate(Logistic(), Logistic.start, np.array([0.0]), 1e-9)
    np.testing.assert_array_equal(state, Logistic.start)


def test_a_system_at_rest_stays_there():
    system = Linear(-np.eye(2), np.array([1.0, -2.0]))
    for state in integrate(system, np.array([1.0, -2.0]), np.array([0.0, 1.0, 1e9]), 1e-9):
        np.testing.assert_array_equal(state, [1.0, -2.0])


# Every accepted step starts before the wall; the last one may end beyond it.
SENTENCE = r"^The flow could not be followed beyond t = 1\.\d+: the step size vanished\.$"


class Wall(Linear):
    """y' = 1 up to y = 1, and nothing beyond."""

    def velocity(self, y):
        return np.where(y <= 1, 1.0, np.nan)


def test_a_solution_that_ends_is_reported_with_its_time():
    with pytest.raises(ArithmeticError, match=SENTENCE):
        list(integrate(Wall(np.zeros((1, 1)), np.zeros(1)), np.zeros(1), np.array([0.5, 2.0]), 1e-9))


@pytest.mark.parametrize("tolerance", [1e-5, 1e-8, 1e-11])
def test_between_its_steps_the_solution_is_as_exact(tolerance):
    rates = np.array([1e-3, 1.0, 1e4])  # slow, of order one, stiff
    times = np.concatenate([[0.0], np.geomspace(1e-6, 20, 300)])
    read_off = np.array(list(integrate(_decay(rates), np.ones(3), times, tolerance)))[1::15]
    stepped_on = np.array([next(integrate(_decay(rates), np.ones(3), np.array([t]), tolerance)) for t in times[1::15]])
    assert np.abs(read_off - stepped_on).max() < 20 * tolerance
    assert np.abs(read_off - np.exp(-np.outer(times[1::15], rates))).max() < 100 * tolerance


def test_many_output_times_cost_few_more_steps():
    cost = {}
    for count in (2, 400):
        system = _decay([1.0, 0.3])
        list(integrate(system, np.ones(2), np.linspace(0, 10, count), 1e-9))
        cost[count] = system.calls
    assert cost[400] < 3 * cost[2]


@pytest.mark.parametrize("expected", [1, 3, 12])
def test_a_table_does_not_depend_on_which_of_its_rows_are_side_by_side(expected, monkeypatch):
    wanted = _step(Logistic(), Logistic.start, 0.5, 1e-9, expected)
    monkeypatch.setattr(mmcl.extrapolation, "SMALL", 0)  # one row after the other
    due = _step(Logistic(), Logistic.start, 0.5, 1e-9, expected)
    assert due.accepted and wanted.rows == due.rows > 3
    np.testing.assert_allclose(wanted.values, due.values, rtol=1e-14)
    np.testing.assert_allclose(wanted.end, due.end, rtol=1e-14)


def test_what_a_polynomial_cannot_tell_is_found_by_shorter_steps(monkeypatch):
    """Each at most half as long as the one before, so that a demand thousands of times as high costs little more."""
    times, calls, states = np.linspace(0, 5, 40), [], []
    for lenient in (1e300, 1e-3):
        monkeypatch.setattr(mmcl.extrapolation, "LENIENT", lenient)
        system = _decay([1.0])
        states.append(np.array(list(integrate(system, np.ones(1), times, 1e-9)))[:, 0])
        calls.append(system.calls)
    rough, exact = (np.abs(found - np.exp(-times)).max() for found in states)
    assert exact < 1e-9 < rough
    assert calls[0] < calls[1] < 10 * calls[0], calls


def test_the_end_of_the_record_is_stepped_on_exactly_and_never_passed():
    class Edge(Linear):
        """Does not exist from y = 2 on."""

        def velocity(self, y):
            return np.where(y < 2, 1.0, np.nan)

    system = Edge(np.zeros((1, 1)), np.zeros(1))
    *_, last = integrate(system, np.zeros(1), np.array([0.5, 1.0, 1.9]), 1e-8)
    assert last[0] == pytest.approx(1.9, rel=1e-14)


@pytest.mark.parametrize("rows", [2, 5, 9])
def test_the_polynomial_of_a_step_meets_its_ends_and_the_slope_at_the_start(rows):
    rng = np.random.default_rng(rows)
    values = rng.standard_normal(2 + rows * (rows + 1) // 2)
    powers = np.arange(rows + 3)
    coefficients = _polynomial(rows) @ values
    start, slope = ((-1.0) ** powers) @ coefficients, (powers * (-1.0) ** (powers - 1.0)) @ coefficients
    assert start == pytest.approx(values[0], abs=1e-7 * np.abs(coefficients).max())
    assert slope == pytest.approx(values[1], abs=1e-7 * np.abs(coefficients).max())
    # Its end is the table's: the last states of the rows, extrapolated to step size zero by Lagrange's formula.
    last = [values[1 + row * (row + 1) // 2] for row in range(1, rows + 1)]
    weights = [np.prod([j / (j - i) for i in range(1, rows + 1) if i != j]) for j in range(1, rows + 1)]
    assert coefficients[0] == pytest.approx(np.dot(weights, last), rel=1e-9)


def test_a_slow_solution_is_not_followed_in_steps_of_two_rows():
    """Two rows suffice for a step that is hardly longer than the one before: for ever, if no longer one is tried."""
    system = _decay([1e-3])
    list(integrate(system, np.ones(1), np.array([1e3]), 1e-5))
    assert system.calls < 200


def test_a_step_whose_linear_algebra_fails_is_refused():
    class Singular(Linear):
        """Whose matrix cannot be inverted at steps above one half."""

        def linearised(self, y):
            factorised = super().linearised(y)

            def guarded(h):
                if h.max() > 0.5:
                    raise np.linalg.LinAlgError("Singular matrix")
                return factorised(h)

            return guarded

    system = Singular(-np.eye(1), np.zeros(1))
    (state,) = integrate(system, np.ones(1), np.array([5.0]), 1e-9)
    assert state[0] == pytest.approx(np.exp(-5.0), abs=1e-8)

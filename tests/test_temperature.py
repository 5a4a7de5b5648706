"""A temperature that moves: learned with the weights or on a schedule, in the flow and in training."""

from __future__ import annotations

import re
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from mmcl import InBatchInfoNCE, InfoNCE, PositiveOnly, gradient_flow, train
from mmcl.course import Learned
from mmcl.flow_system import FlowSystem
from mmcl.real_pairs import glyphs
from mmcl.temperature import AnnealedTemperature, LearnedTemperature, StagewiseTemperature, scheduled
from mmcl.training import TrainingDiverged, gaussian_weights, orthonormal_weights
from mmcl.training.descent import Descent
from mmcl.training.towers import Towers
from mmcl.worlds import CANONICAL, SMALL, UNEQUAL

RNG = np.random.default_rng
MOVING = {
    "log": LearnedTemperature(0.3),
    "log, capped": LearnedTemperature(1.0, cap=2.0),
    "direct": LearnedTemperature(0.5, logarithmic=False),
    "direct, capped": LearnedTemperature(1.0, cap=1.5, logarithmic=False),
    "stages": StagewiseTemperature((3.0, 20.0), (1.0, 9.0)),
    "linear": AnnealedTemperature(12.0, duration=30.0),
    "cosine": AnnealedTemperature(0.2, duration=30.0, cosine=True),
}
TIMES = np.array([0.0, 0.5, 3.0, 10.0, 30.0, 80.0])


def _plain(world, K: float, tau2: float, temperature, times):
    """The plain 3r + 2 equations and τ² by a general-purpose integrator, the rules of τ² written out once more."""
    r, (view_a, view_b) = world.signal_dim, world.views
    s_a, s_b, x_a, x_b = view_a.signal**2, view_b.signal**2, view_a.noise**2, view_b.noise**2
    learned = isinstance(temperature, LearnedTemperature)

    def at(t, log):
        if learned:
            return min(np.exp(log), temperature.cap or np.inf)
        if isinstance(temperature, StagewiseTemperature):
            return ([tau2, *temperature.values])[sum(t >= x for x in temperature.times)]
        share = min(t / temperature.duration, 1)
        share = (1 - np.cos(np.pi * share)) / 2 if temperature.cosine else share
        return tau2 ** (1 - share) * temperature.end**share

    def velocity(t, y):
        a, b, c, n_a, n_b = np.split(y[:-1], [r, 2 * r, 3 * r, 3 * r + len(x_a)])
        N2_a, N2_b, heat = a.sum() + n_a.sum(), b.sum() + n_b.sum(), at(t, y[-1])
        N = np.sqrt(N2_a * N2_b)
        theta = c / N
        odds = K * np.prod((1 + np.exp(-2 * heat * theta)) / 2)
        g = 2 * odds / (1 + odds) * heat * (1 - np.tanh(heat * theta))
        total = np.sum(g * theta)
        rate = 0.0  # beyond the cap the logarithm may run on: it is no temperature any more
        if learned:
            rate = temperature.rate * total / (1 if temperature.logarithmic else heat**2)
        return np.concatenate([
            2 * s_a * (g * c / N - total * a / N2_a), 2 * s_b * (g * c / N - total * b / N2_b),
            g * (s_a * b + s_b * a) / N - total * c * (s_a / N2_a + s_b / N2_b),
            -2 * x_a * total * n_a / N2_a, -2 * x_b * total * n_b / N2_b, [rate],
        ])  # fmt: skip

    start = np.concatenate([s_a, s_b, 0 * s_a, x_a, x_b, [np.log(tau2)]])
    kinks = [x for x in getattr(temperature, "times", ()) or (getattr(temperature, "duration", np.inf),) if x < 1e9]
    found, y, begin = [], start, 0.0
    for end in sorted({*times[1:], *(x for x in kinks if x < times[-1])}):
        y = solve_ivp(velocity, (begin, end), y, "LSODA", rtol=1e-11, atol=1e-13, max_step=0.5).y[:, -1]
        begin = end
        if end in times:
            a, b, c, n_a, n_b = np.split(y[:-1], [r, 2 * r, 3 * r, 3 * r + len(x_a)])
            found.append((c / np.sqrt((a.sum() + n_a.sum()) * (b.sum() + n_b.sum())), at(end, y[-1])))
    return np.array([x for x, _ in found]), np.array([x for _, x in found])


@pytest.mark.parametrize("world", [CANONICAL, UNEQUAL], ids=["canonical", "unequal"])
@pytest.mark.parametrize("temperature", MOVING.values(), ids=MOVING)
def test_the_flow_with_a_moving_temperature_solves_the_plain_equations(world, temperature):
    theta, heat = _plain(world, 2.0, 0.7, temperature, TIMES)
    path = gradient_flow(world, InfoNCE(0.7, negatives=2.0), TIMES, temperature=temperature)
    # The cap is a kink: LSODA, which does not know of it, is off by 1e-6 there.
    close = 5e-6 if getattr(temperature, "cap", None) else 1e-7
    np.testing.assert_allclose(path.theta[1:], theta, atol=close)
    np.testing.assert_allclose(path.inverse_temperature[1:], heat, rtol=close)


@pytest.mark.parametrize("logarithmic", [True, False])
def test_the_solver_s_linear_algebra_inverts_the_jacobian_with_a_learned_temperature(logarithmic):
    system = FlowSystem.of(UNEQUAL, InfoNCE(1.0, negatives=3.0), Learned(0.3, 0.7, logarithmic))
    y = system.start + np.append(RNG(0).uniform(0.1, 0.5, len(system.start) - 1), 0.4)
    nudge = 1e-5 * np.eye(len(y))
    jacobian = np.column_stack([(system.velocity(y + e) - system.velocity(y - e)) / 2e-5 for e in nudge])
    b = RNG(1).standard_normal(len(y))
    sizes = np.array([0.1, 10.0])
    for h, x in zip(sizes, system.linearised(y)(sizes)(np.array([b, b])), strict=True):
        np.testing.assert_allclose(x - h * jacobian @ x, b, atol=1e-8 * (1 + h) * np.abs(x).max())


def test_a_temperature_that_hardly_learns_is_a_constant_one():
    still = gradient_flow(CANONICAL, InfoNCE(4.0), TIMES)
    slow = gradient_flow(CANONICAL, InfoNCE(4.0), TIMES, temperature=LearnedTemperature(1e-9))
    np.testing.assert_allclose(slow.theta, still.theta, atol=1e-7)


def test_a_schedule_that_goes_nowhere_is_a_constant_one():
    still = gradient_flow(CANONICAL, InfoNCE(4.0), TIMES)
    for schedule in (AnnealedTemperature(4.0, 7.0), StagewiseTemperature((1.0, 2.0), (4.0, 4.0))):
        path = gradient_flow(CANONICAL, InfoNCE(4.0), TIMES, temperature=schedule)
        np.testing.assert_allclose(path.theta, still.theta, atol=1e-8)
        np.testing.assert_allclose(path.inverse_temperature, 4.0, rtol=1e-14)


def test_a_schedule_is_what_it_says_at_every_time():
    linear, cosine = AnnealedTemperature(16.0, 10.0), AnnealedTemperature(16.0, 10.0, cosine=True)
    stages = StagewiseTemperature((2.0, 5.0), (3.0, 7.0))
    assert [scheduled(linear, 1.0, t) for t in (0, 5, 10, 99)] == pytest.approx([1, 4, 16, 16])
    assert [scheduled(cosine, 1.0, t) for t in (0, 2.5, 5, 10)] == pytest.approx(
        [1, 16 ** ((1 - np.sqrt(0.5)) / 2), 4, 16]
    )
    assert [scheduled(stages, 1.0, t) for t in (0, 1.9, 2, 4.9, 5, 99)] == pytest.approx([1, 1, 3, 3, 7, 7])


@pytest.mark.parametrize("temperature", MOVING.values(), ids=MOVING)
def test_training_tends_to_the_flow_with_order_one_in_the_step(temperature):
    steps, errors, loss = np.array([0.04, 0.02, 0.01]), [], InfoNCE(0.7, negatives=2.0)
    weights = orthonormal_weights((4, 5), 12, rng=RNG(0))
    for h in steps:
        run = train(UNEQUAL, loss, weights=weights, step_size=h, steps=round(6 / h), temperature=temperature)
        flow = gradient_flow(UNEQUAL, loss, run.time, temperature=temperature)
        errors.append([
            np.abs(run.theta - flow.theta).max(),
            np.abs(np.log(run.inverse_temperature / flow.inverse_temperature)).max(),
        ])  # fmt: skip
    assert np.max(errors[-1]) < 0.02
    theta, heat = np.polyfit(np.log(steps), np.log(np.array(errors) + 1e-16), 1)[0]
    assert theta == pytest.approx(1, abs=0.1)
    if isinstance(temperature, LearnedTemperature) and temperature.cap is None:
        assert heat == pytest.approx(1, abs=0.1)
    elif not isinstance(temperature, LearnedTemperature):
        assert np.max(errors, axis=0)[1] < 1e-9  # what the integrator may leave


SLOPES = [
    *((InfoNCE(2.0, negatives=3.0), how) for how in ("population", "batch")),
    *((InBatchInfoNCE(2.0), how) for how in ("population", "batch", "sample")),
]


@pytest.mark.parametrize(("loss", "normalization"), SLOPES, ids=str)
def test_the_slope_in_the_temperature_is_the_derivative_of_the_loss(loss, normalization):
    def value(tau2: float) -> Descent:
        one = type(loss)(tau2) if isinstance(loss, InBatchInfoNCE) else InfoNCE(tau2, loss.negatives)
        run = Descent(UNEQUAL, one, gaussian_weights((4, 5), 6, rng=RNG(2)), 16, normalization)
        run.step(0.1, RNG(3))
        return run

    slope = (value(2.0 * np.exp(1e-5)).loss - value(2.0 * np.exp(-1e-5)).loss) / 2e-5
    assert value(2.0).slope == pytest.approx(slope, rel=1e-6)


@pytest.mark.parametrize("normalization", ["population", "batch", "sample"])
@pytest.mark.parametrize("kind", [InfoNCE, InBatchInfoNCE])
def test_the_slope_of_real_towers_is_the_derivative_of_the_loss(kind, normalization):
    pairs = glyphs().held_out

    def value(tau2: float) -> Towers:
        run = Towers(pairs, kind(tau2), gaussian_weights(pairs.ambient_dim, 4, rng=RNG(2)), 32, normalization)
        run.step(0.1, RNG(3))
        return run

    slope = (value(2.0 * np.exp(1e-5)).loss - value(2.0 * np.exp(-1e-5)).loss) / 2e-5
    assert value(2.0).slope == pytest.approx(slope, rel=1e-6)


@pytest.mark.parametrize("temperature", MOVING.values(), ids=MOVING)
def test_two_short_runs_are_one_long_run(temperature):
    settings = {"step_size": 0.5, "batch_size": 8, "temperature": temperature, "record_every": 3}
    loss, weights = InfoNCE(0.7), gaussian_weights((4, 5), 6, rng=RNG(1))
    long = train(UNEQUAL, loss, weights=weights, rng=RNG(2), steps=24, **settings)
    first = train(UNEQUAL, loss, weights=weights, rng=RNG(2), steps=9, **settings)
    second = train(UNEQUAL, loss, start=first, steps=15, **settings).after(first)
    for name in ("time", "theta", "inverse_temperature"):
        np.testing.assert_allclose(getattr(second, name), getattr(long, name), rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize(("size", "jump", "split"), [(0.3, 3.6, 10), (0.3, 0.9, 2), (0.1, 1.2, 7)])
def test_a_jump_comes_at_its_step_wherever_a_run_is_interrupted(size, jump, split):
    """Sums of steps in floats fall short of 0.9 = 3 · 0.3 or go beyond it."""
    due = round(jump / size)
    settings = {"step_size": size, "batch_size": 8, "temperature": StagewiseTemperature((jump,), (16.0,))}
    whole = train(CANONICAL, InfoNCE(1.0), width=8, rng=RNG(0), steps=due + 10, record_every=1, **settings)
    first = train(CANONICAL, InfoNCE(1.0), width=8, rng=RNG(0), steps=split, record_every=1, **settings)
    rest = train(CANONICAL, InfoNCE(1.0), start=first, steps=due + 10 - split, record_every=1, **settings)
    joined = rest.after(first)
    assert int(np.argmax(whole.inverse_temperature > 1)) == due
    for name, column in whole.columns().items():
        if name != "loss":  # the last row of a run repeats that of its last batch
            np.testing.assert_array_equal(joined.columns()[name], column, err_msg=name)


def test_a_temperature_goes_on_from_an_earlier_one_only_where_that_was_learned():
    settings = {"width": 8, "step_size": 0.1, "steps": 5, "batch_size": 8, "rng": RNG(0)}
    held = train(CANONICAL, InfoNCE(1.0), **settings)
    more = {**settings, "width": None, "temperature": LearnedTemperature(cap=20.0)}
    learned = train(CANONICAL, InfoNCE(16.0), start=held, **more)
    assert learned.inverse_temperature[0] == 16.0
    again = train(CANONICAL, InfoNCE(2.0), start=learned, **more)
    assert again.inverse_temperature[0] == learned.inverse_temperature[-1] != 16.0


def test_a_learned_temperature_stays_under_its_cap():
    run = train(
        SMALL, InfoNCE(1.0), width=16, step_size=1.0, steps=200, rng=RNG(0),
        temperature=LearnedTemperature(5.0, cap=3.0),
    )  # fmt: skip
    assert run.inverse_temperature.max() == 3.0 and (np.diff(run.inverse_temperature) >= 0).all()


def test_the_cap_is_met_to_the_integrator_s_error():
    capped = LearnedTemperature(1.0, cap=5.0)
    rough, fine = (
        gradient_flow(CANONICAL, InfoNCE(1.0), [0, 5, 10], temperature=capped, tolerance=x) for x in (1e-9, 1e-12)
    )
    np.testing.assert_allclose(rough.condition_number, fine.condition_number, rtol=1e-7)
    assert rough.inverse_temperature[-1] == pytest.approx(5.0, rel=1e-14)


@pytest.mark.parametrize("logarithmic", [True, False])
def test_a_temperature_that_learns_at_once_meets_its_cap_at_once(logarithmic):
    """The faster it learns, the nearer the run is to one that is at the cap from the start."""
    times = [0.0, 1.0, 10.0]
    capped = gradient_flow(CANONICAL, InfoNCE(100.0), times)
    gaps = []
    for rate in (1e2, 1e6):
        learned = LearnedTemperature(rate, cap=100.0, logarithmic=logarithmic)
        path = gradient_flow(CANONICAL, InfoNCE(4.0), times, temperature=learned)
        gaps.append(np.abs(path.theta - capped.theta).max())
    assert path.inverse_temperature[1:] == pytest.approx([100.0, 100.0], rel=1e-14)
    assert gaps[1] < gaps[0] / 10 and gaps[1] < 1e-3


@pytest.mark.parametrize(
    ("tau2", "temperature", "times"),
    [(4.0, LearnedTemperature(cap=4.0), [0, 1, 2]), (10.0, LearnedTemperature(1e6, cap=100.0), [0, 1e12])],
)
def test_a_cap_that_is_met_at_once_has_one_row_for_each_time(tau2, temperature, times):
    path = gradient_flow(SMALL, InfoNCE(tau2), times, temperature=temperature)
    assert [len(column) for column in path.columns().values()] == [len(times)] * len(path.columns())
    np.testing.assert_allclose(path.inverse_temperature[[0, -1]], [tau2, temperature.cap], rtol=1e-12)


def test_a_run_that_is_warmer_than_the_cap_is_not_pulled_down():
    settings = {"step_size": 1.0, "steps": 200, "rng": RNG(0)}
    warm = train(SMALL, InfoNCE(1.0), width=16, temperature=LearnedTemperature(5.0), **settings)
    with pytest.raises(ValueError, match=r"^`cap` \(τ²\) must be at least the"):
        train(SMALL, InfoNCE(1.0), start=warm, temperature=LearnedTemperature(5.0, cap=1.5), **settings)


def test_a_temperature_that_leaps_is_a_divergence():
    with pytest.raises(TrainingDiverged, match="learned temperature out of bounds") as stopped:
        train(
            SMALL, InfoNCE(1.0), width=16, step_size=1.0, steps=200, rng=RNG(0), temperature=LearnedTemperature(1e300)
        )
    assert np.isfinite(stopped.value.trajectory.inverse_temperature).all()


@pytest.mark.parametrize(
    ("make", "error", "sentence"),
    [
        (lambda: LearnedTemperature(0.0), ValueError, "`rate` (ρ) must be positive and finite; got 0.0."),
        (lambda: LearnedTemperature(1.0, cap=-1), ValueError, "`cap` (τ²) must be positive and finite; got -1."),
        (lambda: AnnealedTemperature(0.0, 1.0), ValueError, "`end` (τ²) must be positive and finite; got 0.0."),
        (lambda: AnnealedTemperature(1.0, 0.0), ValueError, "`duration` (t) must be positive and finite; got 0.0."),
        (
            lambda: StagewiseTemperature((1.0, 2.0), (3.0,)), ValueError,
            "`values` (τ²) must be as many as `times`, 2; got 1.",
        ),
        (
            lambda: gradient_flow(CANONICAL, InfoNCE(4.0), [0, 1], temperature=LearnedTemperature(cap=2.0)), ValueError,
            "`cap` (τ²) must be at least the τ² that the run starts from, 4; got 2.",
        ),
        (
            lambda: gradient_flow(CANONICAL, PositiveOnly(), [0, 1], temperature=LearnedTemperature()), TypeError,
            "`temperature` must be left out for PositiveOnly, which has none to move.",
        ),
        (
            lambda: train(SMALL, PositiveOnly(), width=4, step_size=1, steps=1, rng=RNG(0),
                          temperature=LearnedTemperature()), TypeError,
            "`temperature` must be left out for PositiveOnly, which has none to move.",
        ),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_in_a_sentence(make, error, sentence):
    with pytest.raises(error, match=f"^{re.escape(sentence)}$"):
        make()


def test_what_is_no_temperature_is_refused():
    with pytest.raises(TypeError, match=r"^`temperature` must be "):
        gradient_flow(CANONICAL, InfoNCE(4.0), [0, 1], temperature=4.0)
    with pytest.raises(TypeError, match=r"^`temperature` must be "):
        train(SMALL, InfoNCE(4.0), width=4, step_size=1, steps=1, rng=RNG(0), temperature="learned")


@pytest.mark.parametrize("number", [np.float32(0.1), Fraction(1, 10), Decimal("0.1")], ids=repr)
def test_a_temperature_keeps_the_floats_that_it_checked(number):
    learned, annealed = LearnedTemperature(number, cap=number), AnnealedTemperature(number, number)
    for value in (learned.rate, learned.cap, annealed.end, annealed.duration):
        assert type(value) is float and value == float(number)


def test_a_flag_of_a_temperature_is_true_or_false():
    with pytest.raises(TypeError, match=r"^`logarithmic` must be True or False; got 'no'\.$"):
        LearnedTemperature(logarithmic="no")
    with pytest.raises(TypeError, match=r"^`cosine` must be True or False; got 'no'\.$"):
        AnnealedTemperature(4.0, 1.0, cosine="no")

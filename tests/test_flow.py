"""The exact flow: where it starts, what it conserves, where it ends, and what leaves it unchanged."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.interpolate import CubicSpline

from mmcl import InBatchInfoNCE, InfoNCE, PairedData, PositiveOnly, gradient_flow, terminal_condition_number
from mmcl.course import Held, Learned, Ramp
from mmcl.extrapolation import integrate
from mmcl.flow_system import FlowSystem
from mmcl.worlds import CANONICAL, NOISELESS, UNEQUAL

TIMES = np.array([0.0, 0.1, 1.0, 5.0, 20.0, 100.0])
OBJECTIVES = [PositiveOnly(), InfoNCE(1.0), InfoNCE(4.0, negatives=511.0), InfoNCE(30.0, negatives=1e-3)]
WORLDS = {
    "canonical": CANONICAL,
    "unequal": PairedData(
        (3.0, 1.0, 0.2), (0.5, 2.0, 1.0), noise_a=np.linspace(0.1, 1, 5), noise_b=0.3, ambient_dim=(8, 20)
    ),
    "no noise": NOISELESS,
    "noise on one side": PairedData((2.0, 1.0), (1.0, 1.0), noise_a=(0.0, 0.5, 3.0), noise_b=0.0, ambient_dim=5),
    "r = d": PairedData((2.0, 1.5, 1.0), ambient_dim=3),
    "r = 1": PairedData((2.0,), ambient_dim=5),
}  # fmt: skip
#: Local errors of 1e-9 accumulate to about 1e-8; between them and the next digit of a printed number.
CLOSE = 1e-7


def _assert_same(one, other, names, tolerance=CLOSE):
    for name in names:
        np.testing.assert_allclose(
            getattr(one, name), getattr(other, name), rtol=tolerance, atol=tolerance, err_msg=name
        )


def _along(path, target: float) -> float:
    """κ where the alignment passes `target`."""
    return float(CubicSpline(path.alignment, path.condition_number)(target))


@pytest.mark.parametrize("objective", OBJECTIVES, ids=repr)
@pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS)
def test_the_flow_solves_the_plain_equations(world, objective, plain_flow):
    plain = plain_flow(world, objective)
    solved = solve_ivp(plain.velocity, (0, TIMES[-1]), plain.start, "LSODA", TIMES, rtol=1e-11, atol=1e-13)
    path = gradient_flow(world, objective, TIMES)
    for i, y in enumerate(solved.y.T):
        a, b, c, n_a, n_b, N2_a, N2_b = plain.unpack(y)
        np.testing.assert_allclose(path.theta[i], c / np.sqrt(N2_a * N2_b), atol=CLOSE)
        np.testing.assert_allclose(path.noise_share[i], [n_a.sum() / N2_a, n_b.sum() / N2_b], atol=CLOSE)
        np.testing.assert_allclose(path.misalignment[i], (a + b - 2 * c) / 4, atol=CLOSE * np.max(a + b))
        kappas = path.condition_number[i], path.condition_number_b[i]
        np.testing.assert_allclose(kappas, [np.sqrt(max(x) / min(x)) for x in (a, b)], rtol=CLOSE)
    np.testing.assert_allclose(path.alignment, path.theta.sum(axis=1), atol=1e-15)


@pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS)
def test_the_flow_starts_at_random_weights_of_infinite_width(world):
    start = gradient_flow(world, InfoNCE(3.0, negatives=7.0), [0.0, 1.0])
    a, b = world.views
    np.testing.assert_array_equal(start.theta[0], 0)
    assert start.condition_number[0] == pytest.approx(max(a.signal) / min(a.signal), rel=1e-14)
    assert start.condition_number_b[0] == pytest.approx(max(b.signal) / min(b.signal), rel=1e-14)
    shares = [np.sum(v.noise**2) / (np.sum(v.noise**2) + np.sum(v.signal**2)) for v in world.views]
    np.testing.assert_allclose(start.noise_share[0], shares, rtol=1e-14)
    np.testing.assert_allclose(start.misalignment[0], (a.signal**2 + b.signal**2) / 4, rtol=1e-14)
    assert start.loss[0] == pytest.approx(2 * np.log(1 + 7), rel=1e-14)


def test_the_loss_is_the_function_of_theta_and_only_falls():
    tau2, K = 4.0, 3.0
    path = gradient_flow(UNEQUAL, InfoNCE(tau2, negatives=K), TIMES)
    for theta, value in zip(path.theta, path.loss, strict=True):
        product = 1.0
        for share in theta:
            product *= (1 + np.exp(-2 * tau2 * share)) / 2
        assert value == pytest.approx(2 * np.log(1 + K * product), rel=1e-13)
    assert np.all(np.diff(path.loss) < 0)
    positives = gradient_flow(UNEQUAL, PositiveOnly(), TIMES)
    np.testing.assert_allclose(positives.loss, -2 * positives.alignment, atol=1e-14)


def test_output_times_do_not_matter():
    many = np.unique(np.concatenate([np.linspace(0, 100, 181), TIMES]))
    one, other = gradient_flow(CANONICAL, InfoNCE(4.0), TIMES), gradient_flow(CANONICAL, InfoNCE(4.0), many)
    at = np.searchsorted(many, TIMES)
    np.testing.assert_allclose(one.theta, other.theta[at], atol=CLOSE)
    np.testing.assert_allclose(one.condition_number, other.condition_number[at], rtol=CLOSE)
    late = gradient_flow(CANONICAL, InfoNCE(4.0), [20.0])
    np.testing.assert_allclose(late.theta[0], one.theta[4], atol=CLOSE)


def test_a_tighter_tolerance_brings_a_smaller_error():
    best = gradient_flow(UNEQUAL, InfoNCE(4.0), TIMES, tolerance=1e-12).theta
    errors = [np.abs(gradient_flow(UNEQUAL, InfoNCE(4.0), TIMES, tolerance=x).theta - best).max() for x in (1e-5, 1e-8)]
    assert errors[0] < 1e-3 and errors[1] < 1e-6 and errors[1] < errors[0] / 30


@pytest.mark.parametrize("objective", OBJECTIVES, ids=repr)
@pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS)
def test_the_norm_of_the_weights_is_conserved_in_each_modality(world, objective):
    system = FlowSystem.of(world, objective)
    for y in integrate(system, system.start, TIMES, 1e-9):
        at = system.point(y)
        squares = [*zip(at.lengths, system.squares, at.noise, system.noises, world.views, strict=False)]
        for lengths, signal, noise, (scales, _), view in squares:
            moving = scales > 0
            total = np.sum(lengths / signal) + np.sum(noise[moving] / scales[moving])
            assert total == pytest.approx(view.active_dim, rel=CLOSE)


@pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS)
def test_the_solver_s_linear_algebra_inverts_the_jacobian_of_its_velocity(world):
    system = FlowSystem.of(world, InfoNCE(4.0, negatives=3.0))
    *_, y = integrate(system, system.start, np.array([3.0]), 1e-9)
    nudge = 1e-5 * np.eye(len(y))
    jacobian = np.column_stack([(system.velocity(y + e) - system.velocity(y - e)) / 2e-5 for e in nudge])
    b = np.random.default_rng(0).standard_normal(len(y))
    sizes = np.array([0.1, 10.0])
    for h, x in zip(sizes, system.linearised(y)(sizes)(np.array([b, b])), strict=True):
        # Central differences at 1e-5 are off by 1e-10 and by round-off, 1e-11.
        np.testing.assert_allclose(x - h * jacobian @ x, b, atol=1e-8 * (1 + h) * np.abs(x).max())


@pytest.mark.parametrize("course", [Held(0.3), Learned(0.3, 0.7, True), Learned(0.3, 0.7, False), Ramp(0, 1, 5, True)])
@pytest.mark.parametrize("together", [False, True], ids=["alone", "together"])
def test_several_states_and_step_sizes_at_once_are_each_of_them(course, together):
    objectives = [InfoNCE(4.0, negatives=3.0), InfoNCE(2.0)]
    worlds = [FlowSystem.of(world, one) for world, one in zip((UNEQUAL, CANONICAL), objectives, strict=True)]
    system = replace(FlowSystem.together(worlds, objectives) if together else worlds[0], course=course)
    rng = np.random.default_rng(0)
    states, b = system.start + rng.uniform(0, 0.3, (2, 3, len(system.start)))
    np.testing.assert_allclose(system.velocity(states), [system.velocity(y) for y in states], rtol=1e-13)
    linearised, sizes = system.linearised(states[0]), np.array([0.1, 1.0, 10.0])
    due = [linearised(sizes[i : i + 1])(b[i : i + 1])[0] for i in range(3)]
    solve = linearised(sizes)
    np.testing.assert_allclose(solve(b), due, rtol=1e-11)
    np.testing.assert_allclose(solve(b[1:]), due[1:], rtol=1e-11)  # the last of them


@pytest.mark.parametrize("world", [CANONICAL, NOISELESS, PairedData((1.5, 1.2, 0.6), noise_a=0.05, ambient_dim=7)])
def test_positives_alone_end_at_the_closed_form(world):
    end = gradient_flow(world, PositiveOnly(), [0.0, 1e8])
    assert end.condition_number[-1] == pytest.approx(terminal_condition_number(world), rel=CLOSE)
    assert end.alignment[-1] == pytest.approx(1, abs=CLOSE)
    np.testing.assert_allclose(end.noise_share[-1], 0, atol=CLOSE)
    np.testing.assert_allclose(end.misalignment[-1], 0, atol=CLOSE)


@pytest.mark.parametrize("world", [UNEQUAL, CANONICAL], ids=["unequal", "canonical"])
def test_contrastive_training_ends_balanced_and_aligned(world):
    end = gradient_flow(world, InfoNCE(2.0), [0.0, 1e7])
    np.testing.assert_allclose(end.theta[-1], 1 / world.signal_dim, atol=CLOSE)
    assert (end.condition_number[-1], end.condition_number_b[-1]) == pytest.approx((1, 1), abs=CLOSE)
    np.testing.assert_allclose(end.noise_share[-1], 0, atol=CLOSE)


def test_as_tau_vanishes_the_flow_is_that_of_positives_only_to_first_order():
    limit = gradient_flow(UNEQUAL, PositiveOnly(), TIMES[:-1]).theta
    # At K = 1 the force starts at τ², that of positives only is 2.
    gaps = [np.abs(gradient_flow(UNEQUAL, InfoNCE(x), TIMES[:-1] * 2 / x).theta - limit).max() for x in (2e-3, 1e-3)]
    assert gaps[0] / gaps[1] == pytest.approx(2, abs=0.02)


def test_without_weight_the_negatives_exert_no_force():
    path = gradient_flow(CANONICAL, InfoNCE(4.0, negatives=0.0), [0.0, 1e6])
    np.testing.assert_array_equal(path.theta, 0)
    np.testing.assert_array_equal(path.loss, 0)
    assert path.condition_number == pytest.approx([2, 2], rel=1e-14)


def test_without_noise_there_is_none_and_silent_coordinates_play_no_part():
    quiet, square = gradient_flow(NOISELESS, InfoNCE(4.0), TIMES), gradient_flow(
        PairedData(CANONICAL.signal_a, ambient_dim=8), InfoNCE(4.0), TIMES
    )  # fmt: skip
    np.testing.assert_array_equal(quiet.noise_share, 0)
    _assert_same(quiet, square, ("theta", "condition_number", "misalignment", "loss"), 1e-14)


def test_a_single_coordinate_only_aligns():
    path = gradient_flow(WORLDS["r = 1"], InfoNCE(4.0), [0.0, 1.0, 1e6])
    np.testing.assert_array_equal(path.condition_number, 1)
    assert path.theta[-1, 0] == pytest.approx(1, abs=CLOSE)


@pytest.mark.parametrize("K", [1e-3, 1.0, 511.0, 1e300])
@pytest.mark.parametrize("tau2", [0.001, 0.1, 10.0, 1000.0])
def test_every_temperature_is_followed_without_overflow(tau2, K):
    times = np.concatenate([[0.0], np.geomspace(1e-4, 1e9, 27)])
    path = gradient_flow(CANONICAL, InfoNCE(tau2, negatives=K), times)
    for values in path.columns().values():
        assert np.isfinite(values).all()
    assert np.all(np.diff(path.loss) <= 1e-14 * path.loss[0])  # at rest it moves by round-off
    assert np.all(path.theta >= 0) and np.all(path.alignment <= 1 + CLOSE)
    assert np.all(path.misalignment >= 0) and np.all(path.condition_number >= 1)
    # The share of noise only falls, up to the integrator's error.
    assert np.all(np.diff(path.noise_share, axis=0) <= CLOSE)


def test_a_hundred_thousand_coordinates_are_followed():
    world = PairedData(np.geomspace(2.0, 1.0, 100_000), noise_a=0.5, ambient_dim=800_000)
    path = gradient_flow(world, InfoNCE(4.0), [0.0, 1.0, 400.0], tolerance=1e-6)
    for name in ("theta", "condition_number", "noise_share", "misalignment", "loss"):
        assert np.isfinite(getattr(path, name)).all()
    assert path.theta.shape == (3, 100_000) and path.alignment[0] == 0 < path.alignment[1] < path.alignment[2] < 1


def _swapped(world: PairedData) -> PairedData:
    b_noise = world.noise_a if world.noise_b is None else world.noise_b
    dims = world.ambient_dim[::-1] if isinstance(world.ambient_dim, tuple) else world.ambient_dim
    return PairedData(world.signal_b or world.signal_a, world.signal_a, b_noise, world.noise_a, dims)


@pytest.mark.parametrize("objective", OBJECTIVES, ids=repr)
def test_swapping_the_modalities_swaps_the_result(objective):
    one, other = gradient_flow(UNEQUAL, objective, TIMES), gradient_flow(_swapped(UNEQUAL), objective, TIMES)
    _assert_same(one, other, ("theta", "loss", "misalignment"))
    np.testing.assert_allclose(one.condition_number, other.condition_number_b, rtol=CLOSE)
    np.testing.assert_allclose(one.condition_number_b, other.condition_number, rtol=CLOSE)
    np.testing.assert_allclose(one.noise_share, other.noise_share[:, ::-1], atol=CLOSE)


def test_the_order_of_the_coordinates_is_a_matter_of_naming():
    order = [2, 0, 1]
    world = PairedData((3.0, 1.0, 0.2), (0.5, 2.0, 1.0), noise_a=0.3, ambient_dim=6)
    turned = PairedData(np.take(world.signal_a, order), np.take(world.signal_b, order), noise_a=0.3, ambient_dim=6)
    one, other = (gradient_flow(w, InfoNCE(4.0), TIMES) for w in (world, turned))
    np.testing.assert_allclose(one.theta[:, order], other.theta, atol=CLOSE)
    _assert_same(one, other, ("condition_number", "condition_number_b", "noise_share", "loss"))


@pytest.mark.parametrize("objective", OBJECTIVES, ids=repr)
def test_scaling_a_whole_modality_changes_nothing_time_included(objective):
    world = WORLDS["unequal"]
    scaled = replace(
        world, signal_a=7 * np.array(world.signal_a), noise_a=7 * np.array(world.noise_a),
        signal_b=0.01 * np.array(world.signal_b), noise_b=0.01 * world.noise_b,
    )  # fmt: skip
    one, other = gradient_flow(world, objective, TIMES), gradient_flow(scaled, objective, TIMES)
    _assert_same(one, other, ("theta", "condition_number", "condition_number_b", "noise_share", "loss"))


@pytest.mark.parametrize("unit", [1e-300, 1e-10, 1e9, 1e300])
def test_no_common_scale_is_too_large_or_too_small(unit):
    world = PairedData(unit * np.array([2.0, 1.0]), (2.0, 1.0), noise_a=0.5 * unit, noise_b=0.5, ambient_dim=4)
    plain = PairedData((2.0, 1.0), noise_a=0.5, ambient_dim=4)
    one, other = (gradient_flow(w, InfoNCE(4.0), TIMES) for w in (world, plain))
    _assert_same(one, other, ("theta", "condition_number", "condition_number_b", "noise_share", "loss"))


@pytest.mark.parametrize("objective", [PositiveOnly(), InfoNCE(4.0)], ids=repr)
def test_when_nothing_moves_any_more_time_costs_nothing(objective):
    early, late = gradient_flow(PairedData((2.0, 1.0), ambient_dim=4, noise_a=0.5), objective, [1e6, 1e30]).theta
    np.testing.assert_allclose(late, early, atol=1e-9)


def test_rotating_the_axes_of_a_modality_changes_nothing():
    frame = np.linalg.qr(np.random.default_rng(1).standard_normal((4, 4)))[0]
    one, other = (gradient_flow(w, InfoNCE(4.0), TIMES) for w in (UNEQUAL, replace(UNEQUAL, basis_a=frame)))
    _assert_same(one, other, ("theta", "condition_number", "misalignment"), 1e-15)


def test_the_weight_of_the_negatives_changes_the_clock_and_not_the_path():
    # Alignment 0.9 is reached at 48.174 + 99.227 / K; both numbers are rounded to three digits.
    for K in (0.5, 1.0, 100.0, 1e9):
        path = gradient_flow(CANONICAL, InfoNCE(1.0, negatives=K), [0.0, 48.174 + 99.227 / K])
        assert path.alignment[-1] == pytest.approx(0.9, abs=2e-6)


def test_the_two_stages_are_in_the_printed_numbers():
    fine = np.concatenate([[0.0], np.geomspace(0.1, 400, 300)])
    for tau2, peak, alignment, kappa in ((1.0, 3.624, 0.9578, 2.641), (4.0, 2.405, 0.9248, 1.225)):
        path = gradient_flow(CANONICAL, InfoNCE(tau2), fine)
        found = path.condition_number.max(), path.alignment[-1], path.condition_number[-1]
        assert (round(found[0], 3), round(found[1], 4), round(found[2], 3)) == (peak, alignment, kappa)
    hot = gradient_flow(CANONICAL, InfoNCE(0.01), np.concatenate([[0.0], np.linspace(90_000, 100_000, 101)]))
    assert round(hot.condition_number.max(), 3) == 8.473
    assert hot.time[hot.condition_number.argmax()] == pytest.approx(94_500, abs=100)


def test_positives_alone_pass_through_the_printed_numbers():
    path = gradient_flow(CANONICAL, PositiveOnly(), np.linspace(0, 80, 401))
    assert [round(_along(path, x), 3) for x in (0.5, 0.8, 0.9)] == [2.695, 4.617, 6.087]
    assert (round(path.alignment[-1], 4), round(path.condition_number[-1], 3)) == (0.9502, 7.239)


def test_weak_noise_delays_the_end_and_leaves_a_plateau():
    world = PairedData(CANONICAL.signal_a, noise_a=0.01, ambient_dim=64)
    path = gradient_flow(world, PositiveOnly(), [0.0, 16.0, 2.7e6])
    assert [round(x, 3) for x in path.condition_number[1:]] == [3.109, 9.169]


def test_outside_its_range_of_temperatures_balance_takes_for_ever():
    frozen = gradient_flow(CANONICAL, InfoNCE(1000.0, negatives=511.0), [0.0, 1e9])
    hot = gradient_flow(CANONICAL, InfoNCE(0.01), [0.0, 1e7])
    assert [round(path.condition_number[-1], 2) for path in (frozen, hot)] == [1.88, 1.48]


@pytest.mark.parametrize(
    ("arguments", "error", "sentence"),
    [
        (("world", PositiveOnly(), [0.0]), TypeError, "`data` must be PairedData; got 'world'."),
        (
            (CANONICAL, "clip", [0.0]), TypeError,
            "`objective` must have an expression in θ (InfoNCE, PositiveOnly, Decoupled or Spectral); got 'clip'.",
        ),
        (
            (CANONICAL, InBatchInfoNCE(4.0), [0.0]), TypeError,
            "`objective` must have an expression in θ; the loss on a finite batch has none: take its limit, "
            "InBatchInfoNCE(inverse_temperature=4.0).population(batch_size).",
        ),
        ((CANONICAL, PositiveOnly(), [2, 1]), ValueError, "`times` (t) must increase strictly; got 2 followed by 1."),
        ((CANONICAL, PositiveOnly(), [-1.0]), ValueError, "`times` (t) must start at 0 or later; got -1."),
        ((CANONICAL, PositiveOnly(), [0.0, np.inf]), ValueError, "`times` (t) must be finite; got inf at position 1."),
        ((CANONICAL, PositiveOnly(), []), ValueError, "`times` (t) must not be empty; got shape (0,)."),
    ],
)  # fmt: skip
def test_what_cannot_be_followed_is_refused_in_a_sentence(arguments, error, sentence):
    with pytest.raises(error, match=f"^{re.escape(sentence)}$"):
        gradient_flow(*arguments)


def test_a_tolerance_that_is_not_positive_is_refused():
    with pytest.raises(ValueError, match=r"^`tolerance` must be between 1e-13 and 0\.01; got 0\.$"):
        gradient_flow(CANONICAL, PositiveOnly(), [0.0], tolerance=0)


def test_times_that_the_caller_changes_afterwards_are_not_those_of_the_record():
    times, world = np.array([0.0, 1.0, 2.0]), PairedData(signal_a=(2.0, 1.0), ambient_dim=4)
    path = gradient_flow(world, InfoNCE(4.0), times)
    times *= 10
    np.testing.assert_array_equal(path.time, [0.0, 1.0, 2.0])

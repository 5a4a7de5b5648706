"""Training follows the flow, goes on where it stopped, and never loses its record."""

from __future__ import annotations

import copy
import pickle
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch

import mmcl.training.loop as loop
from mmcl import (
    EmpiricalPairs,
    InBatchInfoNCE,
    InfoNCE,
    PairedData,
    PositiveOnly,
    condition_number,
    gradient_flow,
    train,
    train_many,
)
from mmcl.family import NTXent
from mmcl.pair import Pair
from mmcl.training import TrainingDiverged, TrainingInterrupted, gaussian_weights, orthonormal_weights
from mmcl.training.descent import Descent
from mmcl.training.threads import available, threads
from mmcl.training.towers import Towers
from mmcl.trajectory import Trajectory
from mmcl.worlds import CANONICAL, SMALL, UNEQUAL

RNG = np.random.default_rng
DIMS = (4, 5)
SQUARE = PairedData(signal_a=[2.0, 1.0], noise_a=0.5, ambient_dim=5)
OBJECTIVES = [PositiveOnly(), InfoNCE(3.0, negatives=2.0)]
SERIES = ("time", "alignment", "condition_number", "condition_number_b", "theta", "noise_share", "misalignment", "loss")


def _orthonormal() -> tuple[np.ndarray, np.ndarray]:
    return orthonormal_weights(DIMS, 12, rng=RNG(0))


def _run(objective=OBJECTIVES[1], data=UNEQUAL, **settings) -> Trajectory:
    settings = {"step_size": 0.05, "steps": 20, "width": 6, "record_every": 4} | settings
    if "weights" in settings or "start" in settings:
        settings.pop("width")
    if not {"weights", "start", "rng"} & set(settings):
        settings["rng"] = RNG(1)
    return train(data, objective, **settings)


def _assert_same(one: Trajectory, other: Trajectory, names=SERIES, atol: float = 1e-11) -> None:
    for name in names:
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=1e-11, atol=atol, err_msg=name)


@pytest.mark.parametrize("objective", OBJECTIVES, ids=repr)
def test_from_orthonormal_rows_descent_tends_to_the_flow_with_order_one_in_the_step(objective):
    steps, errors = np.array([0.01, 0.005, 0.0025]), []
    for h in steps:
        run = _run(objective, step_size=h, steps=round(4 / h), weights=_orthonormal())
        flow = gradient_flow(UNEQUAL, objective, run.time)
        names = ("theta", "condition_number", "condition_number_b", "noise_share", "misalignment")
        gaps = [np.abs(getattr(run, name) - getattr(flow, name)).max() for name in names]
        errors.append([*gaps, np.abs(run.loss - flow.loss)[:-1].max()])  # the last row repeats the last batch's loss
    orders = np.polyfit(np.log(steps), np.log(errors), 1)[0]
    np.testing.assert_allclose(orders, 1, atol=0.05)
    assert np.max(errors[-1]) < 0.02


@pytest.mark.parametrize("objective", [PositiveOnly(), InfoNCE(4.0)], ids=repr)
def test_random_weights_approach_the_flow_as_the_width_grows(objective):
    world, gaps = (CANONICAL if isinstance(objective, PositiveOnly) else SMALL), []
    d = world.ambient_dim
    limit = train(world, objective, weights=np.eye(2 * d).reshape(2, d, 2 * d), step_size=0.5, steps=20)
    for m in (256, 4096):
        ends = [train(world, objective, width=m, step_size=0.5, steps=20, rng=rng).theta[-1] for rng in RNG(m).spawn(8)]
        gaps.append(np.sqrt(np.mean((np.array(ends) - limit.theta[-1]) ** 2)))
    # A sixteenth of the variance; the ratio of two sample deviations of 8 (or more) values varies by a third.
    assert 4 / 3**1.5 < gaps[0] / gaps[1] < 4 * 3**1.5


def test_wide_stochastic_training_ends_at_the_printed_numbers():
    run = train(CANONICAL, InfoNCE(4.0), width=512, step_size=0.5, steps=800, batch_size=512, rng=RNG(0))
    flow = gradient_flow(CANONICAL, InfoNCE(4.0), run.time)
    limit = 4 * 0.85 / np.sqrt(512)  # four standard deviations of the finite-width law
    assert run.alignment[-1] == pytest.approx(0.9253, abs=0.01)
    assert run.condition_number.max() == pytest.approx(flow.condition_number.max(), rel=limit)
    assert run.condition_number[-1] == pytest.approx(1.236, rel=limit)


@pytest.mark.parametrize("objective", [*OBJECTIVES, InBatchInfoNCE(3.0)], ids=repr)
def test_a_sampled_step_is_the_full_one_on_average(objective):
    weights, draws, n = gaussian_weights(DIMS, 3, rng=RNG(4)), 2000, 6
    rng, ends = RNG(5), []
    for _ in range(draws):
        run = Descent(UNEQUAL, objective, weights, n, "population")
        run.step(0.05, rng)
        ends.append(np.concatenate([w.ravel() for w in run.weights]))
    if isinstance(objective, InBatchInfoNCE):  # no full gradient of its own: a second sample, ten times as large
        full = np.mean([_step_on(UNEQUAL, objective, weights, n, rng) for _ in range(draws)], axis=0)
        share = np.sqrt(2)
    else:
        run = Descent(UNEQUAL, objective, weights, None, "population")
        run.step(0.05, None)
        full, share = np.concatenate([w.ravel() for w in run.weights]), 1.0
    z = (np.mean(ends, axis=0) - full) / (share * np.std(ends, axis=0) / np.sqrt(draws))
    assert np.abs(z).max() < 4.5  # 27 scores; exceeded once in 5,000 trials


def _step_on(data, objective, weights, n, rng) -> np.ndarray:
    run = Descent(data, objective, weights, n, "population")
    run.step(0.05, rng)
    return np.concatenate([w.ravel() for w in run.weights])


@pytest.mark.parametrize("settings", [{}, {"batch_size": 8}], ids=["full", "sampled"])
@pytest.mark.parametrize("objective", OBJECTIVES, ids=repr)
def test_two_short_runs_are_one_long_run(objective, settings):
    whole = _run(objective, **settings)
    first = _run(objective, steps=8, **settings)
    second = _run(objective, steps=12, start=first, **settings)
    joined = second.after(first)
    _assert_same(joined, whole)
    assert joined.steps == whole.steps == 20
    np.testing.assert_allclose(joined.weights.a, whole.weights.a, atol=1e-12)
    assert joined.rng_state == whole.rng_state


def test_a_run_of_one_encoder_goes_on_though_its_two_differ_by_round_off():
    settings = {"step_size": 0.03, "batch_size": 16}
    whole = train(SQUARE, NTXent(3.0), width=4, rng=RNG(3), steps=10, **settings)
    first = train(SQUARE, NTXent(3.0), width=4, rng=RNG(3), steps=5, **settings)
    rest = train(SQUARE, NTXent(3.0), start=first, steps=5, **settings)
    np.testing.assert_array_equal(rest.theta[-1], whole.theta[-1])
    apart = Pair(first.weights.a, first.weights.b * (1 + 1e-6))
    for given in ({"start": replace(first, weights=apart)}, {"weights": Pair(*first.weights), "rng": RNG(0)}):
        if "weights" in given:
            given["weights"] = apart
        with pytest.raises(ValueError, match="must be the same for both augmentations of NTXent"):
            train(SQUARE, NTXent(3.0), steps=5, **settings, **given)


@pytest.mark.parametrize("size", [1e19, 1e-19])
def test_weights_whose_squares_single_precision_cannot_hold_are_refused(size):
    weights = Pair(*(size * w for w in gaussian_weights((5, 5), 4, rng=RNG(0))))
    settings = {"weights": weights, "steps": 2, "step_size": 0.1 * size**2, "batch_size": 8, "dtype": np.float32}
    sentence = r"largest entry between 1e-15 and 1e\+15 for modality A, whose outputs are normalised in float32"
    with pytest.raises(ValueError, match=sentence):
        train(SQUARE, InfoNCE(3.0), rng=RNG(0), **settings)
    with pytest.raises(ValueError, match=sentence):
        train_many(SQUARE, InfoNCE(3.0), rngs=[RNG(0)], **settings)
    settings["weights"] = Pair(*(1e14 * w / size for w in weights))
    moved = train(SQUARE, InfoNCE(3.0), rng=RNG(0), **settings | {"step_size": 0.1 * 1e28, "steps": 20})
    assert moved.alignment[-1] > moved.alignment[0] + 0.01


def test_the_same_generator_gives_the_same_run_and_another_gives_another():
    one, same, other = (_run(batch_size=8, rng=RNG(seed)) for seed in (1, 1, 2))
    _assert_same(one, same, atol=0)
    assert not np.array_equal(one.theta, other.theta)


def test_the_record_has_the_start_every_nth_step_and_the_end():
    run = _run(steps=10, record_every=4)
    np.testing.assert_allclose(run.time, [0, 0.2, 0.4, 0.5], rtol=1e-14)
    assert (run.steps, len(run)) == (10, 4)
    np.testing.assert_array_equal(run.inverse_temperature, 3.0)
    assert np.isnan(_run(PositiveOnly()).inverse_temperature).all()
    assert len(_run(steps=1000, record_every=None)) == 201


def test_the_last_row_describes_the_final_weights():
    run, r = _run(), UNEQUAL.signal_dim
    k = [view.mixing.T @ w for view, w in zip(UNEQUAL.views, run.weights, strict=True)]
    norms = [np.sqrt(np.sum(x**2)) for x in k]
    theta = [x @ y / np.prod(norms) for x, y in zip(k[0][:r], k[1][:r], strict=True)]
    np.testing.assert_allclose(run.theta[-1], theta, atol=1e-12)
    assert run.alignment[-1] == pytest.approx(sum(theta), abs=1e-12)
    assert run.condition_number[-1] == pytest.approx(condition_number(k[0][:r].T), rel=1e-10)
    assert run.condition_number_b[-1] == pytest.approx(condition_number(k[1][:r].T), rel=1e-10)
    shares = [np.sum(x[r:] ** 2) / norm**2 for x, norm in zip(k, norms, strict=True)]
    np.testing.assert_allclose(run.noise_share[-1], shares, rtol=1e-12)
    gaps = [np.sum((x - y) ** 2) / 4 for x, y in zip(k[0][:r], k[1][:r], strict=True)]
    np.testing.assert_allclose(run.misalignment[-1], gaps, rtol=1e-10)


@pytest.mark.parametrize("objective", OBJECTIVES, ids=repr)
def test_the_norm_of_the_weights_grows_only_by_the_step(objective):
    growth = []
    for h in (0.02, 0.01):
        w = _run(objective, step_size=h, steps=round(2 / h), weights=_orthonormal()).weights
        growth.append(sum(np.sum(x**2) for x in w) - sum(DIMS))
    assert growth[0] > 0 and growth[0] / growth[1] == pytest.approx(2, rel=0.05)


@pytest.mark.parametrize("settings", [{}, {"batch_size": 8}], ids=["full", "sampled"])
def test_a_world_seen_along_other_axes_trains_alike(settings):
    frames = [np.linalg.qr(RNG(seed).standard_normal((d, d)))[0] for seed, d in enumerate(DIMS)]
    weights = gaussian_weights(DIMS, 6, rng=RNG(2))
    turned = [frame @ w for frame, w in zip(frames, weights, strict=True)]
    rotated = replace(UNEQUAL, basis_a=frames[0], basis_b=frames[1])
    plain = _run(weights=weights, rng=RNG(3), **settings)
    other = _run(data=rotated, weights=turned, rng=RNG(3), **settings)
    _assert_same(plain, other)
    np.testing.assert_allclose(other.weights.a, frames[0] @ plain.weights.a, atol=1e-12)


@pytest.mark.parametrize("width", [1, 2, 3])
def test_a_narrow_learner_is_the_same_as_plain_descent_on_its_weights(width):
    weights, loss = gaussian_weights((64, 64), width, rng=RNG(0)), InfoNCE(4.0)
    run = train(CANONICAL, loss, weights=weights, step_size=0.5, steps=400, batch_size=64, rng=RNG(1))
    k = [view.mixing.T @ w for view, w in zip(CANONICAL.views, run.weights, strict=True)]
    norm = np.prod([np.linalg.norm(x) for x in k])
    assert run.alignment[-1] == pytest.approx(np.vdot(k[0][:8], k[1][:8]) / norm, abs=1e-12)
    assert (np.isinf(run.condition_number)).all() and (run.misalignment >= 0).all()


@pytest.mark.parametrize("unit", [1e-150, 1e150])
def test_training_knows_no_common_scale(unit):
    world = PairedData(unit * np.array([2.0, 1.0]), (2.0, 1.0), noise_a=0.5 * unit, noise_b=0.5, ambient_dim=4)
    plain = PairedData((2.0, 1.0), noise_a=0.5, ambient_dim=4)
    one, other = (_run(InfoNCE(4.0), data=w, batch_size=16, rng=RNG(1), width=16) for w in (world, plain))
    _assert_same(one, other, ("theta", "condition_number", "condition_number_b", "noise_share", "loss"))


def test_a_common_rotation_of_the_representation_changes_nothing():
    weights = gaussian_weights(DIMS, 6, rng=RNG(2))
    turn = np.linalg.qr(RNG(7).standard_normal((6, 6)))[0]
    _assert_same(_run(weights=weights), _run(weights=[w @ turn for w in weights]))


def test_swapping_the_modalities_swaps_the_result():
    swapped = PairedData((1.0, 1.5), (2.0, 1.0), noise_a=0.7, noise_b=(0.5, 0.3), ambient_dim=(5, 4))
    weights = gaussian_weights(DIMS, 6, rng=RNG(2))
    one, other = _run(weights=weights), _run(data=swapped, weights=weights[::-1])
    _assert_same(one, other, ("theta", "misalignment", "loss"))
    np.testing.assert_allclose(one.condition_number, other.condition_number_b, rtol=1e-11)
    np.testing.assert_allclose(one.noise_share, other.noise_share[:, ::-1], atol=1e-11)


def test_the_weights_of_silent_coordinates_never_move():
    world = PairedData((2.0, 1.0), noise_a=(0.0, 0.5, 0.0), ambient_dim=5)
    weights = gaussian_weights((5, 5), 4, rng=RNG(0))
    run = _run(InfoNCE(4.0), data=world, weights=weights, batch_size=16, rng=RNG(1))
    for before, after in zip(weights, run.weights, strict=True):
        np.testing.assert_allclose(after[[2, 4]], before[[2, 4]], rtol=0, atol=1e-15)
        assert np.abs(after - before)[[0, 1, 3]].min() > 0


def test_without_weight_the_negatives_leave_everything_where_it_is():
    weights = gaussian_weights(DIMS, 4, rng=RNG(0))
    run = _run(InfoNCE(4.0, negatives=0.0), weights=weights)
    np.testing.assert_allclose(run.weights.a, weights.a, atol=1e-15)
    np.testing.assert_array_equal(run.loss, 0)


@pytest.mark.parametrize("normalization", ["batch", "sample"])
def test_in_batch_training_aligns_and_keeps_the_representation_conditioned(normalization):
    run = _run(
        InBatchInfoNCE(4.0), data=SMALL, normalization=normalization, batch_size=64, steps=400, width=32, step_size=0.1
    )
    assert run.alignment[-1] > 0.8 > 0.3 > run.alignment[0]
    assert run.condition_number[-1] < 1.5 < run.condition_number[0]
    assert run.loss[-1] < run.loss[0]


def _interrupted(monkeypatch, at: int, **settings) -> TrainingInterrupted:
    """A run whose `at`-th step meets Ctrl-C halfway, after its random numbers are drawn."""
    step, calls = Descent.step, iter(range(1, 10**6))

    def fragile(self, size, rng):
        step(self, size, rng)
        if next(calls) == at:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(TrainingInterrupted) as stopped:
        patch.setattr(Descent, "step", fragile)
        _run(**settings)
    return stopped.value


@pytest.mark.parametrize("at", [1, 6, 9])
def test_an_interrupted_run_keeps_its_record_and_goes_on_as_if_nothing_had_been(monkeypatch, at):
    settings = {"batch_size": 8}
    stopped = _interrupted(monkeypatch, at, **settings)
    kept, done = stopped.trajectory, at - 1
    assert str(stopped) == (
        f"Training was interrupted after step {done} (t = {0.05 * done:g}); the record up to there is in "
        "`.trajectory`, and training goes on from it as `start`."
    )
    assert kept.steps == done
    np.testing.assert_allclose(kept.time, [*np.arange(0, done, 4) * 0.05, done * 0.05], atol=1e-14)
    rest, whole = _run(steps=20 - done, start=kept, **settings), _run(**settings)
    np.testing.assert_allclose(rest.theta[-1], whole.theta[-1], atol=1e-12)
    assert rest.rng_state == whole.rng_state and rest.steps == 20


def test_what_ended_a_run_brings_its_record_from_another_process():
    settings = {"width": 8, "step_size": 1e9, "steps": 5, "batch_size": 8, "rng": np.random.default_rng(0)}
    with pytest.raises(TrainingDiverged) as diverged:
        train(SMALL, InfoNCE(4.0), **settings)
    stopped = TrainingInterrupted(diverged.value.trajectory)
    for error in (diverged.value, stopped):
        for back in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
            assert type(back) is type(error) and str(back) == str(error)
            np.testing.assert_array_equal(back.trajectory.theta, error.trajectory.theta)
            assert len(back.trajectories) == 1
    assert pickle.loads(pickle.dumps(diverged.value)).step_size == 1e9


@pytest.mark.parametrize("kind", [np.int8, np.uint8])
def test_numbers_of_few_bits_do_not_overflow(kind):
    settings = {"step_size": 0.1, "steps": kind(100), "batch_size": kind(8), "record_every": kind(7)}
    first = train(SMALL, InfoNCE(4.0), width=4, rng=np.random.default_rng(0), **settings)
    both = train(SMALL, InfoNCE(4.0), start=first, **settings)
    assert both.steps == 200 and len(both) == 16
    (run,) = train_many(SMALL, InfoNCE(4.0), width=4, rngs=[np.random.default_rng(0)], **{**settings, "steps": 300})
    assert run.steps == 300


def test_runs_side_by_side_leave_the_threads_as_they_were():
    def run(seed):
        with threads(1 + seed % 2):
            train(SMALL, InfoNCE(4.0), width=4, step_size=0.1, steps=50, batch_size=8, rng=np.random.default_rng(seed))

    with threads(2), ThreadPoolExecutor(4) as pool:
        before = available()
        list(pool.map(run, range(12)))
        assert available() == before == 2


def test_towers_leave_torch_its_threads_and_hold_the_records_to_one(monkeypatch):
    found = []
    row = Towers.row

    def watched(self):
        found.append((available(), torch.get_num_threads()))
        return row(self)

    monkeypatch.setattr(Towers, "row", watched)
    pairs = EmpiricalPairs(*np.random.default_rng(0).standard_normal((2, 20, 4)))
    with threads(2):
        train(pairs, InBatchInfoNCE(3.0), width=3, step_size=0.1, steps=2, batch_size=8, rng=RNG(0))
        assert set(found) == {(1, 2)} and (available(), torch.get_num_threads()) == (2, 2)


@pytest.mark.parametrize("objective", [InBatchInfoNCE(3.0), InfoNCE(3.0, negatives=19.0), PositiveOnly()], ids=str)
def test_another_default_device_of_torch_is_left_alone(objective):
    pairs = EmpiricalPairs(*np.random.default_rng(0).standard_normal((2, 20, 4)))

    def run():
        return train(pairs, objective, width=3, step_size=0.1, steps=2, rng=RNG(0))

    due = run()
    with torch.device("meta"):
        np.testing.assert_array_equal(run().theta, due.theta)


def test_torch_that_is_loaded_meanwhile_gets_its_threads_back(monkeypatch):
    before = torch.get_num_threads()
    monkeypatch.delitem(sys.modules, "torch")
    with threads(1):
        monkeypatch.setitem(sys.modules, "torch", torch)
        with threads(1):
            assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("normalization", ["batch", "sample"])
def test_a_batch_without_outputs_is_no_divergence(normalization):
    settings = {"batch_size": 1, "centering": True, "normalization": normalization, "width": 4, "step_size": 0.1}
    for data in (SMALL, EmpiricalPairs([[1.0, 2.0], [0.0, 1.0]], [[1.0, 0.5], [1.0, 1.0]])):
        with pytest.raises(ValueError, match=r"`batch_size` \(n\) must be "):
            train(data, InBatchInfoNCE(4.0), steps=5, rng=np.random.default_rng(0), **settings)


def test_what_is_no_optimizer_is_not_taken_for_none():
    with pytest.raises(TypeError, match=r"^`optimizer` must be "):
        train(SMALL, InfoNCE(4.0), width=4, step_size=0.1, steps=5, rng=np.random.default_rng(0), optimizer=0)


def test_an_interrupt_is_still_a_keyboard_interrupt(monkeypatch):
    assert isinstance(_interrupted(monkeypatch, 2), KeyboardInterrupt)


def test_a_diverging_run_stops_with_its_time_and_step_and_keeps_the_record():
    with pytest.raises(TrainingDiverged) as stopped:
        _run(step_size=1e4, weights=_orthonormal())
    kept = stopped.value.trajectory
    assert str(stopped.value) == (
        "Training diverged at step 1 (t = 10000): one step threw the weights' norm, which gradient flow conserves, or "
        "a learned temperature out of bounds; lower `step_size` (η), which was 10000."
    )
    assert kept.steps == 0 and len(kept) == 1
    np.testing.assert_allclose(kept.weights.a, _orthonormal()[0], atol=1e-14)
    gentle, fresh = _run(start=kept), _run(weights=_orthonormal())
    _assert_same(gentle, fresh, ("time", "theta", "condition_number"))


def test_a_run_that_diverges_late_keeps_everything_up_to_its_last_sound_step():
    first = _run(weights=_orthonormal(), steps=7)
    with pytest.raises(TrainingDiverged, match=r"^Training diverged at step 8 \(t = 1e\+06\): ") as stopped:
        _run(start=first, step_size=1e6)
    kept = stopped.value.trajectory
    assert kept.steps == 7 and np.isfinite(kept.theta).all()
    np.testing.assert_allclose(kept.weights.a, first.weights.a, atol=1e-14)


def test_overflow_is_a_divergence_and_not_a_warning():
    with pytest.raises(TrainingDiverged):
        _run(step_size=1e200, weights=_orthonormal())


def test_a_progress_bar_is_shown_when_asked_for_and_only_then(monkeypatch, capsys):
    bar = loop.tqdm
    monkeypatch.setattr(loop, "tqdm", lambda *a, **k: bar(*a, **k | {"delay": 0}))  # even on short work
    for progress, shown in ((True, True), (False, False), (None, False)):  # None: only at a terminal
        _run(progress=progress)
        captured = capsys.readouterr()
        assert ("train" in captured.err and "step" in captured.err) is shown
        assert captured.out == ""


def test_short_work_shows_no_bar(capsys):
    _run(progress=True)
    assert "step" not in capsys.readouterr().err


def test_random_weights_have_rows_of_unit_length_on_average():
    m = 50
    w = np.vstack(gaussian_weights((2000, 2000), m, rng=RNG(0)))
    squares = np.sum(w**2, axis=1)
    assert abs(squares.mean() - 1) / np.sqrt(2 / m / len(w)) < 4  # a row's square has variance 2 / m
    assert abs(w.mean()) * np.sqrt(m * w.size) < 4


def test_orthonormal_rows_are_orthonormal_across_the_modalities_too():
    rows = np.vstack(orthonormal_weights(DIMS, 9, rng=RNG(0)))
    np.testing.assert_allclose(rows @ rows.T, np.eye(9), atol=1e-14)
    sentence = r"^`width` \(m\) must be at least d_A \+ d_B = 9 for orthonormal rows; got 8\.$"
    with pytest.raises(ValueError, match=sentence):
        orthonormal_weights(DIMS, 8, rng=RNG(0))


THEORY = gradient_flow(UNEQUAL, PositiveOnly(), [0.0, 1.0])
NO_RNG = "`rng` must be a numpy.random.Generator where weights or batches are drawn; got None."


@pytest.mark.parametrize(
    ("change", "error", "sentence"),
    [
        ({"width": 0}, ValueError, "`width` (m) must be a whole number of at least 1; got 0."),
        ({"width": 2.5}, TypeError, "`width` (m) must be a whole number of at least 1; got 2.5."),
        ({"width": None}, TypeError, "`width` (m) must be given where neither `weights` nor `start` is."),
        ({"step_size": 0}, ValueError, "`step_size` (η) must be positive and finite; got 0."),
        ({"step_size": -0.1}, ValueError, "`step_size` (η) must be positive and finite; got -0.1."),
        ({"step_size": np.nan}, ValueError, "`step_size` (η) must be positive and finite; got nan."),
        ({"steps": 0}, ValueError, "`steps` must be a whole number of at least 1; got 0."),
        ({"steps": 1.5}, TypeError, "`steps` must be a whole number of at least 1; got 1.5."),
        ({"batch_size": 0}, ValueError, "`batch_size` (n) must be a whole number of at least 1; got 0."),
        ({"record_every": 0}, ValueError, "`record_every` must be a whole number of at least 1; got 0."),
        (
            {"normalization": "layer"}, ValueError,
            "`normalization` must be one of 'population', 'batch', 'sample'; got 'layer'.",
        ),
        ({"rng": None}, TypeError, NO_RNG),
        ({"rng": 3}, TypeError, "`rng` must be a numpy.random.Generator, e.g. np.random.default_rng(0); got 3."),
        ({"data": "world"}, TypeError, "`data` must be PairedData or EmpiricalPairs; got 'world'."),
        (
            {"objective": "clip"}, TypeError,
            "`objective` must be InfoNCE or InBatchInfoNCE or PositiveOnly or Decoupled or Spectral or Sigmoid or "
            "AlignmentUniformity or NTXent; got 'clip'.",
        ),
        (
            {"objective": InBatchInfoNCE(3.0)}, ValueError,
            "`batch_size` (n) must be given for InBatchInfoNCE, whose loss depends on it; got None.",
        ),
        (
            {"data": CANONICAL, "objective": InfoNCE(3.0)}, ValueError,
            "`batch_size` (n) may be None, for the full gradient of InfoNCE, in worlds of at most 16 independent signs "
            "(d_A + d_B - r); got 120.",
        ),
        (
            {"normalization": "sample", "objective": InfoNCE(3.0), "batch_size": 4}, TypeError,
            "`objective` must be a loss of the batch's own pairs (InBatchInfoNCE or PositiveOnly) when every sample is "
            "normalised by itself: exact negatives need outputs normalised in expectation; got "
            "InfoNCE(inverse_temperature=3.0, negatives=1.0).",
        ),
        (
            {"weights": (np.ones((4, 6)), np.ones((4, 6)))}, ValueError,
            "`weights` (W) must have shape (5, 6) for modality B; got (4, 6).",
        ),
        (
            {"weights": (np.full((4, 6), np.inf), np.ones((5, 6)))}, ValueError,
            "`weights` (W) must be finite; got inf at position (0, 0).",
        ),
        (
            {"weights": (np.zeros((4, 6)), np.ones((5, 6)))}, ValueError,
            "`weights` (W) must have a largest entry between 1e-100 and 1e+100 for modality A, whose outputs are "
            "normalised in float64; got 0.",
        ),
        ({"weights": 5}, TypeError, "`weights` (W) must be a pair of arrays, W_A and W_B; got int."),
        ({"weights": (np.ones((4, 6)),)}, TypeError, "`weights` (W) must be a pair of arrays, W_A and W_B; got tuple."),
        ({"progress": "x"}, TypeError, "`progress` must be True or False; got 'x'."),
        ({"start": 3}, TypeError, "`start` must be Trajectory; got 3."),
        (
            {"start": replace(_run(), time=np.array([]))}, ValueError,
            "`start` must hold at least one recorded time; got an empty Trajectory.",
        ),
        (
            {"start": THEORY}, ValueError,
            "`start` must be a Trajectory from `train`, with final weights; got one from theory.",
        ),
    ],
)  # fmt: skip
def test_a_run_that_cannot_be_is_refused_in_a_sentence(change, error, sentence):
    settings = {"data": UNEQUAL, "objective": PositiveOnly(), "width": 6, "step_size": 0.1, "steps": 2, "rng": RNG(0)}
    with pytest.raises(error, match=f"^{re.escape(sentence)}$"):
        train(**settings | change)


def test_weights_and_a_start_are_not_both_needed():
    run = _run()
    with pytest.raises(
        TypeError, match=r"^`weights` and `start` must not both be given: either says where training starts\.$"
    ):
        _run(start=run, weights=run.weights)


def test_a_batch_without_a_generator_is_refused_even_where_the_weights_are_given():
    with pytest.raises(TypeError, match=f"^{re.escape(NO_RNG)}$"):
        _run(weights=_orthonormal(), batch_size=4)

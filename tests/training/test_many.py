"""Many learners at once are those that `train` trains one by one."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace

import numpy as np
import pytest
import torch

from mmcl import InBatchInfoNCE, InfoNCE, PairedData, PositiveOnly, train, train_many
from mmcl.latents import GaussianLatents, Signs, SparseLatents, UniformLatents, random_bits
from mmcl.training import TrainingDiverged, TrainingInterrupted, many, orthonormal_weights, sign_learners
from mmcl.training.sign_step import SignStep

WORLD = PairedData(signal_a=[2.0, 1.0], noise_a=0.5, ambient_dim=(4, 5))
ALIKE = PairedData(signal_a=[2.0, 1.0], signal_b=[1.0, 1.5], noise_a=0.5, ambient_dim=5)  # where InfoNCE is compiled
SETTINGS = {"step_size": 0.1, "steps": 12, "batch_size": 8, "record_every": 5}


def rngs(count=3):
    return [np.random.default_rng(seed) for seed in range(count)]


OBJECTIVES = [InfoNCE(3.0, negatives=7.0), InfoNCE(3.0, negatives=0.0), InBatchInfoNCE(3.0), PositiveOnly()]


@pytest.mark.parametrize("objective", OBJECTIVES, ids=str)
@pytest.mark.parametrize(("dtype", "atol"), [(np.float64, 1e-12), (np.float32, 2e-6)])
@pytest.mark.parametrize("width", [3, 20])
@pytest.mark.parametrize("world", [WORLD, ALIKE], ids=["unlike", "alike"])
def test_every_learner_is_that_of_train(objective, dtype, atol, width, world):
    together = train_many(world, objective, rngs=rngs(), width=width, dtype=dtype, **SETTINGS)
    for rng, run in zip(rngs(), together, strict=True):
        alone = train(world, objective, rng=rng, width=width, dtype=dtype, **SETTINGS)
        assert run.steps == alone.steps and run.rng_state == alone.rng_state
        for name, column in alone.columns().items():
            np.testing.assert_allclose(run.columns()[name], column, rtol=1e2 * atol, atol=atol, err_msg=name)
        for w, v in zip(run.weights, alone.weights, strict=True):
            np.testing.assert_allclose(w, v, atol=atol)


@pytest.mark.parametrize(
    "latents", [GaussianLatents(), UniformLatents(), SparseLatents(0.3), SparseLatents(1.0)], ids=str
)
@pytest.mark.parametrize(("dtype", "atol"), [(np.float64, 1e-12), (np.float32, 5e-6)])
@pytest.mark.parametrize("objective", OBJECTIVES, ids=str)
def test_every_learner_is_that_of_train_on_other_latents(objective, dtype, atol, latents):
    test_every_learner_is_that_of_train(objective, dtype, atol, 6, replace(WORLD, latents=latents))


@pytest.mark.parametrize("latents", [Signs(), GaussianLatents(), UniformLatents(), SparseLatents(0.3)], ids=str)
def test_the_moments_of_the_latents_are_those_of_numpy(latents):
    x = np.array([-800.0, -3.0, -0.006, -1e-9, 0.0, 1e-3, 0.5, 40.0])
    for found, due in zip(latents.log_moment(torch.from_numpy(x), torch), latents.log_moment(x), strict=True):
        np.testing.assert_allclose(found, due, rtol=1e-12, atol=1e-13)  # either cancels around zero


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_a_learner_goes_round_many_times_and_stays_that_of_train(threads, monkeypatch):
    monkeypatch.setattr(many, "available", lambda: threads)
    monkeypatch.setattr(sign_learners, "STEPS", 3)  # of 17 steps in one go
    settings = {"step_size": 0.1, "steps": 17, "batch_size": 8, "record_every": 17}
    for rng, run in zip(rngs(4), train_many(ALIKE, InfoNCE(3.0), rngs=rngs(4), width=6, **settings), strict=True):
        alone = train(ALIKE, InfoNCE(3.0), rng=rng, width=6, **settings)
        np.testing.assert_array_equal(run.theta, alone.theta)
        np.testing.assert_array_equal(run.loss, alone.loss)
        assert run.rng_state == alone.rng_state


@pytest.mark.parametrize(
    ("count", "batch", "dim", "piece", "stretch"),
    [(32, 512, 64, 16, 64), (4, 512, 64, 16, 512), (1000, 512, 64, 16, 16), (4, 512, 3200, 1, 1), (32, 16, 8, 16, 64)],
)
def test_a_go_is_long_enough_for_threads_and_short_enough_for_an_interrupt(count, batch, dim, piece, stretch):
    assert sign_learners.lengths(count, 4 * batch * dim**2) == (piece, stretch)


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_learners_dealt_out_to_threads_are_the_same_to_the_last_digit(threads, monkeypatch):
    monkeypatch.setattr(many, "available", lambda: threads)
    for rng, run in zip(rngs(7), train_many(ALIKE, InfoNCE(3.0), rngs=rngs(7), width=6, **SETTINGS), strict=True):
        alone = train(ALIKE, InfoNCE(3.0), rng=rng, width=6, **SETTINGS)
        np.testing.assert_array_equal(run.theta, alone.theta)
        np.testing.assert_array_equal(run.loss, alone.loss)
        assert run.rng_state == alone.rng_state


def test_an_interrupt_leaves_no_thread_at_work(monkeypatch):
    monkeypatch.setattr(many, "available", lambda: 2)
    here, drawn = threading.get_ident(), []

    def draw(count, rng):
        if threading.get_ident() == here:
            time.sleep(0.02)  # so that the other thread has begun
            raise KeyboardInterrupt
        drawn.append(rng)
        time.sleep(0.05)
        return random_bits(count, rng)

    monkeypatch.setattr("mmcl.training.sign_learners.random_bits", draw)
    with pytest.raises(TrainingInterrupted):
        train_many(ALIKE, InfoNCE(3.0), rngs=rngs(8), width=6, **SETTINGS)
    count = len(drawn)
    time.sleep(0.2)
    assert 0 < count == len(drawn)


def test_an_interrupt_while_work_is_dealt_out_leaves_no_thread_at_work(monkeypatch):
    monkeypatch.setattr(many, "available", lambda: 2)
    submit, calls = ThreadPoolExecutor.submit, []

    def interrupted(self, *arguments):
        found = submit(self, *arguments)
        calls.append(arguments)
        if sum(len(one) == 3 for one in calls) == 2:  # a bench's, not the starting weights'
            raise KeyboardInterrupt
        return found

    def slow(count, rng):
        time.sleep(0.02)
        return random_bits(count, rng)

    generators = rngs(8)
    start = train_many(ALIKE, InfoNCE(3.0), rngs=rngs(8), width=6, **SETTINGS)
    monkeypatch.setattr("mmcl.training.sign_learners.random_bits", slow)
    monkeypatch.setattr(ThreadPoolExecutor, "submit", interrupted)
    with pytest.raises(TrainingInterrupted) as stop:
        train_many(ALIKE, InfoNCE(3.0), rngs=generators, width=6, **SETTINGS)
    before = [rng.bit_generator.state for rng in generators]
    time.sleep(0.3)
    assert before == [rng.bit_generator.state for rng in generators]
    assert len(stop.value.trajectories) == len(start)


def test_an_error_in_a_thread_is_raised(monkeypatch):
    monkeypatch.setattr(many, "available", lambda: 2)
    here = threading.get_ident()

    def draw(count, rng):
        if threading.get_ident() != here:
            raise ArithmeticError("elsewhere")
        time.sleep(0.01)  # so that the other thread has its turn
        return random_bits(count, rng)

    monkeypatch.setattr("mmcl.training.sign_learners.random_bits", draw)
    with pytest.raises(ArithmeticError, match="elsewhere"):
        train_many(ALIKE, InfoNCE(3.0), rngs=rngs(8), width=6, **SETTINGS)


@pytest.mark.parametrize("world", [WORLD, ALIKE], ids=["unlike", "alike"])
def test_each_can_have_a_temperature_and_a_weight_of_its_own(world):
    objectives = [InfoNCE(1.0, negatives=1.0), InfoNCE(4.0, negatives=100.0), InfoNCE(0.1, negatives=3.0)]
    for one, rng, run in zip(
        objectives, rngs(), train_many(world, objectives, rngs=rngs(), width=6, **SETTINGS), strict=True
    ):
        alone = train(world, one, rng=rng, width=6, **SETTINGS)
        np.testing.assert_allclose(run.theta, alone.theta, atol=1e-13)
        np.testing.assert_array_equal(run.inverse_temperature, alone.inverse_temperature)


@pytest.mark.parametrize("world", [WORLD, ALIKE], ids=["unlike", "alike"])
def test_scores_whose_exponentials_overflow_are_no_trouble(world):
    start = orthonormal_weights(tuple(v.ambient_dim for v in world.views), 12, rng=np.random.default_rng(9))
    together = train_many(world, InfoNCE(5000.0), rngs=rngs(), weights=start, **SETTINGS | {"step_size": 1e-4})
    for rng, run in zip(rngs(), together, strict=True):
        alone = train(world, InfoNCE(5000.0), rng=rng, weights=start, **SETTINGS | {"step_size": 1e-4})
        np.testing.assert_allclose(run.loss, alone.loss, rtol=1e-11)
        np.testing.assert_allclose(run.theta, alone.theta, atol=1e-12)


@pytest.mark.parametrize("world", [WORLD, ALIKE], ids=["unlike", "alike"])
def test_a_run_can_go_on_alone(world):
    first = train_many(world, InfoNCE(3.0), rngs=rngs(), width=20, **SETTINGS)[1]
    longer = train_many(world, InfoNCE(3.0), rngs=rngs(), width=20, **SETTINGS | {"steps": 20})[1]
    went_on = train(world, InfoNCE(3.0), start=first, step_size=0.1, steps=8, batch_size=8)
    np.testing.assert_allclose(went_on.theta[-1], longer.theta[-1], atol=1e-13)
    assert went_on.rng_state == longer.rng_state


@pytest.mark.parametrize("world", [WORLD, ALIKE], ids=["unlike", "alike"])
def test_a_step_too_large_for_one_of_them_names_it_and_keeps_all_records(world):
    with pytest.raises(TrainingDiverged, match="lower `step_size`") as stop:
        train_many(world, [InfoNCE(0.01), InfoNCE(400.0)], rngs=rngs(2), width=6, **SETTINGS | {"step_size": 30.0})
    assert len(stop.value.trajectories) == 2
    assert stop.value.trajectory is stop.value.trajectories[1]


@pytest.mark.parametrize("world", [WORLD, ALIKE], ids=["unlike", "alike"])
def test_the_record_ends_before_the_step_at_fault_though_several_are_taken_at_once(world, monkeypatch):
    for module in ("loop", "many", "sign_learners"):
        monkeypatch.setattr(f"mmcl.training.{module}.RUNAWAY", 1.0095)  # which some reach after a few steps
    settings, alone = {"width": 6, **SETTINGS, "step_size": 0.02, "record_every": 12}, []
    for rng in rngs():
        try:
            alone.append(train(world, InfoNCE(3.0), rng=rng, **settings))
        except TrainingDiverged as stop:
            alone.append(stop.trajectory)
    with pytest.raises(TrainingDiverged) as stop:
        train_many(world, InfoNCE(3.0), rngs=rngs(), **settings)
    worst = int(np.argmin([run.steps for run in alone]))
    assert stop.value.trajectory is stop.value.trajectories[worst]
    assert 1 < alone[worst].steps == stop.value.trajectory.steps
    np.testing.assert_allclose(stop.value.trajectory.theta, alone[worst].theta, atol=1e-13)
    np.testing.assert_allclose(stop.value.trajectory.loss, alone[worst].loss, atol=1e-12)
    assert stop.value.trajectory.rng_state == alone[worst].rng_state


def test_a_batch_whose_exponentials_overflow_amid_others_is_taken_in_the_general_form(monkeypatch):
    settings = {"width": 6, **SETTINGS, "dtype": np.float32, "record_every": 12}
    whole, general = [], SignStep.slope

    def counted(self, objective, factor, signs):
        whole.append(general(self, objective, factor, signs))
        return whole[-1]

    alone = [train(ALIKE, InfoNCE(100.0), rng=rng, **settings | {"step_size": 1e-3}) for rng in rngs()]
    monkeypatch.setattr(SignStep, "slope", counted)
    together = train_many(ALIKE, InfoNCE(100.0), rngs=rngs(), **settings | {"step_size": 1e-3})
    assert 0 < len(whole) < 3 * settings["steps"]
    for run, due in zip(together, alone, strict=True):
        np.testing.assert_array_equal(run.theta, due.theta)
        np.testing.assert_array_equal(run.loss, due.loss)
        assert run.rng_state == due.rng_state


def test_an_interrupt_loses_nothing(monkeypatch):
    undisturbed = train_many(WORLD, InfoNCE(3.0), rngs=rngs(), width=6, **SETTINGS | {"steps": 7})
    moved, calls = many.Learners.moved, []

    def seven(self, *arguments, **more):
        calls.append(1)
        if len(calls) == 8:
            raise KeyboardInterrupt
        return moved(self, *arguments, **more)

    monkeypatch.setattr(many.Learners, "moved", seven)
    with pytest.raises(TrainingInterrupted) as stop:
        train_many(WORLD, InfoNCE(3.0), rngs=rngs(), width=6, **SETTINGS)
    for kept, due in zip(stop.value.trajectories, undisturbed, strict=True):
        np.testing.assert_array_equal(kept.theta[-1], due.theta[-1])
        assert kept.rng_state == due.rng_state and kept.steps == 7


def test_an_interrupt_right_after_a_step_goes_back_to_the_moment_before_it_whole(monkeypatch):
    accept, calls = many.Learners.accept, []

    def third(self, moved):
        accept(self, moved)
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(many.Learners, "accept", third)
    with pytest.raises(TrainingInterrupted) as stop:
        train_many(ALIKE, InfoNCE(3.0), rngs=rngs(), width=6, **SETTINGS)
    for rng, kept in zip(rngs(), stop.value.trajectories, strict=True):
        due = train(ALIKE, InfoNCE(3.0), rng=rng, width=6, **SETTINGS | {"steps": kept.steps})
        assert kept.steps == 10 and kept.rng_state == due.rng_state
        for w, v in zip(kept.weights, due.weights, strict=True):
            np.testing.assert_array_equal(w, v)


def test_an_interrupt_while_waiting_for_the_threads_waits_on(monkeypatch):
    monkeypatch.setattr(many, "available", lambda: 2)
    waited = []

    def interrupted(others):
        waited.append([other.done() for other in others])
        if len(waited) == 1:
            raise KeyboardInterrupt
        return wait(others)

    monkeypatch.setattr("mmcl.training.sign_learners.wait", interrupted)
    with pytest.raises(TrainingInterrupted):
        train_many(ALIKE, InfoNCE(3.0), rngs=rngs(8), width=6, **SETTINGS)
    assert len(waited) == 2


SAME = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("changes", "error", "sentence"),
    [
        ({"rngs": np.random.default_rng(0)}, TypeError, "`rngs` must be a list with one entry for each learner; got"),
        ({"rngs": []}, TypeError, "`rngs` must be a list with one entry for each learner; got list."),
        ({"rngs": [0, 1]}, TypeError, "each of `rngs` must be a numpy.random.Generator"),
        ({"rngs": [SAME, SAME]}, ValueError, "`rngs` must be different generators, or the learners would share"),
        ({"objective": [InfoNCE(1.0)]}, ValueError, "`objective` must be one, or one for each of the 3 `rngs`; got 1."),
        ({"objective": [InfoNCE(1.0), PositiveOnly(), InfoNCE(1.0)]}, TypeError, "`objective` must be of one kind"),
        ({"objective": "CLIP"}, TypeError, "`objective` must be InfoNCE or InBatchInfoNCE or PositiveOnly; got"),
        ({"device": "abacus"}, ValueError, "`device` must be one that torch can use here, in double precision; got"),
        ({"batch_size": 0}, ValueError, "`batch_size` (n) must be"),
        ({"dtype": np.float16}, ValueError, "`dtype` must be float64 or float32"),
        ({"width": None}, TypeError, "`width` (m) must be given"),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else None,
)
def test_wrong_input_gets_a_sentence(changes, error, sentence):
    arguments = {"data": WORLD, "objective": InfoNCE(3.0), "rngs": rngs(), "width": 4} | SETTINGS | changes
    with pytest.raises(error) as raised:
        train_many(**arguments)
    assert str(raised.value).startswith(sentence), str(raised.value)

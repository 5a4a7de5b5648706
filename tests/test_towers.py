"""Training on real pairs follows the definition, goes on where it stopped, and never loses its record."""

from __future__ import annotations

import numpy as np
import pytest

from mmcl import EmpiricalPairs, InBatchInfoNCE, InfoNCE, PositiveOnly, spectrum, train
from mmcl.training import TrainingDiverged, TrainingInterrupted, gaussian_weights
from mmcl.training.towers import Towers

OBJECTIVES = (PositiveOnly(), InBatchInfoNCE(3.0), InfoNCE(3.0, negatives=5.0))
NORMALIZATIONS = ("population", "batch", "sample")


def _pairs(n: int = 40) -> EmpiricalPairs:
    rng = np.random.default_rng(0)
    shared = rng.normal(size=(n, 3))
    a = np.hstack([shared, 0.5 * rng.normal(size=(n, 2))])
    return EmpiricalPairs(a, shared @ rng.normal(size=(3, 4)) + 0.2 * rng.normal(size=(n, 4))).standardized()


def _run(objective=OBJECTIVES[1], *, seed: int = 1, **settings):
    settings = {"width": 6, "step_size": 0.3, "steps": 12, "batch_size": 15, "record_every": 4} | settings
    if "start" not in settings:
        settings["rng"] = np.random.default_rng(seed)
    return train(_pairs(), objective, **settings)


def _features_by_loops(x: np.ndarray, w: np.ndarray, reference: np.ndarray, normalization: str) -> np.ndarray:
    out = np.array([[sum(row[i] * w[i, k] for i in range(len(row))) for k in range(w.shape[1])] for row in x])
    if normalization == "sample":
        return np.array([row / np.sqrt(sum(row**2)) for row in out])
    return out / np.sqrt(np.mean([sum((row @ w) ** 2) for row in reference]))


def _loss_by_loops(objective, weights, pairs: EmpiricalPairs, rows: np.ndarray, normalization: str) -> float:
    modalities = (pairs.a, pairs.b)
    reference = [x if normalization == "population" else x[rows] for x in modalities]
    everything = [
        _features_by_loops(x, w, y, normalization) for x, w, y in zip(modalities, weights, reference, strict=True)
    ]
    f, n = [x[rows] for x in everything], len(rows)
    if isinstance(objective, PositiveOnly):
        return -2 * sum(f[0][i] @ f[1][i] for i in range(n)) / n
    tau2, total = objective.inverse_temperature, 0.0
    for anchors, partners, population in ((f[0], f[1], everything[1]), (f[1], f[0], everything[0])):
        for i in range(n):
            positive = np.exp(tau2 * anchors[i] @ partners[i])
            if isinstance(objective, InfoNCE):
                negatives = np.mean([np.exp(tau2 * anchors[i] @ other) for other in population])
                denominator = positive + objective.negatives * negatives
            else:
                denominator = sum(np.exp(tau2 * anchors[i] @ other) for other in partners)
            total -= np.log(positive / denominator) / n
    return total


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
@pytest.mark.parametrize("objective", OBJECTIVES, ids=lambda o: type(o).__name__)
def test_a_step_descends_the_loss_of_the_definition_through_its_normaliser(objective, normalization):
    pairs, rng = _pairs(), np.random.default_rng(2)
    before = gaussian_weights(pairs.ambient_dim, 3, rng=rng)
    seed, step, nudge = 5, 0.1, 1e-6
    rows = np.random.default_rng(seed).choice(len(pairs), size=9, replace=False)
    run = Towers(pairs, objective, before, 9, normalization)
    run.step(step, np.random.default_rng(seed))
    assert run.loss == pytest.approx(_loss_by_loops(objective, before, pairs, rows, normalization), abs=1e-12)
    for modality in (0, 1):
        direction = rng.normal(size=before[modality].shape)
        values = []
        for sign in (1, -1):
            moved = list(before)
            moved[modality] = moved[modality] + sign * nudge * direction
            values.append(_loss_by_loops(objective, moved, pairs, rows, normalization))
        slope = (values[0] - values[1]) / (2 * nudge)
        taken = np.sum((run.weights[modality] - before[modality]) * direction) / step
        assert taken == pytest.approx(-slope, rel=1e-6, abs=1e-8)


def test_a_full_batch_of_positives_descends_as_the_moments_say():
    pairs = _pairs()
    w_a, w_b = gaussian_weights(pairs.ambient_dim, 6, rng=np.random.default_rng(1))
    run = _run(PositiveOnly(), batch_size=None, steps=10, normalization="population")
    cov_a, cov_b, cross = pairs.covariance_a, pairs.covariance_b, pairs.cross_covariance
    for _ in range(10):
        n_a, n_b = np.sqrt(np.trace(w_a.T @ cov_a @ w_a)), np.sqrt(np.trace(w_b.T @ cov_b @ w_b))
        aligned = np.trace(w_a.T @ cross @ w_b) / (n_a * n_b)
        move_a = cross @ w_b / (n_a * n_b) - aligned * cov_a @ w_a / n_a**2
        move_b = cross.T @ w_a / (n_a * n_b) - aligned * cov_b @ w_b / n_b**2
        w_a, w_b = w_a + 0.6 * move_a, w_b + 0.6 * move_b
    np.testing.assert_allclose(run.weights.a, w_a, atol=1e-12)
    np.testing.assert_allclose(run.weights.b, w_b, atol=1e-12)


@pytest.mark.parametrize("objective", OBJECTIVES, ids=lambda o: type(o).__name__)
def test_small_steps_keep_the_norm_of_the_weights(objective):
    growth = []
    for step in (0.02, 0.01):
        run = _run(objective, batch_size=None, step_size=step, steps=round(1 / step))
        growth.append(sum(np.sum(w**2) for w in run.weights) - _norm_at_start())
    assert growth[1] == pytest.approx(growth[0] / 2, rel=0.1), "an error of first order in the step"


def _norm_at_start() -> float:
    return sum(np.sum(w**2) for w in gaussian_weights(_pairs().ambient_dim, 6, rng=np.random.default_rng(1)))


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_the_record_is_the_spectrum_over_the_training_pairs(normalization):
    run, pairs = _run(normalization=normalization), _pairs()
    assert run.time == pytest.approx([0, 1.2, 2.4, 3.6])
    a, b = pairs.a @ run.weights.a, pairs.b @ run.weights.b
    if normalization == "sample":
        a, b = (f / np.linalg.norm(f, axis=1, keepdims=True) for f in (a, b))
    found = spectrum(a, b)
    assert run.alignment[-1] == pytest.approx(found.alignment, abs=1e-12)
    np.testing.assert_allclose(run.theta[-1], found.theta[: run.theta.shape[1]], atol=1e-12)
    np.testing.assert_allclose(run.theta.sum(axis=1), run.alignment, atol=1e-12)
    for unknown in (run.condition_number, run.condition_number_b, run.noise_share, run.misalignment):
        assert np.isnan(unknown).all()


def test_the_same_generator_gives_the_same_run_bit_for_bit():
    first, second = _run(), _run()
    np.testing.assert_array_equal(first.weights.a, second.weights.a)
    np.testing.assert_array_equal(first.loss, second.loss)


@pytest.mark.parametrize("objective", OBJECTIVES, ids=lambda o: type(o).__name__)
def test_two_short_runs_are_one_long_run_bit_for_bit(objective):
    whole, half = _run(objective, steps=16), _run(objective, steps=8)
    joined = _run(objective, steps=8, start=half).after(half)
    for long, short in zip(whole.weights, joined.weights, strict=True):
        np.testing.assert_array_equal(long, short)
    np.testing.assert_array_equal(joined.theta, whole.theta)
    np.testing.assert_allclose(joined.time, whole.time, rtol=1e-14)
    assert joined.steps == whole.steps == 16
    assert joined.rng_state == whole.rng_state


@pytest.mark.parametrize("shown", [None, True])
def test_an_interrupted_run_keeps_its_record_and_goes_on_as_if_nothing_had_happened(monkeypatch, shown):
    whole, draw, calls = _run(), Towers._batch, []

    def interrupted(self, rng):
        batch = draw(self, rng)
        calls.append(rng)
        if len(calls) == 7:
            raise KeyboardInterrupt
        return batch

    monkeypatch.setattr(Towers, "_batch", interrupted)
    sentence = (
        r"^Training was interrupted after step 6 \(t = 1\.8\); the record up to there is in `\.trajectory`, "
        r"and training goes on from it as `start`\.$"
    )
    with pytest.raises(TrainingInterrupted, match=sentence) as stopped:
        _run(progress=shown)
    kept = stopped.value.trajectory
    assert kept.time == pytest.approx([0, 1.2, 1.8])
    rest = _run(steps=6, start=kept, record_every=2)
    np.testing.assert_array_equal(rest.weights.a, whole.weights.a)
    assert rest.steps == 12


def test_a_step_size_that_diverges_is_named_and_the_record_kept():
    with pytest.raises(TrainingDiverged, match=r"lower `step_size` \(η\), which was 1e\+06\.$") as stopped:
        _run(step_size=1e6)
    kept = stopped.value.trajectory
    assert kept.time[0] == 0 and np.isfinite(kept.alignment).all()
    assert all(np.isfinite(w).all() for w in kept.weights)
    assert stopped.match(rf"^Training diverged at step {kept.steps + 1} \(t = ")


def test_positive_pairs_align_and_carry_ever_fewer_directions():
    run = _run(PositiveOnly(), step_size=1.0, steps=200, batch_size=None, record_every=50)
    assert run.alignment[-1] > 0.9
    assert np.all(np.diff(run.alignment) > 0)


def test_one_direction_of_width_one_is_enough():
    assert _run(width=1).theta.shape == (4, 1)


def test_what_does_not_fit_is_refused_in_a_sentence():
    with pytest.raises(ValueError, match=r"^`batch_size` \(n\) must be at most the number of pairs, 40; got 41\.$"):
        _run(batch_size=41)
    with pytest.raises(ValueError, match=r"^`width` \(m\) must be a whole number of at least 1; got 0\.$"):
        _run(width=0)
    with pytest.raises(ValueError, match=r"^`step_size` \(η\) must be positive and finite; got -0\.3\.$"):
        _run(step_size=-0.3)
    with pytest.raises(
        ValueError, match=r"^`normalization` must be one of 'population', 'batch', 'sample'; got 'clip'\.$"
    ):
        _run(normalization="clip")
    blank = EmpiricalPairs(np.vstack([np.zeros(2), np.ones((3, 2))]), np.ones((4, 2)))
    with pytest.raises(ValueError, match=r"^`a` must have no row of zeros, which has no direction, with \"sample\"\.$"):
        Towers(blank, PositiveOnly(), gaussian_weights((2, 2), 2, rng=np.random.default_rng(0)), None, "sample")
    dead = EmpiricalPairs(np.zeros((4, 2)), np.ones((4, 2)))
    with pytest.raises(ValueError, match=r"^`data` must have a positive, finite mean square in modality A; got 0\.$"):
        train(dead, PositiveOnly(), width=2, step_size=0.1, steps=1, rng=np.random.default_rng(0))


def test_data_that_cannot_be_trained_on_are_refused_in_a_sentence():
    settings = {"width": 4, "step_size": 0.1, "steps": 2}
    for unit, power in ((0.0, "0"), (1e-200, "0"), (1e200, "inf")):
        pairs = EmpiricalPairs(np.eye(3), unit * np.eye(3))
        sentence = rf"^`data` must have a positive, finite mean square in modality B; got {power}\.$"
        with pytest.raises(ValueError, match=sentence), np.errstate(over="ignore"):
            train(pairs, InfoNCE(4.0), rng=np.random.default_rng(0), **settings)


def test_views_and_arrays_that_are_read_only_train_as_their_copies_do():
    pairs = _pairs()
    a = np.ascontiguousarray(pairs.a[:, ::-1])[:, ::-1]
    a.setflags(write=False)
    settings = {"width": 6, "step_size": 0.3, "steps": 4}
    one, other = (
        train(EmpiricalPairs(x, pairs.b), OBJECTIVES[2], rng=np.random.default_rng(0), **settings) for x in (a, pairs.a)
    )
    np.testing.assert_allclose(one.theta, other.theta, atol=1e-12)


@pytest.mark.parametrize("normalization", ["population", "batch", "sample"])
@pytest.mark.parametrize("objective", OBJECTIVES, ids=lambda o: type(o).__name__)
def test_single_precision_gives_the_same_run_to_its_digits(objective, normalization):
    double, single = (_run(objective, normalization=normalization, dtype=d) for d in ("float64", np.float32))
    for one, other in zip(single.weights, double.weights, strict=True):
        assert one.dtype == np.float64
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dtype", ["float16", int, None, "single precision", [1]])
def test_only_two_precisions_are_known(dtype):
    with pytest.raises(ValueError, match=r"^`dtype` must be float64 or float32; got "):
        _run(dtype=dtype)


def test_data_beyond_single_precision_are_refused():
    pairs = EmpiricalPairs(np.full((4, 2), 1e30), np.ones((4, 2)))
    sentence = (
        r"^`data` must have a mean square between 1e-20 and 1e20 in modality A for float32 arithmetic; got 2e\+60\.$"
    )
    with pytest.raises(ValueError, match=sentence):
        train(pairs, PositiveOnly(), width=2, step_size=0.1, steps=1, rng=np.random.default_rng(0), dtype="float32")

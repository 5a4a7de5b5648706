"""Control variates: the mean of the gradient stays what it is, its noise does not."""

from __future__ import annotations

import numpy as np
import pytest

from mmcl import InBatchInfoNCE, InfoNCE, PairedData, PositiveOnly, train
from mmcl.latents import GaussianLatents, UniformLatents
from mmcl.real_pairs import glyphs
from mmcl.training.descent import all_signs
from mmcl.training.grams import Grams, gradient
from mmcl.training.initial import orthonormal_weights
from mmcl.worlds import CANONICAL

SMALL = PairedData(signal_a=[2.0, 1.0], noise_a=0.5, ambient_dim=(4, 5))


def learner(data, seed=0, width=6):
    rng = np.random.default_rng(seed)
    return Grams(
        *(view.scales[:, None] * rng.standard_normal((view.ambient_dim, width)) / width**0.5 for view in data.views)
    )


def stacked(data, objective, grams, signs, control):
    return gradient(
        objective, grams, signs, "population", data.signal_dim, data.latents, control_variates=control
    )[1].at(grams)  # fmt: skip


@pytest.mark.parametrize("batch_size", [4, 5, 32])
@pytest.mark.parametrize("K", [1.0, 30.0])
def test_the_gradient_stays_unbiased_at_every_batch_size(batch_size, K):
    grams, objective, rng = learner(SMALL), InfoNCE(3.0, negatives=K), np.random.default_rng(1)
    exact = stacked(SMALL, objective, grams, all_signs(SMALL), False)
    drawn = np.array([stacked(SMALL, objective, grams, SMALL.signs(batch_size, rng=rng), True) for _ in range(1500)])
    z = (drawn.mean(axis=0) - exact) / (drawn.std(axis=0, ddof=1) / 1500**0.5)
    assert np.abs(z).max() < 4.5  # the largest of 54 standard normal numbers, once in 2700 tests


def test_coefficients_of_the_same_pairs_would_be_biased(monkeypatch):
    """What the two halves are for: the test above can fail."""
    from mmcl.training import control, scores

    def naive(pull, u, eps):
        alpha, beta = control._fit(pull, u, eps)
        pull -= alpha * u + beta * eps
        return len(pull) * alpha, len(pull) * beta

    monkeypatch.setattr(scores, "less_linear", naive)
    with pytest.raises(AssertionError):
        test_the_gradient_stays_unbiased_at_every_batch_size(4, 1.0)


@pytest.mark.parametrize("law", [GaussianLatents(), UniformLatents()], ids=lambda x: type(x).__name__)
def test_other_latents_keep_their_mean_too(law):
    data = PairedData(signal_a=[2.0, 1.0], noise_a=0.5, ambient_dim=4, latents=law)
    grams, objective, rng = learner(data), InfoNCE(0.5, negatives=3.0), np.random.default_rng(1)
    plain, less = (
        np.array([stacked(data, objective, grams, data.signs(64, rng=rng), control) for _ in range(400)])
        for control in (False, True)
    )
    error = (plain.var(axis=0, ddof=1) + less.var(axis=0, ddof=1)) / 400
    assert np.abs((plain.mean(axis=0) - less.mean(axis=0)) / error**0.5).max() < 4.5
    assert less.var(axis=0).sum() < 0.6 * plain.var(axis=0).sum()


@pytest.mark.parametrize(("K", "left"), [(1.0, 0.02), (511.0, 1e-5)])  # measured: 0.009 and 6e-7
def test_little_of_the_variance_is_left(K, left):
    grams, objective, rng = learner(CANONICAL, width=512), InfoNCE(4.0, negatives=K), np.random.default_rng(2)
    plain, less = (
        np.array([stacked(CANONICAL, objective, grams, CANONICAL.signs(512, rng=rng), c) for _ in range(30)])
        for c in (False, True)
    )
    assert less.var(axis=0).sum() < left * plain.var(axis=0).sum()


def test_runs_with_them_scatter_less_about_the_same_end():
    start = orthonormal_weights((64, 64), 128, rng=np.random.default_rng(1))
    settings = {"step_size": 0.1, "steps": 50, "batch_size": 64, "weights": start}
    plain, less = (
        np.array(
            [
                train(CANONICAL, InfoNCE(4.0), rng=np.random.default_rng(seed), control_variates=c, **settings).theta[
                    -1
                ]
                for seed in range(4)
            ]
        )
        for c in (False, True)
    )
    assert less.std(axis=0).max() < plain.std(axis=0).min() / 3
    error = np.sqrt((plain.var(axis=0, ddof=1) + less.var(axis=0, ddof=1)) / 4)
    assert (np.abs(plain.mean(axis=0) - less.mean(axis=0)) < 4 * error + 1e-4).all()  # noise bends the mean path too


@pytest.mark.parametrize(
    ("changes", "error", "sentence"),
    [
        ({"control_variates": 1}, TypeError, "`control_variates` must be True or False; got 1."),
        ({"data": glyphs}, TypeError, "`data`, with `control_variates`, must be PairedData; got EmpiricalPairs."),
        ({"objective": InBatchInfoNCE(4.0)}, TypeError, "`objective`, with `control_variates`, must be InfoNCE; got"),
        ({"objective": PositiveOnly()}, TypeError, "`objective`, with `control_variates`, must be InfoNCE; got"),
        ({"batch_size": 3}, ValueError, "`batch_size` (n) must be at least 4 with `control_variates`, which fit"),
        ({"normalization": "batch"}, ValueError, '`normalization` must be "population" with `control_variates`; got'),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else None,
)
def test_where_they_have_no_known_mean_they_are_refused(changes, error, sentence):
    settings = {
        "data": SMALL, "objective": InfoNCE(3.0), "step_size": 0.1, "steps": 1, "width": 4, "batch_size": 8,
        "rng": np.random.default_rng(0), "control_variates": True,
    } | changes  # fmt: skip
    if callable(settings["data"]):
        settings["data"] = settings["data"]().train
    with pytest.raises(error) as raised:
        train(**settings)
    assert str(raised.value).startswith(sentence), str(raised.value)

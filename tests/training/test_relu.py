"""ReLU towers on sparse signal: the data, the encoder and the head, each against its definition."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch

from mmcl import InBatchInfoNCE, PositiveOnly
from mmcl.pair import Pair
from mmcl.sparse import SparsePairs
from mmcl.training.initial import gaussian_weights
from mmcl.training.relu import encode, learned_features, predicted_loss, train_relu

RNG = np.random.default_rng
DATA = SparsePairs((2.0, 1.0), frequency=0.3, noise=0.5, ambient_dim=6)


@pytest.mark.parametrize("common", [0.0, 0.4, 1.0])
def test_the_second_moments_of_the_pairs(common):
    data = SparsePairs(DATA.signal, 0.3, 0.5, common, 6)
    n = 100_000
    a, b, z = data.sample(n, rng=RNG(0))
    signal = np.diag([0.3 * 4, 0.3 * 1, 0, 0, 0, 0])
    # Entries have a standard error below 2/√n; five of them.
    np.testing.assert_allclose(a.T @ a / n, signal + 0.25 * np.eye(6), atol=10 / np.sqrt(n))
    np.testing.assert_allclose(a.T @ b / n, signal + common * 0.25 * np.eye(6), atol=10 / np.sqrt(n))
    assert set(np.unique(z)) == {-1.0, 0.0, 1.0}
    np.testing.assert_allclose(data.reliability, [1.2 / 1.45, 0.3 / 0.55])


def test_the_encoder_neuron_by_neuron():
    x, w = RNG(1).standard_normal((50, 6)), RNG(2).standard_normal((6, 4))
    raw = np.array([[max(0, w_j @ row - b) - max(0, -(w_j @ row) - b) for w_j, b in zip(w.T, bars, strict=True)]
                    for row in x for bars in [np.sqrt(np.mean((x @ w) ** 2, axis=0))]])  # fmt: skip
    due = raw / np.sqrt(np.sum(raw**2) / 50)
    np.testing.assert_allclose(encode(torch.from_numpy(x), torch.from_numpy(w), 1.0), due, atol=1e-12)
    linear = encode(torch.from_numpy(x), torch.from_numpy(w), 0.0).numpy()
    np.testing.assert_allclose(linear, x @ w / np.sqrt(np.sum((x @ w) ** 2) / 50), atol=1e-12)


def test_the_scale_of_a_tower_changes_nothing():
    x, w = (torch.from_numpy(RNG(i).standard_normal(shape)) for i, shape in ((1, (50, 6)), (2, (6, 4))))
    np.testing.assert_allclose(encode(x, 3 * w, 1.0), encode(3 * x, w, 1.0), atol=1e-12)


def test_the_predicted_loss_is_minus_four_cosines_halved():
    f = Pair(*(RNG(i).standard_normal((50, 4)) for i in (3, 4)))
    heads = Pair(*(RNG(i).standard_normal((4, 4)) for i in (5, 6)))
    due = 0.0
    for one, other, head in ((f.a, f.b, heads.a), (f.b, f.a, heads.b)):
        through = one @ head
        due -= 2 * np.mean(np.sum(through * other, axis=1)) / np.sqrt(np.mean(np.sum(through**2, axis=1)))
    found = predicted_loss(Pair(*map(torch.from_numpy, f)), Pair(*map(torch.from_numpy, heads)))
    assert float(found) == pytest.approx(due, rel=1e-12)


def test_copies_run_side_by_side_as_they_would_alone():
    """One step of descent by hand: positives only, by finite differences of the loss."""
    settings = {"width": 3, "batch_size": 20, "steps": 1, "step_size": 1e-3}
    after = train_relu(DATA, PositiveOnly(), rng=RNG(7), copies=2, **settings)
    rng = RNG(7)
    starts = [gaussian_weights((6, 6), 3, rng=rng) for _ in range(2)]
    batch = DATA.sample(40, rng=rng)
    for copy, start in enumerate(starts):
        a, b = (x[20 * copy : 20 * (copy + 1)] for x in batch[:2])

        def value(w, a=a, b=b, start=start):
            f = [encode(torch.from_numpy(x), torch.from_numpy(v), 1.0).numpy() for x, v in ((a, w), (b, start.b))]
            return -2 * np.mean(np.sum(f[0] * f[1], axis=1))

        nudge = 1e-6 * np.eye(18).reshape(18, 6, 3)
        slope = [(value(start.a + e) - value(start.a - e)) / 2e-6 for e in nudge]
        moved = (start.a - after.a[copy]).ravel() / 1e-3
        np.testing.assert_allclose(moved, slope, atol=1e-6)


def test_what_is_learned_of_weights_that_see_one_coordinate_each():
    w = np.zeros((6, 4))
    w[[0, 0, 1, 5], range(4)] = 1
    found = learned_features(DATA, Pair(w, w), rng=RNG(8), threshold=0.0)
    assert (found.on_signal, found.noise_energy) == (0.75, 0.25)
    total = 2 * 1.45 + 0.55 + 0.25
    np.testing.assert_allclose(found.theta, [2 * 1.2 / total, 0.3 / total], atol=0.03)
    assert found.alignment == pytest.approx(2.7 / total, abs=0.03)


@pytest.mark.parametrize(
    ("call", "error", "sentence"),
    [
        (
            lambda: train_relu(DATA, InBatchInfoNCE(1.0), rng=RNG(0), head=True),
            TypeError,
            "`head` must be False with negatives, whose loss has no predictor; got "
            "InBatchInfoNCE(inverse_temperature=1.0).",
        ),
        (
            lambda: SparsePairs((1.0,), frequency=1.5),
            ValueError,
            "`frequency` (ρ) must be at most 1; got 1.5.",
        ),
        (
            lambda: SparsePairs((1.0,), common=2),
            ValueError,
            "`common` (c) must be at most 1; got 2.",
        ),
        (
            lambda: SparsePairs((1.0, 1.0), ambient_dim=1),
            ValueError,
            "`signal` (σ) must have at most d = 1 coordinates; got r = 2.",
        ),
    ],
)
def test_what_does_not_fit_is_refused_in_a_sentence(call, error, sentence):
    with pytest.raises(error, match=f"^{re.escape(sentence)}$"):
        call()


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (
            {"threshold": 4.0, "batch_size": 16},
            "All outputs of a batch were zero at step 1, and cannot be normalised; lower `threshold` (β), which was 4, "
            "or raise `batch_size` (n), which was 16.",
        ),
        ({"step_size": 1e30}, "Training diverged at step 1; lower `step_size` (η), which was 1e+30."),
    ],
)
def test_a_run_without_outputs_or_bounds_ends_in_a_sentence(settings, sentence):
    for objective in (PositiveOnly(), InBatchInfoNCE(4.0)):
        with pytest.raises(ArithmeticError, match=f"^{re.escape(sentence)}$"):
            train_relu(DATA, objective, rng=RNG(0), steps=30, width=4, **settings)


@pytest.mark.parametrize(
    ("call", "error", "sentence"),
    [
        (
            lambda: train_relu(DATA, PositiveOnly(), rng=RNG(0), head="no"),
            TypeError,
            "`head` must be True or False; got 'no'.",
        ),
        (
            lambda: learned_features(DATA, Pair(np.ones((6, 2)), np.ones((6, 2))), rng=RNG(0), threshold=60.0),
            ValueError,
            "`threshold` (β) must leave some output above zero; got 60, and nothing but zeros.",
        ),
        (
            lambda: learned_features(DATA, Pair(np.ones((2, 6, 2)), np.ones((2, 6, 2))), rng=RNG(0)),
            ValueError,
            "`weights` (W) must have 2 dimensions; got shape (2, 6, 2).",
        ),
    ],
)
def test_what_no_feature_can_be_read_off_is_refused_in_a_sentence(call, error, sentence):
    with pytest.raises(error, match=f"^{re.escape(sentence)}$"):
        call()

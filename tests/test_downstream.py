"""What a representation is worth: predictions against their definitions, by listing and by drawing."""

from __future__ import annotations

import itertools
import re
from math import comb

import numpy as np
import pytest

from mmcl import InfoNCE, PairedData, PositiveOnly, gradient_flow
from mmcl.covariance import covariance_flow
from mmcl.downstream import Shares, best_ridge_error, few_shot_error, retrieval_rate, ridge_error, shares
from mmcl.probes import drawn_per_class, first_place, nearest_mean, ridge_probe
from mmcl.worlds import CANONICAL, UNEQUAL

RNG = np.random.default_rng
HELD = Shares(np.array([0.5, 0.2, 0.1]), np.array([0.15, 0.05]))


def test_the_shares_of_the_flow_are_all_of_the_output_and_have_its_condition_number():
    for objective in (PositiveOnly(), InfoNCE(4.0)):
        path = gradient_flow(CANONICAL, objective, [0.0, 5.0, 40.0])
        for row in range(3):
            held = shares(path, CANONICAL, row=row)
            assert held.all.sum() == pytest.approx(1, abs=1e-12)
            assert held.condition_number == pytest.approx(path.condition_number[row], rel=1e-7)


def test_ridge_on_all_patterns_makes_the_population_error():
    signs = np.array(list(itertools.product([-1.0, 1.0], repeat=5)))
    features, penalty = signs * np.sqrt(HELD.all), 0.3
    w = np.linalg.solve(features.T @ features / 32 + penalty * np.eye(5), features.T @ signs[:, :3] / 32)
    assert ridge_error(HELD, penalty) == pytest.approx(np.mean((features @ w - signs[:, :3]) ** 2), abs=1e-13)


def test_many_labels_are_the_population():
    assert ridge_error(HELD, 0.3, labels=10**9) == pytest.approx(ridge_error(HELD, 0.3), rel=1e-7)


def test_equal_shares_are_best_for_every_penalty():
    rng = RNG(0)
    for penalty in (1e-3, 0.1, 10.0):
        best = ridge_error(Shares(np.full(4, 0.2), np.full(1, 0.2)), penalty)
        others = [ridge_error(Shares(0.8 * rng.dirichlet(np.ones(4)), np.full(1, 0.2)), penalty) for _ in range(50)]
        assert min(others) > best


def test_the_best_penalty_is_the_best_of_a_grid():
    error, penalty = best_ridge_error(HELD, 20, label_noise=0.5)
    assert ridge_error(HELD, penalty, labels=20, label_noise=0.5) == pytest.approx(error, rel=1e-9)
    assert error <= min(ridge_error(HELD, x, labels=20, label_noise=0.5) for x in np.geomspace(1e-4, 10, 200))


@pytest.mark.parametrize("k", [1, 2, 3])
def test_few_shot_errors_are_those_of_drawn_episodes(k):
    n, root = 40_000, np.sqrt(HELD.all)
    due = few_shot_error(HELD, k)
    for p in range(3):
        signs = RNG(10 * k + p).choice([-1.0, 1.0], (n, 2 * k + 1, 5))
        signs[:, :k, p], signs[:, k:-1, p], signs[:, -1, p] = 1, -1, 1
        means = (signs[:, :k] * root).mean(axis=1), (signs[:, k:-1] * root).mean(axis=1)
        near, far = (((signs[:, -1] * root - mean) ** 2).sum(axis=1) for mean in means)
        gap = near - far
        wrong = np.mean((gap > 1e-12) + 0.5 * (np.abs(gap) <= 1e-12))
        assert abs(wrong - due[p]) < 4 * np.sqrt(due[p] / n) + 1e-3  # the series is cut: a part in a thousand


@pytest.mark.parametrize("theta", [np.array([0.5, 0.3, 0.2]), np.ones(3)], ids=["uneven", "equal"])
def test_the_rate_of_retrieval_is_that_of_all_patterns_one_by_one(theta):
    patterns, n, rho = np.array(list(itertools.product([-1.0, 1.0], repeat=3))), 4, 0.2
    rate = 0.0
    for eta in patterns:
        weight = np.prod(np.where(eta < 0, rho, 1 - rho))
        gaps = patterns @ theta - eta @ theta
        less, same = np.mean(gaps < -1e-12), np.mean(np.abs(gaps) <= 1e-12)
        rate += weight * sum(comb(n - 1, g) * same**g * less ** (n - 1 - g) / (g + 1) for g in range(n))
    assert retrieval_rate(theta, n, rho) == pytest.approx(rate, abs=1e-13)


def test_retrieval_of_signs_that_say_nothing_is_chance():
    assert retrieval_rate(np.array([0.4, 0.3, 0.2]), 7, 0.5) == pytest.approx(1 / 7, abs=1e-14)


def test_the_order_of_coordinates_does_not_matter():
    turned = Shares(HELD.signal[::-1], HELD.noise)
    np.testing.assert_allclose(few_shot_error(turned, 2)[::-1], few_shot_error(HELD, 2), atol=1e-13)
    assert retrieval_rate(HELD.signal[::-1], 5, 0.1) == pytest.approx(retrieval_rate(HELD.signal, 5, 0.1), abs=1e-14)


def test_a_probe_minimises_what_it_says():
    rng = RNG(1)
    features, targets = rng.standard_normal((3, 9, 4)), rng.standard_normal((3, 9, 2))
    w = ridge_probe(features, targets, 0.2)

    def value(w):
        return ((targets - features @ w) ** 2).sum() / 9 + 0.2 * (w**2).sum()

    assert all(value(w + 1e-3 * rng.standard_normal(w.shape)) > value(w) for _ in range(20))


def test_the_nearest_mean_scores_most():
    rng = RNG(2)
    examples, queries = rng.standard_normal((3, 4, 5)), rng.standard_normal((7, 5))
    gaps = ((queries[:, None] - examples.mean(axis=1)) ** 2).sum(axis=-1)
    np.testing.assert_array_equal(nearest_mean(examples, queries).argmax(axis=1), gaps.argmin(axis=1))


def test_first_place_shares_ties():
    candidates = np.array([[1.0, 0.0], [1.0, 1.0], [1.0, -1.0]])
    assert first_place(np.array([1.0, 0.0]), candidates) == pytest.approx(1 / 3)
    assert [float(first_place(np.array([0.0, 1.0]), candidates, partner=i)) for i in range(3)] == [0, 1, 0]


def test_drawn_rows_are_different_and_of_their_class():
    labels = np.array([0, 1, 0, 1, 0, 1])
    rows = drawn_per_class(labels, 3, rng=RNG(0))
    assert sorted(rows[0]) == [0, 2, 4] and sorted(rows[1]) == [1, 3, 5]


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: ridge_error(HELD, 0.0), "`penalty` (λ) must be positive and finite; got 0.0."),
        (lambda: ridge_error(HELD, 1.0, labels=0), "`labels` (n) must be a whole number of at least 1; got 0."),
        (lambda: few_shot_error(HELD, 0), "`shots` (k) must be a whole number of at least 1; got 0."),
        (lambda: retrieval_rate(np.ones(2), 3, 1.5), "`flip` (ρ) must be at most 1; got 1.5."),
        (
            lambda: retrieval_rate(np.ones(30), 3, 0.5),
            "`theta` (θ) must have at most 20 coordinates to be listed; got 30.",
        ),
        (
            lambda: drawn_per_class(np.array([0, 0, 1]), 2, rng=RNG(0)),
            "`shots` (k) must be at most the size of the smallest class, 1; got 2.",
        ),
        (
            lambda: ridge_probe(np.ones((3, 2)), np.ones((4, 1)), 1.0),
            "`targets` (Y) must have as many rows as `features` (F), n = 3; got 4.",
        ),
        (
            lambda: shares(gradient_flow(UNEQUAL, PositiveOnly(), [0.0, 1.0]), UNEQUAL),
            "`data` must have symmetric modalities and noise of one scale for its shares to follow.",
        ),
    ],
)
def test_what_does_not_fit_is_refused_in_a_sentence(call, sentence):
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        call()


@pytest.mark.parametrize(("parts", "k", "close"), [((0.98, 0.0199, 1e-4), 1, 2e-3), ((0.9, 0.08, 0.02), 2, 2e-4)])
def test_few_shot_errors_are_those_of_every_pattern_of_signs(parts, k, close):
    """A sum that comes close to zero is told from one that reaches it, as far as the smallest share asks for it."""
    means = 2 * np.arange(k + 1) / k - 1
    weights = np.array([comb(k, i) for i in range(k + 1)]) / 2.0**k
    found = few_shot_error(Shares(np.array(parts), np.zeros(0)), k)
    for p, own in enumerate(parts):
        others = [
            [(s * (a - b) * (e - (a + b) / 2), u * v / 2) for a, u in zip(means, weights, strict=True)
             for b, v in zip(means, weights, strict=True) for e in (-1, 1)]
            for q, s in enumerate(parts) if q != p
        ]  # fmt: skip
        due = 0.0
        for terms in itertools.product(*others):
            total, weight = 2 * own + sum(x for x, _ in terms), np.prod([w for _, w in terms])
            due += weight * (total < -1e-12) + weight * (abs(total) <= 1e-12) / 2
        assert found[p] == pytest.approx(due, abs=close) and 0 <= found[p] <= 1


def test_a_representation_without_scores_finds_its_partner_by_chance():
    assert retrieval_rate(np.zeros(3), 4, 0.1) == pytest.approx(0.25)


def test_labels_that_are_all_noise_are_best_ignored():
    held = Shares(np.array([0.25] * 2), np.array([0.25] * 2))
    error, penalty = best_ridge_error(held, 10, label_noise=1000.0)
    assert error < 1 and penalty > 5e4
    assert ridge_error(held, 1e9, labels=10, label_noise=0.5) == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize(
    ("labels", "noise", "sentence"),
    [
        (10, -3.0, "`label_noise` (ω) must be at least 0 and finite; got -3.0."),
        (10, float("nan"), "`label_noise` (ω) must be at least 0 and finite; got nan."),
        (None, 0.5, "`label_noise` (ω) must be left out without `labels` (n), whose mean has none; got 0.5."),
    ],
)
def test_noise_that_labels_cannot_have_is_refused(labels, noise, sentence):
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        ridge_error(HELD, 0.1, labels=labels, label_noise=noise)


def test_probes_compute_in_double_precision_and_refuse_what_is_no_number():
    bits = np.random.default_rng(0).integers(0, 2, (1000, 3)).astype(np.uint8)
    wide = bits.astype(float)
    np.testing.assert_array_equal(ridge_probe(bits, bits, 0.1), ridge_probe(wide, wide, 0.1))
    assert first_place(np.array([20, 0], np.uint8), np.array([[20, 0], [3, 0], [0, 1]], np.uint8)) == 1
    half = np.full((2, 3, 4), 300, np.float16)
    assert np.isfinite(nearest_mean(half, half[0])).all()
    with pytest.raises(ValueError, match=r"^`queries` must be finite; got nan"):
        first_place(np.array([np.nan]), np.ones((2, 1)))
    with pytest.raises(ValueError, match=r"^`partner` must be at most 1; got 7"):
        first_place(np.ones(1), np.ones((2, 1)), 7)
    with pytest.raises(ValueError, match=r"^`targets` \(Y\) must have at least 2 dimensions; got shape"):
        ridge_probe(wide, wide[:, 0], 0.1)
    with pytest.raises(ValueError, match=r"^`labels` must hold at least one; got none\.$"):
        drawn_per_class(np.array([]), 1, rng=np.random.default_rng(0))


@pytest.mark.parametrize("c", [1.0, 3.0, 1e-3, 1e3])
def test_the_unit_of_a_modality_changes_no_share(c):
    s = np.array([2.0, 1.5, 1.0])
    world = PairedData(signal_a=s, noise_a=0.5, signal_b=c * s, noise_b=c * 0.5, ambient_dim=6)
    due = covariance_flow(world, InfoNCE(4.0), [0.0, 1.0])
    for row in range(2):
        held = shares(gradient_flow(world, InfoNCE(4.0), [0.0, 1.0]), world, row=row)
        np.testing.assert_allclose(held.signal, due.signal[row], rtol=1e-7)


def test_the_smallest_share_is_told_from_nothing_by_itself_or_refused():
    """Whatever it is, the exact error is 11/32; a latent that is not held at all is guessed."""
    for q, close in ((1e-3, 2e-3), (1e-4, 2e-3)):
        assert few_shot_error(Shares([0.5, q], [0.5 - q]), 1)[1] == pytest.approx(11 / 32, abs=close)
    assert few_shot_error(Shares([0.5, 0.0], [0.5]), 1)[1] == pytest.approx(0.5, abs=1e-9)
    sentence = "`reach` must be given where a share of the signal is below 1e-05; got a share of 1e-07."
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        few_shot_error(Shares([0.5, 1e-7], [0.5 - 1e-7]), 1)
    found = few_shot_error(Shares([0.5, 1e-7], [0.5 - 1e-7]), 1, reach=5000.0)
    assert 0.3 < found[1] < 0.5


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (
            lambda: Shares([5.0, 3.0], [2.0]),
            "`signal` and `noise` must be shares, whose sum is at most 1; got a sum of 10.",
        ),
        (
            lambda: Shares([-0.1], [0.2]),
            "`signal` must be at least 0 and finite in every coordinate; got -0.1 at position 0.",
        ),
        (lambda: few_shot_error(HELD, 1, reach=0), "`reach` must be positive and finite; got 0."),
        (
            lambda: shares(gradient_flow(CANONICAL, PositiveOnly(), [0.0, 1.0]), CANONICAL, row=2),
            "`row` must be one of the 2 of the path; got 2.",
        ),
        (
            lambda: ridge_probe(np.ones((2, 3, 2)), np.ones((5, 3, 1)), 1.0),
            "`targets` (Y) must have the draws of `features` (F), (2,); got (5,).",
        ),
        (
            lambda: nearest_mean(np.ones((2, 3, 4)), np.ones((5, 3))),
            "`queries` must be as wide as `examples`, m = 4; got 3.",
        ),
        (
            lambda: first_place(np.ones(3), np.ones((5, 4))),
            "`candidates` must be as wide as `queries`, m = 3; got 4.",
        ),
        (lambda: drawn_per_class([0.0, np.nan], 1, rng=RNG(0)), "`labels` must be one for every row; got NaN."),
        (
            lambda: drawn_per_class([[0, 1]], 1, rng=RNG(0)),
            "`labels` must be one row; got shape (1, 2).",
        ),
    ],
)
def test_wrong_shapes_and_shares_are_refused_in_a_sentence(call, sentence):
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        call()

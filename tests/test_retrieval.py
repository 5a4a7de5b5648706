"""Retrieval counts ties in the middle, and knows exactly what chance would give."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from mmcl.retrieval import best, chance, ranks, recall


def _features(seed: int, n: int = 12, m: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Small whole numbers, so that scores tie often and exactly."""
    rng = np.random.default_rng(seed)
    return rng.integers(-2, 3, size=(n, m)).astype(float), rng.integers(-2, 3, size=(n, m)).astype(float)


def _rank_by_loops(a: np.ndarray, b: np.ndarray, query: int, candidate: int) -> float:
    def score(j: int) -> float:
        return sum(x * y for x, y in zip(a[query], b[j], strict=True))

    rank = 1.0
    for j in range(len(b)):
        if j != candidate:
            rank += 1.0 if score(j) > score(candidate) else 0.5 if score(j) == score(candidate) else 0.0
    return rank


@pytest.mark.parametrize("seed", range(5))
def test_ranks_are_those_of_plain_loops_in_both_directions(seed):
    a, b = _features(seed)
    found = ranks(a, b)
    assert found.a.tolist() == [_rank_by_loops(a, b, i, i) for i in range(len(a))]
    assert found.b.tolist() == [_rank_by_loops(b, a, i, i) for i in range(len(a))]


@pytest.mark.parametrize("at", [1, 3])
def test_recall_is_the_share_of_partners_ranked_high_enough(at):
    a, b = _features(9)
    expected = np.mean([_rank_by_loops(a, b, i, i) <= at for i in range(len(a))])
    assert recall(a, b, at=at).a == expected


def test_a_perfect_representation_finds_everything_and_a_constant_one_nothing():
    n = 7
    assert recall(np.eye(n), np.eye(n)) == (1, 1)
    assert recall(np.ones((n, 2)), np.ones((n, 2))) == (0, 0)
    assert ranks(np.ones((n, 2)), np.ones((n, 2))).a.tolist() == [(n + 1) / 2] * n


def test_partners_with_the_same_features_tie_when_sought_and_compete_when_seeking():
    pictures, texts = np.eye(3), np.array([[1.0, 1, 0], [1, 1, 0], [0, 0, 1]])
    found = ranks(pictures, texts)
    assert found.a.tolist() == [1.5, 1.5, 1]
    assert found.b.tolist() == [1.5, 1.5, 1]


def test_round_off_breaks_no_tie():
    a, b = _features(1)
    rough = a * (1 + 1e-15 * np.random.default_rng(0).normal(size=a.shape))
    assert ranks(rough, b).a.tolist() == ranks(a, b).a.tolist()


def test_swapping_the_modalities_swaps_the_directions():
    a, b = _features(2)
    assert recall(b, a, at=2) == recall(a, b, at=2)[::-1]
    assert chance(b, a, at=2) == chance(a, b, at=2)[::-1]


@pytest.mark.parametrize("at", [1, 2])
def test_chance_is_mean_and_deviation_over_all_matchings(at):
    a, b = _features(3, n=5)
    values = [
        np.mean([_rank_by_loops(a, b, i, j) <= at for i, j in enumerate(matching)])
        for matching in permutations(range(5))
    ]
    found = chance(a, b, at=at).a
    assert found.mean == pytest.approx(np.mean(values), abs=1e-12)
    assert found.deviation == pytest.approx(np.std(values), abs=1e-12)


def test_without_ties_chance_is_the_depth_over_the_number_of_pairs():
    rng = np.random.default_rng(4)
    for one in chance(rng.normal(size=(50, 4)), rng.normal(size=(50, 4)), at=10):
        assert one.mean == pytest.approx(10 / 50, abs=1e-12)


def test_random_features_are_at_chance():
    rng = np.random.default_rng(5)
    scores = []
    for _ in range(40):
        a, b = rng.normal(size=(60, 8)), rng.normal(size=(60, 8))
        for found, expected in zip(recall(a, b, at=5), chance(a, b, at=5), strict=True):
            scores.append((found - expected.mean) / expected.deviation)
    # 80 z-scores, the two of a pair of features correlated: their mean has a deviation of at most 40^(-1/2).
    assert abs(np.mean(scores)) < 4 / np.sqrt(40)
    assert np.std(scores) == pytest.approx(1, abs=4 / np.sqrt(80))


def test_what_does_not_fit_is_refused_in_a_sentence():
    ones = np.ones((3, 2))
    with pytest.raises(
        ValueError, match=r"^`features_b` \(f_B\) must have the shape of `features_a`, \(3, 2\); got \(4, 2\)\.$"
    ):
        ranks(ones, np.ones((4, 2)))
    with pytest.raises(ValueError, match=r"^`at` must be a whole number of at least 1; got 0\.$"):
        recall(ones, ones, at=0)
    with pytest.raises(ValueError, match=r"^`at` must be at most the number of pairs, 3; got 4\.$"):
        recall(ones, ones, at=4)
    with pytest.raises(
        ValueError, match=r"^`features_a` must have at least 2 rows for pairs to be matched at random; got 1\.$"
    ):
        chance(ones[:1], ones[:1])
    with pytest.raises(ValueError, match=r"^`features_a` \(f_A\) must have 2 dimensions; got shape \(\)\.$"):
        chance(5, 5)


def test_the_best_are_those_with_the_highest_inner_products_best_first():
    rng = np.random.default_rng(3)
    f_a, f_b = rng.normal(size=(2, 7, 3))
    found = best(f_a, f_b, count=2)
    for i in range(7):
        scores = [sum(f_a[i] * f_b[j]) for j in range(7)]
        assert found.a[i].tolist() == sorted(range(7), key=lambda j: -scores[j])[:2]
    np.testing.assert_array_equal(found.b, best(f_b, f_a, count=2).a)
    hits = recall(f_a, f_b).a
    assert np.mean(found.a[:, 0] == np.arange(7)) == pytest.approx(hits), "without ties the first is the hit"
    with pytest.raises(ValueError, match=r"^`count` must be at most the number of pairs, 7; got 8\.$"):
        best(f_a, f_b, count=8)

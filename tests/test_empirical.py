"""Real pairs wear the face of the world of the theory."""

from __future__ import annotations

import numpy as np
import pytest

from mmcl import EmpiricalPairs


@pytest.fixture
def pairs() -> EmpiricalPairs:
    rng = np.random.default_rng(0)
    a = rng.normal(size=(20, 3)) + 1
    return EmpiricalPairs(a, np.column_stack([a[:, 0], rng.normal(size=20)]))


def test_moments_are_the_averages_of_outer_products(pairs):
    n, (d_a, d_b) = len(pairs), pairs.ambient_dim
    for p in range(d_a):
        for q in range(d_b):
            expected = sum(pairs.a[i, p] * pairs.b[i, q] for i in range(n)) / n
            assert pairs.cross_covariance[p, q] == pytest.approx(expected, abs=1e-12)
    np.testing.assert_allclose(pairs.covariance_a, np.mean([np.outer(x, x) for x in pairs.a], axis=0), atol=1e-12)
    np.testing.assert_allclose(pairs.covariance_b, np.mean([np.outer(x, x) for x in pairs.b], axis=0), atol=1e-12)


def test_a_sample_is_of_distinct_pairs_that_stay_together(pairs):
    batch = pairs.sample(20, rng=np.random.default_rng(1))
    np.testing.assert_array_equal(batch.a[:, 0], batch.b[:, 0])
    assert len(np.unique(batch.a[:, 0])) == 20
    assert batch.z is None


def test_samples_are_reproduced_by_the_generator_and_by_nothing_else(pairs):
    first, second = (pairs.sample(5, rng=np.random.default_rng(2)) for _ in range(2))
    np.testing.assert_array_equal(first.a, second.a)


def test_shuffling_keeps_each_modality_and_destroys_the_pairs(pairs):
    shuffled = pairs.shuffled(rng=np.random.default_rng(3))
    np.testing.assert_allclose(shuffled.covariance_b, pairs.covariance_b, atol=1e-12)
    np.testing.assert_array_equal(shuffled.a, pairs.a)
    assert np.mean(shuffled.a[:, 0] == shuffled.b[:, 0]) < 0.5


def test_standardised_columns_are_centred_and_each_modality_has_unit_mean_square(pairs):
    for x in (pairs.standardized().a, pairs.standardized().b):
        np.testing.assert_allclose(x.mean(axis=0), 0, atol=1e-14)
        assert np.mean(np.sum(x**2, axis=1)) == pytest.approx(1, abs=1e-14)


def test_held_out_pairs_are_standardised_by_the_training_moments(pairs):
    held_out = EmpiricalPairs(pairs.a[:1], pairs.b[:1]).standardized(like=pairs)
    np.testing.assert_allclose(held_out.a, pairs.standardized().a[:1], atol=1e-14)
    np.testing.assert_allclose(held_out.b, pairs.standardized().b[:1], atol=1e-14)


def test_what_does_not_fit_is_refused_in_a_sentence(pairs):
    ones = np.ones((3, 2))
    with pytest.raises(
        ValueError, match=r"^`a` and `b` must have as many rows as each other \(n pairs\); got 3 and 2\.$"
    ):
        EmpiricalPairs(ones, ones[:2])
    with pytest.raises(ValueError, match=r"^`b` must be finite; got nan at position \(0, 1\)\.$"):
        EmpiricalPairs(ones, [[1, np.nan], [1, 1], [1, 1]])
    with pytest.raises(ValueError, match=r"^`size` \(n\) must be at most the number of pairs, 20; got 21\.$"):
        pairs.sample(21, rng=np.random.default_rng(0))
    with pytest.raises(
        TypeError, match=r"^`rng` must be a numpy\.random\.Generator, e\.g\. np\.random\.default_rng\(0\); got 0\.$"
    ):
        pairs.sample(2, rng=0)
    with pytest.raises(
        ValueError, match=r"^`standardized` needs a modality that varies; every row of one is the same\.$"
    ):
        EmpiricalPairs(ones, ones).standardized()


@pytest.mark.parametrize("n", [7, 1001, 100_001])
def test_round_off_in_the_mean_is_no_variation(n):
    varied = np.random.default_rng(0).normal(size=(n, 2))
    with pytest.raises(
        ValueError, match=r"^`standardized` needs a modality that varies; every row of one is the same\.$"
    ):
        EmpiricalPairs(np.full((n, 2), 0.1), varied).standardized()


def test_pairs_are_standardised_like_pairs_of_their_own_kind(pairs):
    with pytest.raises(TypeError, match=r"^`like` must be EmpiricalPairs; got 4\.$"):
        pairs.standardized(like=4)
    with pytest.raises(ValueError, match=r"^`like` must have as many columns, \(3, 2\); got \(2, 2\)\.$"):
        pairs.standardized(like=EmpiricalPairs(pairs.b, pairs.b))


def test_what_the_caller_does_with_her_arrays_changes_nothing():
    a = np.random.default_rng(0).standard_normal((20, 3))
    pairs = EmpiricalPairs(a, a[:, ::-1])
    before = pairs.covariance_a.copy(), pairs.a.copy(), pairs.b.copy()
    a *= 2
    for mine, was in zip((pairs.covariance_a, pairs.a, pairs.b), before, strict=True):
        np.testing.assert_array_equal(mine, was)
    np.testing.assert_allclose(pairs.a.T @ pairs.a / 20, pairs.covariance_a)

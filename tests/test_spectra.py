"""The spectrum of the cross-covariance is what its definition says, from features and from weights."""

from __future__ import annotations

import numpy as np
import pytest

from mmcl import EmpiricalPairs, PairedData, spectrum


def _features(seed: int, n: int = 30, m: int = 5) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=(n, m))
    return shared + rng.normal(size=(n, m)), shared @ rng.normal(size=(m, m))


@pytest.mark.parametrize("seed", range(3))
def test_singular_values_and_cosines_rebuild_the_cross_covariance_of_the_definition(seed):
    a, b = _features(seed)
    n, m = a.shape
    norm_a = np.sqrt(sum(a[i] @ a[i] for i in range(n)) / n)
    norm_b = np.sqrt(sum(b[i] @ b[i] for i in range(n)) / n)
    cross = np.zeros((m, m))
    for i in range(n):
        for p in range(m):
            for q in range(m):
                cross[p, q] += a[i, p] * b[i, q] / (n * norm_a * norm_b)
    found = spectrum(a, b)
    squares, right = np.linalg.eigh(cross.T @ cross)
    order = np.argsort(squares)[::-1]
    for s, theta, v in zip(found.singular_values, found.theta, right[:, order].T, strict=True):
        assert np.linalg.norm(cross @ v) == pytest.approx(s, rel=1e-9)
        assert (cross @ v) @ v == pytest.approx(theta, abs=1e-9)
    assert found.alignment == pytest.approx(np.trace(cross), abs=1e-12)
    assert np.all(np.diff(found.singular_values) <= 0)
    assert found.effective_rank == pytest.approx(found.singular_values.sum() ** 2 / (found.singular_values**2).sum())


def test_equal_features_are_perfectly_aligned():
    a, _ = _features(0)
    found = spectrum(a, a)
    assert found.alignment == pytest.approx(1, abs=1e-12)
    np.testing.assert_allclose(found.cosines, 1, atol=1e-12)


def test_a_common_rotation_and_the_scale_of_either_modality_change_nothing():
    a, b = _features(1)
    turn, _ = np.linalg.qr(np.random.default_rng(2).normal(size=(5, 5)))
    before, after = spectrum(a, b), spectrum(3 * a @ turn, 0.1 * b @ turn)
    np.testing.assert_allclose(after.singular_values, before.singular_values, rtol=1e-12)
    np.testing.assert_allclose(after.cosines, before.cosines, atol=1e-11)


def test_swapping_the_modalities_changes_nothing():
    a, b = _features(3)
    before, after = spectrum(a, b), spectrum(b, a)
    np.testing.assert_allclose(after.singular_values, before.singular_values, rtol=1e-12)
    np.testing.assert_allclose(after.cosines, before.cosines, atol=1e-12)


def test_a_rotation_of_one_modality_leaves_what_is_shared_and_spoils_the_alignment():
    a, _ = _features(4)
    turn, _ = np.linalg.qr(np.random.default_rng(5).normal(size=(5, 5)))
    before, after = spectrum(a, a), spectrum(a, a @ turn)
    np.testing.assert_allclose(after.singular_values, before.singular_values, rtol=1e-12)
    assert after.alignment < before.alignment - 0.1


@pytest.mark.parametrize("m", [3, 40])
def test_weights_on_real_pairs_give_the_spectrum_of_their_features(m):
    a, b = _features(6, n=20)
    rng = np.random.default_rng(7)
    w_a, w_b = rng.normal(size=(5, m)), rng.normal(size=(5, m))
    from_weights, from_features = spectrum(w_a, w_b, data=EmpiricalPairs(a, b)), spectrum(a @ w_a, b @ w_b)
    k = min(5, m)
    assert from_weights.singular_values.shape == (k,)
    np.testing.assert_allclose(from_weights.singular_values, from_features.singular_values[:k], rtol=1e-10)
    np.testing.assert_allclose(from_weights.theta, from_features.theta[:k], atol=1e-12)
    np.testing.assert_allclose(from_features.singular_values[k:], 0, atol=1e-12)
    assert not from_features.cosines[k:].any()


def test_weights_in_a_world_meet_its_exact_moments():
    world = PairedData(signal_a=(2.0, 1.0), signal_b=(1.0, 1.0), noise_a=0.5, ambient_dim=(4, 3))
    found = spectrum(np.eye(4, 4), np.eye(3, 4), data=world)
    norms = np.sqrt(4 + 1 + 2 * 0.25) * np.sqrt(1 + 1 + 0.25)
    np.testing.assert_allclose(found.singular_values, np.array([2, 1, 0]) / norms, atol=1e-15)
    np.testing.assert_allclose(found.cosines, [1, 1, 0], atol=1e-15)


def test_no_direction_carries_more_alignment_than_it_shares():
    found = spectrum(*_features(8))
    assert np.all(np.abs(found.theta) <= found.singular_values)


def test_what_does_not_fit_is_refused_in_a_sentence():
    ones = np.ones((3, 2))
    with pytest.raises(ValueError, match=r"^`a` and `b` must be equally wide, with m columns each; got shapes"):
        spectrum(ones, np.ones((3, 4)))
    with pytest.raises(
        ValueError, match=r"^`a` and `b` must have as many rows as each other \(n pairs\); got 3 and 4\.$"
    ):
        spectrum(ones, np.ones((4, 2)))
    with pytest.raises(
        ValueError, match=r"^`b`, features \(f_B\), must have a positive, finite mean square on the data; got 0\.$"
    ):
        spectrum(ones, np.zeros((3, 2)))
    with pytest.raises(
        ValueError, match=r"^`a`, weights \(W_A\), must have a positive, finite mean square on the data; got 0\.$"
    ):
        spectrum(np.zeros((3, 2)), np.ones((2, 2)), data=EmpiricalPairs(np.ones((5, 3)), np.ones((5, 2))))
    pairs = EmpiricalPairs(np.ones((5, 3)), np.ones((5, 2)))
    sentence = r"^`a` and `b` must have one row per coordinate of `data`, \(d_A, d_B\) = \(3, 2\); got \(3, 3\)\.$"
    with pytest.raises(ValueError, match=sentence):
        spectrum(ones, ones, data=pairs)
    with pytest.raises(TypeError, match=r"^`data` must be PairedData or EmpiricalPairs; got 3\.$"):
        spectrum(ones, ones, data=3)


def test_the_public_name_is_the_function_whatever_was_imported_before():
    import mmcl
    import mmcl.spectra
    import mmcl.training.towers

    assert mmcl.spectrum is mmcl.spectra.spectrum

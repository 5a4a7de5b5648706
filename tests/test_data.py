"""The world: its second moments are exact, its samples have them, and bad worlds are refused."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
import xarray

from mmcl import PairedData
from mmcl.latents import random_bits
from mmcl.worlds import CANONICAL, NOISELESS, UNEQUAL


def _rotation(d: int, seed: int) -> np.ndarray:
    return np.linalg.qr(np.random.default_rng(seed).standard_normal((d, d)))[0]


ROTATED = replace(UNEQUAL, basis_a=_rotation(4, 1), basis_b=_rotation(5, 2))
NO_NOISE_COORDINATES = PairedData(signal_a=(2.0, 1.0, 0.5), ambient_dim=3)
WORLDS = {"unequal": UNEQUAL, "rotated": ROTATED, "r = d": NO_NOISE_COORDINATES}


def _axes(world: PairedData) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The columns of [A, A_ξ] and [B, B_ξ], one by one, from the arguments alone."""
    dims = world.ambient_dim if isinstance(world.ambient_dim, tuple) else (world.ambient_dim,) * 2
    columns = []
    for d, signal, noise, basis in (
        (dims[0], world.signal_a, world.noise_a, world.basis_a),
        (dims[1], world.signal_b or world.signal_a, world.noise_a if world.noise_b is None else world.noise_b,
         world.basis_b),
    ):  # fmt: skip
        r = len(signal)
        lengths = [*signal, *(noise if isinstance(noise, tuple) else [noise] * (d - r))]
        frame = np.eye(d) if basis is None else np.array(basis)
        columns.append([length * frame[:, j] for j, length in enumerate(lengths)])
    return columns[0], columns[1]


@pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS)
def test_second_moments_are_sums_over_the_columns(world):
    a, b = _axes(world)
    r = world.signal_dim
    np.testing.assert_allclose(world.covariance_a, sum(np.outer(x, x) for x in a), atol=1e-14)
    np.testing.assert_allclose(world.covariance_b, sum(np.outer(x, x) for x in b), atol=1e-14)
    shared = sum(np.outer(x, y) for x, y in zip(a[:r], b[:r], strict=True))
    np.testing.assert_allclose(world.cross_covariance, shared, atol=1e-14)


@pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS)
def test_a_sample_has_the_exact_second_moments_across_and_within_the_views(world):
    n = 40_000
    batch = world.sample(n, rng=np.random.default_rng(11))
    scores = []
    for x, y, exact in (
        (batch.a, batch.a, world.covariance_a),
        (batch.b, batch.b, world.covariance_b),
        (batch.a, batch.b, world.cross_covariance),
    ):
        products = x[:, :, None] * y[:, None, :]
        error = products.std(axis=0) / np.sqrt(n)
        gap = products.mean(axis=0) - exact
        certain = error < 1e-12  # the square of a sign never varies
        assert np.abs(gap[certain]).max(initial=0) < 1e-12
        scores.append((gap[~certain] / error[~certain]).ravel())
    assert np.abs(np.concatenate(scores)).max() < 4.5  # up to 66 scores; exceeded once in 2,000 such samples


def test_the_noise_is_private_and_every_sign_is_fair():
    n = 40_000
    z_a, z_b = CANONICAL.signs(n, rng=np.random.default_rng(3))
    r = CANONICAL.signal_dim
    np.testing.assert_array_equal(z_a[:, :r], z_b[:, :r])
    assert set(np.unique(z_a)) == {-1.0, 1.0} == set(np.unique(z_b))
    signs = np.hstack([z_a, z_b[:, r:]])
    pairs = signs.T @ signs / np.sqrt(n)
    scores = np.concatenate([signs.mean(axis=0) * np.sqrt(n), pairs[np.triu_indices_from(pairs, k=1)]])
    assert np.abs(scores).max() < 5.2  # 7,260 scores; exceeded once in 700 such samples


def test_a_batch_carries_the_signal_that_its_rows_share():
    batch = NO_NOISE_COORDINATES.sample(5, rng=np.random.default_rng(0))
    np.testing.assert_array_equal(batch.a, batch.z * [2.0, 1.0, 0.5])
    np.testing.assert_array_equal(batch.a, batch.b)


def test_a_rotated_world_is_the_same_world_seen_along_other_axes():
    plain = UNEQUAL.sample(7, rng=np.random.default_rng(5))
    turned = ROTATED.sample(7, rng=np.random.default_rng(5))
    np.testing.assert_allclose(turned.a, plain.a @ _rotation(4, 1).T, atol=1e-14)
    np.testing.assert_allclose(turned.b, plain.b @ _rotation(5, 2).T, atol=1e-14)


def test_samples_are_reproduced_by_the_generator_and_by_nothing_else():
    first, second, third = (CANONICAL.sample(4, rng=np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.a, second.a)
    assert not np.array_equal(first.a, third.a)


@pytest.mark.parametrize("kind", ["PCG64", "PCG64DXSM", "SFC64", "Philox", "MT19937"])
@pytest.mark.parametrize("count", [1, 64, 1000])
def test_random_bits_are_those_of_whole_words_of_64_whatever_makes_them(kind, count):
    rngs = [np.random.Generator(getattr(np.random, kind)(3)) for _ in range(2)]
    for rng in rngs:
        rng.integers(0, 9, dtype=np.int32)  # half a word is left over, and stays
    words = rngs[1].integers(0, 2**64 - 1, -(-count // 64), np.uint64, endpoint=True)
    np.testing.assert_array_equal(random_bits(count, rngs[0]), words.astype("<u8").view(np.uint8))
    assert rngs[0].integers(0, 2**31, 3, np.int32).tolist() == rngs[1].integers(0, 2**31, 3, np.int32).tolist()


def test_modality_b_is_as_a_unless_told_otherwise():
    spelled = PairedData(signal_a=(2, 1), signal_b=(2, 1), noise_a=0.5, noise_b=0.5, ambient_dim=(4, 4))
    np.testing.assert_array_equal(spelled.covariance_b, PairedData((2, 1), ambient_dim=4).covariance_b)


def test_the_modalities_are_symmetric_when_one_is_a_multiple_of_the_other_noise_included():
    assert CANONICAL.symmetric and NOISELESS.symmetric
    assert PairedData((2, 1), (6, 3), noise_a=0.5, noise_b=1.5, ambient_dim=4).symmetric
    assert not PairedData((2, 1), (6, 3), noise_a=0.5, noise_b=0.5, ambient_dim=4).symmetric
    assert not PairedData((2, 1), ambient_dim=(4, 5)).symmetric
    assert not UNEQUAL.symmetric


def test_coordinates_of_zero_scale_are_not_active():
    assert [view.active_dim for view in NOISELESS.views] == [8, 8]
    assert PairedData((2, 1), noise_a=(0.0, 0.3), ambient_dim=4).views.a.active_dim == 3


def test_worlds_compare_and_hash_by_value():
    world = PairedData(np.array([2.0, 1.0]), noise_a=[0.5, 0.5], ambient_dim=(4, 4))
    assert world == PairedData((2.0, 1.0), noise_a=(0.5, 0.5), ambient_dim=4)
    assert hash(world) == hash(replace(world))
    assert ROTATED == replace(ROTATED) != UNEQUAL
    assert repr(world) == (
        "PairedData(signal_a=(2.0, 1.0), signal_b=None, noise_a=(0.5, 0.5), noise_b=None, ambient_dim=4, "
        "basis_a=None, basis_b=None, latents=Signs())"
    )


def test_a_world_is_frozen_and_keeps_no_hold_on_the_callers_array():
    scales = np.array([2.0, 1.0])
    world = PairedData(scales, ambient_dim=4)
    scales[0] = 100.0
    assert world.views.a.signal[0] == 2.0
    with pytest.raises(AttributeError, match="cannot assign to field 'ambient_dim'"):
        world.ambient_dim = 5


SHEAR = np.array([[1.0, 0.5], [0.0, 1.0]])


@pytest.mark.parametrize(
    ("change", "error", "sentence"),
    [
        (
            {"signal_a": (2.0, -1.0)}, ValueError,
            "`signal_a` (σ_A) must be positive and finite in every coordinate; got -1 at position 1.",
        ),
        ({"signal_a": (2.0, np.nan)}, ValueError, "`signal_a` (σ_A) must be finite; got nan at position 1."),
        ({"signal_a": ()}, ValueError, "`signal_a` (σ_A) must not be empty; got shape (0,)."),
        ({"signal_a": [[1.0]]}, ValueError, "`signal_a` (σ_A) must have 1 dimension; got shape (1, 1)."),
        ({"signal_a": "21"}, TypeError, "`signal_a` (σ_A) must hold real numbers; got '21' of type <U2."),
        (
            {"signal_b": (1.0, 0.0)}, ValueError,
            "`signal_b` (σ_B) must be positive and finite in every coordinate; got 0 at position 1.",
        ),
        (
            {"signal_b": (1.0,)}, ValueError,
            "`signal_b` (σ_B) must have as many coordinates as `signal_a`, r = 2; got 1.",
        ),
        ({"noise_a": -0.1}, ValueError, "`noise_a` (σ_ξ,A) must be at least 0 and finite; got -0.1."),
        ({"noise_b": np.inf}, ValueError, "`noise_b` (σ_ξ,B) must be at least 0 and finite; got inf."),
        ({"noise_a": "much"}, TypeError, "`noise_a` (σ_ξ,A) must be a number of at least 0; got 'much'."),
        (
            {"noise_a": (0.1, -0.1)}, ValueError,
            "`noise_a` (σ_ξ,A) must be at least 0 and finite in every coordinate; got -0.1 at position 1.",
        ),
        (
            {"noise_b": (0.1,)}, ValueError,
            "`noise_b` (σ_ξ,B) must be one scale or one per noise coordinate, d - r = 2; got 1.",
        ),
        (
            {"noise_a": (0.1, 0.2), "ambient_dim": (4, 5)}, ValueError,
            "`noise_b` (σ_ξ,B) must be given when `noise_a` has one scale per coordinate and the modalities differ in "
            "size; got `ambient_dim` = (4, 5).",
        ),
        ({"ambient_dim": 1}, ValueError, "`signal_a` (σ_A) must have at most d = 1 coordinates; got r = 2."),
        ({"ambient_dim": (4, 1)}, ValueError, "`signal_b` (σ_B) must have at most d = 1 coordinates; got r = 2."),
        ({"ambient_dim": 0}, ValueError, "`ambient_dim` (d) must be a whole number of at least 1; got 0."),
        ({"ambient_dim": 4.0}, TypeError, "`ambient_dim` (d) must be a whole number of at least 1; got 4.0."),
        (
            {"ambient_dim": (4, 4, 4)}, ValueError,
            "`ambient_dim` (d) must be one whole number or a pair of them; got (4, 4, 4).",
        ),
        (
            {"noise_a": [[1], [2, 3]]}, TypeError,
            "`noise_a` (σ_ξ,A) must be one scale or one per noise coordinate; got rows of unequal length.",
        ),
        ({"basis_a": np.eye(3)}, ValueError, "`basis_a` must have shape (4, 4); got (3, 3)."),
        (
            {"ambient_dim": 2, "basis_b": SHEAR}, ValueError,
            "`basis_b` must be orthogonal, its columns of unit length; BᵀB differs from I by 0.5.",
        ),
        ({"basis_a": np.full((4, 4), np.nan)}, ValueError, "`basis_a` must be finite; got nan at position (0, 0)."),
    ],
)  # fmt: skip
def test_a_world_that_does_not_fit_is_refused_in_a_sentence(change, error, sentence):
    with pytest.raises(error, match=f"^{re.escape(sentence)}$"):
        PairedData(**{"signal_a": (2.0, 1.0), "noise_a": 0.5, "ambient_dim": 4} | change)


def test_an_empty_batch_and_a_seed_are_refused():
    with pytest.raises(ValueError, match=r"^`size` \(n\) must be a whole number of at least 1; got 0\.$"):
        CANONICAL.sample(0, rng=np.random.default_rng(0))
    with pytest.raises(TypeError, match=r"^`rng` must be a numpy\.random\.Generator, .*; got 7\.$"):
        CANONICAL.sample(3, rng=7)


def test_a_world_keeps_its_axes_whatever_becomes_of_the_array():
    basis = np.linalg.qr(np.random.default_rng(0).standard_normal((3, 3)))[0]
    given = basis.copy()
    world = PairedData(signal_a=(2.0, 1.0), noise_a=0.5, ambient_dim=3, basis_a=given)
    before = world.covariance_a.copy()
    given[:] = np.eye(3)
    fresh = PairedData(signal_a=(2.0, 1.0), noise_a=0.5, ambient_dim=3, basis_a=basis)
    assert world == fresh and hash(world) == hash(fresh)
    np.testing.assert_array_equal(world.views.a.basis, basis)
    np.testing.assert_array_equal(before, fresh.covariance_a)


def test_axes_in_a_labelled_table_are_its_numbers():
    basis = np.linalg.qr(np.random.default_rng(0).standard_normal((3, 3)))[0]
    table = xarray.DataArray(basis, coords={"x": list("abc"), "y": list("def")}, dims=("x", "y"))
    settings = {"signal_a": (2.0, 1.0), "noise_a": 0.5, "ambient_dim": 3}
    assert PairedData(basis_a=table, **settings) == PairedData(basis_a=basis, **settings)

"""The two best temperatures, against a search that shares no line with them."""

from __future__ import annotations

import re

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from mmcl import EmpiricalPairs, InfoNCE, PairedData
from mmcl.optimum import optimal_temperatures
from mmcl.relaxation import relaxation_rates
from mmcl.surrogate import surrogate

RNG = np.random.default_rng


@pytest.mark.parametrize(("r", "K"), [(2, 0.01), (3, 1.0), (8, 1.0), (8, 511.0), (8, 1e8), (64, 1e4), (1, 2.0)])
def test_they_maximise_the_rates(r, K):
    world = PairedData(signal_a=np.linspace(1.5, 1.0, r), noise_a=0.5, ambient_dim=r + 2)
    best = optimal_temperatures(r, K)

    def slow(name: str):
        return lambda log: -np.log(getattr(relaxation_rates(world, InfoNCE(np.exp(log), negatives=K)), name)[0])

    pairs = [("noise", best.alignment)] + ([("balance", best.balance)] if r > 1 else [])
    for name, expected in pairs:
        found = minimize_scalar(slow(name), bounds=np.log([1e-3 * r, 2 * r]), method="bounded", options={"xatol": 1e-9})
        assert np.exp(found.x) == pytest.approx(expected, rel=1e-6)


def test_the_limits_are_the_printed_numbers():
    many = optimal_temperatures(8)
    assert (many.alignment / 8, many.balance / 8) == pytest.approx((0.639232, 1.199679), abs=1e-6)
    for K, printed in ((1.0, (0.159, 0.366)), (10.0, (0.276, 0.519)), (100.0, (0.469, 0.845)), (1e4, (0.635, 1.191))):
        best = optimal_temperatures(8, K)
        assert (round(best.alignment / 8, 3), round(best.balance / 8, 3)) == printed


def test_with_many_coordinates_they_are_numbers_of_order_one():
    """As r → ∞ at fixed K, x → 0 and S → 1 / (1 + K exp(-τ²)): the equations become S τ² = 1 and S τ² = 2."""
    for K in (1e-3, 1.0, 1e10):
        best = optimal_temperatures(10**15, K)
        for tau2, share in ((best.alignment, 1.0), (best.balance, 2.0)):
            assert tau2 / (1 + K * np.exp(-tau2)) == pytest.approx(share, rel=1e-10)


def test_what_has_no_optimum_is_refused():
    with pytest.raises(ValueError, match=r"^`negatives` \(K\) must be positive and finite; got 0\.0\.$"):
        optimal_temperatures(8, 0.0)
    with pytest.raises(ValueError, match=r"^`signal_dim` \(r\) must be "):
        optimal_temperatures(0)


def test_a_surrogate_starts_with_the_spectrum_of_the_pairs():
    rng = RNG(0)
    z = rng.standard_normal((500, 4)) * [3, 2, 1, 0.5]
    pairs = EmpiricalPairs(np.hstack([z, rng.standard_normal((500, 3))]), z @ rng.standard_normal((4, 6)))
    world = surrogate(pairs, 3)
    shared = np.linalg.svd(pairs.cross_covariance, compute_uv=False)
    total = np.sqrt(np.trace(pairs.covariance_a) * np.trace(pairs.covariance_b))
    np.testing.assert_allclose(np.square(world.signal_a), shared[:3] / total, rtol=1e-12)
    assert np.trace(world.covariance_a) == pytest.approx(1.0)
    assert world.symmetric and world.ambient_dim == 6


def test_a_surrogate_with_more_directions_than_the_pairs_share_is_refused():
    pairs = EmpiricalPairs(RNG(0).standard_normal((50, 5)), RNG(1).standard_normal((50, 2)))
    sentence = (
        "`signal_dim` (r) must be below both dimensions, 2, and at most the number of directions shared, 2; got 2."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        surrogate(pairs, 2)


def test_a_surrogate_of_a_modality_that_is_zero_is_refused():
    pairs = EmpiricalPairs(np.zeros((3, 3)), np.eye(3))
    sentence = "`pairs` must not be all zero in a modality; got largest entries [0.0, 1.0]."
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        surrogate(pairs, 1)


def test_one_coordinate_has_no_imbalance_to_remove():
    assert np.isnan(optimal_temperatures(1, 2.0).balance) and optimal_temperatures(1, 2.0).alignment > 0

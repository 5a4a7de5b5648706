"""The three rates at which stage two ends, against the Jacobian of the flow at its end."""

from __future__ import annotations

import re

import numpy as np
import pytest

from mmcl import InBatchInfoNCE, InfoNCE, PairedData, PositiveOnly, gradient_flow, relaxation_rates
from mmcl.flow_system import FlowSystem
from mmcl.worlds import CANONICAL, NOISELESS, UNEQUAL

SYMMETRIC = PairedData((2.0, 1.4, 1.0), noise_a=(0.5, 0.5, 0.2, 0.0), ambient_dim=7)
SKEW = PairedData((3.0, 1.0, 0.4), (0.5, 2.0, 1.0), noise_a=0.5, noise_b=(0.3, 0.2), ambient_dim=(4, 5))
OBJECTIVES = [InfoNCE(0.5), InfoNCE(4.0, negatives=511.0), InfoNCE(12.0, negatives=0.1)]


def _norms(world: PairedData) -> list[float]:
    """N² at the balanced point: Σ_p N²/(r σ_p²) makes up for all rows of unit length."""
    r = world.signal_dim
    return [
        (r + sum(x > 0 for x in view.noise)) / sum(1 / (r * s**2) for s in view.signal) for view in world.views
    ]  # fmt: skip


def _jacobian_of_plain_equations(world: PairedData, objective: InfoNCE, plain_flow) -> np.ndarray:
    """By complex steps, exact to round-off, where θ_p = 1/r, c_p² = a_p b_p and no noise is left."""
    plain, r, (N2_a, N2_b) = plain_flow(world, objective), world.signal_dim, _norms(world)
    y = np.zeros(len(plain.start))
    y[: 3 * r] = np.repeat([N2_a / r, N2_b / r, np.sqrt(N2_a * N2_b) / r], r)
    assert np.abs(plain.velocity(0, y)).max() < 1e-13, "the balanced point is at rest"
    return np.column_stack([plain.velocity(0, y + 1e-30j * e).imag / 1e-30 for e in np.eye(len(y))])


@pytest.mark.parametrize("objective", OBJECTIVES, ids=repr)
@pytest.mark.parametrize("world", [UNEQUAL, SKEW], ids=["unequal", "skew"])
def test_unequal_modalities_have_these_rates_and_no_others(world, objective, plain_flow):
    found = relaxation_rates(world, objective)
    noises = [np.sum(view.noise > 0) for view in world.views]
    # Each noise coordinate has a mass of its own here; equal scales share a rate.
    counts = np.concatenate([np.unique(v.noise, return_counts=True)[1] for v in world.views])
    by_view = np.concatenate([np.unique(v.noise) ** 2 / N2 for v, N2 in zip(world.views, _norms(world), strict=True)])
    noise = np.repeat(found.noise, counts[np.argsort(by_view)])
    assert len(noise) == sum(noises)
    predicted = np.concatenate([found.balance, noise, found.misalignment, [0, 0]])  # ‖W_A‖, ‖W_B‖ never decay
    seen = -np.linalg.eigvals(_jacobian_of_plain_equations(world, objective, plain_flow))
    assert np.abs(seen.imag).max() < 1e-9 * np.abs(seen).max()
    np.testing.assert_allclose(np.sort(predicted), np.sort(seen.real), rtol=1e-9, atol=1e-9 * np.abs(seen).max())


@pytest.mark.parametrize("objective", OBJECTIVES, ids=repr)
@pytest.mark.parametrize("world", [SYMMETRIC, NOISELESS, CANONICAL], ids=["symmetric", "no noise", "canonical"])
def test_symmetric_modalities_have_these_rates_and_those_in_which_the_modalities_part(world, objective, plain_flow):
    found = relaxation_rates(world, objective)
    jacobian, r = _jacobian_of_plain_equations(world, objective, plain_flow), world.signal_dim
    # Only directions in which both move alike: (a, b, c) ↦ (b, a, c), and the noise alike.
    half = (len(jacobian) - 3 * r) // 2
    swap = np.concatenate([np.arange(r, 2 * r), np.arange(r), np.arange(2 * r, 3 * r),
                           3 * r + half + np.arange(half), 3 * r + np.arange(half)])  # fmt: skip
    alike = np.eye(len(jacobian))[swap] + np.eye(len(jacobian))
    basis = np.linalg.svd(alike)[0][:, : 2 * r + half]
    seen = -np.linalg.eigvals(basis.T @ jacobian @ basis).real
    view = world.views.a
    noise = np.repeat(found.noise, np.unique(view.noise[view.noise > 0], return_counts=True)[1])
    silent = np.zeros(int(np.sum(view.noise == 0)))
    predicted = np.concatenate([found.balance, noise, found.misalignment, [0], silent])
    np.testing.assert_allclose(np.sort(predicted), np.sort(seen), rtol=1e-9, atol=1e-9 * seen.max())


@pytest.mark.parametrize("objective", OBJECTIVES, ids=repr)
@pytest.mark.parametrize("world", [CANONICAL, UNEQUAL], ids=["canonical", "unequal"])
def test_the_solver_s_own_coordinates_end_at_the_same_rates(world, objective):
    system, r = FlowSystem.of(world, objective), world.signal_dim
    s_a, s_b = (view.signal**2 for view in world.views)
    (N2_a, N2_b), (unit_a, unit_b) = _norms(world), system.units**2
    v = np.log(2 * np.sqrt(N2_a * N2_b / (s_a * s_b)) / r)
    late = np.full(2, 1e6)  # the clocks run on; noise and misalignment have long underflowed
    y = np.concatenate([v, np.full(r, np.log(N2_a / N2_b * unit_b / unit_a)), late, [0.0]])
    clocks = system.velocity(y)[-3:-1] / system.units**2
    np.testing.assert_allclose(system.velocity(y)[:-3], 0, atol=1e-12 * max(clocks * system.units**2))
    nudges = 1e-5 * np.eye(len(y))[:-3]
    jacobian = np.column_stack([(system.velocity(y + e) - system.velocity(y - e))[:-3] / 2e-5 for e in nudges])
    seen, found = np.sort(-np.linalg.eigvals(jacobian).real), relaxation_rates(world, objective)
    for rate in found.balance:
        # Central differences at 1e-5 are off by 1e-10 relative to the curvature, which grows like τ⁴.
        assert np.abs(seen - rate).min() < 1e-7 * seen.max()
    noise = [2 * x**2 * T for view, T in zip(world.views, clocks, strict=True) for x in np.unique(view.noise)]
    np.testing.assert_allclose(found.noise, np.unique(noise), rtol=1e-12)
    np.testing.assert_allclose(found.misalignment, np.sort(2 * (s_a * clocks[0] + s_b * clocks[1])), rtol=1e-12)


def test_the_flow_ends_at_the_slowest_rate():
    world, objective = PairedData((2.0, 1.4, 1.0), noise_a=2.0, ambient_dim=16), InfoNCE(0.5)
    rate = relaxation_rates(world, objective).slowest
    path = gradient_flow(world, objective, np.array([16.0, 18.0]) / rate, tolerance=1e-12)
    # What is left, e^-16, is a part in ten million; the linearisation errs by as much.
    assert np.log(np.ptp(path.theta, axis=1)[0] / np.ptp(path.theta, axis=1)[1]) == pytest.approx(2, rel=1e-3)


def test_a_world_that_is_only_scaled_keeps_its_rates_and_swapping_keeps_them_too():
    scaled = PairedData((9.0, 3.0, 1.2), (0.5, 2.0, 1.0), noise_a=1.5, noise_b=(0.3, 0.2), ambient_dim=(4, 5))
    swapped = PairedData((0.5, 2.0, 1.0), (3.0, 1.0, 0.4), noise_a=(0.3, 0.2), noise_b=0.5, ambient_dim=(5, 4))
    expected = relaxation_rates(SKEW, OBJECTIVES[0])
    for world in (scaled, swapped):
        found = relaxation_rates(world, OBJECTIVES[0])
        for name in ("balance", "noise", "misalignment"):
            np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=1e-12)


def test_equal_scales_decay_together_at_the_printed_formula():
    r, tau2, K, d = 4, 3.0, 5.0, 10
    found = relaxation_rates(PairedData((1.5,) * r, noise_a=0.5, ambient_dim=d), InfoNCE(tau2, negatives=K))
    x = tau2 / r
    odds = K * ((1 + np.exp(-2 * x)) / 2) ** r
    share = odds / (1 + odds)  # 1 - S
    N2 = d * r / sum(1 / 1.5**2 for _ in range(r))
    np.testing.assert_allclose(found.balance, [2 * 2 * share * tau2**2 / np.cosh(x) ** 2 * 1.5**2 / (r * N2)] * (r - 1))
    pull = 2 * share * tau2 * (1 - np.tanh(x))
    np.testing.assert_allclose(found.noise, [2 * 0.5**2 * pull / N2])
    np.testing.assert_allclose(found.misalignment, [4 * 1.5**2 * pull / N2] * r)
    assert found.slowest == min(found.balance[0], found.noise[0], found.misalignment[0])


def test_where_there_is_nothing_to_remove_there_is_no_rate():
    assert len(relaxation_rates(NOISELESS, InfoNCE(4.0)).noise) == 0
    single = relaxation_rates(PairedData((2.0,), ambient_dim=3), InfoNCE(4.0))
    assert len(single.balance) == 0 and single.slowest == single.noise[0]


def test_rates_are_finite_at_every_temperature():
    for tau2 in (1e-3, 1e3):
        found = relaxation_rates(CANONICAL, InfoNCE(tau2, negatives=511.0))
        assert np.isfinite(found.slowest) and found.slowest > 0


@pytest.mark.parametrize(
    ("arguments", "error", "sentence"),
    [
        ((3, InfoNCE(1.0)), TypeError, "`data` must be PairedData; got 3."),
        ((CANONICAL, PositiveOnly()), TypeError, "`objective` must be InfoNCE; got PositiveOnly()."),
        (
            (CANONICAL, InBatchInfoNCE(1.0)), TypeError,
            "`objective` must be InfoNCE; got InBatchInfoNCE(inverse_temperature=1.0).",
        ),
        (
            (CANONICAL, InfoNCE(1.0, negatives=0.0)), ValueError,
            "`negatives` (K) must be positive and finite; got 0.0.",
        ),
    ],
)  # fmt: skip
def test_an_objective_that_does_not_balance_has_no_rates(arguments, error, sentence):
    with pytest.raises(error, match=f"^{re.escape(sentence)}$"):
        relaxation_rates(*arguments)


@pytest.mark.parametrize("c", [1.0, 3.0, 0.1, 7.0])
def test_the_unit_of_a_modality_makes_no_more_rates(c):
    s, n = np.array([1.3, 0.7]), np.array([0.9, 0.45, 0.3])
    world = PairedData(signal_a=s, signal_b=c * s, noise_a=n, noise_b=c * n, ambient_dim=5)
    due = relaxation_rates(PairedData(signal_a=s, noise_a=n, ambient_dim=5), InfoNCE(4.0)).noise
    np.testing.assert_allclose(relaxation_rates(world, InfoNCE(4.0)).noise, due, rtol=1e-12)

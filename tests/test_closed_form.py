"""Stage one without an ODE, and where positives alone end."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from scipy.optimize import brentq

from mmcl import PairedData, PositiveOnly, gradient_flow, terminal_condition_number
from mmcl.closed_form import stage_one, terminal_growth, terminal_slope, terminal_spread
from mmcl.worlds import CANONICAL, NOISELESS, UNEQUAL

GRADED = PairedData((1.5, 1.2, 0.6), noise_a=np.linspace(0.0, 1.0, 9), ambient_dim=12)
WORLDS = {"canonical": CANONICAL, "no noise": NOISELESS, "graded noise": GRADED}
ALIGNMENTS = np.array([0.0, 0.05, 0.5, 0.9, 0.999])


def _active(world: PairedData) -> int:
    view = world.views.a
    return len(view.signal) + sum(scale > 0 for scale in view.noise)


def test_the_printed_numbers():
    assert round(terminal_growth(CANONICAL), 6) == 0.507849
    assert round(terminal_condition_number(CANONICAL), 6) == 9.176950
    assert round(terminal_growth(NOISELESS), 6) == 0.146877
    assert round(terminal_condition_number(NOISELESS), 6) == 3.107376
    assert [round(x, 3) for x in stage_one(CANONICAL, [0.5, 0.8, 0.9]).condition_number] == [2.695, 4.617, 6.087]
    assert round(terminal_slope(replace(CANONICAL, ambient_dim=4096)), 3) == 0.398


@pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS)
def test_the_end_solves_its_equation(world):
    P, scales = terminal_growth(world), world.views.a.signal
    assert sum(np.exp(2 * s**2 * P) for s in scales) == pytest.approx(2 * _active(world), rel=1e-12)
    kappa = max(scales) / min(scales) * np.exp((max(scales) ** 2 - min(scales) ** 2) * P)
    assert terminal_condition_number(world) == pytest.approx(kappa, rel=1e-12)


@pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS)
def test_the_curve_is_its_definition_entry_by_entry(world):
    curve, view = stage_one(world, ALIGNMENTS), world.views.a
    for c, P, M, kappa in zip(ALIGNMENTS, curve.growth, curve.decay, curve.condition_number, strict=True):
        plus = [s**2 / 2 * np.exp(2 * s**2 * P) for s in view.signal]
        minus = [s**2 / 2 * np.exp(-2 * s**2 * M) for s in view.signal]
        noise = [x**2 * np.exp(-(x**2) * (M - P)) for x in view.noise]
        units = sum((p + q) / s**2 for p, q, s in zip(plus, minus, view.signal, strict=True))
        units += sum(n / x**2 for n, x in zip(noise, view.noise, strict=True) if x > 0)
        assert units == pytest.approx(_active(world), rel=1e-12), "the norm of the weights is conserved"
        lengths = [p + q for p, q in zip(plus, minus, strict=True)]
        assert (sum(plus) - sum(minus)) / (sum(lengths) + sum(noise)) == pytest.approx(c, abs=1e-12)
        assert kappa == pytest.approx(np.sqrt(max(lengths) / min(lengths)), rel=1e-12)


@pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS)
def test_the_flow_of_positives_alone_is_on_the_curve_at_the_predicted_time(world):
    curve = stage_one(world, ALIGNMENTS)
    path = gradient_flow(world, PositiveOnly(), curve.time)
    np.testing.assert_allclose(path.alignment, ALIGNMENTS, atol=1e-7)
    np.testing.assert_allclose(path.condition_number, curve.condition_number, rtol=1e-7)


def test_the_curve_starts_at_the_scales_and_ends_at_the_closed_form():
    curve = stage_one(CANONICAL, [0.0, 1 - 1e-8])
    assert (curve.time[0], curve.growth[0], curve.decay[0]) == pytest.approx((0, 0, 0), abs=1e-12)
    assert curve.condition_number[0] == pytest.approx(2, rel=1e-12)
    assert curve.condition_number[1] == pytest.approx(terminal_condition_number(CANONICAL), rel=1e-7)


def test_the_curve_depends_on_no_other_alignment_that_is_asked_for():
    alone, among = stage_one(CANONICAL, [0.9]), stage_one(CANONICAL, np.linspace(0, 0.9, 10))
    assert among.time[-1] == pytest.approx(alone.time[0], rel=1e-9)
    assert among.condition_number[-1] == pytest.approx(alone.condition_number[0], rel=1e-12)


def test_any_noise_at_all_leads_to_the_same_end_and_none_leads_elsewhere():
    ends = [terminal_condition_number(replace(CANONICAL, noise_a=x)) for x in (1e-6, 0.1, 3.0)]
    assert ends == pytest.approx([ends[0]] * 3, rel=1e-14)
    assert terminal_condition_number(NOISELESS) < ends[0] / 2


def test_a_common_factor_of_one_modality_changes_nothing():
    doubled = PairedData(CANONICAL.signal_a, 2 * np.array(CANONICAL.signal_a), noise_a=0.5, noise_b=1.0, ambient_dim=64)
    assert terminal_condition_number(doubled) == terminal_condition_number(CANONICAL)
    np.testing.assert_allclose(stage_one(doubled, [0.5]).condition_number, stage_one(CANONICAL, [0.5]).condition_number)


def test_equal_scales_stay_equal():
    world = PairedData((1.3,) * 4, noise_a=0.5, ambient_dim=10)
    assert terminal_condition_number(world) == pytest.approx(1, rel=1e-14)
    assert stage_one(world, [0.9]).condition_number == pytest.approx([1], rel=1e-14)
    assert terminal_slope(world) == 0


def test_the_slope_is_the_derivative_of_log_kappa_in_log_d():
    for d in (64, 4096):
        near = [round(0.99 * d), round(1.01 * d)]
        kappa = [terminal_condition_number(replace(CANONICAL, ambient_dim=x)) for x in near]
        local = np.log(kappa[1] / kappa[0]) / np.log(near[1] / near[0])
        # A central difference over 1% either way, centred on d to within 1 / d.
        assert terminal_slope(replace(CANONICAL, ambient_dim=d)) == pytest.approx(local, rel=2e-3 if d < 100 else 1e-4)


def test_the_slope_falls_towards_its_limit_slowly():
    world = PairedData((2.0, 1.9, 1.0), ambient_dim=4)
    slopes = [terminal_slope(replace(world, ambient_dim=10**k)) for k in (3, 4, 5, 6)]
    assert all(later < earlier for earlier, later in pairwise(slopes))
    assert slopes[-1] > (1 - 1 / 4) / 2


@pytest.mark.parametrize("function", [terminal_growth, terminal_condition_number, terminal_slope])
def test_unequal_modalities_have_no_closed_form(function):
    sentence = (
        "`data` must have symmetric modalities, the scales of B a multiple of those of A, for the closed form; "
        "follow `gradient_flow` instead."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        function(UNEQUAL)
    with pytest.raises(TypeError, match=r"^`data` must be PairedData; got 3\.$"):
        function(3)


@pytest.mark.parametrize(
    ("alignment", "sentence"),
    [
        (
            [0.5, 1.0],
            "`alignment` (c) must be at most 1 - 1e-8, where the conservation law is still above round-off; got 1.0.",
        ),
        ([-0.1], "`alignment` (c) must start at 0 or later; got -0.1."),
        ([0.5, 0.4], "`alignment` (c) must increase strictly; got 0.5 followed by 0.4."),
        ([np.nan], "`alignment` (c) must be finite; got nan at position 0."),
        ([], "`alignment` (c) must not be empty; got shape (0,)."),
    ],
)
def test_an_alignment_off_the_curve_is_refused_in_a_sentence(alignment, sentence):
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        stage_one(CANONICAL, alignment)


def test_the_spread_of_random_starts_is_that_of_random_lengths():
    """Monte Carlo of the conservation law alone: random squared lengths in, where κ ends out; no weights, no flow."""
    world = PairedData((2.0, 1.4, 1.0), ambient_dim=12)
    s, rng, m, draws = np.array([4.0, 1.96, 1.0]), np.random.default_rng(5), 10_000, 4000
    logs = np.empty(draws)
    for i in range(draws):
        u, rest = rng.chisquare(m, 3) / m, rng.chisquare(m, 21) / m  # sums of the three pairs; differences and noise
        budget = u.sum() + rest.sum()
        grown = brentq(lambda P: u @ np.exp(2 * s * P) - budget, 0, 2, xtol=1e-14)  # noqa: B023 - called at once
        logs[i] = 0.5 * np.log(u[0] / u[2]) + (s[0] - s[2]) * grown
    error = 1 / np.sqrt(2 * draws)
    assert np.sqrt(m) * logs.std(ddof=1) == pytest.approx(terminal_spread(world), rel=4 * error)


@pytest.mark.parametrize("signal", [(1.0, 1.0), (2.0, 2.0, 1.0), (2.0, 1.0, 1.0)])
def test_scales_that_tie_have_no_spread_in_closed_form(signal):
    world = PairedData(signal_a=signal, noise_a=0.5, ambient_dim=6)
    with pytest.raises(ValueError, match=r"^`data` must have one largest and one smallest signal scale; got one of"):
        terminal_spread(world)
    assert terminal_spread(PairedData(signal_a=(1.0,), noise_a=0.5, ambient_dim=6)) >= 0


@pytest.mark.parametrize("c", [1e-3, 1e-11, 1e-16, 1e-30, 1e-200])
def test_the_curve_keeps_its_digits_where_it_begins(c):
    """To first order M = P, so c = 2P Σσ⁴/N², and t = N²P/2."""
    world = PairedData(signal_a=(2.0, 1.0), noise_a=0.5, ambient_dim=4)
    found = stage_one(world, [c])
    N2, fourth = 4.0 + 1.0 + 2 * 0.25, 16.0 + 1.0
    due = c * N2 / (2 * fourth)
    assert found.growth[0] == pytest.approx(due, rel=2 * c + 1e-12)
    assert found.time[0] == pytest.approx(due * N2 / 2, rel=4 * c + 1e-12)
    assert found.condition_number[0] == pytest.approx(2.0, rel=c)


def test_one_coordinate_has_an_end_in_every_world():
    """Its growth is the end of the interval in which it is sought, to within round-off."""
    rng = np.random.default_rng(0)
    for _ in range(300):
        scale, noise, d = rng.uniform(0.1, 3), rng.uniform(0.1, 3), int(rng.integers(2, 200))
        world = PairedData(signal_a=(scale,), noise_a=noise, ambient_dim=d)
        assert terminal_condition_number(world) == 1.0
        assert terminal_growth(world) == pytest.approx(np.log(2 * d) / (2 * scale**2), rel=1e-12)

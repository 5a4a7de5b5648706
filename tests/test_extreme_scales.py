"""A common scale of a modality changes nothing, be it as small or as large as a float can hold."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from mmcl import (
    EmpiricalPairs,
    InfoNCE,
    PairedData,
    PositiveOnly,
    Trajectory,
    gradient_flow,
    relaxation_rates,
    spectrum,
    terminal_condition_number,
)
from mmcl.closed_form import stage_one, terminal_slope, terminal_spread
from mmcl.family import AlignmentUniformity, Sigmoid
from mmcl.latents import GaussianLatents
from mmcl.retrieval import ranks
from mmcl.surrogate import surrogate
from mmcl.worlds import CANONICAL

every_unit = pytest.mark.parametrize("unit", [1e-200, 1e-150, 1e150, 1e200])


def _world(unit: float) -> PairedData:
    return PairedData(np.array([2.0, 1.0]) * unit, noise_a=0.5 * unit, ambient_dim=8)


@every_unit
def test_closed_forms_know_no_unit(unit):
    for number in (terminal_condition_number, terminal_slope, terminal_spread):
        assert number(_world(unit)) == pytest.approx(number(_world(1.0)), rel=1e-12)
    far, near = (stage_one(_world(x), [0.0, 0.5]) for x in (unit, 1.0))
    np.testing.assert_allclose(far.condition_number, near.condition_number, rtol=1e-10)
    np.testing.assert_allclose(far.time, near.time, rtol=1e-8)


@every_unit
def test_rates_know_no_unit(unit):
    far, near = (relaxation_rates(_world(x), InfoNCE(4.0)) for x in (unit, 1.0))
    for name in ("balance", "noise", "misalignment"):
        np.testing.assert_allclose(getattr(far, name), getattr(near, name), rtol=1e-10)


@every_unit
def test_crossed_modalities_are_not_symmetric_in_any_unit(unit):
    crossed = PairedData((2 * unit, unit), signal_b=(unit, 2 * unit), noise_a=0.5 * unit, ambient_dim=8)
    assert not crossed.symmetric and _world(unit).symmetric


@every_unit
def test_ranks_and_standardized_pairs_know_no_unit(unit):
    assert ranks(np.eye(3) * unit, np.eye(3) * unit).a.tolist() == [1.0, 1.0, 1.0]
    far, near = (EmpiricalPairs(np.eye(3) * x, np.eye(3)).standardized().a for x in (unit, 1.0))
    np.testing.assert_allclose(far, near, rtol=1e-12)


@every_unit
def test_spectra_and_surrogates_know_no_unit(unit):
    a, b = np.random.default_rng(0).normal(size=(2, 9, 3))
    np.testing.assert_allclose(spectrum(a * unit, b).theta, spectrum(a, b).theta, rtol=1e-12, atol=1e-15)
    for other in (unit, 1 / unit):
        far, near = (surrogate(EmpiricalPairs(a * x, (a + b) * y), 2) for x, y in ((unit, other), (1.0, 1.0)))
        np.testing.assert_allclose(far.signal_a, near.signal_a, rtol=1e-12)
        assert far.noise_a == pytest.approx(near.noise_a, rel=1e-12)


@pytest.mark.parametrize("times", [[0.0], [0.0, 1.0]])
@pytest.mark.parametrize(
    "world",
    [PairedData((2.0, 1.0), (1e-170, 2e-170), ambient_dim=4), PairedData((1e150, 1e-150), noise_a=1.0, ambient_dim=4)],
    ids=["signal below the noise", "signal below signal"],
)
def test_scales_too_far_apart_for_the_flow_are_refused_in_a_sentence(world, times):
    sentence = (
        "The flow could not be followed beyond t = 0: a signal scale lies so far below the largest scale of its "
        "modality that the square of their ratio vanishes."
    )
    for objective in (InfoNCE(4.0), PositiveOnly()):
        with pytest.raises(ArithmeticError, match=f"^{re.escape(sentence)}$"):
            gradient_flow(world, objective, times)


def test_a_temperature_too_cold_for_the_flow_is_refused_in_a_sentence():
    sentence = "The flow could not be followed beyond t = 0: its velocity there leaves the floats."
    with pytest.raises(ArithmeticError, match=f"^{re.escape(sentence)}$"):
        gradient_flow(CANONICAL, InfoNCE(1e308), [0.0, 1.0])


def test_a_temperature_too_cold_for_the_rates_is_refused_in_a_sentence():
    assert relaxation_rates(CANONICAL, InfoNCE(1e150)).slowest == 0
    sentence = "`inverse_temperature` (τ²) must be at most 1e+150, where its square is still a float; got 1e+300."
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        relaxation_rates(CANONICAL, InfoNCE(1e300))


@every_unit
def test_flows_of_other_latents_and_coupled_losses_know_no_unit(unit):
    def paths(unit: float) -> list[Trajectory]:
        world = PairedData((1.5 * unit, unit), (1.5, 1.0), noise_a=0.5 * unit, noise_b=0.5, ambient_dim=4)
        gaussian, times = replace(world, latents=GaussianLatents()), [0.0, 1.0, 10.0]
        losses = Sigmoid(2.0), AlignmentUniformity(2.0)
        return [gradient_flow(gaussian, InfoNCE(2.0), times), *(gradient_flow(world, one, times) for one in losses)]

    for far, near in zip(paths(unit), paths(1.0), strict=True):
        for name in ("theta", "condition_number", "noise_share", "loss"):
            np.testing.assert_allclose(getattr(far, name), getattr(near, name), rtol=1e-9, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("horizon", [0.0, 1e-300, 1e-101])
def test_the_shortest_horizons_are_reached_by_every_flow(horizon):
    world = PairedData((1.5, 1.0), noise_a=0.5, ambient_dim=4)
    for data, loss in ((replace(world, latents=GaussianLatents()), InfoNCE(2.0)), (world, Sigmoid(2.0))):
        path = gradient_flow(data, loss, [horizon], tolerance=1e-13)  # less than LSODA can be asked for
        slope = gradient_flow(data, loss, [1e-9]).alignment[0] / 1e-9
        assert path.alignment[0] == pytest.approx(horizon * slope, rel=1e-6)

"""Many flows at once are the flows one by one."""

from __future__ import annotations

import re

import numpy as np
import pytest

from mmcl import Decoupled, InBatchInfoNCE, InfoNCE, NTXent, PairedData, PositiveOnly, Spectral, gradient_flow
from mmcl.flow_system import FlowSystem
from mmcl.flows import gradient_flows
from mmcl.latents import GaussianLatents
from mmcl.worlds import CANONICAL, UNEQUAL

TIMES = np.array([0.0, 1.0, 20.0, 400.0])
SHORT = PairedData(signal_a=(3.0, 1.0), noise_a=0.0, ambient_dim=2)
MANY = PairedData(signal_a=np.geomspace(2.0, 1.0, 300), noise_a=0.5, ambient_dim=310)
NOISY = PairedData(signal_a=(2.0, 2.0, 1.0), noise_a=(0.1, 0.4, 0.4, 0.9), ambient_dim=7)


def _same(one, other, allowed=2e-8):
    """Either is exact to about 1e-8."""
    for name, column in other.columns().items():
        np.testing.assert_allclose(one.columns()[name], column, rtol=allowed, atol=allowed, err_msg=name)


@pytest.mark.parametrize(
    "objectives",
    [
        [InfoNCE(0.3), InfoNCE(4.0, negatives=511.0), InfoNCE(40.0, negatives=0.5), InfoNCE(2.0, negatives=3.0)],
        [PositiveOnly()] * 4,
        [Spectral(), Spectral(0.5), Spectral(0.8), Spectral(0.3)],
        [Decoupled(1.0), Decoupled(9.0), Decoupled(3.0), Decoupled(0.2)],
    ],
    ids=lambda objectives: type(objectives[0]).__name__,
)
def test_unlike_worlds_at_once_are_what_they_are_alone(objectives):
    worlds = [CANONICAL, UNEQUAL, SHORT, NOISY]
    for path, world, objective in zip(gradient_flows(worlds, objectives, TIMES), worlds, objectives, strict=True):
        _same(path, gradient_flow(world, objective, TIMES))


def test_kinds_mix_and_the_order_stays():
    worlds = [MANY, CANONICAL, UNEQUAL, CANONICAL, CANONICAL]
    objectives = [InfoNCE(4.0), PositiveOnly(), InfoNCE(2.0), NTXent(4.0), InfoNCE(1.0, negatives=7.0)]
    for path, world, objective in zip(gradient_flows(worlds, objectives, TIMES), worlds, objectives, strict=True):
        _same(path, gradient_flow(world, objective, TIMES))


def test_one_world_serves_all_objectives_and_one_objective_all_worlds():
    objectives = [InfoNCE(tau2) for tau2 in (1.0, 4.0, 9.0)]
    for path, objective in zip(gradient_flows(CANONICAL, objectives, TIMES), objectives, strict=True):
        _same(path, gradient_flow(CANONICAL, objective, TIMES))
        np.testing.assert_allclose(path.inverse_temperature, objective.inverse_temperature, rtol=1e-14)
    paths = gradient_flows([SHORT, UNEQUAL], objectives[0], TIMES)
    assert [path.theta.shape[1] for path in paths] == [2, UNEQUAL.signal_dim]
    assert np.isnan(gradient_flows([SHORT], PositiveOnly(), TIMES)[0].inverse_temperature).all()


def test_a_flow_does_not_depend_on_its_company():
    stiff = InfoNCE(1000.0, negatives=511.0)
    alone, *_ = gradient_flows(CANONICAL, [InfoNCE(4.0), InfoNCE(4.0)], TIMES)
    beside, _ = gradient_flows([CANONICAL, UNEQUAL], [InfoNCE(4.0), stiff], TIMES)
    _same(beside, alone)


def test_the_linear_algebra_of_all_is_that_of_each():
    worlds, objectives = [CANONICAL, UNEQUAL, NOISY], [InfoNCE(4.0), InfoNCE(2.0, negatives=7.0), InfoNCE(1.0)]
    alone = [FlowSystem.of(world, one) for world, one in zip(worlds, objectives, strict=True)]
    together = FlowSystem.together(alone, objectives)
    rng = np.random.default_rng(0)
    y, b = (together.start + rng.uniform(0, 0.3, together.start.shape) for _ in range(2))
    h = np.array([0.7])
    solved = together.apart(together.linearised(y)(h)(b[None])[0])
    for system, state, right, due in zip(alone, together.apart(y), together.apart(b), solved, strict=True):
        r = len(system.weights)
        own = np.r_[:r, 8 : 8 + r, -3:0]
        (x,) = system.linearised(state[own])(h)(right[None, own])
        np.testing.assert_allclose(x, due[own], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(
    ("data", "objective", "error", "sentence"),
    [
        ([], InfoNCE(1.0), ValueError, "`data` must not be empty; got an empty list."),
        (CANONICAL, [], ValueError, "`objective` must not be empty; got an empty list."),
        ([CANONICAL, SHORT], [InfoNCE(1.0)] * 3, ValueError, "`objective` must be one for all, or one for each world, "
         "of which `data` has 2; got 3."),
        ([CANONICAL, 3], InfoNCE(1.0), TypeError, "`data` must be"),
    ],
    ids=["worlds", "objectives", "numbers", "kind"],
)  # fmt: skip
def test_what_does_not_fit_is_refused_in_a_sentence(data, objective, error, sentence):
    with pytest.raises(error, match="^" + re.escape(sentence)):
        gradient_flows(data, objective, TIMES)


def test_a_batch_loss_is_refused_as_alone():
    with pytest.raises(TypeError, match=r"the loss on a finite batch has none: take its limit"):
        gradient_flows(CANONICAL, [InfoNCE(1.0), InBatchInfoNCE(1.0)], TIMES)


def test_a_flow_that_fails_is_named():
    hopeless = PairedData(signal_a=(1e200, 1e-200), noise_a=0.5, ambient_dim=4)
    with pytest.raises(ArithmeticError, match=r"^Flow 1 of `data` and `objective` failed: The flow could not be"):
        gradient_flows([CANONICAL, hopeless], InfoNCE(4.0), TIMES)


def test_other_latents_run_one_by_one():
    world = PairedData(signal_a=(2.0, 1.0), noise_a=0.5, ambient_dim=4, latents=GaussianLatents())
    path, _ = gradient_flows([world, SHORT], InfoNCE(1.0), TIMES)
    _same(path, gradient_flow(world, InfoNCE(1.0), TIMES))

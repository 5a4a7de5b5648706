"""What does not fit a loss of the family gets one sentence."""

from __future__ import annotations

import numpy as np
import pytest

from mmcl import EmpiricalPairs, PairedData, gradient_flow, train
from mmcl.family import AlignmentUniformity, Decoupled, NTXent, Sigmoid, Spectral
from mmcl.family_end import critical_weight, end_of
from mmcl.latents import GaussianLatents
from mmcl.objectives import PositiveOnly
from mmcl.share_potentials import patterns, slopes
from mmcl.temperature import LearnedTemperature
from mmcl.training import orthonormal_weights
from mmcl.worlds import SMALL, UNEQUAL

RNG = np.random.default_rng


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Decoupled(0.0), "`inverse_temperature` (τ²) must be positive and finite; got 0.0."),
        (lambda: Spectral(-1.0), "`square_norm` (μ) must be positive and finite; got -1.0."),
        (lambda: Sigmoid(np.inf), "`inverse_temperature` (τ²) must be positive and finite; got inf."),
        (lambda: Sigmoid(1.0, np.nan), "`bias` (b) must be finite; got nan."),
        (lambda: Sigmoid(1.0, negatives=-1.0), "`negatives` (K) must be at least 0 and finite; got -1.0."),
        (lambda: AlignmentUniformity(-0.5), "`weight` (λ) must be at least 0 and finite; got -0.5."),
        (lambda: AlignmentUniformity(1.0, 0.0), "`sharpness` (s) must be positive and finite; got 0.0."),
        (lambda: NTXent(4.0, np.inf), "`negatives` (K) must be at least 0 and finite; got inf."),
        (lambda: NTXent(-4.0), "`inverse_temperature` (τ²) must be positive and finite; got -4.0."),
        (lambda: critical_weight(0, 2.0), "`signal_dim` (r) must be a whole number of at least 1; got 0."),
        (
            lambda: end_of(UNEQUAL, Spectral()),
            "`data` must have two modalities alike for an end in closed form; got two that differ.",
        ),
        (
            lambda: patterns(17),
            "`data` must have at most r = 16 signal coordinates for Sigmoid, whose negatives are listed sign by sign; "
            "got 17.",
        ),
    ],
    ids=lambda x: x[:40] if isinstance(x, str) else "",
)
def test_a_bad_value_gets_a_sentence(make, message):
    with pytest.raises(ValueError) as caught:
        make()
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("make", "start"),
    [
        (lambda: Sigmoid("hot"), "`inverse_temperature` (τ²) must be"),
        (
            lambda: end_of(SMALL, PositiveOnly()),
            "`objective` must be strictly convex in its shares; got PositiveOnly().",
        ),
        (lambda: end_of("world", Spectral()), "`data` must be PairedData; got 'world'."),
        (
            lambda: slopes(Spectral(), None),
            "`objective` must be Sigmoid, AlignmentUniformity or NTXent; got",
        ),
    ],
    ids=lambda x: x[:40] if isinstance(x, str) else "",
)
def test_a_wrong_kind_gets_a_sentence(make, start):
    with pytest.raises(TypeError) as caught:
        make()
    assert str(caught.value).startswith(start)


def _descend(world: PairedData = SMALL, objective: object = None, **settings: object) -> object:
    usual = {"width": 9, "step_size": 0.1, "steps": 2, "batch_size": 8, "rng": RNG(0), "progress": False}
    return train(world, objective, **(usual | settings))


ALIKE = "`data` must have two modalities of the same scales and axes for NTXent, which has one encoder; got two that"


@pytest.mark.parametrize(
    ("make", "start"),
    [
        (lambda: gradient_flow(UNEQUAL, NTXent(3.0), [0.0, 1.0]), ALIKE),
        (lambda: _descend(UNEQUAL, NTXent(3.0)), ALIKE),
        (
            lambda: _descend(SMALL, NTXent(3.0), weights=orthonormal_weights((6, 6), 12, rng=RNG(1)), width=12),
            "`weights` (W) must be the same for both augmentations of NTXent; got two that differ.",
        ),
        (
            lambda: _descend(SMALL, Sigmoid(3.0), batch_size=None),
            "`batch_size` (n) must be given for Sigmoid, whose negatives are drawn; got None.",
        ),
        (
            lambda: _descend(SMALL, Sigmoid(3.0), batch_size=1),
            "`batch_size` (n) must be a whole number of at least 2; got 1.",
        ),
        (
            lambda: _descend(SMALL, AlignmentUniformity(), batch_size=1),
            "`batch_size` (n) must be a whole number of at least 2; got 1.",
        ),
        (
            lambda: _descend(SMALL, AlignmentUniformity(), normalization="sample"),
            "`normalization` must be \"population\" for AlignmentUniformity; got 'sample'.",
        ),
        (
            lambda: _descend(SMALL, Decoupled(3.0), temperature=LearnedTemperature(1.0)),
            "`temperature` must be left out for Decoupled, where it is held.",
        ),
        (
            lambda: gradient_flow(SMALL, Spectral(), [0.0, 1.0], temperature=LearnedTemperature(1.0)),
            "`temperature` must be left out for Spectral, which has none to move.",
        ),
        (
            lambda: gradient_flow(PairedData((2.0, 1.0), latents=GaussianLatents()), Decoupled(3.0), [0.0, 1.0]),
            "`data.latents` must be Signs; got GaussianLatents().",
        ),
        (
            lambda: _descend(EmpiricalPairs(np.eye(9, 3), np.eye(9, 3)), Spectral()),
            "`data` must be PairedData for Spectral; got EmpiricalPairs.",
        ),
    ],
    ids=lambda x: x[:40] if isinstance(x, str) else "",
)
def test_what_the_family_cannot_be_run_with_gets_a_sentence(make, start):
    with pytest.raises((TypeError, ValueError)) as caught:
        make()
    assert str(caught.value).startswith(start)

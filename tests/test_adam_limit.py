"""Adam at infinite width: its symmetries, and its first step."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from mmcl import InBatchInfoNCE, InfoNCE, PairedData, PositiveOnly
from mmcl.adam_limit import adam_limit
from mmcl.claims.practice_adam import SEVEN
from mmcl.training import Adam

RNG = np.random.default_rng
PLAN = {"step_size": 0.05, "steps": 60, "particles": 20_000, "record_every": 20}


def test_positives_keep_the_ratio_of_the_scales():
    path = adam_limit(SEVEN, PositiveOnly(), rng=RNG(0), **PLAN)
    np.testing.assert_allclose(path.condition_number, 2.0, rtol=4.5 * np.sqrt(2 / 20_000))
    assert path.alignment[-1] > 0.8 and path.noise_share[-1, 0] < path.noise_share[0, 0]


def test_the_first_step_is_that_of_the_signs():
    # with c = 0 a weight moves by η towards the sign of its twin: E w_A w_B gains η E|w_B| twice, less η² E sign sign
    world = PairedData(signal_a=(1.0, 1.0), noise_a=0.0, ambient_dim=2)
    path = adam_limit(world, PositiveOnly(), rng=RNG(1), **PLAN | {"steps": 1, "particles": 400_000})
    gain = 2 * 0.05 * np.sqrt(2 / np.pi)
    norm = 1 + 0.05**2  # lengths: E w sign(w') = 0
    np.testing.assert_allclose(path.theta[1] - path.theta[0], gain / norm / 2, rtol=0.02)


def test_with_negatives_it_balances():
    path = adam_limit(SEVEN, InfoNCE(4.0), rng=RNG(0), **PLAN | {"steps": 400, "step_size": 0.02, "particles": 4000})
    assert path.condition_number[-1] < 1.02 and path.alignment[-1] > 0.95
    assert path.condition_number.max() < 2.1


def test_a_modality_in_another_unit_moves_alike():
    loud = replace(SEVEN, signal_b=(20.0, 14.0, 10.0), noise_b=5.0)
    one, two = (adam_limit(world, InfoNCE(4.0), rng=RNG(0), **PLAN) for world in (SEVEN, loud))
    np.testing.assert_allclose(one.theta, two.theta, atol=1e-4)  # but for ε


@pytest.mark.parametrize(
    ("change", "error", "sentence"),
    [
        ({"objective": InBatchInfoNCE(1.0)}, TypeError,
         "`objective` must be InfoNCE or PositiveOnly; got InBatchInfoNCE(inverse_temperature=1.0)."),
        ({"particles": 0}, ValueError, "`particles` must be a whole number of at least 1; got 0."),
        ({"optimizer": "adam"}, TypeError, "`optimizer` must be Adam; got 'adam'."),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_in_a_sentence(change, error, sentence):
    settings = {"data": SEVEN, "objective": PositiveOnly(), "rng": RNG(0), "optimizer": Adam(), **PLAN} | change
    with pytest.raises(error, match=f"^{re.escape(sentence)}$"):
        adam_limit(**settings)


def test_any_number_of_coordinates_has_its_limit():
    world = PairedData(signal_a=np.linspace(2.0, 1.0, 70), ambient_dim=70)
    path = adam_limit(world, InfoNCE(4.0), step_size=0.1, steps=2, particles=4, rng=RNG(0))
    assert np.isfinite(path.loss).all() and len(path) == 3


@pytest.mark.parametrize(
    ("change", "error", "sentence"),
    [
        ({"record_every": 0}, ValueError, "`record_every` must be a whole number of at least 1; got 0."),
        ({"step_size": -1.0}, ValueError, "`step_size` (η) must be positive and finite; got -1.0."),
        ({"optimizer": 0}, TypeError, "`optimizer` must be Adam; got 0."),
        ({"data": replace(SEVEN, basis_a=np.eye(5)[::-1])}, ValueError, "`data` must be in the axes of its"),
    ],
)  # fmt: skip
def test_settings_that_adam_cannot_have_are_refused(change, error, sentence):
    settings = {"data": SEVEN, "objective": PositiveOnly(), "rng": RNG(0), **PLAN} | change
    with pytest.raises(error, match=f"^{re.escape(sentence)}"):
        adam_limit(**settings)

"""Why a descent does not rest: the curvature against a Hessian, and how the drift of batches scales."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from mmcl import train
from mmcl.claims import at_rest
from mmcl.claims.at_rest import curvature
from mmcl.claims.batch_drift import lengthening, removed
from mmcl.family import Sigmoid, Spectral
from mmcl.training import orthonormal_weights
from mmcl.worlds import CANONICAL, UNEQUAL

RNG = np.random.default_rng


def test_the_curvature_at_rest_is_that_of_the_hessian():
    objective, start = Spectral(5.0), orthonormal_weights((4, 5), 9, rng=RNG(0))
    run = train(UNEQUAL, objective, weights=start, step_size=1 / 64, steps=4000, progress=False)
    mixing = [torch.from_numpy(view.mixing) for view in UNEQUAL.views]

    def value(flat: torch.Tensor) -> torch.Tensor:
        w_a, w_b = flat[:36].reshape(4, 9), flat[36:].reshape(5, 9)
        k_a, k_b = mixing[0].T @ w_a, mixing[1].T @ w_b
        R = (k_a / k_a.norm()) @ (k_b / k_b.norm()).T
        return -2 * 5 * R.diagonal()[:2].sum() + 25 * R.square().sum()

    weights = torch.from_numpy(np.concatenate([w.ravel() for w in run.weights]))
    hessian = torch.autograd.functional.hessian(value, weights)
    largest = float(torch.linalg.eigvalsh(hessian)[-1])
    assert curvature(UNEQUAL, objective, run.weights) == pytest.approx(largest, rel=1e-6)


def test_a_full_gradient_from_orthonormal_rows_leaves_nothing_to_chance():
    ends = [at_rest._descent(train, at_rest.LONG, at_rest.STEP, None, 40.0, seed=seed) for seed in range(3)]
    assert np.ptp([end.condition_number[-1] for end in ends]) < 1e-9


def test_batches_move_less_the_larger_they_are_and_the_shorter_the_step():
    objective = Sigmoid(10.0, 5.0, 15.0)
    law = lengthening(CANONICAL, objective, 65)
    np.testing.assert_allclose(lengthening(CANONICAL, objective, 129), law * 65 * 64 / (129 * 128))
    np.testing.assert_allclose(lengthening(CANONICAL, replace(objective, negatives=30.0), 65), 4 * law)
    once = removed(CANONICAL, objective, 1e-3, 65, 1)
    assert removed(CANONICAL, objective, 5e-4, 65, 1) == pytest.approx(once / 4, rel=1e-5)
    assert removed(CANONICAL, objective, 1e-3, 65, 7, answered=False) == pytest.approx(7 * once, rel=1e-3)


def test_the_forces_answer_removes_what_batches_have_moved():
    objective, setting = Sigmoid(10.0, 5.0, 15.0), (1 / 16, 128)
    shares = [
        removed(CANONICAL, objective, *setting, steps) / removed(CANONICAL, objective, *setting, steps, answered=False)
        for steps in (1, 8, 16)
    ]
    assert shares[0] == 1.0 > shares[1] > shares[2] > 0.8

"""Why a descent does not rest: the curvature against a Hessian, and how the drift of batches scales."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from mmcl import train
from mmcl.claims.at_rest import batch_drift, curvature
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


def test_batches_move_less_the_larger_they_are_and_the_shorter_the_step():
    objective = Sigmoid(10.0, 5.0, 15.0)
    drift = batch_drift(CANONICAL, objective, 0.1, 65, 2.0)
    assert batch_drift(CANONICAL, objective, 0.05, 65, 2.0) == pytest.approx(drift / 2)
    assert batch_drift(CANONICAL, objective, 0.1, 129, 2.0) == pytest.approx(drift * 65 * 64 / (129 * 128))
    assert batch_drift(CANONICAL, replace(objective, negatives=30.0), 0.1, 65, 2.0) == pytest.approx(4 * drift)

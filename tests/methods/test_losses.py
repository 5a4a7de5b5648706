"""Each method's moment form against its definition on samples, written as in its own paper."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mmcl.methods import BYOL, BarlowTwins, DirectPred, MaskedReconstruction, SimSiam, VICReg
from mmcl.methods.losses import Moments, Parts, loss
from mmcl.pair import Pair
from mmcl.training.descent import all_signs
from mmcl.worlds import UNEQUAL

M = 3
METHODS = (SimSiam(), BYOL(), DirectPred(), MaskedReconstruction(), VICReg(2.0, 3.0, 0.7), BarlowTwins(0.3))


def _everybody() -> Pair[torch.Tensor]:
    """All sign patterns of the world, one row each."""
    return Pair(*(torch.from_numpy(e @ v.mixing.T) for e, v in zip(all_signs(UNEQUAL), UNEQUAL.views, strict=True)))


def _drawn(seed: int) -> Parts:
    rng = np.random.default_rng(seed)
    draw = [torch.from_numpy(rng.normal(size=size)) for size in ((4, M), (5, M), (M, M), (4, M), (5, M))]
    return Parts(Pair(*draw[:2]), draw[2], Pair(*draw[3:]))


def _unit(h):
    return h / (h**2).sum(dim=1).mean().sqrt()


def _definition(method, parts: Parts) -> float:
    x = _everybody()
    h = [data @ w for data, w in zip(x, parts.weights, strict=True)]
    goals = [_unit(data @ w) for data, w in zip(x, parts.targets, strict=True)]
    p = [_unit(u @ parts.predictor.T) for u in h]
    n = len(x.a)
    if isinstance(method, SimSiam):
        return -sum(float(p[i][k] @ goals[1 - i][k]) for i in (0, 1) for k in range(n)) / n
    if isinstance(method, BYOL | DirectPred):
        return sum(float(((p[i] - goals[1 - i]) ** 2).sum()) for i in (0, 1)) / n
    if isinstance(method, MaskedReconstruction):
        decoded = [h[1 - i] @ parts.weights[i].T for i in (0, 1)]
        return sum(float(((x[i] - decoded[i]) ** 2).sum()) for i in (0, 1)) / n
    if isinstance(method, VICReg):
        value = method.invariance * float(((h[0] - h[1]) ** 2).sum()) / n
        for u in h:
            G = np.cov(u.numpy().T, bias=True)
            value += method.variance * np.mean([max(0.0, 1 - np.sqrt(G[i, i] + 1e-4)) for i in range(M)])
            value += method.covariance * sum(G[i, j] ** 2 for i in range(M) for j in range(M) if i != j) / M
        return value
    C = [[float(np.corrcoef(h[0][:, i], h[1][:, j])[0, 1]) for j in range(M)] for i in range(M)]
    off = sum(C[i][j] ** 2 for i in range(M) for j in range(M) if i != j)
    return sum((1 - C[i][i]) ** 2 for i in range(M)) + method.off_diagonal * off


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("method", METHODS, ids=lambda m: type(m).__name__)
def test_the_moment_form_is_the_definition(method, seed):
    parts = _drawn(seed)
    assert float(loss(method, Moments.of(UNEQUAL), parts)) == pytest.approx(_definition(method, parts), rel=1e-10)


@pytest.mark.parametrize("method", METHODS[:4], ids=lambda m: type(m).__name__)
def test_a_common_rotation_of_the_representation_changes_nothing(method):
    parts, moments = _drawn(7), Moments.of(UNEQUAL)
    turn = torch.from_numpy(np.linalg.qr(np.random.default_rng(8).normal(size=(M, M)))[0])
    turned = Parts(
        Pair(*(w @ turn for w in parts.weights)),
        turn.T @ parts.predictor @ turn,
        Pair(*(w @ turn for w in parts.targets)),
    )
    assert float(loss(method, moments, turned)) == pytest.approx(float(loss(method, moments, parts)), rel=1e-12)


@pytest.mark.parametrize("method", METHODS, ids=lambda m: type(m).__name__)
def test_exchanging_the_modalities_changes_nothing(method):
    parts, moments = _drawn(9), Moments.of(UNEQUAL)
    other = Parts(Pair(*parts.weights[::-1]), parts.predictor, Pair(*parts.targets[::-1]))
    assert float(loss(method, moments.turned, other)) == pytest.approx(float(loss(method, moments, parts)), rel=1e-12)


def test_what_is_no_method_gets_a_sentence():
    with pytest.raises(TypeError, match=r"^`method` must be one of `mmcl.methods.METHODS`; got 'BYOL'\.$"):
        loss("BYOL", Moments.of(UNEQUAL), _drawn(0))

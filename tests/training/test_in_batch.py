"""CLIP's loss in blocks, against autograd of its definition."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
import torch.nn.functional as F

from mmcl import InBatchInfoNCE
from mmcl.losses import loss
from mmcl.pair import Pair
from mmcl.training import in_batch as module
from mmcl.training.in_batch import in_batch


def _features(n: int, m: int = 16, seed: int = 0) -> Pair[torch.Tensor]:
    drawn = torch.randn(2, n, m, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return Pair(*F.normalize(drawn, dim=2))


def _by_definition(features: Pair[torch.Tensor], tau2: float):
    leaves = Pair(*(f.clone().requires_grad_() for f in features))
    heat = torch.zeros((), dtype=torch.float64, requires_grad=True)
    value = loss(InBatchInfoNCE(tau2), Pair(heat.exp() * leaves.a, leaves.b))
    *gradient, slope = torch.autograd.grad(value, (*leaves, heat))
    return float(value.detach()), Pair(*gradient), float(slope)


def _apart(found, expected) -> float:
    return float(torch.linalg.norm(found.double() - expected) / torch.linalg.norm(expected))


@pytest.mark.parametrize("block", [100, 4000, 2**20], ids=["small", "some", "all"])
@pytest.mark.parametrize("tau2", [0.1, 1.0, 14.3, 100.0])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["double", "single"])
def test_the_loss_and_its_gradients_are_those_of_the_definition(dtype, tau2, block):
    features = _features(301)
    value, gradient, slope = _by_definition(features, tau2)
    found = in_batch(Pair(*(f.to(dtype) for f in features)), tau2, block=block)
    allowed = 1e-12 if dtype == torch.float64 else 1e-6
    assert found[0] == pytest.approx(value, rel=allowed)
    assert found[2] == pytest.approx(slope, rel=allowed, abs=allowed)
    for one, other in zip(found[1], gradient, strict=True):
        assert one.dtype == dtype
        assert _apart(one, other) < allowed


@pytest.mark.parametrize("block", [500, 2**20])
def test_scores_too_far_apart_for_one_exponential_have_two(block):
    features = _features(60)
    features.b[3] *= 50  # this column's scores overflow the others' unit
    features.a[7] *= 1e-3
    tau2 = 100.0
    single = Pair(*(f.float() for f in features))
    assert module._shared(single, tau2, block) is None
    value, gradient, _ = _by_definition(Pair(*(f.double() for f in single)), tau2)
    found = in_batch(single, tau2, block=block)
    assert found[0] == pytest.approx(value, rel=1e-5)
    assert all(_apart(one, other) < 1e-4 for one, other in zip(found[1], gradient, strict=True))
    double = in_batch(features, tau2, block=block)
    value, gradient, _ = _by_definition(features, tau2)
    assert double[0] == pytest.approx(value, rel=1e-12)
    assert all(_apart(one, other) < 1e-11 for one, other in zip(double[1], gradient, strict=True))


@pytest.mark.parametrize("tau2", [100.0, 1e3, 1e4])
def test_scores_far_apart_keep_the_digits_that_autograd_keeps(tau2):
    """The logarithm of a sum is as large as its scores: exp(S - log sum) would lose what exp(S - max) / sum keeps."""
    draw = torch.Generator().manual_seed(0)
    a, b = 0.02 * torch.randn(2, 129, 3, generator=draw)
    a[:, 0], b[:, 0] = torch.linspace(0.3, 1.7, 129), 1 + 2 / tau2 * torch.randn(129, generator=draw)
    b[:5, 0] = -1
    assert module._shared(Pair(a, b), tau2, 2**20) is None
    _, due, _ = _by_definition(Pair(a.double(), b.double()), tau2)
    leaves = Pair(a.clone().requires_grad_(), b.clone().requires_grad_())
    single = torch.autograd.grad(loss(InBatchInfoNCE(tau2), leaves), tuple(leaves))
    found = in_batch(Pair(a, b), tau2)[1]
    for one, theirs, exact in zip(found, single, due, strict=True):
        assert _apart(one, exact) < max(1e-6, 1.5 * _apart(theirs, exact))


@pytest.mark.parametrize("tau2", [1e4, 1e8, 1e16])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["double", "single"])
def test_equal_scores_of_any_size_share_the_pull(dtype, tau2):
    """In units of their largest, before any logarithm: the logarithm of a sum has the digits of its scores only."""
    twins = torch.ones(2, 1, dtype=dtype)
    assert all((g == 0).all() for g in in_batch(Pair(twins, twins), tau2)[1])


@pytest.mark.parametrize("block", [1, 2, 4])
def test_scores_below_all_floats_weigh_nothing(block):
    a, b = torch.tensor([[1.0, 0], [0, 1e20]]), torch.tensor([[1.0, -1e30], [0.5, 1e-20]])
    scores = torch.tensor([[1.0, 0.5], [-torch.inf, 1.0]])
    loss = sum(float((scores.logsumexp(dim) - scores.diagonal()).mean()) for dim in (0, 1))
    value, gradient, _ = in_batch(Pair(a, b), 1.0, block=block)
    assert value == pytest.approx(loss, rel=1e-6)
    assert all(g.isfinite().all() for g in gradient)


@pytest.mark.parametrize("tau2", [20.0, 100.0])
def test_a_small_loss_is_right_to_the_round_off_of_one_and_not_of_its_scores(tau2):
    draw = torch.Generator().manual_seed(0)
    a = F.normalize(torch.randn(200, 64, generator=draw), dim=1)
    b = F.normalize(a + 0.5 * F.normalize(torch.randn(200, 64, generator=draw), dim=1), dim=1)
    due = _by_definition(Pair(a.double(), b.double()), tau2)[0]
    assert due < 1e-3
    assert in_batch(Pair(a, b), tau2)[0] == pytest.approx(due, abs=4 * torch.finfo(torch.float32).eps)


def test_one_pair_has_no_negative_and_no_gradient():
    value, gradient, slope = in_batch(_features(1), 4.0)
    assert value == pytest.approx(0, abs=1e-15)
    assert slope == pytest.approx(0, abs=1e-15)
    assert all(g.abs().max() < 1e-15 for g in gradient)


def test_swapping_the_modalities_swaps_the_gradients():
    features = _features(40)
    value, (a, b), slope = in_batch(features, 3.0, block=200)
    mirrored, (b_too, a_too), slope_too = in_batch(Pair(features.b, features.a), 3.0, block=200)
    assert mirrored == pytest.approx(value, rel=1e-14)
    assert slope_too == pytest.approx(slope, rel=1e-12)
    torch.testing.assert_close(a, a_too, rtol=1e-12, atol=1e-16)
    torch.testing.assert_close(b, b_too, rtol=1e-12, atol=1e-16)


LARGEST = """
import json, resource, sys, torch
from mmcl.pair import Pair
from mmcl.training.in_batch import in_batch

few_a, few_b, kinds = torch.load(sys.argv[1])
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
before = peak()
value, gradient, slope = in_batch(Pair(few_a[kinds], few_b[kinds]), 4.0)
torch.save([value, *gradient], sys.argv[2])
print(peak() - before)
"""


def test_a_batch_of_65536_pairs_needs_no_matrix_of_scores(tmp_path):
    # Of eight kinds, so that sums over pairs are sums over kinds and the answer is known in double precision. Features
    # are not narrower: some BLAS add up products of 8 columns or fewer one pair after the other, and lose digits.
    n, tau2, (few_a, few_b) = 65536, 4.0, (f.float() for f in _features(8, 64))
    kinds = torch.randint(8, (n,), generator=torch.Generator().manual_seed(1))
    torch.save([few_a, few_b, kinds], tmp_path / "given")
    command = [sys.executable, "-c", LARGEST, str(tmp_path / "given"), str(tmp_path / "found")]
    used = int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    value, a, b = torch.load(tmp_path / "found")

    count, few_a, few_b = torch.bincount(kinds).double(), few_a.double(), few_b.double()
    scores = tau2 * few_a @ few_b.T
    rows, columns = (scores + count.log()).logsumexp(dim=1), (scores + count.log()[:, None]).logsumexp(dim=0)
    weights = (scores - rows[:, None]).exp() + (scores - columns).exp()
    assert value == pytest.approx(float(((rows + columns - 2 * scores.diagonal()) * count).sum() / n), rel=1e-6)
    assert _apart(a, (tau2 / n * ((weights * count) @ few_b - 2 * few_b))[kinds]) < 1e-6
    assert _apart(b, (tau2 / n * ((weights.T * count) @ few_a - 2 * few_a))[kinds]) < 1e-6
    assert used < 4 * n * n / 80, "an eightieth of one matrix of scores; features, gradients and libraries take half"

"""A step on "cuda" without a card: torch works out shapes, types and devices as it does there, and no numbers.

An operation on tensors of two devices raises. A build of torch for processors alone lacks the guard that some calls ask
for before they are dispatched: those are put in terms of others.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch._subclasses import FakeTensorMode
from torch._subclasses.fake_tensor import FakeTensorDeviceMismatchError
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from mmcl import InBatchInfoNCE, InfoNCE, PairedData, PositiveOnly
from mmcl.latents import GaussianLatents, Signs, SparseLatents, UniformLatents
from mmcl.pair import Pair
from mmcl.training.in_batch import in_batch
from mmcl.training.initial import gaussian_weights
from mmcl.training.learners import Learners

CUDA = torch.device("cuda", 0)
WORLD = PairedData(signal_a=[2.0, 1.0], noise_a=0.5, ambient_dim=(4, 5))


class Unguarded(TorchFunctionMode):
    """What asks for a card before it is dispatched, in terms of what does not."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        if function is torch.Tensor.__getitem__:
            return part(*args)
        if function is torch.Tensor.__setitem__:
            torch.ops.aten.copy_.default(part(*args[:2]), args[2])
            return None
        if function is torch.Tensor.copy_:
            return torch.ops.aten.copy_.default(*args)
        if function is torch.Tensor.__float__:
            return float(torch.ops.aten._local_scalar_dense.default(args[0]))
        return function(*args, **(kwargs or {}))


def part(tensor, places):
    """`tensor[places]` for slices, whole numbers and None, by views."""
    dim = 0
    for place in places if isinstance(places, tuple) else (places,):
        if place is None:
            tensor = tensor.unsqueeze(dim)
        elif isinstance(place, int):
            tensor, dim = tensor.select(dim, place), dim - 1
        else:
            first, last, _ = place.indices(tensor.shape[dim])
            tensor = tensor.narrow(dim, first, max(0, last - first))
        dim += 1
    return tensor


class Answers(TorchDispatchMode):
    """What the processor asks for of the card gets this answer, and is counted."""

    def __init__(self, answer):
        super().__init__()
        self.answer, self.asked = answer, 0

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        if operation is torch.ops.aten._local_scalar_dense.default:
            self.asked += 1
            return bool(self.answer) if args[0].dtype == torch.bool else float(self.answer)
        return operation(*args, **(kwargs or {}))


@pytest.mark.parametrize("answer", [1, 0])  # whether all exponentials are finite
@pytest.mark.parametrize("latents", [Signs(), GaussianLatents(), UniformLatents(), SparseLatents(0.3)], ids=str)
@pytest.mark.parametrize("objective", [InfoNCE(3.0), InfoNCE(3.0, 0.0), InBatchInfoNCE(3.0), PositiveOnly()], ids=str)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_step_stays_on_a_graphics_card(dtype, objective, latents, answer):
    world, kind = replace(WORLD, latents=latents), torch.float64 if dtype is np.float64 else torch.float32
    starts = [gaussian_weights((4, 5), 6, rng=np.random.default_rng(i)) for i in range(3)]
    with FakeTensorMode(allow_non_fake_inputs=True), Answers(answer) as card, Unguarded():
        learners = Learners(world, [objective] * 3, starts, 8, dtype, CUDA, 1)
        rngs = [np.random.default_rng(i) for i in range(3)]
        (whole,) = learners.parts
        losses = learners._step(whole, 0.1, rngs, learners._spare)
    assert (losses.device, losses.dtype, losses.shape) == (CUDA, kind, (3,))
    assert (learners._spare.device, learners._spare.dtype) == (CUDA, torch.float64)
    exact_on_signs = isinstance(objective, InfoNCE) and latents == Signs()
    assert card.asked == (2 if exact_on_signs else 0)  # whether all is finite, once for either direction


@pytest.mark.parametrize("answer", [1, 1e9], ids=["one exponential", "two"])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_the_loss_in_batch_stays_there(dtype, answer):
    with FakeTensorMode(allow_non_fake_inputs=True), Answers(answer) as card, Unguarded():
        features = Pair(*(torch.empty(70, 6, dtype=dtype, device=CUDA) for _ in "ab"))
        _, gradient, _ = in_batch(features, 4.0, block=1000)
    assert card.asked == 3 and all((g.device, g.dtype) == (CUDA, dtype) for g in gradient)


def test_a_number_left_behind_is_found(monkeypatch):
    stay = Learners._moved
    monkeypatch.setattr(Learners, "_moved", lambda self, a: torch.from_numpy(a) if a.shape == (3,) else stay(self, a))
    with pytest.raises(FakeTensorDeviceMismatchError):
        test_a_step_stays_on_a_graphics_card(np.float64, InfoNCE(3.0), Signs(), 1)

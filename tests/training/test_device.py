"""Many learners on another device: every one torch finds here, and one of our own that no machine lacks.

The device "card" computes in the processor's memory, but torch does not know: a tensor there has no numbers for NumPy
until it is copied back, and an operation on tensors of two devices is refused, as on a graphics card.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

from mmcl import InBatchInfoNCE, InfoNCE, PairedData, PositiveOnly, train, train_many
from mmcl.latents import GaussianLatents, SparseLatents, UniformLatents
from mmcl.pair import Pair
from mmcl.training import TrainingDiverged, TrainingInterrupted, gaussian_weights
from mmcl.training.in_batch import in_batch
from mmcl.training.learners import Learners

_setup_privateuseone_for_python_backend(rename="card")
CARD, CPU = torch.device("card", 0), torch.device("cpu")
done: Counter[str] = Counter()  # operations on the card, by name


class OnCard(torch.Tensor):
    """A tensor that says it is on the card."""

    held: torch.Tensor

    @staticmethod
    def __new__(cls, held):
        known = {name: getattr(held, name) for name in ("dtype", "layout", "requires_grad")}
        self = cls._make_wrapper_subclass(cls, held.size(), held.stride(), held.storage_offset(), device=CARD, **known)
        self.held = held
        return self

    @classmethod
    def __torch_dispatch__(cls, operation, types, args=(), kwargs=None):
        return on_card(operation, *args, **(kwargs or {}))


def on_card(operation, *args, **kwargs):
    """Any operation of torch with a tensor on the card in it, or one that makes one."""
    name = operation._schema.name.removeprefix("aten::")
    tensors = [one for one in tree_leaves((args, kwargs)) if isinstance(one, torch.Tensor)]
    elsewhere = [one for one in tensors if one.dim() and not isinstance(one, OnCard)]  # numbers may come from anywhere
    if elsewhere and name not in ("_to_copy", "copy_"):
        raise RuntimeError(f"{name} needs all of its tensors on one device; got some on the card, some elsewhere.")
    done[name] += 1
    done["bytes sent"] += sum(one.nbytes for one in elsewhere)
    back = name == "_to_copy" and kwargs.get("device") == CPU
    known = {id(one.held): one for one in tensors if isinstance(one, OnCard)}  # what is written in place stays itself

    def unwrapped(value):
        return CPU if isinstance(value, torch.device) else getattr(value, "held", value)

    def wrapped(value):
        if not isinstance(value, torch.Tensor) or back:
            return value
        return known[id(value)] if id(value) in known else OnCard(value)

    args, kwargs = tree_map(unwrapped, (args, kwargs))
    return tree_map(wrapped, operation(*args, **kwargs))


_library = torch.library.Library("_", "IMPL")
_library.fallback(on_card, "PrivateUse1")

WORLD = PairedData(signal_a=[2.0, 1.0], noise_a=0.5, ambient_dim=(4, 5))
ALIKE = PairedData(signal_a=[2.0, 1.0], noise_a=0.5, ambient_dim=5)  # where a processor takes compiled steps
LAWS = GaussianLatents(), UniformLatents(), SparseLatents(0.3)
SETTINGS = {"step_size": 0.1, "steps": 12, "batch_size": 8, "record_every": 5}
DEVICES = ["cpu", "card", *(["cuda"] if torch.cuda.is_available() else [])]
OBJECTIVES = [
    InfoNCE(3.0, negatives=7.0), InfoNCE(3.0, negatives=0.0), InfoNCE(400.0), InBatchInfoNCE(3.0), PositiveOnly(),
]  # fmt: skip


def rngs(count=3):
    return [np.random.default_rng(seed) for seed in range(count)]


@pytest.mark.parametrize("objective", OBJECTIVES, ids=str)
@pytest.mark.parametrize(("dtype", "atol"), [(np.float64, 1e-12), (np.float32, 2e-5)])
@pytest.mark.parametrize("world", [WORLD, ALIKE], ids=["unlike", "alike"])
@pytest.mark.parametrize("device", DEVICES)
def test_every_learner_is_that_of_train_on_every_device(device, world, objective, dtype, atol):
    settings = SETTINGS | ({"step_size": 1e-3} if objective == InfoNCE(400.0) else {})
    done.clear()
    together = train_many(world, objective, rngs=rngs(), width=6, device=device, dtype=dtype, **settings)
    products = done["bmm"] + done["baddbmm"]
    assert products >= 4 * settings["steps"] if device == "card" else products == 0
    for rng, run in zip(rngs(), together, strict=True):
        alone = train(world, objective, rng=rng, width=6, dtype=dtype, **settings)
        assert run.steps == alone.steps and run.rng_state == alone.rng_state
        for name, column in alone.columns().items():
            np.testing.assert_allclose(run.columns()[name], column, rtol=1e2 * atol, atol=atol, err_msg=name)
        for found, due in zip(run.weights, alone.weights, strict=True):
            np.testing.assert_allclose(found, due, atol=atol)


@pytest.mark.parametrize("latents", LAWS, ids=str)
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(("dtype", "atol"), [(np.float64, 1e-12), (np.float32, 2e-5)])
def test_other_latents_are_those_of_train_on_every_device(device, latents, dtype, atol):
    world = replace(WORLD, latents=latents)
    test_every_learner_is_that_of_train_on_every_device(device, world, InfoNCE(3.0, negatives=7.0), dtype, atol)


def test_scores_too_large_for_an_exponential_take_the_general_form_there():
    done.clear()
    once = SETTINGS | {"steps": 1, "step_size": 1e-3}
    train_many(WORLD, InfoNCE(400.0), rngs=rngs(), width=6, device="card", dtype=np.float32, **once)
    assert done["tanh"] == 2  # one for either direction


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("batch_size", [1, 7, 64])
def test_signs_travel_as_bits_and_are_those_drawn_here(batch_size, dtype):
    place = WORLD, [PositiveOnly()] * 3, [gaussian_weights((4, 5), 6, rng=rng) for rng in rngs()], batch_size, dtype
    there, here = Learners(*place, CARD, 1), Learners(*place, CPU, 1)
    done.clear()
    for found, due in zip(there.signs(rngs()), here.signs(rngs()), strict=True):
        assert found.dtype == due.dtype and found.device.type == "card"
        torch.testing.assert_close(found.cpu(), due, rtol=0, atol=0)
    words = -(-batch_size * (4 + 5 - 2) // 64)
    assert done["bytes sent"] == 3 * 8 * words


@pytest.mark.parametrize("device", DEVICES)
def test_a_run_that_ends_early_there_keeps_its_records(device, monkeypatch):
    with pytest.raises(TrainingDiverged) as stop:
        train_many(WORLD, PositiveOnly(), rngs=rngs(), width=6, device=device, **SETTINGS | {"step_size": 1e6})
    assert len(stop.value.trajectories) == 3
    steps, moved = iter(range(10)), Learners.moved

    def interrupted(self, *args, **kwargs):
        if next(steps) == 7:
            raise KeyboardInterrupt
        return moved(self, *args, **kwargs)

    monkeypatch.setattr(Learners, "moved", interrupted)
    with pytest.raises(TrainingInterrupted) as stop:
        train_many(WORLD, PositiveOnly(), rngs=rngs(), width=6, device=device, **SETTINGS)
    first = stop.value.trajectories[0]
    assert first.steps == 7
    rest = train(WORLD, PositiveOnly(), start=first, step_size=0.1, steps=5, batch_size=8)
    alone = train(WORLD, PositiveOnly(), rng=rngs()[0], width=6, **SETTINGS)
    np.testing.assert_allclose(rest.theta[-1], alone.theta[-1], atol=1e-12)


@pytest.mark.parametrize("device", [CPU, CARD], ids=str)
def test_the_scores_of_a_batch_bound_how_many_learners_go_at_once(device):
    count, n, dim = 300, 512, 4
    weights = [gaussian_weights((dim, dim), 2, rng=rng) for rng in rngs(1)] * count
    world = PairedData(signal_a=[1.0], noise_a=0.5, ambient_dim=dim)
    together = [Learners(world, [one] * count, weights, n, np.float32, device, 1).parts
                for one in (PositiveOnly(), InBatchInfoNCE(3.0))]  # fmt: skip
    longest = [min(count, max(part.stop - part.start for part in parts)) for parts in together]
    assert longest == ([256, 1] if device == CPU else [count, 2**27 // (n * (2 * dim + 3 * n))])
    assert all(parts[-1].stop >= count for parts in together)


@pytest.mark.parametrize("name", ["hpu", "cuda:77", "nothing"])
def test_a_device_that_is_not_there_is_refused_in_a_sentence(name):
    with pytest.raises(ValueError, match=r"^`device` must be one that torch can use here, in double precision; got"):
        train_many(WORLD, PositiveOnly(), rngs=rngs(), width=6, device=name, **SETTINGS)


def test_an_operation_on_two_devices_is_refused():
    with pytest.raises(RuntimeError, match="mm needs all of its tensors on one device"):
        torch.zeros(3, 3) @ torch.zeros(3, 3, device="card")
    with pytest.raises((RuntimeError, TypeError)):
        torch.zeros(3, device="card").numpy()


@pytest.mark.parametrize("tau2", [4.0, 1e3], ids=["one exponential", "two"])
@pytest.mark.parametrize("device", DEVICES)
def test_the_loss_in_batch_is_the_same_there(device, tau2):
    draw = torch.Generator().manual_seed(0)
    here = Pair(*torch.randn(2, 70, 6, generator=draw, dtype=torch.float64))
    loss, gradient, slope = in_batch(here, tau2, block=1000)
    found = in_batch(Pair(*(f.to(device) for f in here)), tau2, block=1000)
    assert found[0] == pytest.approx(loss, rel=1e-14) and found[2] == pytest.approx(slope, rel=1e-12)
    for one, due in zip(found[1], gradient, strict=True):
        assert one.device.type == device
        torch.testing.assert_close(one.cpu(), due, rtol=1e-12, atol=1e-12)

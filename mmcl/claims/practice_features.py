"""Claims: what normalising the features does, and what a common offset of the data does."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy import ndarray as Array

from mmcl.claims.claim import Check, Evidence, Run, at_most, claim, close, slope, zero
from mmcl.claims.practice import TRIPLE
from mmcl.covariance import covariance_flow
from mmcl.data import PairedData
from mmcl.empirical import EmpiricalPairs
from mmcl.flow import gradient_flow
from mmcl.objectives import InBatchInfoNCE, InfoNCE, PositiveOnly
from mmcl.pair import Pair
from mmcl.training import orthonormal_weights, train
from mmcl.training.descent import all_signs
from mmcl.training.initial import Weights

#: Eight independent signs: all 256 pairs are a batch that is the population.
LISTED = PairedData(signal_a=(2.0, 1.0), noise_a=0.5, ambient_dim=5)
WIDTHS = np.array([512, 2048, 8192])
SIZES = np.array([16, 64, 256])
#: The scale of the constant coordinate in A and in B: larger than all that varies.
OFFSET = (3.0, 2.5)


@claim(
    id="normalisation",
    statement="At infinite width with sign latents every output has unit norm, so normalising in the population, in "
    "the batch or sample by sample is the same. What the width leaves falls like $1/m$ in expectation, and like "
    "$m^{-1/2}$ through the noise of batches; what the batch leaves at infinite width falls like $1/n$.",
    source="ours",
    chapter="practice",
)
def normalisation(descend: Run = train, seeds: int = 6) -> Evidence:
    """The same start, its overlaps scaled by m^(-1/2), and the same batches under the three normalisations."""
    listed = np.array([_apart_listed(int(m), descend, 4) for m in WIDTHS])
    width = np.array([_apart(int(m), 64, descend, seeds) for m in WIDTHS])
    floor = np.array([_apart(None, int(n), descend, seeds) for n in SIZES])
    noise = [_size(found[:, 0] - floor[1][:, 0]) for found in width]  # both at n = 64
    by_size = np.array([[_size(found[:, how]) for how in (0, 1)] for found in floor])
    expected = [_size(found[:, 1]) for found in listed]
    reason = "corrections of relative order $m^{-1/2}$, from the smallest width on"
    few = "three sizes, whose batches are different draws; the spread of six seeds leaves 0.1 to 0.2"
    return Evidence(
        (
            zero("all pairs: batch against population", np.abs(listed[:, :, 0]).max(), tolerance=1e-12,
                 reason="the same sums, to round-off"),
            Check("all pairs: power of m, sample against population", -1.0, slope(WIDTHS, np.array(expected)), 0.15,
                  reason),
            Check("batches: power of m, batch against population, less the batch's part", -0.5,
                  slope(WIDTHS, np.array(noise)), 0.15, reason),
            Check("power of n at infinite width, sample against population", -1.0, slope(SIZES, by_size[:, 1]), 0.35,
                  few),
            Check("power of n at infinite width, batch against population", -1.0, slope(SIZES, by_size[:, 0]), 0.35,
                  few),
        ),
        {
            "width": WIDTHS, "batch": SIZES, "listed": np.array(expected), "noise": np.array(noise),
            "by batch": by_size, "largest": np.array([np.abs(found).max() for found in width]),
        },
    )  # fmt: skip


def _size(found: Array) -> float:
    """Root mean square over seeds of the largest distance among the coordinates."""
    return float(np.sqrt(np.mean(np.abs(found).max(axis=-1) ** 2)))


def _overlapping(d: int, width: int | None, rng: np.random.Generator) -> Weights:
    """Rows whose Gram matrix is I + S/√m, with the law of Gaussian weights and the same S at every width."""
    start = np.eye(2 * d)
    drawn = rng.standard_normal(start.shape)
    if width is not None:
        start = start + (drawn + drawn.T) / np.sqrt(8 * width)
    return Pair(*np.split(start, 2))


def _apart_listed(width: int, descend: Run, seeds: int) -> Array:
    """Distances of θ from population normalisation with every pair in the batch: seeds × (batch, sample) × r."""
    pairs = EmpiricalPairs(*(eps @ view.mixing.T for eps, view in zip(all_signs(LISTED), LISTED.views, strict=True)))
    plan: dict[str, Any] = {"step_size": 0.5, "steps": 30, "record_every": 30, "progress": False}
    found = []
    for seed in range(seeds):
        start = _overlapping(5, width, np.random.default_rng(seed))
        ends = [
            shares(descend(pairs, PositiveOnly(), weights=start, normalization=how, **plan).weights, LISTED)
            for how in ("population", "batch", "sample")
        ]
        found.append([end - ends[0] for end in ends[1:]])
    return np.array(found)


def _apart(width: int | None, size: int, descend: Run, seeds: int) -> Array:
    """The same with fresh batches of that size, at t = 20."""
    found = []
    plan: dict[str, Any] = {"step_size": 0.5, "steps": 40, "record_every": 40, "batch_size": size, "progress": False}
    for seed in range(seeds):
        start = _overlapping(24, width, np.random.default_rng(seed))
        ends = [
            descend(TRIPLE, InBatchInfoNCE(4.0), weights=start, normalization=how,
                    rng=np.random.default_rng([seed, 1]), **plan).theta[-1]
            for how in ("population", "batch", "sample")
        ]  # fmt: skip
        found.append([end - ends[0] for end in ends[1:]])
    return np.array(found)


def shares(weights: Weights | None, data: PairedData) -> Array:
    """θ of these weights in this world, the offset's last where the world has it among the signal."""
    assert weights is not None  # a trained run has them
    k_a, k_b = (view.mixing.T @ w for view, w in zip(data.views, weights, strict=True))
    r = data.signal_dim
    return np.sum(k_a[:r] * k_b[:r], axis=1) / np.sqrt(np.sum(k_a**2) * np.sum(k_b**2))


@claim(
    id="offset",
    statement="A constant that both modalities share is one more coordinate. For InfoNCE it cancels between positive "
    "and negatives: it fades like noise of its scale, at its own clock. For positives only it is one more signal, and "
    "the loudest wins.",
    source="ours",
    chapter="practice",
)
def offset(flow: Run = gradient_flow, descend: Run = train) -> Evidence:
    """All pairs of a small world with a constant column, by autograd, against the flow of a world without constants."""
    noisy = PairedData(signal_a=(2.0, 1.0), signal_b=(1.5, 1.0), noise_a=(0.5, OFFSET[0]), noise_b=(0.5, OFFSET[1]),
                       ambient_dim=4)  # fmt: skip
    signal = PairedData(signal_a=(2.0, 1.0, OFFSET[0]), signal_b=(1.5, 1.0, OFFSET[1]), noise_a=0.5, ambient_dim=4)
    checks: list[Check] = []
    curves: dict[str, Array] = {}
    for name, world, loss in (("InfoNCE", noisy, InfoNCE(4.0)), ("positives only", signal, PositiveOnly())):
        errors = []
        for step in (0.1, 0.05):
            time, theta, power = _legs(world, loss, step, descend)
            theory = flow(world, loss, time)
            errors.append(np.abs(theta - theory.theta).max())
        reason = "first order, with a relative remainder of the size of the step"
        checks.append(close(f"{name}: error of θ at half the step, over that at the whole", 0.5, errors[1] / errors[0],
                            rel=0.1, reason=reason))  # fmt: skip
        checks.append(at_most(f"{name}: largest error of θ", 0.01, errors[1], reason="one percent is the bar"))
        curves |= {f"{name} time": time, f"{name} theta": theta, f"{name} theory": theory.theta, f"{name} power": power}
    fine = np.linspace(0, time[-1], 141)
    faded = covariance_flow(noisy, InfoNCE(4.0), fine).noise[:, -1]
    curves |= {"fine": fine, "InfoNCE offset": faded, "positives only shares": flow(signal, PositiveOnly(), fine).theta}
    late = flow(signal, PositiveOnly(), [0.0, 1e4]).theta[-1]
    curves["late"] = late
    gone = curves["InfoNCE power"]
    checks.append(at_most("InfoNCE: the offset's share of A's power, over its share at the start", 0.05,
                          gone[-1] / gone[0], reason="the bar is chosen"))  # fmt: skip
    checks.append(Check("positives only: the offset's share of the alignment at the end of the run",
                        theory.theta[-1, 2] / theory.alignment[-1], theta[-1, 2] / theta[-1].sum(), 0.01,
                        "the step's error"))  # fmt: skip
    return Evidence(tuple(checks), curves)


def with_constant(world: PairedData) -> EmpiricalPairs:
    """Every pair of `world`, its last coordinate of either modality replaced by a constant of its scale."""
    r = 2
    a, b = (view.scales[:r] for view in world.views)
    plain = PairedData(a, b, noise_a=0.5, ambient_dim=world.views.a.ambient_dim - 1)
    constant = [view.scales[_last(world)] for view in world.views]
    columns = [
        np.insert(eps * view.scales, _last(world), scale, axis=1)
        for eps, view, scale in zip(all_signs(plain), plain.views, constant, strict=True)
    ]
    return EmpiricalPairs(*columns)


def _last(world: PairedData) -> int:
    """Where the constant stands: after the noise, or after the signal where it is one of it."""
    return 2 if world.signal_dim == 3 else world.views.a.ambient_dim - 1


def _legs(world: PairedData, loss: InfoNCE | PositiveOnly, step: float, descend: Run) -> tuple[Array, ...]:
    """θ, and the constant's share of A's power, at the end of every leg of a run."""
    pairs, last = with_constant(world), _last(world)
    weights: Any = orthonormal_weights((4, 4), 8, rng=np.random.default_rng(4))
    rows, time, legs = [], [0.0], np.geomspace(1, 8, 10)
    run = None
    for leg in (0.0, *legs):
        if leg:
            how = {"weights": weights} if run is None else {"start": run}
            run = descend(pairs, loss, step_size=step, steps=round(leg / step), record_every=10**6, progress=False,
                          **how)  # fmt: skip
            weights = run.weights
            time.append(float(run.time[-1]))
        power = np.sum((weights.a * world.views.a.scales[:, None]) ** 2, axis=1)
        rows.append((shares(weights, world), power[last] / power.sum()))
    return np.array(time), *(np.array(column) for column in zip(*rows, strict=True))

"""Claims: which eigenvalues of a representation's covariance collapse, and which augmentation is fatal."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy import ndarray as Array

from mmcl.augmentation import augmentation_threshold, escape_rate
from mmcl.claims.augmented import ends, rates
from mmcl.claims.claim import Check, Evidence, Run, at_least, at_most, claim, close, slope, zero
from mmcl.claims.definition import weights_along_flow
from mmcl.closed_form import terminal_condition_number
from mmcl.covariance import CovarianceSpectrum, covariance_eigenvalues, covariance_flow
from mmcl.data import PairedData
from mmcl.objectives import InfoNCE, PositiveOnly
from mmcl.pair import Pair
from mmcl.training import train
from mmcl.training.initial import gaussian_weights, orthonormal_weights
from mmcl.worlds import CANONICAL, UNEQUAL

LOSSES: dict[str, InfoNCE | PositiveOnly] = {"InfoNCE": InfoNCE(4.0), "positives only": PositiveOnly()}
DIMS = np.array([64, 512, 4096])
END = 200.0  # of the trained runs


@claim(
    id="dimensional-collapse",
    statement="The covariance of a representation trained with negatives keeps $r$ equal eigenvalues; those of the "
    "noise collapse. Without negatives the weak signal follows: its smallest eigenvalue over the largest falls like a "
    "power of the dimension.",
    source="ours; dimensional collapse is the spectrum's decay in Jing et al. (2022)",
    chapter="neighbours",
)
def collapse(flow: Callable[..., CovarianceSpectrum] = covariance_flow, descend: Run = train) -> Evidence:
    """The whole spectrum against the definition, against training, at its end and over the dimension."""
    checks: list[Check] = []
    times = np.concatenate([[0.0], np.geomspace(0.5, END, 60)])
    curves: dict[str, Array] = {"time": times, "d": DIMS}
    for name, loss in LOSSES.items():
        gap = _against_definition(loss, flow)
        solvers = "two integrators at 1e-9 and 1e-10"
        checks.append(zero(f"{name}, definition: error of an eigenvalue", gap, tolerance=1e-7, reason=solvers))
        path = flow(CANONICAL, loss, times)
        curves |= {f"{name} signal": path.signal, f"{name} noise": path.noise[:, 0]}
        due = np.sort(np.concatenate([path.signal[-1], path.noise[-1]]))[::-1]
        orthonormal, gaussian = (_trained(loss, start, descend) for start in (orthonormal_weights, gaussian_weights))
        curves |= {f"{name} orthonormal": orthonormal, f"{name} gaussian": gaussian}
        off = np.abs(np.log(orthonormal / due))
        error = (
            "first order in the step 1/2, and batches of 256" if name == "InfoNCE" else "first order in the step 1/2"
        )
        checks += [
            zero(
                f"{name}, trained: relative error of a signal eigenvalue", off[:8].max(), tolerance=0.03, reason=error
            ),
            close(
                f"{name}, random rows of width 512: mean noise eigenvalue",
                due[8:].mean(),
                gaussian[8:].mean(),
                rel=0.1,
                reason=f"{error}; and the weights' length scatters by 1/√m = 4%",
            ),
        ]
    late = flow(CANONICAL, LOSSES["InfoNCE"], [0.0, 1e6])
    small = "what is left at t = 1e6; it fades exponentially"
    checks += [
        zero("InfoNCE, t = 1e6: distance of r times a signal eigenvalue from 1", np.abs(8 * late.signal[-1] - 1).max(),
             tolerance=1e-6, reason=small),
        zero("InfoNCE, t = 1e6: a noise eigenvalue", late.noise[-1].max(), tolerance=1e-6, reason=small),
    ]  # fmt: skip
    ratio = np.array([_smallest_share(int(d), flow) for d in DIMS])
    formula = np.array([terminal_condition_number(_world(int(d))) ** -2.0 for d in DIMS])
    curves |= {"ratio": ratio, "formula": formula}
    checks += [
        zero("positives only, t = 1e8: relative error of the smallest eigenvalue over the largest",
             np.abs(ratio / formula - 1).max(), tolerance=1e-6, reason="the integrator's error at 1e-9"),
        at_most("positives only: power of d in that ratio, d = 64 to 4096", -0.75, slope(DIMS, ratio),
                reason="the asymptotic power, minus one plus the ratio of the squared scales; it is met from below"),
    ]  # fmt: skip
    return Evidence(tuple(checks), curves)


def _against_definition(loss: InfoNCE | PositiveOnly, flow: Callable[..., CovarianceSpectrum]) -> float:
    """Eigenvalues of E f fᵀ of weights by autograd and scipy, in all patterns of signs."""
    times = np.linspace(0, 8, 5)
    start = orthonormal_weights((4, 5), 9, rng=np.random.default_rng(94))
    path = flow(UNEQUAL, loss, times)
    gaps = []
    for row, weights in enumerate(weights_along_flow(UNEQUAL, loss, start, times)):
        covariance = weights.a.T @ UNEQUAL.covariance_a @ weights.a
        found = np.linalg.eigvalsh(covariance / np.trace(covariance))[-4:]
        gaps.append(np.abs(found - np.sort(np.concatenate([path.signal[row], path.noise[row]]))).max())
    return float(max(gaps))


def _trained(loss: InfoNCE | PositiveOnly, start: Callable[..., Pair], descend: Run) -> Array:
    rng = np.random.default_rng(95)
    weights = start((64, 64), 512, rng=rng)
    batch = 256 if isinstance(loss, InfoNCE) else None
    run = descend(
        CANONICAL, loss, weights=weights, step_size=0.5, steps=round(2 * END), batch_size=batch, rng=rng, progress=False
    )
    assert run.weights is not None
    return covariance_eigenvalues(CANONICAL, run.weights)


def _world(d: int) -> PairedData:
    return PairedData(signal_a=CANONICAL.signal_a, noise_a=0.5, ambient_dim=d)


def _smallest_share(d: int, flow: Callable[..., CovarianceSpectrum]) -> float:
    end = flow(_world(d), PositiveOnly(), [0.0, 1e8]).signal[-1]
    return float(end.min() / end.max())


SIGNAL = np.array([1.5, 1.2, 1.0])  # the last direction carries noise along itself
AUGMENTED = {
    "τ² = 1, K = 1": InfoNCE(1.0),
    "τ² = 2, K = 1": InfoNCE(2.0),
    "τ² = 2, K = 511": InfoNCE(2.0, negatives=511.0),
}
RELATIVE = np.array([0.1, 0.3, 0.5, 0.7, 0.85, 1.15, 1.5, 2.0])  # noise power over the threshold


@claim(
    id="augmentation-threshold",
    statement="Noise along a direction is fatal to it from $\\nu^2/\\sigma^2=(e^{2\\tau^2/s}-1)/2$ on, beside $s$ "
    "others: negatives protect a direction up to there, whatever $K$. Positives alone give up a direction that is "
    "noisier than another, however little.",
    source="ours; collapse by strong augmentation is a finding of Jing et al. (2022), in a model of their own",
    chapter="neighbours",
)
def threshold(predict: Callable[..., float] = augmentation_threshold) -> Evidence:
    """Rates of an almost empty direction by autograd of the definition, and descent on both sides of the threshold."""
    checks: list[Check] = []
    curves: dict[str, Array] = {"relative": RELATIVE}
    strengths = np.array([0.0, 0.5, 2.0])
    reason = "autograd beside a direction of length 1e-5, whose square counts"
    losses: dict[str, InfoNCE | PositiveOnly] = {**AUGMENTED, "positives only": PositiveOnly()}
    first = next(iter(losses))  # beside one other direction the thresholds of the others lie far beyond the strengths
    for name, s in [*((name, 2) for name in losses), (first, 1)]:
        loss = losses[name]
        found = rates(loss, SIGNAL[-1 - s :], strengths)
        due = [escape_rate(loss, s, float(SIGNAL[-1]), float(nu)) for nu in strengths]
        beside = f"{name}, s = {s}"
        checks.append(zero(f"{beside}: error of a rate", np.abs(found - due).max(), tolerance=1e-6, reason=reason))
        root = strengths[-1] ** 2 * found[0] / (found[0] - found[-1])  # the rate is affine in ν²
        label = f"{beside}: ν²/σ² at which it neither grows nor fades"
        checks.append(Check(label, predict(loss, s), float(root), 1e-6, reason))
    for name in ("τ² = 1, K = 1", "τ² = 2, K = 1"):
        loss = AUGMENTED[name]
        over = augmentation_threshold(loss, 2)
        run = ends(loss, SIGNAL, SIGNAL[-1] * np.sqrt(over * RELATIVE), step_size=0.5, steps=600)
        curves |= {f"{name} shares": run.shares, f"{name} threshold": np.array(over)}
        bar = "a bar that is chosen; below the threshold the share is of the order of the distance from it"
        checks += [
            at_least(f"{name}: its share at 0.85 of the threshold", 0.005, run.shares[4, -1], reason=bar),
            at_most(f"{name}: its share at 1.5 of the threshold", 1e-4, run.shares[6, -1],
                    reason="it fades exponentially; t = 300"),
        ]  # fmt: skip
    alone = ends(PositiveOnly(), SIGNAL, SIGNAL[-1] * np.sqrt(RELATIVE), step_size=0.5, steps=600)
    curves["positives only shares"] = alone.shares
    checks.append(
        at_most("positives only: its share at ν²/σ² = 0.1", 1e-4, alone.shares[0, -1],
                reason="it fades exponentially; t = 300")
    )  # fmt: skip
    return Evidence(tuple(checks), curves)

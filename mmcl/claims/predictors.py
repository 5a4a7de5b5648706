"""Claims: what a predictor does to the two towers that it serves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy import ndarray as Array

from mmcl.claims.claim import Check, Evidence, Run, at_least, at_most, claim, close, zero
from mmcl.claims.definition import lengths
from mmcl.claims.method_definition import Learned, learned_along_flow
from mmcl.claims.summary import dots, drawn, summary
from mmcl.closed_form import terminal_condition_number
from mmcl.flow import gradient_flow
from mmcl.methods import BYOL, DirectPred, SimSiam, train_method
from mmcl.methods.ends import predictor_end
from mmcl.methods.predictor_flow import predictor_flow
from mmcl.objectives import PositiveOnly
from mmcl.pair import Pair
from mmcl.training.initial import orthonormal_weights
from mmcl.trajectory import Trajectory
from mmcl.worlds import CANONICAL, SMALL, UNEQUAL

HORIZON, LATE = 400.0, 1e5
TIMES = np.concatenate([[0.0], np.geomspace(0.5, HORIZON, 120)])
EXACT: dict[str, SimSiam | BYOL | DirectPred] = {
    "SimSiam": SimSiam(predictor_rate=0.3),
    "SimSiam, predictor first": SimSiam(predictor_rate=3.0),
    "SimSiam, gradient not stopped": SimSiam(predictor_rate=0.3, stop_gradient=False),
    "BYOL": BYOL(target_rate=0.3, predictor_rate=0.3),
    "DirectPred": DirectPred(memory_rate=0.5),
    "DirectPred, relative": DirectPred(memory_rate=0.5, relative=True),
}
SLOW = SimSiam(predictor_rate=0.25)
LEARNED: dict[str, SimSiam | BYOL] = {"SimSiam": SLOW, "BYOL": BYOL(predictor_rate=0.25)}
TURNED = SimSiam(predictor_rate=4.0)
SOLVERS = "two integrators at 1e-9 and 1e-10"
STEPS = {SimSiam: (2.0, 1.0), BYOL: (1.0, 0.5), DirectPred: (1.0, 0.5)}  # squared distances are twice as steep
HALVED = "halving the step removes its first order; the second is the square of the first, about 1%"


@claim(
    id="predictor-flow",
    statement="Beside a linear predictor the flow closes on one length and one eigenvalue for every direction, and "
    "$W_A^\\top W_A+W_B^\\top W_B-Q^\\top Q/\\beta$ stands still from any start, in any world.",
    source="ours; for one tower with weight decay the law is Tian et al.'s (2021)",
    chapter="non-contrastive",
)
def exact(flow: Run = predictor_flow, definition: Callable[..., list] = learned_along_flow) -> Evidence:
    """The closed flow against autograd of the papers' losses, and the law from a random start in an unequal world."""
    times = np.linspace(0, 20.0, 9)
    start = orthonormal_weights((6, 6), 12, rng=np.random.default_rng(90))
    checks = []
    for name, method in EXACT.items():
        theta = np.array([_theta(found.weights) for found in definition(SMALL, method, start, times)])
        error = np.abs(theta - flow(SMALL, method, times).theta).max()
        checks.append(zero(f"{name}: error of θ against the definition", error, tolerance=1e-7, reason=SOLVERS))
    rng = np.random.default_rng(91)
    drawn = Pair(*(rng.normal(size=(view.ambient_dim, 3)) for view in UNEQUAL.views))
    for name in ("SimSiam", "BYOL"):
        path = definition(UNEQUAL, EXACT[name], drawn, times[:3], predictor=rng.normal(size=(3, 3)))
        kept = [_law(found, 0.3) for found in path]
        error = np.abs(kept[-1] - kept[0]).max() / np.abs(kept[0]).max()
        checks.append(zero(f"{name}: drift of the law from a random start", error, tolerance=1e-7, reason=SOLVERS))
    return Evidence(tuple(checks))


def _theta(weights: Pair[Array]) -> Array:
    a, b, c, n_a, n_b = lengths(SMALL, weights)
    return c / np.sqrt((a.sum() + n_a) * (b.sum() + n_b))


def _law(found: Learned, rate: float) -> Array:
    w_a, w_b = found.weights
    return w_a.T @ w_a + w_b.T @ w_b - found.predictor.T @ found.predictor / rate


@claim(
    id="predictors-keep-kappa",
    statement="A learned linear predictor neither balances nor unbalances in the end: SimSiam and BYOL raise "
    "$\\kappa$ and bring it back to $\\sigma_1/\\sigma_r$. They align if the predictor learns slowly, "
    "$\\beta\\le q_0^2$; if it is faster, it turns instead of the towers, and they do not align at all.",
    source="ours; the methods are those of Chen & He (2021) and Grill et al. (2020)",
    chapter="non-contrastive",
)
def keeps(flow: Run = predictor_flow, descend: Run = train_method) -> Evidence:
    """The flow to its end on either side of β = q₀² and late in between, and trained towers at the horizon."""
    checks: list[Check] = []
    curves: dict[str, Array] = {"time": TIMES}
    late = "the flow's error at 1e-10, and what is left to decay"
    for name, method in {**LEARNED, "SimSiam, β = 4": TURNED}.items():
        path, end = flow(CANONICAL, method, np.append(TIMES, LATE)), predictor_end(CANONICAL, method)
        checks += [
            close(f"{name}: κ at the end", end.condition_number, path.condition_number[-1], rel=1e-6, reason=late),
            zero(f"{name}: alignment at the end, off", path.alignment[-1] - end.alignment, tolerance=1e-6, reason=late),
            zero(
                f"{name}: noise share at the end, off",
                path.noise_share[-1, 0] - end.noise_share,
                tolerance=1e-6,
                reason=late,
            ),
        ]
        curves |= _drawn(name, path) | {f"{name} end": np.array(end)}
    for name, method in LEARNED.items():
        due = flow(CANONICAL, method, TIMES)
        coarse, fine = (_trained(descend, method, step) for step in STEPS[type(method)])
        measured, predicted = 2 * fine.condition_number[-1] - coarse.condition_number[-1], due.condition_number[-1]
        label = f"{name}: κ of trained towers at t = {HORIZON:g}"
        checks.append(close(label, predicted, measured, rel=1e-3, reason=HALVED))
        curves |= dots(name, fine) | {f"{name} summary": summary(fine), f"{name} predicted": summary(due)}
    checks.append(_between(flow))
    curves |= _over_rates(flow)
    peak = curves["SimSiam kappa"].max()
    checks += [
        at_least("SimSiam: largest κ on the way", 3.0, peak, reason="how far up counts as raised is chosen"),
        at_most(
            "BYOL: largest κ on the way", peak, curves["BYOL kappa"].max(), reason="SimSiam's, whose target is not late"
        ),
    ]
    return Evidence(tuple(checks), curves)


def _between(flow: Run) -> Check:
    """At β = q₀² y, z and their eigenvalues reach zero together, and only in the limit."""
    late = np.array([1e6, 1e7])
    path = flow(CANONICAL, SimSiam(predictor_rate=1.0), np.append(0.0, late))
    before, after = late * (1 - path.alignment[1:])
    reason = "what faster powers of t still add at 1e6"
    return close("SimSiam, β = q₀²: t(1 - alignment), at t = 1e7 as at 1e6", before, after, rel=0.05, reason=reason)


def _over_rates(flow: Run) -> dict[str, Array]:
    """Ends of SimSiam on either side of β = q₀², with what theory says."""
    rates = np.geomspace(0.1, 10.0, 16)  # none of them one, where the end takes for ever
    methods = [SimSiam(predictor_rate=float(rate)) for rate in rates]
    paths = [flow(CANONICAL, method, [0.0, LATE]) for method in methods]
    fine = np.sort(np.append(np.geomspace(0.1, 10.0, 200), [1 - 1e-9, 1 + 1e-9]))
    ends = [predictor_end(CANONICAL, SimSiam(predictor_rate=float(rate))) for rate in fine]
    return {
        "rate": rates,
        "rate alignment": np.array([path.alignment[-1] for path in paths]),
        "rate noise": np.array([path.noise_share[-1, 0] for path in paths]),
        "fine rate": fine,
        "fine alignment": np.array([end.alignment for end in ends]),
        "fine noise": np.array([end.noise_share for end in ends]),
    }


@claim(
    id="stop-gradient",
    statement="Without the stopped gradient SimSiam does not collapse to a point, but its spectrum collapses "
    "further than under positive pairs alone; without the predictor it *is* positive pairs alone, at half the speed.",
    source="ours; Chen & He (2021) see a collapse to a constant where outputs are not normalised in expectation",
    chapter="non-contrastive",
)
def stopped(flow: Run = predictor_flow, descend: Run = train_method) -> Evidence:
    """Three flows with one part removed, and a trained pair of towers."""
    bare, free = SimSiam(predictor=False), replace(SLOW, stop_gradient=False)
    alone = gradient_flow(CANONICAL, PositiveOnly(), np.append(TIMES / 2, LATE))
    path = flow(CANONICAL, bare, np.append(TIMES, LATE))
    same = np.abs(path.condition_number[:-1] / alone.condition_number[:-1] - 1).max()
    open_path = flow(CANONICAL, free, np.append(TIMES, LATE))
    terminal = terminal_condition_number(CANONICAL)
    coarse, fine = (_trained(descend, free, step) for step in STEPS[SimSiam])
    checks = (
        zero(
            "no predictor: relative error of κ(t) against positives only at t/2", same, tolerance=1e-6, reason=SOLVERS
        ),
        close("no predictor: κ at the end", terminal, path.condition_number[-1], rel=1e-6, reason=SOLVERS),
        at_least(
            "gradient not stopped: κ at the end, beside positives only",
            terminal,
            open_path.condition_number[-1],
            reason="the end of positives only in closed form",
        ),
        at_least(
            "gradient not stopped: alignment at the end",
            0.999,
            open_path.alignment[-1],
            reason="a point would have none; the bar is chosen",
        ),
        close(
            f"gradient not stopped: κ of trained towers at t = {HORIZON:g}",
            open_path.condition_number[-2],
            2 * fine.condition_number[-1] - coarse.condition_number[-1],
            rel=5e-3,
            reason="halving the step removes its first order; left is the square of the 5% that a step of 2 is off",
        ),
    )
    names = {"SimSiam, no predictor": path, "SimSiam, gradient not stopped": open_path}
    curves = {"time": TIMES} | {k: v for name, found in names.items() for k, v in _drawn(name, found).items()}
    curves["SimSiam, no predictor end"] = np.array([1.0, terminal, np.nan, 0.0])
    runs = {"SimSiam, no predictor": (bare, _trained(descend, bare, STEPS[SimSiam][1]))}
    runs["SimSiam, gradient not stopped"] = (free, fine)
    for name, (method, run) in runs.items():
        curves |= dots(name, run)
        curves |= {f"{name} summary": summary(run), f"{name} predicted": summary(flow(CANONICAL, method, TIMES))}
    return Evidence(checks, curves)


@claim(
    id="direct-pred",
    statement="A predictor that is set to grow with a direction's strength balances: under DirectPred "
    "$\\kappa\\to1$, long before the noise is gone.",
    source="ours; the method is that of Tian et al. (2021)",
    chapter="non-contrastive",
)
def direct(flow: Run = predictor_flow, descend: Run = train_method) -> Evidence:
    """The flow at the horizon and at its end, with ε, without, and as in the authors' code; and trained towers."""
    path = flow(CANONICAL, DirectPred(), np.append(TIMES, LATE))
    relative = flow(CANONICAL, DirectPred(relative=True), TIMES)
    without = flow(CANONICAL, DirectPred(epsilon=0.0), np.append(TIMES, LATE))
    coarse, fine = (_trained(descend, DirectPred(), step) for step in STEPS[DirectPred])
    chosen = "what counts as balanced is chosen"
    checks = (
        at_most(f"κ at t = {HORIZON:g}", 1.01, path.condition_number[-2], reason=chosen),
        at_least(
            f"noise share at t = {HORIZON:g}", 0.15, path.noise_share[-2, 0], reason="what counts as noisy is chosen"
        ),
        close(f"κ at t = {LATE:g}", 1.0, path.condition_number[-1], rel=1e-4, reason="what is left to decay"),
        at_most(f"κ at t = {HORIZON:g}, ε = 0", 1.01, without.condition_number[-2], reason=chosen),
        at_most(f"κ at t = {HORIZON:g}, s divided by its largest", 1.01, relative.condition_number[-1], reason=chosen),
        close(
            f"noise share of trained towers at t = {HORIZON:g}",
            path.noise_share[-2, 0],
            2 * fine.noise_share[-1, 0] - coarse.noise_share[-1, 0],
            rel=1e-3,
            reason=HALVED,
        ),
        close(
            f"κ of trained towers at t = {HORIZON:g}",
            path.condition_number[-2],
            2 * fine.condition_number[-1] - coarse.condition_number[-1],
            rel=1e-3,
            reason=HALVED,
        ),
    )
    due = flow(CANONICAL, DirectPred(), TIMES)
    curves = {"time": TIMES, "DirectPred summary": summary(fine), "DirectPred predicted": summary(due)}
    curves |= _drawn("DirectPred", path) | dots("DirectPred", fine) | _drawn("DirectPred, relative", relative)
    return Evidence(checks, curves)


def _trained(descend: Run, method: object, step_size: float) -> Trajectory:
    weights = orthonormal_weights((64, 64), 128, rng=np.random.default_rng(92))
    steps = round(HORIZON / step_size)
    return descend(
        CANONICAL, method, weights=weights, step_size=step_size, steps=steps, record_every=max(1, steps // 100)
    )


def _drawn(name: str, path: Trajectory) -> dict[str, Array]:
    """The flow at `TIMES`, whose last row may be a later one."""
    return {key: values[: len(TIMES)] for key, values in drawn(name, path).items()}

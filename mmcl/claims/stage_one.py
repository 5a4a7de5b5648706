"""Claims: stage one follows one curve, whatever the temperature, and its end has a closed form."""

from __future__ import annotations

import numpy as np
from numpy import ndarray as Array
from scipy.interpolate import CubicSpline

from mmcl.claims.claim import Check, Evidence, Run, claim, close, zero
from mmcl.closed_form import stage_one, terminal_condition_number, terminal_growth, terminal_spread
from mmcl.data import PairedData
from mmcl.flow import gradient_flow
from mmcl.objectives import InfoNCE, PositiveOnly
from mmcl.training import train
from mmcl.worlds import CANONICAL, NOISELESS

ALIGNMENTS = np.array([0.1, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95])
WIDTH = 4096
#: Three scales, every noise coordinate with a scale of its own, and B twice as large as A.
GRADED = PairedData(
    signal_a=(1.5, 1.2, 0.6),
    signal_b=(3.0, 2.4, 1.2),
    noise_a=np.linspace(0.2, 1.0, 9),
    noise_b=np.linspace(0.4, 2.0, 9),
    ambient_dim=12,
)


@claim(
    id="universal-curve",
    statement="Between symmetric modalities the condition number of stage one is a function of the alignment alone, in "
    "closed form: no temperature, no $K$, no differential equation.",
    source="ours",
    chapter="stage-one",
)
def universal(flow: Run = gradient_flow, descend: Run = train) -> Evidence:
    """The curve against the flow of positives only, against small τ², and against training at finite width."""
    curve = stage_one(CANONICAL, ALIGNMENTS)
    exact = flow(CANONICAL, PositiveOnly(), curve.time)
    solver = "the integrator's error at 1e-9, and a quadrature at 1e-10"
    checks = [
        zero(
            "alignment at the predicted times",
            np.abs(exact.alignment - ALIGNMENTS).max(),
            tolerance=1e-7,
            reason=solver,
        ),
        zero(
            "relative error of κ at the predicted times",
            np.abs(exact.condition_number / curve.condition_number - 1).max(),
            tolerance=1e-7,
            reason=solver,
        ),
    ]
    checks.append(
        close(
            "departure from the curve at alignment 0.5, per τ², as τ² → 0",
            first_order(CANONICAL, 0.5),
            2 * _departure(1e-3, flow) - _departure(2e-3, flow),
            rel=1e-4,
            reason="halving τ² removes the second order; the third, relative to the first, is of order 1e-6",
        )
    )
    run = descend(
        CANONICAL, PositiveOnly(), width=WIDTH, step_size=0.25, steps=320, rng=np.random.default_rng(51), progress=False
    )
    inside = (run.alignment > 0.1) & (run.alignment < 0.95)
    predicted = stage_one(CANONICAL, run.alignment[inside]).condition_number
    gap = run.condition_number[inside] / predicted - 1
    checks.append(
        zero(
            f"training at width {WIDTH}: relative error of κ on the curve",
            np.abs(gap).max(),
            tolerance=4 * terminal_spread(CANONICAL) / np.sqrt(WIDTH),
            reason="four standard deviations of the finite-width law",
        )
    )
    grid = np.linspace(0, 0.99, 199)
    drawn = {"alignment": grid, "kappa": stage_one(CANONICAL, grid).condition_number}
    trained = {
        "run time": run.time, "run alignment": run.alignment, "run kappa": run.condition_number, "run theta": run.theta,
    }  # fmt: skip
    return Evidence(tuple(checks), drawn | trained)


def _departure(tau2: float, flow: Run) -> float:
    """κ over the curve's, less one, per τ², where the alignment is one half."""
    due = float(stage_one(CANONICAL, [0.5]).time[0]) * 2 / tau2  # the force starts at τ² instead of 2
    times = due * np.linspace(0.97, 1.03, 7)
    path = flow(CANONICAL, InfoNCE(tau2), times, tolerance=1e-12)
    ratio = path.condition_number / stage_one(CANONICAL, path.alignment).condition_number - 1
    return float(CubicSpline(path.alignment, ratio)(0.5)) / tau2


def first_order(data: PairedData, alignment: float) -> float:
    r"""$\partial\log\kappa/\partial\tau^2$ at $\tau^2=0$ and given alignment, by perturbing the closed form.

    With the force $1-\tau^2\theta_p$ the exponents of $k_{\pm,p}$ become $\sigma_p^2(P-\tau^2h_p)$ and
    $-\sigma_p^2(M-\tau^2h_p)$, where $h_p=\int\theta_p\,ds$ along the curve and $ds=dP/(1-c)$.
    """
    grid = stage_one(data, np.linspace(0, alignment, 801))
    s, x = data.views.a.signal**2, data.views.a.noise**2
    sums, gaps = np.exp(2 * np.outer(grid.growth, s)), np.exp(-2 * np.outer(grid.decay, s))
    noise = np.exp(-np.outer(grid.decay - grid.growth, x)) @ x
    norm = (s * (sums + gaps)).sum(axis=1) / 2 + noise
    theta = s * (sums - gaps) / 2 / norm[:, None]
    clock = CubicSpline(grid.growth, 1 / (1 - grid.alignment)).antiderivative()(grid.growth)
    h = CubicSpline(clock, theta).antiderivative()(clock[-1])
    # First order at fixed alignment: conservation and alignment give the shifts of P and M.
    p, q, n = sums[-1], gaps[-1], np.exp(-x * (grid.decay[-1] - grid.growth[-1]))
    lengths = s * (p + q) / 2
    inner_P, inner_M, inner_h = np.sum(s**2 * p), np.sum(s**2 * q), -np.sum(s**2 * (p + q) * h)
    norm_P, norm_M = np.sum(s**2 * p) + np.sum(x**2 * n), -np.sum(s**2 * q) - np.sum(x**2 * n)
    norm_h = -np.sum(s**2 * (p - q) * h)
    law = np.array(
        [
            [np.sum(s * p) + np.sum(x * n), -np.sum(s * q) - np.sum(x * n)],
            [inner_P - alignment * norm_P, inner_M - alignment * norm_M],
        ]
    )
    P, M = np.linalg.solve(law, [np.sum(s * (p - q) * h), alignment * norm_h - inner_h])
    change = s**2 * (p * (P - h) - q * (M - h)) / lengths  # of log a_p
    return float((change[s.argmax()] - change[s.argmin()]) / 2)


@claim(
    id="terminal-condition",
    statement="Between symmetric modalities positives alone end at "
    "$\\kappa_\\infty=\\frac{\\sigma_1}{\\sigma_r}e^{(\\sigma_1^2-\\sigma_r^2)P_\\infty}$ "
    "with $\\sum_pe^{2\\sigma_p^2P_\\infty}=2d$: any noise at all leads there, none leads elsewhere.",
    source="ours",
    chapter="without-negatives",
)
def terminal(flow: Run = gradient_flow) -> Evidence:
    """The closed form against the flow at the end of time, in three worlds."""
    checks: list[Check] = []
    curves: dict[str, Array] = {}
    for name, world in {"canonical": CANONICAL, "no noise": NOISELESS, "graded noise": GRADED}.items():
        end = flow(world, PositiveOnly(), [0.0, 1e8])
        reason = "the integrator's error at 1e-9; what is left to go at t = 1e8 is below round-off"
        checks.append(
            close(f"{name}: κ∞", terminal_condition_number(world), end.condition_number[-1], rel=1e-7, reason=reason)
        )
        # θ_p = σ_p² e^{2σ_p² P} / 2N² in every coordinate: P is the slope of a line through all of them.
        s = world.views.a.signal**2
        growth = np.polyfit(s, np.log(end.theta[-1] / s), 1)[0] / 2
        checks.append(close(f"{name}: P∞, from all shares", terminal_growth(world), growth, rel=1e-7, reason=reason))
    faint = PairedData(signal_a=CANONICAL.signal_a, noise_a=0.01, ambient_dim=64)
    late = flow(faint, PositiveOnly(), [0.0, 1e9]).condition_number[-1]
    reason = "the integrator's error at 1e-9; the noise that is left at t = 1e9 is below round-off"
    checks.append(close("noise of 0.01: κ∞", terminal_condition_number(faint), late, rel=1e-6, reason=reason))
    times = np.concatenate([[0], np.geomspace(1e-1, 1e8, 300)])
    curves["time"] = times
    for noise in (0.0, 0.01, 0.1, 0.5):
        world = PairedData(signal_a=CANONICAL.signal_a, noise_a=noise, ambient_dim=64)
        curves[f"kappa {noise:g}"] = flow(world, PositiveOnly(), times).condition_number
    return Evidence(tuple(checks), curves)

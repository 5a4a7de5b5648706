"""Claims: what a learned temperature does to the run that learns it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy import ndarray as Array
from scipy.integrate import solve_ivp
from scipy.interpolate import CubicSpline

from mmcl.claims.claim import Check, Evidence, Run, at_least, at_most, claim, close, zero
from mmcl.claims.definition import lengths, weights_and_temperature_along_flow
from mmcl.claims.plain_flow import PlainFlow
from mmcl.claims.temperature import PAIRED
from mmcl.flow import gradient_flow
from mmcl.objectives import InfoNCE
from mmcl.pair import Pair
from mmcl.symbolic.potentials import thermal
from mmcl.temperature import LearnedTemperature
from mmcl.training import train
from mmcl.training.initial import orthonormal_weights
from mmcl.trajectory import Trajectory
from mmcl.worlds import CANONICAL, UNEQUAL

START, END = 0.05, 2e5  # τ² at the start, and the time at which the runs are judged
PASSED = 10.0  # the τ² at which a trained run is timed
RUNS = {
    "slow": LearnedTemperature(1e-3),
    "fast": LearnedTemperature(1.0, cap=100.0),
    "direct": LearnedTemperature(1.0, cap=100.0, logarithmic=False),
}


@claim(
    id="learned-temperature",
    statement="How $\\tau^2$ is learned decides whether a run balances. In the canonical world from $\\tau^2=0.05$ it "
    "does when $\\tau^2$ is learned slowly, or itself; as $\\log\\tau^2$ at the weights' speed the run freezes, "
    "aligned in part and unbalanced.",
    source="ours; learning the logarithm is the convention of Radford et al. (2021)",
    chapter="temperature",
)
def learned(flow: Run = gradient_flow, descend: Run = train) -> Evidence:
    """The flow against the definition; three ways of learning; and a trained learner beside the fast one."""
    theta, heat = _against_definition(flow)
    solvers = "two integrators at 1e-9 and 1e-10"
    checks: list[Check] = [
        zero("definition, τ² learned beside the weights: error of θ", theta, tolerance=1e-7, reason=solvers),
        zero("definition: relative error of τ²", heat, tolerance=1e-7, reason=solvers),
    ]
    times = np.concatenate([[0.0], np.geomspace(0.5, END, 160)])
    curves: dict[str, Array] = {"time": times}
    for name, temperature in RUNS.items():
        path = flow(CANONICAL, InfoNCE(START), times, temperature=temperature)
        kappa, aligned = path.condition_number[-1], path.alignment[-1]
        chosen = f"what counts as {'frozen' if name == 'fast' else 'done'} is chosen; the flow's error is below 1e-6"
        if name == "fast":
            checks.append(at_least(f"{name}: κ at t = {END:g}", 1.3, kappa, reason=chosen))
            checks.append(at_most(f"{name}: alignment at t = {END:g}", 0.7, aligned, reason=chosen))
        else:
            checks.append(at_most(f"{name}: κ at t = {END:g}", 1.01, kappa, reason=chosen))
            checks.append(at_least(f"{name}: alignment at t = {END:g}", 0.98, aligned, reason=chosen))
        curves |= {
            f"{name} kappa": path.condition_number,
            f"{name} alignment": path.alignment,
            f"{name} tau2": path.inverse_temperature,
        }
    coarse, run = (_trained(descend, step_size) for step_size in (0.5, 0.25))
    due = flow(CANONICAL, InfoNCE(START), np.linspace(80, 120, 81), temperature=RUNS["fast"])
    checks.append(
        close(
            f"time at which a trained τ² passes {PASSED:g}, beside the fast flow",
            _passing(due),
            2 * _passing(run) - _passing(coarse),
            rel=1e-3,
            reason="halving the step removes its first order; left are its second, the square of 0.7%, and the scatter "
            "of 256 anchors, a few parts in ten thousand",
        )
    )
    curves |= {
        "run time": run.time,
        "run kappa": run.condition_number,
        "run alignment": run.alignment,
        "run tau2": run.inverse_temperature,
    }
    return Evidence(tuple(checks), curves)


def _against_definition(flow: Run) -> tuple[float, float]:
    """How far weights and log τ² that follow autograd of the loss are from the flow."""
    times, objective, rate = np.linspace(0, 12.0, 25), InfoNCE(0.5, negatives=2.0), 0.5
    dims = Pair(*(view.ambient_dim for view in UNEQUAL.views))
    start = orthonormal_weights(dims, sum(dims), rng=np.random.default_rng(81))
    weights, heat = weights_and_temperature_along_flow(UNEQUAL, objective, start, times, rate)
    path = flow(UNEQUAL, objective, times, temperature=LearnedTemperature(rate))
    run = [lengths(UNEQUAL, w) for w in weights]
    theta = np.array([c / np.sqrt((a.sum() + n_a) * (b.sum() + n_b)) for a, b, c, n_a, n_b in run])
    return float(np.abs(theta - path.theta).max()), float(np.abs(heat / path.inverse_temperature - 1).max())


def _passing(path: Trajectory) -> float:
    """When τ² passes the mark."""
    return float(np.interp(PASSED, path.inverse_temperature, path.time))


def _trained(descend: Run, step_size: float) -> Trajectory:
    rng = np.random.default_rng(82)
    return descend(
        CANONICAL,
        InfoNCE(START),
        weights=orthonormal_weights((64, 64), 128, rng=rng),
        temperature=RUNS["fast"],
        step_size=step_size,
        steps=round(300 / step_size),
        batch_size=256,
        rng=rng,
        record_every=4,
        progress=False,
    )


@claim(
    id="spent-force",
    statement="A learned $\\log\\tau^2$ spends the total force: what is left near balance depends on how far the "
    "temperature has gone, not on how long that took. Noise fades like a power of $\\tau^2$; an imbalance by itself "
    "fades exponentially, but noise keeps one up, proportional to noise over $\\tau^2$.",
    source="ours",
    chapter="temperature",
)
def spent(flow: Run = gradient_flow, plain: Callable[..., PlainFlow] = PlainFlow) -> Evidence:
    """The integral of the total force; and the three laws at the end of runs that learn slowly."""
    rate, times = 0.1, np.concatenate([[0.0], np.geomspace(1e-2, 1e5, 800)])
    path = flow(CANONICAL, InfoNCE(START), times, temperature=LearnedTemperature(rate), tolerance=1e-11)
    force = CubicSpline(times, total_force(path)).integrate(0, times[-1])
    checks = [
        close(
            "integral of the total force",
            np.log(path.inverse_temperature[-1] / START) / rate,
            float(force),
            rel=1e-5,
            reason="a spline through 800 points in place of the integral",
        ),
        _noise_law(flow),
        _imbalance_law(plain),
        _noise_keeps_imbalance(flow),
    ]
    rates = np.geomspace(1e-3, 3, 16)
    ends = [
        flow(CANONICAL, InfoNCE(START), [0.0, END], temperature=LearnedTemperature(float(x), cap=100.0)) for x in rates
    ]
    curves = {
        "rate": rates,
        "alignment": np.array([end.alignment[-1] for end in ends]),
        "kappa": np.array([end.condition_number[-1] for end in ends]),
        "tau2": np.array([end.inverse_temperature[-1] for end in ends]),
    }
    return Evidence(tuple(checks), curves)


def total_force(path: Trajectory) -> Array:
    r"""$\Lambda=\sum_pg_p\theta_p$ along a path of InfoNCE at K = 1, from its θ and τ² alone."""
    potential = thermal([InfoNCE(1.0)])
    found = []
    for theta, tau2 in zip(path.theta, path.inverse_temperature, strict=True):
        phi, _ = potential.phi(theta, tau2)
        clock, _ = potential.clock(phi.sum())
        found.append(clock * np.sum(potential.pull(theta, tau2)[0] * theta))
    return np.array(found)


def _noise_law(flow: Run) -> Check:
    r"""$d\log n/d\log\tau^2=-2\sigma_\xi^2/(\rho N_*^2)$, where little noise is left."""
    rate, sigma = 1e-3, float(CANONICAL.views.a.noise[0])
    squares = CANONICAL.views.a.signal**2
    N2 = CANONICAL.views.a.active_dim * CANONICAL.signal_dim / np.sum(1 / squares)
    times = np.concatenate([[0.0], np.geomspace(1e5, 1e7, 30)])
    path = flow(CANONICAL, InfoNCE(START), times, temperature=LearnedTemperature(rate), tolerance=1e-11)
    log_heat, share = np.log(path.inverse_temperature[1:]), path.noise_share[1:, 0]
    slope = np.polyfit(log_heat, np.log(share), 1)[0]
    reason = "the law is of first order in the noise that is left, less than 1e-7 of the outputs, and round-off"
    return close(
        "power of τ² with which noise fades",
        -2 * sigma**2 / (rate * N2),
        float(slope),
        rel=1e-6,
        reason=reason,
    )


def _noise_keeps_imbalance(flow: Run) -> Check:
    r"""What imbalance the noise keeps up, ν being its share and h the harmonic mean of σ².

    .. math:: \theta_p-\frac{1-\nu}r=\nu\,\frac{1-h/\sigma_p^2}{\tau^2(1+\tanh(\tau^2/r))}

    The noise that fades feeds all coordinates at one relative rate, for which the weak ones need the larger force.
    """
    squares, r = CANONICAL.views.a.signal**2, CANONICAL.signal_dim
    end = flow(CANONICAL, InfoNCE(START), [0.0, 1e7], temperature=LearnedTemperature(3e-3), tolerance=1e-11)
    tau2, share = end.inverse_temperature[-1], end.noise_share[-1, 0]
    due = share * (1 - r / np.sum(1 / squares) / squares) / (tau2 * (1 + np.tanh(tau2 / r)))
    apart = np.abs(end.theta[-1] - (1 - share) / r - due).max() / np.ptp(due)
    return zero(
        "error of a share that the noise keeps from its even one, over their spread",
        float(apart),
        tolerance=0.05,
        reason="they follow the noise with a lag, the ratio of the two rates, here about one in forty",
    )


def _imbalance_law(plain: Callable[..., PlainFlow]) -> Check:
    r"""$d\log|\theta_1-\theta_2|/dF=-2\lambda/(r\rho N_*^2)$ with $F=\tau^2+r\log\cosh(\tau^2/r)$, near balance."""
    rate, flow = 0.5, plain(PAIRED, InfoNCE(1.0))
    y, squares = flow.balanced, PAIRED.views.a.signal**2
    r = PAIRED.signal_dim
    N2 = PAIRED.views.a.active_dim * r / np.sum(1 / squares)
    y[: 3 * r] *= np.tile([1 + 1e-4, 1 - 1e-4], 3)

    def velocity(_: float, y: Array) -> Array:
        at = replace(flow, objective=InfoNCE(float(np.exp(y[-1]))))
        _, _, theta, g = at.forces(y[:-1])
        return np.append(at.velocity(y[:-1]), rate * (g @ theta))

    solved = solve_ivp(velocity, (0, 300.0), np.append(y, 0.0), "LSODA", rtol=1e-11, atol=1e-15)
    left, x = np.ptp(flow.split(solved.y[:-1]).c, axis=0), np.exp(solved.y[-1]) / r
    F = r * (x + np.logaddexp(x, -x) - np.log(2))
    return close(
        "slope of the logarithm of the imbalance in F",
        -2 * squares.mean() / (r * rate * N2),
        float(np.polyfit(F, np.log(left), 1)[0]),
        rel=1e-3,
        reason="second order in an imbalance of 1e-4, and an integrator at 1e-11",
    )

"""Claims: the flow is gradient descent of the definition, and conserves what it must."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy import ndarray as Array
from scipy.integrate import solve_ivp

from mmcl.claims.claim import Check, Evidence, Run, claim, slope, zero
from mmcl.claims.definition import lengths, weights_along_flow
from mmcl.claims.plain_flow import PlainFlow
from mmcl.closed_form import terminal_growth, terminal_spread
from mmcl.data import PairedData
from mmcl.flow import gradient_flow
from mmcl.objectives import InfoNCE, PositiveOnly
from mmcl.pair import Pair
from mmcl.training import train
from mmcl.training.initial import Weights, gaussian_weights, orthonormal_weights
from mmcl.trajectory import Trajectory
from mmcl.worlds import CANONICAL, SMALL, UNEQUAL

WIDTHS = np.array([64, 128, 256, 512, 1024, 2048, 4096, 8192])
LAW = WIDTHS >= 256  # where the error is held against the power law
SEEDS = 32
OBJECTIVES: dict[str, InfoNCE | PositiveOnly] = {
    "InfoNCE": InfoNCE(3.0, negatives=2.0),
    "positives only": PositiveOnly(),
}


@claim(
    id="flow-is-descent",
    statement="The flow on $3r+2$ numbers is gradient flow of the loss as defined, autograd and all: exactly, when the "
    "rows of the weights start orthonormal, for unequal modalities too.",
    source="ours",
    chapter="solvable-model",
)
def exactness(flow: Run = gradient_flow) -> Evidence:
    """Weights by autograd and scipy against the flow; and descent, whose error halves with the step."""
    times = np.linspace(0, 8, 17)
    dims = Pair(*(view.ambient_dim for view in UNEQUAL.views))
    start = orthonormal_weights(dims, sum(dims), rng=np.random.default_rng(41))
    fine = np.linspace(0, times[-1], 161)
    checks: list[Check] = []
    curves: dict[str, Array] = {"time": times, "fine time": fine}
    for name, objective in OBJECTIVES.items():
        theory = flow(UNEQUAL, objective, times)
        run = [lengths(UNEQUAL, w) for w in weights_along_flow(UNEQUAL, objective, start, times)]
        theta = np.array([c / np.sqrt((a.sum() + n_a) * (b.sum() + n_b)) for a, b, c, n_a, n_b in run])
        curves |= {f"theory {name}": theory.theta, f"run {name}": theta}
        curves[f"fine {name}"] = flow(UNEQUAL, objective, fine).theta
        error = np.abs(theta - theory.theta).max()
        checks.append(
            zero(f"{name}: largest error of θ", error, tolerance=1e-7, reason="two integrators, at 1e-9 and 1e-10")
        )
        steps = np.array([0.02, 0.01, 0.005])
        errors = np.array([_descent_error(objective, start, h, flow) for h in steps])
        checks.append(
            Check(
                f"{name}: order in the step size",
                1.0,
                slope(steps, errors),
                0.05,
                "first order, with a relative remainder of the size of the step",
            )
        )
    return Evidence(tuple(checks), curves)


def _descent_error(objective: InfoNCE | PositiveOnly, start: Weights, step_size: float, flow: Run) -> float:
    run = train(UNEQUAL, objective, step_size=step_size, steps=round(4 / step_size), weights=start, progress=False)
    return float(np.abs(run.theta - flow(UNEQUAL, objective, run.time).theta).max())


@claim(
    id="width",
    statement="From random weights the distance to the flow falls like $m^{-1/2}$; its mean, the bias of "
    "$\\log\\kappa$, falls like $1/m$: the level repulsion of random matrices, and a little from random lengths.",
    source="ours",
    chapter="solvable-model",
)
def width_law(descend: Run = train, seeds: int = SEEDS) -> Evidence:
    """Descent from random weights against the same descent from orthonormal ones, which is the limit m → ∞."""
    positives = _errors_over_width(CANONICAL, PositiveOnly(), 1.0, 80, descend, seeds)
    contrast = _errors_over_width(SMALL, InfoNCE(4.0), 0.25, 80, descend, seeds)
    kappa, theta = positives["kappa"], contrast["theta"]
    spread = kappa.std(axis=1, ddof=1)
    size = np.sqrt(theta.var(axis=1, ddof=1).sum(axis=1))
    repulsion = float(positives["repulsion"]) / 2
    bias = repulsion / WIDTHS
    fitted, fit_error = _inverse_law(kappa.mean(axis=1), spread / np.sqrt(seeds))
    predicted = terminal_spread(CANONICAL) / np.sqrt(WIDTHS)
    height = np.exp(np.mean(np.log(spread / predicted)[LAW]))
    # The spread of a sample standard deviation, carried through the fit of a line over the widths.
    x = np.log(WIDTHS[LAW])
    error = 1 / np.sqrt(2 * (seeds - 1)) / np.sqrt(((x - x.mean()) ** 2).sum())
    reason = f"three standard errors of a slope fitted to {seeds} seeds a width"
    return Evidence(
        (
            Check(
                "positives only: power of m in the spread of κ",
                -0.5,
                slope(WIDTHS[LAW], spread[LAW]),
                3 * error,
                reason,
            ),
            Check(
                "positives only: spread of κ over its prediction",
                1.0,
                height,
                3 / np.sqrt(2 * (seeds - 1) * LAW.sum()) + 0.01,
                f"three standard errors of a mean over {LAW.sum()} widths, and 1% for what is left to go at t = 80",
            ),
            Check("InfoNCE: power of m in the spread of θ", -0.5, slope(WIDTHS[LAW], size[LAW]), 3 * error, reason),
            Check(
                "positives only: m times the mean of log κ, fitted to all widths",
                repulsion + _lengths_bias(CANONICAL),
                fitted,
                3 * fit_error,
                f"three standard errors of the fit to {seeds} seeds at each of {len(WIDTHS)} widths",
            ),
        ),
        {
            "width": WIDTHS,
            "kappa": kappa,
            "spread": spread,
            "bias": bias,
            "theta": size,
            "predicted spread": predicted,
            "repulsion": bias,
        },
    )


def _errors_over_width(
    data: PairedData, objective: InfoNCE | PositiveOnly, step: float, steps: int, descend: Run, seeds: int
) -> dict[str, Array]:
    """Errors of log κ and of θ at the end, one row per width, one column per seed."""
    d = data.views.a.ambient_dim
    plan = {"step_size": step, "steps": steps, "record_every": steps, "progress": False}
    limit = descend(data, objective, weights=(np.eye(d, 2 * d), np.eye(d, 2 * d, k=d)), **plan)
    log_kappa, theta = np.empty((len(WIDTHS), seeds)), np.empty((len(WIDTHS), seeds, data.signal_dim))
    for i, m in enumerate(WIDTHS):
        for j, rng in enumerate(np.random.default_rng([7, int(m)]).spawn(seeds)):
            run = descend(data, objective, weights=gaussian_weights((d, d), int(m), rng=rng), **plan)
            log_kappa[i, j] = np.log(run.condition_number[-1] / limit.condition_number[-1])
            theta[i, j] = run.theta[-1] - limit.theta[-1]
    return {"kappa": log_kappa, "theta": theta, "repulsion": np.array(_repulsion(data, limit))}


def _inverse_law(mean: Array, error: Array) -> tuple[float, float]:
    """c of mean = c/m by weighted least squares, with its standard error."""
    x, weight = 1 / WIDTHS, error**-2
    precision = np.sum(weight * x**2)
    return float(np.sum(weight * x * mean) / precision), float(precision**-0.5)


def _lengths_bias(data: PairedData) -> float:
    r"""m times what the random lengths of the rows add to the mean of $\log\kappa_\infty$, to leading order.

    $P_\infty$ solves $\sum_pu_pe^{2\sigma_p^2P}=\sum_pu_p+\dots$ with $u_p$ of mean 1 and variance 2/m; the second
    derivative of P in each $u_p$, times half the variance, is its mean shift.
    """
    s, P = data.views.a.signal**2, terminal_growth(data)
    grown = np.exp(2 * s * P)
    slope_, curvature = np.sum(2 * s * grown), np.sum(4 * s**2 * grown)
    own, rest = -(grown - 1) / slope_, 1 / slope_
    second = -(curvature * own**2 + 2 * (2 * s * grown) * own) / slope_
    others = -curvature * rest**2 / slope_ * (2 * data.views.a.ambient_dim - len(s))
    return float((s.max() - s.min()) * (second.sum() + others))


def _repulsion(data: PairedData, limit: Trajectory) -> float:
    r"""$\sum_{j>1}\frac{a_j}{a_1-a_j}+\sum_{j<r}\frac{a_j}{a_j-a_r}$: how random overlaps push extreme values apart."""
    assert limit.weights is not None  # a trained run has them
    a = np.sort(lengths(data, limit.weights)[0])[::-1]
    return float(np.sum(a[1:] / (a[0] - a[1:])) + np.sum(a[:-1] / (a[:-1] - a[-1])))


@claim(
    id="conservation",
    statement="Gradient flow conserves $\\|W_A\\|^2$, $\\|W_B\\|^2$ and, for every coordinate, the product "
    "$a_pb_p-c_p^2$ corrected by the noise that is left.",
    source="ours",
    chapter="solvable-model",
)
def conservation(descent_flow: Callable[..., list[Weights]] = weights_along_flow) -> Evidence:
    """On the weights of the definition (at a small width), and on the plain 3r + 2 equations in the canonical world."""
    times = np.linspace(0, 8, 17)
    dims = Pair(*(view.ambient_dim for view in UNEQUAL.views))
    start = orthonormal_weights(dims, sum(dims), rng=np.random.default_rng(42))
    path = descent_flow(UNEQUAL, OBJECTIVES["InfoNCE"], start, times)
    norms = np.array([[np.sum(w**2) for w in weights] for weights in path])
    drift = np.abs(norms / norms[0] - 1).max(axis=1)
    integrals = np.array([_first_integrals(UNEQUAL, weights) for weights in path])
    first = np.abs(integrals / integrals[0] - 1).max(axis=1)
    reason = "the integrator's error, at a relative tolerance of 1e-10"
    plain, products = _plain_drifts(CANONICAL, np.geomspace(1e-2, 400, 60))
    return Evidence(
        (
            zero("definition: drift of ‖W‖²", drift.max(), tolerance=1e-7, reason=reason),
            zero("definition: drift of the first integrals", first.max(), tolerance=1e-7, reason=reason),
            zero("canonical world: drift of ‖W‖²", plain.max(), tolerance=1e-7, reason=reason),
            zero("canonical world: drift of the first integrals", products.max(), tolerance=1e-7, reason=reason),
        ),
        {"time": times, "norm": drift, "first": first},
    )


def _first_integrals(data: PairedData, weights: Weights) -> Array:
    r"""$(a_pb_p-c_p^2)\,e^{2\sigma_{A,p}^2T_A+2\sigma_{B,p}^2T_B}$, the clocks read off the first noise coordinate."""
    r = data.signal_dim
    a, b, c, _, _ = lengths(data, weights)
    exponent = np.zeros(r)
    for view, w in zip(data.views, weights, strict=True):
        # A noise row only shrinks: ‖row‖² = e^{-2 σ_ξ² T}, from unit length.
        row = (view.basis.T @ w if view.basis is not None else w)[r]
        exponent += view.signal**2 * -np.log(row @ row) / view.noise[0] ** 2
    return (a * b - c**2) * np.exp(exponent)


def _plain_drifts(data: PairedData, times: Array) -> tuple[Array, Array]:
    """Drift of ‖W_A‖² and of the first integrals along the 3r + 2 equations."""
    flow = PlainFlow(data, InfoNCE(4.0))
    y = solve_ivp(
        lambda _, y: flow.velocity(y), (0, times[-1]), flow.start, method="LSODA", t_eval=times, rtol=1e-10, atol=1e-13
    ).y
    a, b, c, (n_a,), (n_b,) = flow.split(y)
    sigma, noise = data.views.a.signal[:, None], data.views.a.noise[0]
    n0 = float(flow.split(flow.start).n_a[0])
    squares = (a / sigma**2).sum(axis=0) + n_a / noise**2
    predicted = sigma**4 * ((n_a / n0) * (n_b / n0)) ** (sigma / noise) ** 2
    # Relative to ab: the product itself shrinks by many orders of magnitude, below the integrator's error.
    return np.abs(squares / data.views.a.active_dim - 1), np.abs((a * b - c**2 - predicted) / (a * b)).max(axis=0)

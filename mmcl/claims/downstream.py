"""Claims: what a balanced representation is worth, beside an unbalanced one of the same alignment."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy import ndarray as Array

from mmcl.claims.claim import Check, Evidence, Run, at_least, at_most, claim, close, zero
from mmcl.downstream import Shares, best_ridge_error, few_shot_error, retrieval_rate, ridge_error, shares
from mmcl.flow import gradient_flow
from mmcl.objectives import InfoNCE, PositiveOnly
from mmcl.pair import Pair
from mmcl.probes import first_place, nearest_mean, ridge_probe
from mmcl.training import orthonormal_weights, train
from mmcl.training.descent import all_signs
from mmcl.trajectory import Trajectory
from mmcl.worlds import CANONICAL, SMALL

ALIGNED = 0.9  # the alignment that both representations have
STATES = {"unbalanced": PositiveOnly(), "balanced": InfoNCE(4.0)}
STEP, ANCHORS, WIDTH = 0.25, 256, 128
LABELS, NOISE = (16, 32, 64, 128), 0.5  # numbers of labels that are drawn, and the noise on each
SHOTS, CANDIDATES, FLIPS = (1, 5), 64, (0.05, 0.1, 0.2)
PROBES, EPISODES, QUERIES = 500, 2000, 4000  # draws behind one dot
SPREAD = "four standard deviations of the draws, and one percent for steps of 1/4 in place of the flow"


def representation(name: str, flow: Run = gradient_flow) -> tuple[Shares, Trajectory]:
    """The state of the exact flow at alignment 0.9 by one of `STATES`, and its path, which ends there."""
    objective = STATES[name]
    path = flow(CANONICAL, objective, np.linspace(0, 400, 201))
    end = float(np.interp(ALIGNED, path.alignment, path.time))
    path = flow(CANONICAL, objective, [0.0, end])
    return shares(path, CANONICAL), path


def learner(name: str, end: float, descend: Run = train) -> Pair[Array]:
    r"""The trained towers on the signs, $f=\varepsilon V/N$: V/N of both modalities, shapes (d, m)."""
    rng = np.random.default_rng(91)
    steps = round(end / STEP)
    run = descend(
        CANONICAL, STATES[name], weights=orthonormal_weights((64, 64), WIDTH, rng=rng), step_size=end / steps,
        steps=steps, batch_size=None if name == "unbalanced" else ANCHORS, rng=rng, record_every=steps, progress=False,
    )  # fmt: skip
    assert run.weights is not None  # a trained run has them
    images = (view.mixing.T @ w for view, w in zip(CANONICAL.views, run.weights, strict=True))
    return Pair(*(v / np.linalg.norm(v) for v in images))


@claim(
    id="balance-buys-labels",
    statement="At equal alignment a balanced representation needs fewer labels: a ridge probe at its best penalty "
    "makes the error that the shares predict, smaller the more equal they are. A probe without a penalty and with "
    "enough labels sees no difference.",
    source="ours; the error at n labels is the equivalent of Dobriban & Wager (2018)",
    chapter="downstream",
)
def probe(flow: Run = gradient_flow, descend: Run = train) -> Evidence:
    """Ridge probes on trained learners beside the predicted error; all of the population; no penalty at all."""
    checks: list[Check] = [_all_labelled()]
    grid = np.unique(np.geomspace(8, 1024, 25).astype(int))
    curves: dict[str, Array] = {"labels": grid, "drawn": np.array(LABELS)}
    for name in STATES:
        held, path = representation(name, flow)
        images = learner(name, float(path.time[-1]), descend).a
        found = []
        for n in LABELS:
            due, penalty = best_ridge_error(held, n, label_noise=NOISE)
            errors = _probe_errors(images, n, penalty, np.random.default_rng(92))
            found.append(errors.mean())
            tolerance = 4 * float(errors.std() / np.sqrt(PROBES)) + due * (0.01 + 0.5 / n)
            reason = f"{SPREAD}; the equivalent itself is off by a share of the order of 1/n"
            checks.append(
                Check(f"{name}, {n} labels: error of the probe", due, float(errors.mean()), tolerance, reason)
            )
        best = [best_ridge_error(held, int(n), label_noise=NOISE)[0] for n in grid]
        curves |= {f"{name} predicted": np.array(best), f"{name} found": np.array(found), f"{name} shares": held.signal}
        curves[f"{name} kappa"] = np.array(held.condition_number)
        plain = _probe_errors(images, 128, 1e-12, np.random.default_rng(92)).mean()
        curves[f"{name} plain"] = np.array(plain)
    checks.append(
        close(
            "no penalty, 128 labels: error, balanced over unbalanced",
            1.0, float(curves["balanced plain"] / curves["unbalanced plain"]), rel=1e-4,
            reason="least squares does not see the scales; what is left is the penalty of 1e-12 on shares of 1e-3",
        )
    )  # fmt: skip
    return Evidence(tuple(checks), curves)


def _all_labelled() -> Check:
    """The population formula against ridge on every pattern of signs, one teacher for each latent."""
    rng, penalty = np.random.default_rng(93), 0.07
    signs = all_signs(SMALL).a
    scales = rng.uniform(0.2, 1.0, SMALL.views.a.ambient_dim)
    scales /= np.linalg.norm(scales)
    targets = signs[:, : SMALL.signal_dim]
    w = ridge_probe(signs * scales, targets, penalty)
    error = np.mean((signs * scales @ w - targets) ** 2)
    held = Shares(scales[: SMALL.signal_dim] ** 2, scales[SMALL.signal_dim :] ** 2)
    return zero(
        "all of the population labelled: error of the predicted error",
        error - ridge_error(held, penalty), tolerance=1e-12, reason="round-off",
    )  # fmt: skip


def _probe_errors(images: Array, n: int, penalty: float, rng: np.random.Generator) -> Array:
    """The error of `PROBES` probes, each with a teacher, examples and label noise of its own."""
    d, r = len(images), CANONICAL.signal_dim
    core = np.linalg.qr(images.T)[1]  # the outputs span d directions of m
    signs = rng.choice([-1.0, 1.0], (PROBES, n, d))
    teacher = rng.standard_normal((PROBES, r, 1))
    teacher /= np.linalg.norm(teacher, axis=1, keepdims=True)
    labels = signs[..., :r] @ teacher + NOISE * rng.standard_normal((PROBES, n, 1))
    read = core.T @ ridge_probe(signs @ core.T, labels, penalty)
    read[:, :r] -= teacher
    return (read**2).sum(axis=(1, 2))


@claim(
    id="balance-buys-shots",
    statement="At equal alignment the nearest class mean learns the sign of a latent from fewer examples where the "
    "representation is balanced, on average over the latents and most of all for the weakest; the strongest latent is "
    "learned faster where it is unbalanced.",
    source="ours",
    chapter="downstream",
)
def shots(flow: Run = gradient_flow, descend: Run = train) -> Evidence:
    """Episodes on trained learners beside the predicted rate of errors."""
    checks: list[Check] = []
    grid = np.array([1, 2, 3, 5, 8, 12, 20])
    curves: dict[str, Array] = {"shots": grid, "drawn": np.array(SHOTS)}
    for name in STATES:
        held, path = representation(name, flow)
        images = learner(name, float(path.time[-1]), descend).a
        curves[f"{name} predicted"] = np.array([few_shot_error(held, int(k), reach=1500.0) for k in grid])
        found = np.array([_mistaken(images, k, np.random.default_rng(94)) for k in SHOTS])
        curves[f"{name} found"] = found
        for row, k in enumerate(SHOTS):
            due = curves[f"{name} predicted"][list(grid).index(k)]
            for what, p in (("strongest", 0), ("weakest", CANONICAL.signal_dim - 1)):
                spread = np.sqrt(max(due[p] * (1 - due[p]), 1 / EPISODES) / EPISODES)
                label = f"{name}, {k} shots: mistakes on the {what} latent"
                tolerance = 4 * spread + 0.01 * due[p]
                checks.append(Check(label, due[p], float(found[row, p]), float(tolerance), SPREAD))
    late = curves["unbalanced predicted"][-1].mean() / curves["balanced predicted"][-1].mean()
    reason = "the bar of a clear advantage is chosen"
    checks.append(at_least("20 shots: mistakes on average, unbalanced over balanced", 5.0, late, reason=reason))
    return Evidence(tuple(checks), curves)


def _mistaken(images: Array, k: int, rng: np.random.Generator) -> Array:
    """For each latent, the share of `EPISODES` in which the nearest of two class means is the wrong one."""
    d, r = len(images), CANONICAL.signal_dim
    rates = []
    for p in range(r):
        signs = rng.choice([-1.0, 1.0], (EPISODES, 2 * k + 1, d))
        signs[:, :k, p], signs[:, k:, p] = 1.0, -1.0
        truth = rng.choice([-1.0, 1.0], EPISODES)
        signs[:, -1, p] = truth
        features = signs @ images
        examples = features[:, : 2 * k].reshape(EPISODES, 2, k, -1)
        plus, minus = nearest_mean(examples, features[:, -1:])[:, 0].T
        gap = truth * (plus - minus)
        rates.append(np.mean(gap < 0) + np.mean(gap == 0) / 2)
    return np.array(rates)


@claim(
    id="retrieval-under-noise",
    statement="When signs of the latents are flipped in one view, the balanced representation of the same alignment "
    "finds the partner more often, as its θ predict; no θ does better than equal ones.",
    source="ours",
    chapter="downstream",
)
def search(flow: Run = gradient_flow, descend: Run = train, predict: Callable[..., float] = retrieval_rate) -> Evidence:
    """Searches on trained learners beside the predicted rate; and θ drawn at random beside equal ones."""
    checks: list[Check] = []
    grid = np.linspace(0, 0.5, 21)
    curves: dict[str, Array] = {"flip": grid, "drawn": np.array(FLIPS)}
    for name in STATES:
        _, path = representation(name, flow)
        images = learner(name, float(path.time[-1]), descend)
        theta, found = path.theta[-1], []
        for flip in FLIPS:
            hits = _hits(images, flip, np.random.default_rng(95))
            due = predict(theta, CANDIDATES, flip)
            found.append(hits.mean())
            tolerance = 4 * float(hits.std() / np.sqrt(len(hits)))
            reason = "four standard deviations of the draws; the rate sees the order of the scores only, not the step"
            checks.append(Check(f"{name}, ρ = {flip:g}: partner first", due, float(hits.mean()), tolerance, reason))
        rates = [predict(theta, CANDIDATES, float(flip)) for flip in grid]
        curves |= {f"{name} predicted": np.array(rates), f"{name} found": np.array(found)}
    rng, r = np.random.default_rng(96), CANONICAL.signal_dim
    equal = [predict(np.ones(r), CANDIDATES, flip) for flip in FLIPS]
    others = [max(predict(rng.uniform(0, 1, r), CANDIDATES, flip) for _ in range(200)) for flip in FLIPS]
    excess = float(np.max(np.array(others) - equal))
    checks.append(at_most("200 random θ: the most that one gains on equal ones", 1e-12, excess, reason="round-off"))
    return Evidence(tuple(checks), curves)


def _hits(images: Pair[Array], flip: float, rng: np.random.Generator) -> Array:
    """For each of `QUERIES` the chance that the partner comes first, candidates drawn anew each time."""
    r, rates = CANONICAL.signal_dim, []
    for _ in range(QUERIES // 500):
        signs = CANONICAL.signs(500 * CANDIDATES, rng=rng)
        candidates = (signs.b @ images.b).reshape(500, CANDIDATES, -1)
        query = signs.a.reshape(500, CANDIDATES, -1)[:, 0].copy()
        query[:, :r] *= np.where(rng.random((500, r)) < flip, -1.0, 1.0)
        rates.append(first_place(query @ images.a, candidates))
    return np.concatenate(rates)

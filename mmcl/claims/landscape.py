"""Claims: the positive-only loss has a flat valley of minimisers, and negatives leave one balanced minimum of it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy import ndarray as Array

from mmcl.claims.claim import Check, Evidence, Run, at_least, claim, zero
from mmcl.claims.curvature import curvature
from mmcl.data import PairedData
from mmcl.landscape import Saddle, aligned_weights, saddle, terminal_shares, valley_curvatures
from mmcl.objectives import InfoNCE, PositiveOnly
from mmcl.pair import Pair
from mmcl.symbolic.potentials import potential
from mmcl.training import train
from mmcl.training.initial import orthonormal_weights

#: Three coordinates, modalities that differ in everything, and few enough signs to list.
LISTED = PairedData((2.0, 1.5, 1.0), (1.0, 1.5, 1.2), noise_a=0.5, noise_b=0.4, ambient_dim=4)
WIDTH = 6
NEGATIVES = InfoNCE(4.0)
SADDLED = {"τ² = 4, K = 1": NEGATIVES, "τ² = 1, K = 511": InfoNCE(1.0, negatives=511.0)}
#: Symmetric modalities, three coordinates: the triangle of their shares can be drawn.
TRIANGLE = PairedData((1.5, 1.2, 1.0), noise_a=0.7, ambient_dim=5)
STARTS, SHAPE = 12, 0.6  # how many starts; standard deviation of the logarithm of a row's length
ROUND_OFF = "round-off of a Hessian of 48 weights by autograd"


@claim(
    id="flat-landscape",
    statement="The positive-only loss has a minimiser for every $\\theta$ of the simplex, balanced or not, and its "
    "Hessian vanishes along all of them: $mr+1$ directions. Under InfoNCE the same points have a slope unless the "
    "shares that are not zero are equal.",
    source="ours; that non-contrastive losses have many bad minima is the finding of Pokle et al. (2022)",
    chapter="neighbours",
)
def flat(curvatures: Callable[..., Array] = valley_curvatures) -> Evidence:
    """Weights for random θ: value, gradient and Hessian by autograd of the definition, for both losses."""
    rng = np.random.default_rng(90)
    shares = [np.full(3, 1 / 3), *rng.dirichlet(np.ones(3), size=3), np.array([1.0, 0.0, 0.0])]
    values, slopes, spectra, flats, forces = [], [], [], [], []
    for theta in shares:
        weights = aligned_weights(LISTED, theta, WIDTH, rng=rng)
        alone, contrast = (curvature(LISTED, loss, weights) for loss in (PositiveOnly(), NEGATIVES))
        due = curvatures(LISTED, theta, WIDTH)
        values.append(alone.value + 2)
        slopes.append(np.abs(alone.gradient).max())
        spectra.append(np.abs(alone.eigenvalues - due).max())
        flats.append(int(np.sum(np.abs(alone.eigenvalues) < 1e-9)))
        forces.append((_slope(theta), np.linalg.norm(contrast.gradient)))
    predicted, measured = np.array(forces).T
    checks = (
        zero("loss less its minimum -2, over five θ", np.abs(values).max(), tolerance=1e-12, reason=ROUND_OFF),
        zero("largest entry of the gradient", max(slopes), tolerance=1e-12, reason=ROUND_OFF),
        zero("largest error of an eigenvalue of the Hessian", max(spectra), tolerance=1e-11, reason=ROUND_OFF),
        Check("directions without curvature", WIDTH * 3 + 1, float(np.mean(flats)), 0.0, "a count"),
        zero(
            "InfoNCE: error of the gradient's length",
            np.abs(measured - predicted).max(),
            tolerance=1e-11,
            reason=ROUND_OFF,
        ),
        at_least(
            "InfoNCE: gradient's length at the unbalanced θ inside the simplex",
            0.1,
            measured[1:4].min(),
            reason="a bar that is chosen, far above round-off",
        ),
    )
    return Evidence(checks, {"theta": np.array(shares), "slope": measured})


def _slope(theta: Array) -> float:
    r"""$\|\nabla L\|^2=\sum_p(\sigma_{A,p}^2+\sigma_{B,p}^2)(g_p-\Lambda)^2\theta_p$ at `aligned_weights`."""
    force = potential(NEGATIVES).numeric
    g = force.clock(np.sum(force.phi(theta)))[0] * force.pull(theta)[0]
    both = LISTED.views.a.signal**2 + LISTED.views.b.signal**2
    return float(np.sqrt(np.sum(both * (g - g @ theta) ** 2 * theta)))


@claim(
    id="saddles",
    statement="Among these minimisers InfoNCE keeps as critical points those with equal shares on s coordinates and "
    "none on the others. All are strict saddles but one: the balanced point, where no curvature is negative.",
    source="ours",
    chapter="neighbours",
)
def saddles(predict: Callable[..., Saddle] = saddle) -> Evidence:
    """Gradient, index and negative eigenvalues by autograd of the definition, against the formula."""
    rng = np.random.default_rng(91)
    checks: list[Check] = []
    for name, objective in SADDLED.items():
        slopes = []
        for kept in (1, 2, 3):
            theta = np.repeat([1 / kept, 0.0], [kept, 3 - kept])
            found = curvature(LISTED, objective, aligned_weights(LISTED, theta, WIDTH, rng=rng))
            due, place = predict(LISTED, objective, kept, WIDTH), f"{name}, s = {kept}"
            index = int(np.sum(found.eigenvalues < -1e-9))
            checks.append(Check(f"{place}: negative eigenvalues", due.index, index, 0.0, "a count"))
            slopes.append(np.abs(found.gradient).max())
            if kept < 3:
                low = np.concatenate([np.repeat(due.across, WIDTH - kept), np.repeat(due.along, kept)])
                gap = np.abs(found.eigenvalues[:index] - np.sort(low)[:index]).max()
                checks.append(zero(f"{place}: error of a negative one", gap, tolerance=1e-11, reason=ROUND_OFF))
        checks.append(zero(f"{name}: largest slope", max(slopes), tolerance=1e-12, reason=ROUND_OFF))
    return Evidence(tuple(checks))


@claim(
    id="many-ends",
    statement="Training on positive pairs alone does not choose among the minimisers: the lengths of the rows at the "
    "start decide, by a closed form, where on the simplex it ends. With negatives all starts end balanced.",
    source="ours; that training does not avoid the bad minima is the finding of Pokle et al. (2022)",
    chapter="neighbours",
)
def many_ends(descend: Run = train, predict: Callable[..., Array] = terminal_shares) -> Evidence:
    """Orthonormal rows of random lengths, trained to the end by full gradients, without and with negatives."""
    rng = np.random.default_rng(92)
    starts, due, paths, contrast = [], [], [], []
    errors, balance = [], []
    d = TRIANGLE.views.a.ambient_dim
    for _ in range(STARTS):
        lengths = np.exp(SHAPE * rng.standard_normal(d))
        lengths /= np.sqrt(np.mean(lengths**2))
        weights = Pair(*(lengths[:, None] * w for w in orthonormal_weights((d, d), 2 * d, rng=rng)))
        settings = {"weights": weights, "progress": False}
        coarse, fine = (
            descend(TRIANGLE, PositiveOnly(), step_size=h, steps=round(80 / h), record_every=4, **settings)
            for h in (0.1, 0.05)
        )
        other = descend(TRIANGLE, InfoNCE(3.0), step_size=0.4, steps=500, record_every=2, **settings)
        due.append(predict(TRIANGLE, lengths))
        errors.append(np.abs(2 * fine.theta[-1] - coarse.theta[-1] - due[-1]).max())
        balance.append(np.abs(other.theta[-1] - 1 / 3).max())
        starts.append(lengths)
        paths.append(fine.theta[:: len(fine) // 100])
        contrast.append(other.theta)
    ends = np.array(due)
    checks = (
        zero(
            f"positives only, {STARTS} starts: largest error of a share at the end",
            max(errors),
            tolerance=1e-4,
            reason="halving the step removes its first order, at most 8e-4 here; its second is a few percent of that",
        ),
        at_least(
            "positives only: spread of the largest share over the starts",
            0.2,
            np.ptp(ends.max(axis=1)),
            reason="a bar that is chosen; one end for all would have no spread",
        ),
        zero(
            "InfoNCE, the same starts: largest distance of a share from balance",
            max(balance),
            tolerance=1e-3,
            reason="balance is approached exponentially; the slowest start is within 2e-4 at t = 200",
        ),
    )
    curves = {"lengths": np.array(starts), "ends": ends, "alone": np.array(paths), "contrast": np.array(contrast)}
    return Evidence(checks, curves)

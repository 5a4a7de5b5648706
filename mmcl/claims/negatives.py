"""Claim: exact negatives are exact."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from numpy import ndarray as Array

from mmcl.claims.claim import Evidence, at_most, claim, zero
from mmcl.worlds import CANONICAL

if TYPE_CHECKING:  # torch is slow to load, and whoever reads stored evidence does without it
    from torch import Tensor

    from mmcl.losses import LogExpectation

    Form = Callable[[Tensor], LogExpectation]
DIMS = (1, 2, 4, 7, 10)
ANCHORS, NEGATIVES = 24, 60_000
BATCHES = 2 ** np.arange(1, 10)


@claim(
    id="exact-negatives",
    statement="Infinitely many negatives cost one sum of log cosh: the closed form equals the sum over all $2^d$ sign "
    "patterns, and what a large sample of negatives estimates; a batch estimates it with a bias that is predicted.",
    source="ours",
    chapter="two-views",
)
def measure(log_expectation: Form | None = None) -> Evidence:
    """Against every sign pattern in small dimensions, and against sampled negatives in the canonical world."""
    closed = _over_signs() if log_expectation is None else log_expectation
    rng = np.random.default_rng(20230)
    errors = np.array([max(_enumeration_error(d, rng, closed) for _ in range(4)) for d in DIMS])
    z, gaps = _z_scores(rng, closed), _jensen_gaps()
    large = gaps["batch"] >= 128
    return Evidence(
        (
            zero(
                "error against all sign patterns",
                errors.max(),
                tolerance=1e-12,
                reason="round-off of a sum of 2^10 terms",
            ),
            at_most(
                "largest z-score against sampled negatives, in size",
                4.5,
                np.abs(z).max(),
                reason=f"{ANCHORS} standard normal scores exceed 4.5 once in 6,000 trials",
            ),
            at_most(
                "bias of a batch of 128 and more: largest z-score against its prediction, in size",
                4.0,
                np.abs((gaps["gap"] - gaps["gap predicted"]) / gaps["gap error"])[large].max(),
                reason="a handful of standard normal scores exceed 4 once in several thousand trials",
            ),
        ),
        {"dims": np.array(DIMS), "errors": errors, "z": z} | gaps,
    )


def _over_signs() -> Form:
    from mmcl.losses import log_expectation_over_signs

    return log_expectation_over_signs


def _enumeration_error(d: int, rng: np.random.Generator, log_expectation: Form) -> float:
    """The closed form against one term per sign pattern, added up in plain Python."""
    import torch

    v, images = 2 * rng.standard_normal(3), rng.standard_normal((d, 3))
    terms = [np.exp(float(v @ (np.array(signs) @ images))) for signs in product((-1, 1), repeat=d)]
    exact = float(log_expectation(torch.from_numpy(images))(torch.from_numpy(v[None]))[0])
    return abs(exact - float(np.log(sum(terms) / 2**d)))


def _z_scores(rng: np.random.Generator, log_expectation: Form) -> Array:
    r"""Sampled means of $e^{\tau^2f_A\cdot f_B^-}$, minus the exact value, over their standard errors."""
    import torch

    tau2, width = 2.0, 32
    d = CANONICAL.views.a.ambient_dim
    w_a, w_b = (rng.standard_normal((d, width)) / np.sqrt(width) for _ in "AB")
    n_a, n_b = (np.sqrt(np.trace(w.T @ CANONICAL.covariance_a @ w)) for w in (w_a, w_b))
    anchors = tau2 * CANONICAL.sample(ANCHORS, rng=rng).a @ w_a / n_a
    images = CANONICAL.views.b.mixing.T @ w_b / n_b
    exact = np.exp(log_expectation(torch.from_numpy(images))(torch.from_numpy(anchors)).numpy())
    # A batch of negatives of its own for every anchor keeps the scores independent.
    samples = (np.exp(CANONICAL.sample(NEGATIVES, rng=rng).b @ (w_b / n_b) @ anchor) for anchor in anchors)
    means = [(x.mean(), x.std(ddof=1) / np.sqrt(NEGATIVES)) for x in samples]
    return np.array([(mean - value) / error for (mean, error), value in zip(means, exact, strict=True)])


def _jensen_gaps() -> dict[str, Array]:
    r"""How far the in-batch loss lies below its population form at $K=n-1$, in the balanced canonical world.

    .. math:: L_n-L\approx-\frac{(1-S)^2}{n-1}\Big(\prod_p\frac{\cosh2\tau^2\theta_p}{\cosh^2\tau^2\theta_p}-1\Big)

    The part of the loss that is linear in the sampled mean has mean zero, and is taken out before averaging.
    """
    rng, tau2, r = np.random.default_rng(2023), 4.0, CANONICAL.signal_dim
    x = tau2 / r
    mean, spread = np.cosh(x) ** r, (np.cosh(2 * x) / np.cosh(x) ** 2) ** r - 1
    gap, error, predicted, loss = np.empty((4, len(BATCHES)))
    for i, n in enumerate(BATCHES):
        odds = (n - 1) * np.exp(-tau2) * mean
        loss[i], losing = 2 * np.log1p(odds), odds / (1 + odds)  # L, 1 - S
        samples = []
        for _ in range(max(40, 20_000 // int(n))):
            z = 2.0 * rng.integers(0, 2, (n, r)) - 1.0
            scores = np.exp(x * z @ z.T)
            sampled = (scores.sum(axis=1) - np.exp(tau2)) / ((n - 1) * mean)  # its own pair is no negative
            samples.append(2 * np.mean(np.log1p(odds * sampled) - np.log1p(odds) - losing * (sampled - 1)))
        gap[i], error[i] = np.mean(samples), np.std(samples, ddof=1) / np.sqrt(len(samples))
        predicted[i] = -(losing**2) * spread / (n - 1)
    return {"batch": BATCHES, "batch loss": loss, "gap": gap, "gap error": error, "gap predicted": predicted}

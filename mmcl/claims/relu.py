"""Claims: what ReLU neurons learn of sparse signal in dense noise, with and without negatives, and what a head adds."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy import ndarray as Array
from threadpoolctl import threadpool_limits

from mmcl.claims.claim import Check, Evidence, at_least, at_most, claim, zero
from mmcl.losses import loss
from mmcl.objectives import InBatchInfoNCE, PositiveOnly
from mmcl.pair import Pair
from mmcl.sparse import SparsePairs
from mmcl.training.initial import Weights
from mmcl.training.relu import Features, encode, learned_features, predicted_loss, train_relu

SPARSE = SparsePairs(np.geomspace(1.5, 1.0, 6))
COMMON = SparsePairs(np.geomspace(1.5, 1.0, 6), common=1.0)
CONTRAST = InBatchInfoNCE(3.0)
SEEDS = 4
SURE = 4.0  # standard errors
Descend = Callable[..., Weights]
CHOSEN = "a bar that is chosen; over seeds the value scatters by a few hundredths"


def study(
    descend: Descend,
    objective: InBatchInfoNCE | PositiveOnly,
    data: SparsePairs = SPARSE,
    threshold: float = 1.0,
    head: bool = False,
) -> list[Features]:
    """The features of `SEEDS` independent runs."""
    rng = np.random.default_rng(93)
    with threadpool_limits(limits=1):
        runs = zip(*descend(data, objective, rng=rng, copies=SEEDS, threshold=threshold, head=head), strict=True)
    return [learned_features(data, Pair(*weights), rng=rng, threshold=threshold) for weights in runs]


def mean(found: Sequence[Features], name: str) -> float:
    """Over the seeds."""
    return float(np.mean([getattr(x, name) for x in found]))


def sureness(more: Sequence[Features], less: Sequence[Features]) -> float:
    """By how many standard errors the effective ranks of two studies differ."""
    a, b = (np.array([x.effective_rank for x in found]) for found in (more, less))
    error = np.sqrt((a.var(ddof=1) + b.var(ddof=1)) / len(a))
    return float((a.mean() - b.mean()) / error)


def curves(studies: dict[str, list[Features]]) -> dict[str, Array]:
    """θ, effective rank and noise of every seed."""
    table: dict[str, Array] = {}
    for name, found in studies.items():
        table[f"{name} theta"] = np.array([x.theta for x in found])
        for series in ("effective_rank", "noise_energy", "on_signal", "alignment"):
            table[f"{name} {series}"] = np.array([getattr(x, series) for x in found])
    return table


@claim(
    id="relu-features",
    statement="ReLU neurons turn to sparse signal under dense noise as long as the noise is private to each view, with "
    "negatives and without. Negatives make them learn all features, positives alone the strongest. Where the views "
    "share their noise, negatives make the neurons learn noise.",
    source="ours; that decoupled views let ReLU networks learn sparse features is the finding of Wen & Li (2021)",
    chapter="neighbours",
)
def features(descend: Descend = train_relu) -> Evidence:
    """Towers of 24 neurons on six sparse coordinates in forty dimensions, four seeds each."""
    studies = {
        "InfoNCE": study(descend, CONTRAST),
        "positives only": study(descend, PositiveOnly()),
        "common noise": study(descend, CONTRAST, COMMON),
        "linear": study(descend, PositiveOnly(), threshold=0.0),
    }
    contrast, alone, common, linear = studies.values()
    best = float(SPARSE.reliability.max())
    bound = "no linear coordinate agrees better; 4000 pairs blur it by a few hundredths"
    checks: list[Check] = [
        at_least("InfoNCE: neurons on signal", 0.7, mean(contrast, "on_signal"), reason=CHOSEN),
        at_least("positives only: neurons on signal", 0.7, mean(alone, "on_signal"), reason=CHOSEN),
        at_most("InfoNCE, noise in common: neurons on signal", 0.1, mean(common, "on_signal"), reason=CHOSEN),
        at_least("InfoNCE: effective rank, of 6", 5.0, mean(contrast, "effective_rank"), reason=CHOSEN),
        at_most("positives only: effective rank, of 6", 2.0, mean(alone, "effective_rank"), reason=CHOSEN),
        at_least(
            "InfoNCE above positives only in effective rank, in standard errors",
            SURE,
            sureness(contrast, alone),
            reason=f"four seeds each; {SURE:g} standard errors are chosen",
        ),
        at_most("linear towers, positives only: alignment", best + 0.03, mean(linear, "alignment"), reason=bound),
        at_least("ReLU towers, positives only: alignment", best + 0.03, mean(alone, "alignment"), reason=CHOSEN),
    ]
    return Evidence(tuple(checks), curves(studies))


@claim(
    id="prediction-head",
    statement="Without negatives a trainable prediction head that starts as the identity keeps several features alive "
    "where positives alone keep one, with ReLU neurons and with linear ones. It does not balance them.",
    source="ours; that such a head lets the network learn the weaker features is the finding of Wen & Li (2022)",
    chapter="neighbours",
)
def prediction_head(descend: Descend = train_relu) -> Evidence:
    """The same towers with the head trained, beside the head held at the identity, which is positives only."""
    studies: dict[str, list[Features]] = {}
    for name, threshold in (("ReLU", 1.0), ("linear", 0.0)):
        for kind, with_head in (("head", True), ("frozen", False)):
            studies[f"{name} {kind}"] = study(descend, PositiveOnly(), threshold=threshold, head=with_head)
    studies["ReLU InfoNCE"] = study(descend, CONTRAST)
    reason = f"four seeds each; {SURE:g} standard errors are chosen"
    checks: list[Check] = [
        zero(
            "gradient of the loss with the head at the identity, less that of positives only",
            _frozen_gap(),
            tolerance=1e-12,
            reason="round-off",
        )
    ]
    for name in ("ReLU", "linear"):
        trained, frozen = studies[f"{name} head"], studies[f"{name} frozen"]
        checks += [
            at_least(
                f"{name}: effective rank with the head, of 6", 2.5, mean(trained, "effective_rank"), reason=CHOSEN
            ),
            at_least(
                f"{name}: head above no head in effective rank, in standard errors",
                SURE,
                sureness(trained, frozen),
                reason=reason,
            ),
        ]
    checks.append(
        at_least(
            "ReLU: InfoNCE above the head in effective rank, in standard errors",
            SURE,
            sureness(studies["ReLU InfoNCE"], studies["ReLU head"]),
            reason=reason,
        )
    )
    return Evidence(tuple(checks), curves(studies))


def _frozen_gap() -> float:
    """The largest difference of the two gradients at random weights."""
    rng = np.random.default_rng(929)
    batch = SPARSE.sample(64, rng=rng)
    weights = [torch.from_numpy(rng.standard_normal((40, 8))).requires_grad_() for _ in "AB"]
    f = Pair(*(encode(torch.from_numpy(x), w, 1.0) for x, w in zip(batch[:2], weights, strict=True)))
    eye = torch.eye(8, dtype=torch.float64)
    one = torch.autograd.grad(predicted_loss(f, Pair(eye, eye)), weights, retain_graph=True)
    other = torch.autograd.grad(loss(PositiveOnly(), f), weights)
    return max(float((a - b).abs().max()) for a, b in zip(one, other, strict=True))

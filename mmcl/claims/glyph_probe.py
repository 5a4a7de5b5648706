"""Claim: what a wide spectrum buys on real pairs, at equal alignment."""

from __future__ import annotations

from collections import Counter

import numpy as np
from numpy import ndarray as Array

from mmcl.claims.claim import Check, Evidence, Run, at_least, claim
from mmcl.objectives import InBatchInfoNCE, Objective, PositiveOnly
from mmcl.probes import drawn_per_class, nearest_mean, ridge_probe
from mmcl.real_pairs import Glyphs, glyphs
from mmcl.retrieval import recall
from mmcl.spectra import spectrum
from mmcl.training import gaussian_weights, train
from mmcl.training.initial import Weights

SEEDS = (101, 102)
WIDTH, BATCH_SIZE, TEMPERATURE = 64, 1024, 8.0
STEP, FINE, STEPS = 20.0, 2.5, 20  # steps with negatives; of positives only, finer, until the alignment is reached
PENALTY = 1e-4
SHOTS, EPISODES = (1, 5, 20), 30
COMMON, SEEN = 50, 20  # a script has at least so many training and held-out pictures
RUNS = ("untrained", "positives", "contrastive")


@claim(
    id="glyph-probe",
    statement="On pictures of characters, two linear towers of equal held-out alignment, one with negatives and one of "
    "positives only, differ in what can be read from them: with negatives the script of a character never seen is "
    "found more often by a probe and from a few examples, and its name by search.",
    source="ours",
    chapter="downstream",
)
def glyph_probe(descend: Run = train, seeds: tuple[int, ...] = SEEDS) -> Evidence:
    """Alignment, effective rank and four readers of the script, over seeds."""
    data = glyphs()
    rows: dict[str, list[dict[str, float]]] = {run: [] for run in RUNS}
    for seed in seeds:
        rng = np.random.default_rng(seed)
        weights = gaussian_weights(data.train.ambient_dim, WIDTH, rng=rng)
        with_negatives = _descended(data, InBatchInfoNCE(TEMPERATURE), weights, STEP, STEPS, rng, descend)
        level = _aligned(data, with_negatives)
        alone = weights
        while _aligned(data, alone) < level:
            alone = _descended(data, PositiveOnly(), alone, FINE, 1, rng, descend)
        for run, found in zip(RUNS, (weights, alone, with_negatives), strict=True):
            rows[run].append(_read(data, found, np.random.default_rng(seed + 1000)))
    curves = {f"{run} {name}": np.array([row[name] for row in rows[run]]) for run in RUNS for name in rows[run][0]}
    chance = 1 / np.array([len(scripts(data)[0]), len(data.held_out_names)])  # of the script, and of the name
    return Evidence(tuple(_checks(curves)), curves | {"shots": np.array(SHOTS), "chance": chance})


def _checks(curves: dict[str, Array]) -> list[Check]:
    gap = float(np.abs(curves["contrastive alignment"] - curves["positives alignment"]).max())
    reason = "a fine step of positives only moves the alignment by no more"
    checks = [Check("held-out alignment: largest difference", 0.0, gap, 0.02, reason)]
    for name, bar in (
        ("effective rank", 1.5), ("recall", 3.0), ("probe", 1.0), *((f"{k} shots", 1.0) for k in SHOTS[1:]),
    ):  # fmt: skip
        ratio = float(np.min(curves[f"contrastive {name}"] / curves[f"positives {name}"]))
        checks.append(
            at_least(
                f"{name}, with negatives over positives only, least over seeds",
                bar, ratio, reason="the bar is chosen: better for every seed",
            )
        )  # fmt: skip
    return checks


def _descended(
    data: Glyphs,
    objective: Objective,
    weights: Weights,
    step: float,
    steps: int,
    rng: np.random.Generator,
    descend: Run,
) -> Weights:
    run = descend(
        data.train, objective, weights=weights, step_size=step, steps=steps, batch_size=BATCH_SIZE, rng=rng,
        record_every=steps, progress=False, dtype=np.float32,
    )  # fmt: skip
    assert run.weights is not None  # a trained run has them
    return run.weights


def _aligned(data: Glyphs, weights: Weights) -> float:
    return spectrum(data.held_out.a @ weights.a, data.held_out.b @ weights.b).alignment


def scripts(data: Glyphs) -> tuple[tuple[str, ...], Array, Array]:
    """The common scripts, first word of a name, and of each training and held-out picture the script; -1 for others."""
    first, aside = ([name.split()[0] for name in names] for names in (data.train_names, data.held_out_names))
    count, seen = Counter(first), Counter(aside)
    common = tuple(sorted(word for word in count if count[word] >= COMMON and seen[word] >= SEEN))
    places = {word: place for place, word in enumerate(common)}
    trained, held_out = (np.array([places.get(word, -1) for word in words]) for words in (first, aside))
    return common, trained, held_out


def _read(data: Glyphs, weights: Weights, rng: np.random.Generator) -> dict[str, float]:
    """What four readers make of the picture tower; outputs of mean square one on the training pictures."""
    seen, new = data.train.a @ weights.a, data.held_out.a @ weights.a
    shared = spectrum(new, data.held_out.b @ weights.b)
    found: dict[str, float] = {
        "alignment": shared.alignment,
        "effective rank": shared.effective_rank,
        "recall": float(np.mean(recall(new, data.held_out.b @ weights.b))),
    }
    names, labels, truth = scripts(data)
    scale = np.sqrt((seen**2).sum(axis=1).mean())
    seen, labels = seen[labels >= 0] / scale, labels[labels >= 0]
    new, truth = new[truth >= 0] / scale, truth[truth >= 0]
    w = ridge_probe(seen, np.eye(len(names))[labels] - 1 / len(names), PENALTY)
    found["probe"] = _balanced_accuracy((new @ w).argmax(axis=1), truth)
    for k in SHOTS:
        hits = [
            _balanced_accuracy(nearest_mean(seen[drawn_per_class(labels, k, rng=rng)], new).argmax(axis=1), truth)
            for _ in range(EPISODES)
        ]
        found[f"{k} shots"] = float(np.mean(hits))
    return found


def _balanced_accuracy(guess: Array, truth: Array) -> float:
    """The share of hits in each class, averaged over the classes."""
    return float(np.mean([np.mean(guess[truth == c] == c) for c in np.unique(truth)]))

"""The experiment on real pairs: the same towers trained on the glyphs with and without negatives, and on broken pairs.

Everything is measured on the held-out pairs.
"""

from __future__ import annotations

import numpy as np
from numpy import ndarray as Array

from mmcl.empirical import EmpiricalPairs
from mmcl.objectives import InBatchInfoNCE, Objective, PositiveOnly
from mmcl.real_pairs import glyphs
from mmcl.retrieval import best, chance, recall
from mmcl.spectra import spectrum
from mmcl.training import gaussian_weights, train
from mmcl.training.initial import Weights

RUNS = ("positives", "contrastive", "shuffled")
STEPS = (0, 1, 3, 10, 30, 100, 300)
WIDTH = 64
STEP_SIZE = 20.0
BATCH_SIZE = 1024
INVERSE_TEMPERATURE = 8.0


def glyph_study(*, seed: int, steps: tuple[int, ...] = STEPS) -> dict[str, Array]:
    r"""Train two linear towers on the glyphs three times from the same weights, and follow the held-out pairs.

    The runs are ``positives`` (positive pairs only), ``contrastive`` (CLIP's in-batch loss, τ² = 8) and ``shuffled``
    (the same, on training pairs matched at random: a control that cannot know anything).

    Source: our own experiment; Ren & Li (2023) trained on captions.

    Args:
        seed: of weights, batches and shuffle; the runs draw their batches from streams of their own.
        steps: when to look, increasing from 0.

    Returns:
        Arrays by name: ``steps`` (T,), ``pairs`` (how many are held out), and for each run

        - ``….alignment`` (T,): $\operatorname{tr}C$ of `spectrum`, normalised by the held-out mean square; at most 1.
        - ``….training_alignment`` (T,): the same of the training pairs.
        - ``….effective_rank`` (T,), ``….spread`` (T,): of the $s_i$, and $s_1/s_8$.
        - ``….growth`` (T,): $\|W\|^2$ over its start; gradient flow would keep it at 1.
        - ``….recall_1``, ``….recall_10`` (T, 2): picture → name and name → picture, see `recall`.
        - ``….chance_1``, ``….chance_10`` (2,), ``….deviation_1``, ``….deviation_10`` (2,): see `chance`; at the end.
        - ``….singular_values``, ``….cosines`` (k,): the last spectrum.
        - ``….alignment_by_training``: the last alignment, normalised by the *training* mean square instead.
        - ``….found`` (n, 3): the rows of the held-out names that score highest for each held-out picture; at the end.
        - ``….leading_words`` (words,): how each word of the vocabulary moves a name along the first direction.
    """
    weights_rng, shuffle_rng, *batch_rngs = np.random.default_rng(seed).spawn(2 + len(RUNS))
    data = glyphs()
    weights = gaussian_weights(data.train.ambient_dim, WIDTH, rng=weights_rng)
    contrastive = InBatchInfoNCE(INVERSE_TEMPERATURE)
    settings: tuple[tuple[EmpiricalPairs, Objective], ...] = (
        (data.train, PositiveOnly()),
        (data.train, contrastive),
        (data.train.shuffled(rng=shuffle_rng), contrastive),
    )
    table: dict[str, Array] = {"steps": np.array(steps), "pairs": np.array(len(data.held_out))}
    for name, (pairs, objective), rng in zip(RUNS, settings, batch_rngs, strict=True):
        seen = _followed(pairs, objective, weights, data.held_out, steps, rng)
        table |= {f"{name}.{quantity}": values for quantity, values in seen.items()}
    return table


def _followed(
    pairs: EmpiricalPairs,
    objective: Objective,
    weights: Weights,
    held_out: EmpiricalPairs,
    steps: tuple[int, ...],
    rng: np.random.Generator,
) -> dict[str, Array]:
    """One run, stopped at each of `steps` to be measured."""
    rows = [_measured(weights, pairs, held_out)]
    for count in np.diff(steps):
        run = train(
            pairs,
            objective,
            weights=weights,
            step_size=STEP_SIZE,
            steps=int(count),
            batch_size=BATCH_SIZE,
            rng=rng,
            record_every=int(count),
            dtype=np.float32,
        )
        assert run.weights is not None  # a trained run has them
        weights = run.weights
        rows.append(_measured(weights, pairs, held_out))
    series = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    norm = series.pop("norm")
    series["growth"] = norm / norm[0]
    return series | _at_the_end(weights, pairs, held_out)


def _measured(weights: Weights, pairs: EmpiricalPairs, held_out: EmpiricalPairs) -> dict[str, object]:
    features = _features(weights, held_out)
    found = spectrum(*features)
    return {
        "alignment": found.alignment,
        "training_alignment": spectrum(*weights, data=pairs).alignment,
        "effective_rank": found.effective_rank,
        "spread": found.singular_values[0] / found.singular_values[7],
        "norm": sum(float(np.vdot(w, w)) for w in weights),
        "recall_1": recall(*features, at=1),
        "recall_10": recall(*features, at=10),
    }


def _at_the_end(weights: Weights, pairs: EmpiricalPairs, held_out: EmpiricalPairs) -> dict[str, Array]:
    features = _features(weights, held_out)
    found = spectrum(*features)
    power = np.prod([np.vdot(f, f) / len(f) for f in _features(weights, pairs)])
    leading = np.linalg.svd(features[0].T @ features[1])[2][0]
    table = {
        "singular_values": found.singular_values,
        "cosines": found.cosines,
        "alignment_by_training": np.vdot(*features) / len(held_out) / np.sqrt(power),
        "found": best(*features, count=3).a,
        "leading_words": weights.b @ leading,
    }
    for at in (1, 10):
        expected = chance(*features, at=at)
        table[f"chance_{at}"] = np.array([one.mean for one in expected])
        table[f"deviation_{at}"] = np.array([one.deviation for one in expected])
    return table


def _features(weights: Weights, pairs: EmpiricalPairs) -> tuple[Array, Array]:
    """The outputs before they are normalised: no scale matters to a spectrum or to a rank."""
    return pairs.a @ weights.a, pairs.b @ weights.b

"""Broken runs of the claims about what neighbouring theories say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from mmcl import InBatchInfoNCE, InfoNCE, PairedData, PositiveOnly, claims, train
from mmcl.augmentation import augmentation_threshold
from mmcl.claims import Evidence, augmented, collapse, landscape, relu
from mmcl.covariance import covariance_flow
from mmcl.landscape import aligned_weights, saddle, terminal_shares, valley_curvatures
from mmcl.pair import Pair
from mmcl.training.relu import train_relu

Patch = pytest.MonkeyPatch


def _without_the_projector(data, theta, width):
    """Curvatures that forget the normaliser: as if the shares were balanced."""
    return valley_curvatures(data, np.full(len(theta), 1 / len(theta)), width)


def _turned(data, theta, width, *, rng):
    """Weights whose modality B is turned away from A."""
    a, _ = aligned_weights(data, theta, width, rng=rng)
    return Pair(a, aligned_weights(data, theta, width, rng=rng).b)


def _flat_on_turned_weights(patch: Patch) -> Evidence:
    patch.setattr(landscape, "aligned_weights", _turned)
    return claims.claim("flat-landscape").measure()


def _without_cross_talk(data, objective, kept, width):
    """Curvatures in which an empty coordinate does not see the kept ones."""
    found = saddle(data, objective, kept, width)
    return replace(found, along=found.across, index=width * len(found.across))


def _from_rows_of_unit_length(data, lengths):
    """The end that rows of unit length would have."""
    return terminal_shares(data, np.ones_like(lengths))


def _with_negatives(data, objective, **settings):
    """Training of "positives only" that has negatives."""
    return train(data, InfoNCE(3.0), **settings)


def _ends(**broken) -> Callable[[Patch], Evidence]:
    def run(patch: Patch) -> Evidence:
        patch.setattr(landscape, "STARTS", 2)
        return claims.claim("many-ends").measure(**broken)

    return run


def _without_half_the_noise(data, objective, times):
    """A spectrum that has lost half of its noise."""
    found = covariance_flow(data, objective, times)
    return replace(found, noise=found.noise / 2)


def _with_negatives_after_all(data, objective, times):
    """A spectrum of positives only that feels a coordinate's growth, on its own clock."""
    tau2 = 0.5
    if isinstance(objective, PositiveOnly):
        return covariance_flow(data, InfoNCE(tau2), np.asarray(times) * 2 / tau2)
    return covariance_flow(data, objective, times)


def _in_a_smaller_world(data, objective, *, weights, **settings):
    """Training that has lost a third of the noise coordinates."""
    world = PairedData(data.signal_a, noise_a=np.repeat([0.5, 0.0], [37, 19]), ambient_dim=64)
    return train(world, objective, weights=weights, **settings)


def _collapse(**broken) -> Callable[[Patch], Evidence]:
    """The spectra without the longest runs: the definition is left out, training is stored unless it is broken."""

    def run(patch: Patch) -> Evidence:
        known = claims.evidence("dimensional-collapse").curves
        names = {loss: name for name, loss in collapse.LOSSES.items()}
        patch.setattr(collapse, "_against_definition", lambda *_: 0.0)
        patch.setattr(collapse, "DIMS", np.array([64, 4096]))
        if "descend" in broken:
            patch.setattr(collapse, "END", 60.0)
        else:
            patch.setattr(
                collapse, "_trained", lambda loss, start, _: known[f"{names[loss]} {start.__name__.partition('_')[0]}"]
            )
        return claims.claim("dimensional-collapse").measure(**broken)

    return run


def _that_counts_noise_as_scale(objective, kept):
    """A threshold in ν/σ instead of its square."""
    return float(np.sqrt(augmentation_threshold(objective, kept)))


def _augmented(**broken) -> Callable[[Patch], Evidence]:
    """The thresholds; descent is taken from the stored run."""

    def run(patch: Patch) -> Evidence:
        known = claims.evidence("augmentation-threshold").curves
        names = {1.0: "τ² = 1, K = 1", 2.0: "τ² = 2, K = 1", None: "positives only"}

        def stored(objective, *_, **__):
            name = names[getattr(objective, "inverse_temperature", None)]
            return augmented.Ends(known[f"{name} shares"], np.empty(0))

        patch.setattr(collapse, "ends", broken.pop("ends", stored))
        return claims.claim("augmentation-threshold").measure(**broken)

    return run


def _ends_in_private(objective, signal, strengths, **_):
    """Descent whose noise has no effect: every direction keeps its share."""
    return augmented.Ends(np.full((len(strengths), len(signal)), 1 / len(signal)), np.ones(len(strengths)))


def _small_towers(id: str, descend: Callable) -> Callable[[Patch], Evidence]:
    """The claim on short runs of two seeds."""

    def run(patch: Patch) -> Evidence:
        patch.setattr(relu, "SEEDS", 2)
        return claims.claim(id).measure(descend=descend)

    return run


def _that_never_moves(data, objective, **settings):
    """Towers that stay where they started."""
    return train_relu(data, objective, **settings | {"steps": 1, "step_size": 1e-9})


def _with_a_frozen_head(data, objective, *, head=False, **settings):
    """A head that is never trained, on short runs."""
    return train_relu(data, objective, **settings | {"steps": 60})


def _without_private_noise(data, objective, **settings):
    """Views that share their noise, whatever the data say, on short runs."""
    shared = replace(data, common=1.0)
    objective = objective if isinstance(objective, PositiveOnly) else InBatchInfoNCE(3.0)
    return train_relu(shared, objective, **settings | {"steps": 60})


SABOTEURS: dict[str, tuple[Callable[[Patch], Evidence], ...]] = {
    "flat-landscape": (
        lambda patch: claims.claim("flat-landscape").measure(curvatures=_without_the_projector),
        _flat_on_turned_weights,
    ),
    "saddles": (lambda patch: claims.claim("saddles").measure(predict=_without_cross_talk),),
    "many-ends": (_ends(predict=_from_rows_of_unit_length), _ends(descend=_with_negatives)),
    "dimensional-collapse": (
        _collapse(flow=_without_half_the_noise),
        _collapse(flow=_with_negatives_after_all),
        _collapse(descend=_in_a_smaller_world),
    ),
    "augmentation-threshold": (_augmented(predict=_that_counts_noise_as_scale), _augmented(ends=_ends_in_private)),
    "relu-features": (
        _small_towers("relu-features", _that_never_moves),
        _small_towers("relu-features", _without_private_noise),
    ),
    "prediction-head": (
        _small_towers("prediction-head", _that_never_moves),
        _small_towers("prediction-head", _with_a_frozen_head),
    ),
}

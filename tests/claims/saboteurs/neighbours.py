"""Broken runs of the claims about what neighbouring theories say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from mmcl import InfoNCE, claims, train
from mmcl.claims import Evidence, landscape
from mmcl.landscape import aligned_weights, saddle, terminal_shares, valley_curvatures
from mmcl.pair import Pair

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


SABOTEURS: dict[str, tuple[Callable[[Patch], Evidence], ...]] = {
    "flat-landscape": (
        lambda patch: claims.claim("flat-landscape").measure(curvatures=_without_the_projector),
        _flat_on_turned_weights,
    ),
    "saddles": (lambda patch: claims.claim("saddles").measure(predict=_without_cross_talk),),
    "many-ends": (_ends(predict=_from_rows_of_unit_length), _ends(descend=_with_negatives)),
}

"""Broken runs of the claims about the losses with negatives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import get_args

import numpy as np
import pytest

from mmcl import claims, gradient_flow, train
from mmcl.claims import Evidence, at_rest, family
from mmcl.claims.batch_drift import lengthening, removed
from mmcl.family import Family, Spectral

Patch = pytest.MonkeyPatch


def _a_tenth_off(data, objective, times, **settings):
    """A flow whose objective has its first number a tenth too large."""
    names = [field.name for field in fields(objective)]
    if isinstance(objective, get_args(Family)):
        objective = replace(objective, **{names[0]: 1.1 * getattr(objective, names[0])})
    return gradient_flow(data, objective, times, **settings)


def _as_the_flow(data, objective, **_):
    """In place of a long descent, where the flow is what is broken."""
    return gradient_flow(data, objective, [0.0, family.HORIZON])


def _broken(id: str) -> Callable[[Patch], Evidence]:
    return lambda patch: claims.claim(id).measure(flow=_a_tenth_off, descend=_as_the_flow)


def _in_short_steps(data, objective, *, step_size, steps, **settings):
    """A descent under the spectral loss whose steps are an eighth of what they say."""
    finer = 8 if isinstance(objective, Spectral) else 1
    return train(data, objective, step_size=step_size / finer, steps=finer * steps, **settings)


def _on_large_batches(data, objective, *, batch_size, **settings):
    """A descent whose batches are twice as large as they say."""
    return train(data, objective, batch_size=batch_size and 2 * batch_size, **settings)


def _shared_signs_like_others(data, objective, batch_size):
    """What a step adds to the lengths, had no sign of A a twin in B."""
    view = data.views.a
    factor = 1 + np.where(np.arange(len(view.scales)) < data.signal_dim, view.scales**2 / np.sum(view.scales**2), 0)
    return lengthening(data, objective, batch_size) / factor


def _unanswered(*setting, answered):
    """What batches remove if no force answers."""
    return removed(*setting, answered=False)


def _restless(drift: int = 0, **broken: Callable) -> Callable[[Patch], Evidence]:
    def run(patch: Patch) -> Evidence:
        patch.setattr(at_rest, "HORIZON", 40.0)
        patch.setattr(at_rest, "DRIFTS", at_rest.DRIFTS[drift : drift + 1])
        return claims.claim("at-rest").measure(**broken)

    return run


SABOTEURS: dict[str, tuple[Callable[[Patch], Evidence], ...]] = {
    id: (_broken(id),) for id in ("decoupled", "spectral", "sigmoid", "uniformity", "nt-xent")
} | {
    "at-rest": (
        _restless(descend=_in_short_steps),
        _restless(descend=_on_large_batches),
        _restless(law=_shared_signs_like_others),
        _restless(1, moved=_unanswered),
    )
}

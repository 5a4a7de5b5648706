"""Broken runs of the claims about the losses with negatives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import get_args

import pytest

from mmcl import claims, gradient_flow
from mmcl.claims import Evidence, family
from mmcl.family import Family

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


SABOTEURS: dict[str, tuple[Callable[[Patch], Evidence], ...]] = {
    id: (_broken(id),) for id in ("decoupled", "spectral", "sigmoid", "uniformity", "nt-xent")
}

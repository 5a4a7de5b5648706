"""Broken runs of the claims about what a balanced representation is worth."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mmcl import InBatchInfoNCE, InfoNCE, PositiveOnly, claims, gradient_flow, train
from mmcl.claims import Evidence, downstream, glyph_probe
from mmcl.downstream import retrieval_rate

Patch = pytest.MonkeyPatch


def _exchanged(data, objective, times, **settings):
    """A flow that drops the negatives where there are some, and adds them where there are none."""
    other = PositiveOnly() if isinstance(objective, InfoNCE) else InfoNCE(4.0)
    return gradient_flow(data, other, times, **settings)


def _untrained(data, objective, *, weights, **settings):
    """Training that takes one step and stops."""
    return train(data, objective, weights=weights, **settings | {"steps": 1, "record_every": 1})


def _with_half_the_flips(theta, candidates, flip):
    """A rate of retrieval for which a flipped sign counts half."""
    return retrieval_rate(theta, candidates, flip / 2)


def _small(patch: Patch) -> None:
    """Few draws and a coarse grid of labels and shots."""
    patch.setattr(downstream, "LABELS", (32,))
    patch.setattr(downstream, "SHOTS", (5,))
    patch.setattr(downstream, "FLIPS", (0.1,))
    patch.setattr(downstream, "QUERIES", 2000)
    patch.setattr(downstream, "ANCHORS", 64)


def _model(id: str, **broken) -> Callable[[Patch], Evidence]:
    def run(patch: Patch) -> Evidence:
        _small(patch)
        return claims.claim(id).measure(**broken)

    return run


def _glyphs(patch: Patch) -> Evidence:
    """The same with the objectives exchanged: positives only for as long, negatives until the alignment is reached."""

    def exchanged(data, objective, **settings):
        other = PositiveOnly() if isinstance(objective, InBatchInfoNCE) else InBatchInfoNCE(glyph_probe.TEMPERATURE)
        return train(data, other, **settings | ({"step_size": 1.0} if settings["steps"] > 1 else {}))

    patch.setattr(glyph_probe, "STEPS", 8)
    patch.setattr(glyph_probe, "EPISODES", 2)
    return claims.claim("glyph-probe").measure(descend=exchanged, seeds=glyph_probe.SEEDS[:1])


SABOTEURS: dict[str, tuple[Callable[[Patch], Evidence], ...]] = {
    "balance-buys-labels": (
        _model("balance-buys-labels", flow=_exchanged),
        _model("balance-buys-labels", descend=_untrained),
    ),
    "balance-buys-shots": (
        _model("balance-buys-shots", flow=_exchanged),
        _model("balance-buys-shots", descend=_untrained),
    ),
    "retrieval-under-noise": (
        _model("retrieval-under-noise", descend=_untrained),
        _model("retrieval-under-noise", predict=_with_half_the_flips),
    ),
    "glyph-probe": (_glyphs,),
}

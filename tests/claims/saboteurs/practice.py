"""Broken runs of the claims about how far practice is from the limit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from mmcl import InBatchInfoNCE, PositiveOnly, claims, gradient_flow, train
from mmcl.centering import CenteredBatchForce
from mmcl.claims import Evidence, practice, practice_features, practice_steps, practice_worlds
from mmcl.closed_form import terminal_spread
from mmcl.forces import BatchForce
from mmcl.latents import Signs
from mmcl.stability import step_limit
from mmcl.trajectory import Trajectory
from mmcl.worlds import CANONICAL

Patch = pytest.MonkeyPatch


class _OneNegativeMore(BatchForce):
    """A batch that counts one negative too many."""

    def __call__(self, theta):
        """The force of the next larger batch."""
        return BatchForce(self.objective, self.batch_size + 1)(theta)


def _batch(patch: Patch) -> Evidence:
    patch.setattr(practice, "force_flow", _stored_paths)
    patch.setattr(practice, "train", lambda *_, rng, **__: _still(rng=rng))
    return claims.claim("batch-bias").measure(force=_OneNegativeMore, seeds=2)


def _stored_paths(data, force, times, **_) -> Trajectory:
    """The peaks of the real runs, in the place of a flow."""
    known = claims.evidence("batch-bias").curves
    path = _still(len(times))
    column = np.full(len(times), dict(zip(known["batch"], known["peaks"], strict=True)).get(force.batch_size, 2.0))
    return replace(path, condition_number=column)


def _still(rows: int = 2, rng: np.random.Generator | None = None) -> Trajectory:
    """A record in which nothing moves but by chance."""
    column, noise = np.ones(rows), (rng or np.random.default_rng(rows)).normal(size=(rows, 3))
    return Trajectory(
        np.arange(rows) * 1.0, column, column, column, 0.2 + 1e-3 * noise, np.zeros((rows, 2)), noise, column, column
    )


def _one_percent_too_large(data, objective):
    """A limit that is a little off."""
    return 1.01 * step_limit(data, objective)


def _momentum(patch: Patch) -> Evidence:
    patch.setattr(practice_steps, "STEPS", np.array([0.04, 0.02]))
    patch.setattr(practice_steps, "momentum_clock", lambda k, beta, eta: 0.9 * eta * k)
    return claims.claim("momentum").measure()


def _decaying_once_too_often(data, objective, *, weight_decay, **settings):
    """Training whose weights decay twice as fast."""
    return train(data, objective, weight_decay=2 * weight_decay, **settings)


def _width(patch: Patch) -> Evidence:
    return claims.claim("enough-width").measure(spread=lambda data: terminal_spread(data) / 2, seeds=40)


def _with_a_heavier_row(data, objective, *, weights, **settings):
    """All pairs in one batch, and a population that is not theirs."""
    if settings["normalization"] == "batch" and settings.get("batch_size") is None:
        weights = [1.0 * w + 1e-6 * np.eye(*w.shape) for w in weights]
    return train(data, objective, weights=weights, **settings)


class _CentredOnOneMore(CenteredBatchForce):
    """Centring on a batch of one pair too many."""

    def __call__(self, theta):
        """The force of the next larger batch."""
        return CenteredBatchForce(self.objective, self.batch_size + 1)(theta)


def _without_centring(broken: type):
    """Training that leaves the features as they are under one loss, and centres them under the other."""

    def descend(data, objective, *, centering, **settings):
        return train(data, objective, centering=centering and not isinstance(objective, broken), **settings)

    return descend


def _of_a_quieter_offset(data, objective, times, **settings):
    """The flow of a world whose last coordinate is a fifth as loud."""
    view, other = data.views
    if data.signal_dim == 3:
        data = replace(data, signal_a=(*view.signal[:2], 0.6), signal_b=(*other.signal[:2], 0.5))
    else:
        data = replace(data, noise_a=(0.5, 0.6), noise_b=(0.5, 0.5))
    return gradient_flow(data, objective, times, **settings)


def _as_the_symmetric(data, objective, times, **settings):
    """The flow of a world whose second modality is like its first."""
    return gradient_flow(replace(data, signal_b=None, noise_b=None), objective, times, **settings)


def _adam(patch: Patch, **broken) -> Evidence:
    """Fewer widths than the real run, which holds with them too."""
    return claims.claim("adam").measure(seeds=1, **broken)


def _by_plain_descent(data, objective, *, optimizer, step_size, steps, **settings):
    """Training without Adam."""
    return train(data, objective, step_size=0.3, steps=steps, **settings)


def _hardly_in_the_large_world(data, objective, *, steps, **settings):
    """Training that takes a hundredth of its steps in the canonical world."""
    return train(data, objective, steps=steps // 100 if data is CANONICAL else steps, **settings)


def _of_signs(data, objective, times, **settings):
    """The flow of sign latents whatever the latents are."""
    return gradient_flow(replace(data, latents=Signs()), objective, times, **settings)


def _latents(patch: Patch) -> Evidence:
    patch.setattr(practice_worlds, "LATENTS", {"Gaussian": practice_worlds.LATENTS["Gaussian"]})
    return claims.claim("latents").measure(flow=_of_signs)


def _without_the_loud_one(data, objective, times, **settings):
    """The flow of a world in which the feature of one modality is as quiet as the noise."""
    return gradient_flow(practice.TRIPLE, objective, times, **settings)


def _measured(id: str, **broken) -> Callable[[Patch], Evidence]:
    return lambda patch: claims.claim(id).measure(**broken)


def _one_width(patch: Patch) -> Evidence:
    """Overlaps that are as large at every width as at the smallest."""
    overlapping = practice_features._overlapping
    patch.setattr(practice_features, "_overlapping", lambda d, width, rng: overlapping(d, width and 512, rng))
    return claims.claim("normalisation").measure(seeds=2)


SABOTEURS: dict[str, tuple[Callable[[Patch], Evidence], ...]] = {
    "enough-width": (_width,),
    "batch-bias": (_batch,),
    "normalisation": (_measured("normalisation", descend=_with_a_heavier_row, seeds=1), _one_width),
    "centring": (
        _measured("centring", force=_CentredOnOneMore, seeds=2),
        _measured("centring", descend=_without_centring(InBatchInfoNCE)),
        _measured("centring", descend=_without_centring(PositiveOnly)),
    ),
    "offset": (_measured("offset", flow=_of_a_quieter_offset),),
    "unequal": (
        _measured("unequal", spread=lambda: np.array([0.09, 0.09]), seeds=60),
        _measured("unequal", flow=_as_the_symmetric, seeds=10),
    ),
    "adam": (
        lambda patch: _adam(patch, descend=_by_plain_descent),
        lambda patch: _adam(patch, descend=_hardly_in_the_large_world),
    ),
    "step-limit": (_measured("step-limit", limit=_one_percent_too_large),),
    "momentum": (_momentum,),
    "weight-decay": (_measured("weight-decay", descend=_decaying_once_too_often),),
    "latents": (_latents,),
    "missing-overlap": (_measured("missing-overlap", flow=_without_the_loud_one),),
}

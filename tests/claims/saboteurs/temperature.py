"""Broken runs of the claims about the temperature."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from mmcl import claims, gradient_flow, train
from mmcl.claims import Evidence, glyph_temperature, temperature
from mmcl.claims.plain_flow import PlainFlow
from saboteurs.standing import with_sqrt_k

Patch = pytest.MonkeyPatch


def _hotter(data, objective):
    """Plain equations at a temperature 5% off."""
    return PlainFlow(data, replace(objective, inverse_temperature=1.05 * objective.inverse_temperature))


class _WeakerForce(PlainFlow):
    """Plain equations whose force misses a tenth."""

    def forces(self, y):
        """N_A, N_B, θ and a force that is too small where a coordinate is strong."""
        N_a, N_b, theta, g = super().forces(y)
        return N_a, N_b, theta, g * (1 - 0.1 * theta)


def _waiting(patch: Patch) -> Evidence:
    patch.setattr(temperature, "TEMPERATURES", np.array([4.0]))
    patch.setattr(temperature, "PLACES", 2)
    return claims.claim("wait-map").measure(flow=with_sqrt_k)


def _half_as_fast(data, objective, times, *, temperature=None, **settings):
    """A flow whose temperature learns at half the rate."""
    if temperature is not None:
        temperature = replace(temperature, rate=temperature.rate / 2)
    return gradient_flow(data, objective, times, temperature=temperature, **settings)


def _with_a_lazy_temperature(data, objective, *, temperature, **settings):
    """Training whose temperature learns a tenth slower."""
    return train(data, objective, temperature=replace(temperature, rate=0.9 * temperature.rate), **settings)


def _schedules_run_fast(data, objective, times, *, temperature=None, **settings):
    """A flow whose clock runs ten times as fast on schedules."""
    if temperature is None:
        return gradient_flow(data, objective, times, **settings)
    times = np.asarray(times)
    path = gradient_flow(data, objective, np.append(times, times[-1] * np.arange(2, 11)), temperature=temperature)
    series = {name: getattr(path, name) for name in ("condition_number", "alignment", "inverse_temperature")}
    return replace(path, time=times, **{k: np.interp(10 * times, path.time, v) for k, v in series.items()})


def _glyphs(**broken) -> Callable[[Patch], Evidence]:
    """The stored runs on the glyphs beside a broken prediction, or the other way about."""

    def stored(data, objective, *, step_size, **settings):
        known = claims.evidence("glyph-temperature").curves
        half = "" if step_size == glyph_temperature.STEP_SIZE else "half "
        name = f"{objective.inverse_temperature:g}"
        return SimpleNamespace(time=known[f"{half}time {name}"], effective_rank=known[f"{half}trained {name}"])

    return lambda patch: claims.claim("glyph-temperature").measure(**{"descend": stored} | broken)


def _four_times_hotter(data, objective, times, **settings):
    hotter = replace(objective, inverse_temperature=4 * objective.inverse_temperature)
    return gradient_flow(data, hotter, times, **settings)


SABOTEURS: dict[str, tuple[Callable[[Patch], Evidence], ...]] = {
    "optimal-temperatures": (lambda patch: claims.claim("optimal-temperatures").measure(plain=_hotter),),
    "wait-map": (_waiting,),
    "schedules": (lambda patch: claims.claim("schedules").measure(flow=_schedules_run_fast),),
    "learned-temperature": (
        lambda patch: claims.claim("learned-temperature").measure(flow=_half_as_fast),
        lambda patch: claims.claim("learned-temperature").measure(descend=_with_a_lazy_temperature),
    ),
    "spent-force": (
        lambda patch: claims.claim("spent-force").measure(flow=_half_as_fast),
        lambda patch: claims.claim("spent-force").measure(plain=_WeakerForce),
    ),
    "glyph-temperature": (_glyphs(flow=_four_times_hotter),),
}

"""Broken runs of the claims about methods without negatives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from mmcl import claims
from mmcl.claims import Evidence, decorrelation, predictors
from mmcl.claims.method_definition import learned_along_flow
from mmcl.methods import BYOL, BarlowTwins, SimSiam, train_method
from mmcl.methods.predictor_flow import predictor_flow
from mmcl.methods.reconstruction import reconstruction_flow

Patch = pytest.MonkeyPatch


def _followed(data, method, *, step_size, steps, **_):
    """The exact flow in the place of training."""
    return predictor_flow(data, method, np.linspace(0, step_size * steps, 60))


def _reconstructed(data, method, *, weights, step_size, steps, **_):
    """The exact flow of reconstruction in the place of training."""
    return reconstruction_flow(data, np.linspace(0, step_size * steps, 60), start_scale=np.linalg.norm(weights.a[0]))


def _with_an_eager_predictor(data, method, times, **settings):
    """A flow whose predictor learns a tenth faster than it says."""
    if isinstance(method, SimSiam | BYOL):
        method = replace(method, predictor_rate=1.1 * method.predictor_rate)
    return predictor_flow(data, method, times, **settings)


def _without_predictor(data, method, times, **settings):
    """A flow whose predictor has been forgotten."""
    return predictor_flow(data, SimSiam(predictor=False), times, **settings)


def _with_gradient_stopped(data, method, times, **settings):
    """A flow in which the gradient is stopped, whatever was said."""
    return predictor_flow(data, replace(method, stop_gradient=True), times, **settings)


def _with_an_even_predictor(data, method, times, **settings):
    """DirectPred's flow with a predictor that hardly sees how strong a direction is."""
    return predictor_flow(data, replace(method, epsilon=100.0), times, **settings)


def _with_a_lazy_definition(data, method, *rest, **settings):
    """A definition whose predictor learns a tenth slower."""
    if isinstance(method, SimSiam | BYOL):
        method = replace(method, predictor_rate=0.9 * method.predictor_rate)
    return learned_along_flow(data, method, *rest, **settings)


def _predictor_flow(**broken) -> Callable[[Patch], Evidence]:
    def run(patch: Patch) -> Evidence:
        patch.setattr(predictors, "EXACT", {name: predictors.EXACT[name] for name in ("SimSiam", "BYOL")})
        return claims.claim("predictor-flow").measure(**broken)

    return run


def _judged(id: str, flow: Callable) -> Callable[[Patch], Evidence]:
    return lambda patch: claims.claim(id).measure(flow=flow, descend=_followed)


def _from_longer_rows(patch: Patch) -> Evidence:
    """Reconstruction whose flow starts from rows twice as long."""
    patch.setattr(decorrelation, "STARTS", (0.1,))
    return claims.claim("masked-reconstruction").measure(
        flow=lambda data, times, start_scale: reconstruction_flow(data, times, start_scale=2 * start_scale),
        descend=_reconstructed,
    )


def _with_double_price(patch: Patch) -> Evidence:
    """Barlow Twins whose off-diagonal entries cost twice what is said."""
    name = "Barlow Twins, λ = 0.05"
    patch.setattr(decorrelation, "BARLOW", {name: decorrelation.BARLOW[name]._replace(steps=500)})
    return claims.claim("cross-correlation").measure(
        descend=lambda data, method, **settings: train_method(data, BarlowTwins(0.1), **settings)
    )


def _without_covariance(patch: Patch) -> Evidence:
    """VICReg that does not mind two axes that covary."""
    name = "VICReg, λ = 0.2"
    patch.setattr(decorrelation, "VICREG", {name: decorrelation.VICREG[name]._replace(steps=1000)})
    return claims.claim("variance-floor").measure(
        descend=lambda data, method, **settings: train_method(data, replace(method, covariance=1e-9), **settings)
    )


SABOTEURS: dict[str, tuple[Callable[[Patch], Evidence], ...]] = {
    "predictor-flow": (
        _predictor_flow(flow=_with_an_eager_predictor),
        _predictor_flow(definition=_with_a_lazy_definition),
    ),
    "predictors-keep-kappa": (_judged("predictors-keep-kappa", _without_predictor),),
    "stop-gradient": (_judged("stop-gradient", _with_gradient_stopped),),
    "direct-pred": (_judged("direct-pred", _with_an_even_predictor),),
    "masked-reconstruction": (_from_longer_rows,),
    "variance-floor": (_without_covariance,),
    "cross-correlation": (_with_double_price,),
}

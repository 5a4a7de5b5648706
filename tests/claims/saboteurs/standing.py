"""Broken runs of the claims about the model, its two stages and the real pairs.

What is broken is one law at a time; the rest of each run is the real one, made small where it is long.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import sympy as sp
import torch

from mmcl import InfoNCE, PairedData, PositiveOnly, claims, gradient_flow, train
from mmcl.claims import Evidence, balancing, infinite_width, negatives, stage_one, stage_two, without_negatives
from mmcl.pair import Pair
from mmcl.relaxation import relaxation_rates
from mmcl.symbolic.derivation import Derivation, Line
from mmcl.symbolic.gram_flow import conservation
from mmcl.symbolic.loss_of_theta import force

Patch = pytest.MonkeyPatch


def _coarse(data, objective, times, **_):
    """The flow, at an error that no saboteur here comes near."""
    return gradient_flow(data, objective, times, tolerance=1e-6)


def with_sqrt_k(data, objective, times, **settings):
    """A flow in which K negatives count as √K."""
    if isinstance(objective, InfoNCE):
        objective = replace(objective, negatives=objective.negatives**0.5)
    return gradient_flow(data, objective, times, **settings)


def _without_tanh(data, objective, times, **settings):
    """A flow whose force misses the factor 1 - tanh τ²θ: nothing ever switches off."""
    return gradient_flow(data, PositiveOnly(), times, **settings)


def _without_noise(data, objective, times, **settings):
    """A flow in which the noise has been forgotten."""
    world = PairedData(data.signal_a, data.signal_b, ambient_dim=data.signal_dim)
    return gradient_flow(world, objective, times, **settings)


def _with_negatives(data, objective, times, **settings):
    """A flow in which positives alone feel a coordinate's growth after all."""
    tau2 = 0.5
    if isinstance(objective, PositiveOnly):
        return gradient_flow(data, InfoNCE(tau2), np.asarray(times) * 2 / tau2, **settings)
    return gradient_flow(data, objective, times, **settings)


def _on_a_fast_clock(data, objective, times, **settings):
    """A flow whose time runs one percent fast."""
    return gradient_flow(data, objective, np.asarray(times) * 1.01, **settings)


def _without_negatives(data, objective, **settings):
    """Training whose negatives are dropped, and cut short: it never comes back."""
    return train(data, PositiveOnly(), **settings | {"batch_size": None, "steps": min(settings["steps"], 200)})


def _at_one_width(data, objective, *, weights, **settings):
    """Training that reads the first 64 columns of the weights whatever their number; its limit is untouched."""
    m = weights[0].shape[1]
    if m >= 256:
        weights = [np.ascontiguousarray(w[:, :64]) * np.sqrt(m / 64) for w in weights]
    return train(data, objective, weights=weights, **settings)


def _in_coarse_steps(data, objective, start, times):
    """Descent in steps of 1/2, which conserve nothing."""
    path = [Pair(*start)]
    for gap in np.diff(times):
        path.append(train(data, objective, weights=path[-1], step_size=gap, steps=1).weights)
    return path


def _gaussian_latents(images):
    """log E e^{v·f} for Gaussian latents in place of signs."""
    return lambda v: ((v @ images.T) ** 2).sum(dim=1) / 2


def _one_negative_in_two(images):
    """A log-expectation that is off by a factor 2."""
    return lambda v: torch.log(torch.cosh(v @ images.T)).sum(dim=1) + np.log(2)


def _exact_negatives(log_expectation) -> Callable[[Patch], Evidence]:
    def run(patch: Patch) -> Evidence:
        patch.setattr(negatives, "NEGATIVES", 500)
        return claims.claim("exact-negatives").measure(log_expectation=log_expectation)

    return run


def _wrong_line(patch: Patch) -> Evidence:
    """A force twice as strong as the derivative of the loss."""
    step = force()
    *lines, last = step.lines
    wrong = Line(sp.Eq(last.equation.lhs, 2 * last.equation.rhs), last.readings)
    return claims.claim("derivation").measure(chain=Derivation.of(replace(step, lines=(*lines, wrong))))


def _unread_step(patch: Patch) -> Evidence:
    """A step that displays equations and checks none."""
    step = conservation()
    bare = replace(step, lines=tuple(Line(line.equation) for line in step.lines))
    return claims.claim("derivation").measure(chain=Derivation.of(bare))


def _flow_is_descent(patch: Patch) -> Evidence:
    patch.setattr(infinite_width, "OBJECTIVES", {"InfoNCE": InfoNCE(3.0, negatives=2.0)})
    return claims.claim("flow-is-descent").measure(flow=with_sqrt_k)


def _width(patch: Patch) -> Evidence:
    widths = np.array([256, 1024, 8192])
    patch.setattr(infinite_width, "WIDTHS", widths)
    patch.setattr(infinite_width, "LAW", widths >= 256)
    patch.setattr(infinite_width, "CANONICAL", PairedData((2.0, 1.4, 1.0), noise_a=0.5, ambient_dim=8))
    return claims.claim("width").measure(descend=_at_one_width, seeds=32)


def _conservation(patch: Patch) -> Evidence:
    return claims.claim("conservation").measure(descent_flow=_in_coarse_steps)


def _clock(patch: Patch) -> Evidence:
    patch.setattr(claims.clock, "WEIGHTS", (10.0,))
    return claims.claim("clock").measure(flow=with_sqrt_k)


def _universal(**broken) -> Callable[[Patch], Evidence]:
    def run(patch: Patch) -> Evidence:
        patch.setattr(stage_one, "WIDTH", 512)
        return claims.claim("universal-curve").measure(**broken)

    return run


def _descent_with_negatives(data, objective, **settings):
    """Training of "positives only" that has negatives."""
    return train(data, InfoNCE(8.0), **settings | {"batch_size": 64})


def _terminal(patch: Patch) -> Evidence:
    return claims.claim("terminal-condition").measure(flow=_without_noise)


def _power_law(patch: Patch) -> Evidence:
    patch.setattr(without_negatives, "DIMS", np.array([64, 4096]))
    return claims.claim("power-law").measure(flow=_without_noise)


def balance(patch: Patch, descend: Callable | None = None) -> Evidence:
    """The claim at one temperature and with one seed."""
    known = claims.evidence("balance").curves
    waits = dict(zip(known["tau2"], known["wait"], strict=True))
    marks = dict(zip(known["trained"], known["due"], strict=True))
    patch.setattr(balancing, "TRAINED", (8.0,))
    patch.setattr(balancing, "SEEDS", 1)
    patch.setattr(
        balancing,
        "balancing_time",
        lambda objective, flow, level=1.1: (marks if level == balancing.MARK else waits)[objective.inverse_temperature],
    )
    return claims.claim("balance").measure(flow=_coarse, descend=descend or _with_slow_steps)


def _with_slow_steps(data, objective, *, step_size, **settings):
    """Training whose steps are a tenth smaller than it says."""
    run = train(data, objective, step_size=0.9 * step_size, **settings)
    return replace(run, time=run.time / 0.9)


def stored_width(factor: float) -> Callable[[Patch], Evidence]:
    """The stored runs from random weights, held against `factor` times the predicted level repulsion."""

    def run(patch: Patch) -> Evidence:
        known = claims.evidence("width").curves
        seeds = known["kappa"].shape[1]
        signs = np.where(np.arange(seeds) % 2, 1.0, -1.0) * np.sqrt((seeds - 1) / seeds)
        table = {
            "kappa": known["kappa"],
            "theta": known["theta"][:, None, None] * signs[None, :, None],
            "repulsion": factor * 2 * known["bias"][0] * known["width"][0],
        }
        patch.setattr(infinite_width, "_errors_over_width", lambda *_: table)
        return claims.claim("width").measure(seeds=seeds)

    return run


def _rates(**broken) -> Callable[[Patch], Evidence]:
    return lambda patch: claims.claim("three-rates").measure(**broken)


def _with_faster_balance(data, objective):
    """Rates whose eigenvalues beyond the slowest are three times too large."""
    rates = relaxation_rates(data, objective)
    return replace(rates, balance=np.append(rates.balance[:1], 3 * rates.balance[1:]))


def _with_every_coordinate(data, objective):
    """Rates that count coordinates without a scale as if their weights could move."""
    rates, view = relaxation_rates(data, objective), data.views.a
    share = view.active_dim / view.ambient_dim
    return replace(rates, **{name: share * values for name, values in vars(rates).items()})


def _at_another_temperature(data, objective, times, **settings):
    """A flow whose force departs from the common one three times as fast."""
    if isinstance(objective, InfoNCE):
        tau2 = objective.inverse_temperature
        return gradient_flow(data, InfoNCE(3 * tau2), np.asarray(times) / 3, **settings)
    return gradient_flow(data, objective, times, **settings)


def _definitionwith_sqrt_k(patch: Patch) -> Evidence:
    """The clock against a definition in which K negatives count as √K."""
    patch.setattr(claims.clock, "WEIGHTS", (10.0,))
    real = claims.clock.weights_along_flow
    patch.setattr(
        claims.clock,
        "weights_along_flow",
        lambda data, objective, *rest: real(data, replace(objective, negatives=objective.negatives**0.5), *rest),
    )
    return claims.claim("clock").measure()


def _two_stages(**broken) -> Callable[[Patch], Evidence]:
    def run(patch: Patch) -> Evidence:
        patch.setattr(stage_two, "WIDTH", 256)
        return claims.claim("two-stages").measure(**{"flow": _coarse} | broken)

    return run


def _real_pairs(change: dict[str, str]) -> Callable[[Patch], Evidence]:
    """The stored study with one run in the place of another."""

    def run(patch: Patch) -> Evidence:
        table = dict(claims.evidence("real-pairs").curves)
        for name, other in change.items():
            table |= {k.replace(other, name): v for k, v in table.items() if k.startswith(f"{other}.")}
        return claims.claim("real-pairs").measure(study=lambda *, seed: table)

    return run


SABOTEURS: dict[str, tuple[Callable[[Patch], Evidence], ...]] = {
    "derivation": (_wrong_line, _unread_step),
    "exact-negatives": (_exact_negatives(_gaussian_latents), _exact_negatives(_one_negative_in_two)),
    "flow-is-descent": (_flow_is_descent,),
    "width": (_width, stored_width(0.0), stored_width(2.0)),
    "conservation": (_conservation,),
    "clock": (_clock, _definitionwith_sqrt_k),
    "universal-curve": (
        _universal(flow=_with_negatives),
        _universal(flow=_at_another_temperature),
        _universal(descend=_descent_with_negatives),
    ),
    "terminal-condition": (_terminal,),
    "power-law": (_power_law,),
    "balance": (balance,),
    "three-rates": (
        _rates(flow=_on_a_fast_clock),
        _rates(predict=_with_faster_balance),
        _rates(predict=_with_every_coordinate),
    ),
    "two-stages": (_two_stages(descend=_without_negatives),),
    "real-pairs": (_real_pairs({"contrastive": "shuffled"}), _real_pairs({"positives": "contrastive"})),
}

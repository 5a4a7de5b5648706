"""The whole derivation, from the definitions to the flow and what follows from it, in the order of the chapters."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, lru_cache

from mmcl.symbolic.balance import forces_at_balance, masses_at_balance, symmetric_rates
from mmcl.symbolic.convexity import cauchy_schwarz, convexity, jensen
from mmcl.symbolic.derivation import Derivation, Step
from mmcl.symbolic.expectation import log_expectation
from mmcl.symbolic.family import decoupled, one_encoder, sigmoid, spectral, uniformity
from mmcl.symbolic.gram_flow import closure, conservation, first_integrals
from mmcl.symbolic.hyperbolic import coordinates, solver_form
from mmcl.symbolic.loss_of_theta import force, loss_in_theta, temperature_limit
from mmcl.symbolic.predictor import predictor_end, predictor_flow, predictor_laws
from mmcl.symbolic.score_gradient import score_gradient, weight_gradient
from mmcl.symbolic.stage_one import common_force, positives_alone, symmetric_case, universal_curve
from mmcl.symbolic.symmetry import sign_symmetry
from mmcl.symbolic.temperature import freezing, learned, optima
from mmcl.symbolic.unequal_balance import unequal_rates
from mmcl.symbolic.weight_flow import coordinate_flow, weights_in_latent_space

#: For each chapter its steps by name, each built when it is first asked for.
CHAPTERS: dict[str, dict[str, Callable[[], Step]]] = {
    "dynamics": {
        "expectation": log_expectation,
        "score_gradient": score_gradient,
        "weight_gradient": weight_gradient,
        "sign_symmetry": sign_symmetry,
        "loss_in_theta": loss_in_theta,
        "force": force,
        "latent_space": weights_in_latent_space,
        "weights": coordinate_flow,
    },
    "solvable-model": {
        "closure": closure,
        "conservation": conservation,
        "first_integrals": first_integrals,
        "hyperbolic": coordinates,
        "solver_form": solver_form,
    },
    "stage-one": {
        "symmetric_case": symmetric_case,
        "common_force": common_force,
        "universal_curve": universal_curve,
        "positives_alone": positives_alone,
        "temperature_limit": temperature_limit,
    },
    "stage-two": {
        "convexity": convexity,
        "cauchy_schwarz": cauchy_schwarz,
        "jensen": jensen,
        "forces_at_balance": forces_at_balance,
        "masses_at_balance": masses_at_balance,
        "symmetric_rates": symmetric_rates,
        "unequal_rates": unequal_rates,
    },
    "temperature": {"learned_temperature": learned, "optimal_temperatures": optima, "freezing": freezing},
    "losses": {
        "decoupled": decoupled,
        "spectral": spectral,
        "sigmoid": sigmoid,
        "uniformity": uniformity,
        "one_encoder": one_encoder,
    },
    "non-contrastive": {
        "predictor_flow": predictor_flow,
        "predictor_laws": predictor_laws,
        "predictor_end": predictor_end,
    },
}


@lru_cache(maxsize=8)
def derivation(chapter: str | None = None) -> Derivation:
    """All steps, or those of one chapter.

    Args:
        chapter: the chapter's file name without ending, one of `CHAPTERS`; None: all of them.

    Raises:
        ValueError: for a chapter that derives nothing.

    >>> [step.name for step in derivation("dynamics")][:3]
    ['expectation', 'score_gradient', 'weight_gradient']
    """
    if chapter is not None and chapter not in CHAPTERS:
        raise ValueError(f"`chapter` must be one of {', '.join(CHAPTERS)}; got {chapter!r}.")
    groups = CHAPTERS.values() if chapter is None else [CHAPTERS[chapter]]
    return Derivation({name: cache(build) for group in groups for name, build in group.items()})

"""The whole derivation, from the definitions to the flow and what follows from it, in the order of the chapters."""

from __future__ import annotations

from functools import lru_cache

from mmcl.symbolic.balance import forces_at_balance, masses_at_balance, symmetric_rates
from mmcl.symbolic.convexity import cauchy_schwarz, convexity, jensen
from mmcl.symbolic.derivation import Derivation
from mmcl.symbolic.expectation import log_expectation
from mmcl.symbolic.family import decoupled, one_encoder, sigmoid, spectral, uniformity
from mmcl.symbolic.gram_flow import closure, conservation, first_integrals
from mmcl.symbolic.hyperbolic import coordinates, solver_form
from mmcl.symbolic.loss_of_theta import force, loss_in_theta, temperature_limit
from mmcl.symbolic.score_gradient import score_gradient, weight_gradient
from mmcl.symbolic.stage_one import common_force, positives_alone, symmetric_case, universal_curve
from mmcl.symbolic.symmetry import sign_symmetry
from mmcl.symbolic.temperature import freezing, learned, optima
from mmcl.symbolic.unequal_balance import unequal_rates
from mmcl.symbolic.weight_flow import coordinate_flow, weights_in_latent_space

CHAPTERS = {
    "dynamics": (
        log_expectation, score_gradient, weight_gradient, sign_symmetry, loss_in_theta, force, weights_in_latent_space,
        coordinate_flow,
    ),
    "solvable-model": (closure, conservation, first_integrals, coordinates, solver_form),
    "stage-one": (symmetric_case, common_force, universal_curve, positives_alone, temperature_limit),
    "stage-two": (
        convexity, cauchy_schwarz, jensen, forces_at_balance, masses_at_balance, symmetric_rates, unequal_rates,
    ),
    "temperature": (learned, optima, freezing),
    "losses": (decoupled, spectral, sigmoid, uniformity, one_encoder),
}  # fmt: skip


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
    steps = CHAPTERS.values() if chapter is None else [CHAPTERS[chapter]]
    return Derivation(tuple(step() for group in steps for step in group))

"""The ledger: every claim of the book, its prediction, its measurement and its verdict."""

from __future__ import annotations

from mmcl.claims.claim import REGISTRY, Check, Claim, Evidence
from mmcl.claims.store import evidence as _stored

# Importing a module registers its claims; their order here is the order of the ledger.
from mmcl.claims import (  # isort: skip
    derivation,  # noqa: F401
    negatives,  # noqa: F401
    infinite_width,  # noqa: F401
    clock,  # noqa: F401
    stage_one,  # noqa: F401
    without_negatives,  # noqa: F401
    balancing,  # noqa: F401
    stage_two,  # noqa: F401
    temperature,  # noqa: F401
    learned,  # noqa: F401
    glyph_temperature,  # noqa: F401
    family,  # noqa: F401
    at_rest,  # noqa: F401
    batch_overlaps,  # noqa: F401
    predictors,  # noqa: F401
    decorrelation,  # noqa: F401
    collapse,  # noqa: F401
    landscape,  # noqa: F401
    relu,  # noqa: F401
    practice,  # noqa: F401
    practice_steps,  # noqa: F401
    practice_features,  # noqa: F401
    practice_centring,  # noqa: F401
    practice_adam,  # noqa: F401
    practice_unequal,  # noqa: F401
    practice_worlds,  # noqa: F401
    downstream,  # noqa: F401
    glyph_probe,  # noqa: F401
    real_pairs,  # noqa: F401
)

__all__ = ["Check", "Claim", "Evidence", "all_claims", "claim", "evidence"]


def all_claims() -> tuple[Claim, ...]:
    """Every claim, in the order of the ledger."""
    return tuple(REGISTRY.values())


def claim(id: str) -> Claim:
    """The claim of that id.

    Raises:
        KeyError: naming the ids there are.
    """
    if id not in REGISTRY:
        raise KeyError(f"no claim has the id {id!r}; there are: {', '.join(REGISTRY)}")
    return REGISTRY[id]


def evidence(id: str) -> Evidence:
    """The evidence of the claim of that id, measured now if no run of this code is stored.

    Raises:
        RuntimeError: if the measurement ended in an error; the ledger shows such a claim as one that fails.
    """
    found = _stored(claim(id))
    if found.ended_in:
        raise RuntimeError(f"claim `{id}` could not be measured: {found.ended_in}")
    return found

"""Every claim of the book holds on the real run, and fails on a broken one."""

from __future__ import annotations

import numpy as np
import pytest
from saboteurs import SABOTEURS, standing

from mmcl import claims, train
from mmcl.claims import negatives, without_negatives

IDS = [claim.id for claim in claims.all_claims()]


@pytest.mark.parametrize("id", IDS)
def test_the_claim_holds(id):
    found = claims.evidence(id)
    assert found.holds, "\n".join(map(str, found.checks))


def test_every_claim_has_a_saboteur():
    assert set(SABOTEURS) == set(IDS)


@pytest.mark.parametrize(
    ("id", "number"), [(id, number) for id, broken in SABOTEURS.items() for number in range(len(broken))]
)
def test_the_claim_fails_on_a_broken_run(id, number, monkeypatch):
    found = SABOTEURS[id][number](monkeypatch)
    assert found.checks and not found.holds
    labels = {check.label for check in found.checks if not check.holds}
    assert all(np.isfinite(found[label].measured) for label in labels), "it fails by a number, not by chance of a NaN"


def test_the_real_run_with_the_saboteurs_settings_holds(monkeypatch):
    monkeypatch.setattr(negatives, "NEGATIVES", 500)
    assert claims.claim("exact-negatives").measure().holds
    monkeypatch.setattr(without_negatives, "DIMS", np.array([64, 4096]))
    assert claims.claim("power-law").measure().holds
    monkeypatch.setattr(claims.clock, "WEIGHTS", (10.0,))
    assert claims.claim("clock").measure().holds
    assert standing.balance(monkeypatch, descend=train).holds
    assert standing.stored_width(1.0)(monkeypatch).holds


def test_the_ledger_speaks_of_each_claim_in_a_sentence_with_source_and_chapter():
    labels: set[tuple[str, str]] = set()
    for claim in claims.all_claims():
        assert claim.statement.endswith(".") and claim.source and claim.chapter and claim.measure.__doc__
        for check in claims.evidence(claim.id).checks:
            assert check.reason and check.label and (claim.id, check.label) not in labels
            labels.add((claim.id, check.label))


def test_an_unknown_claim_names_those_there_are():
    with pytest.raises(KeyError, match=r"no claim has the id 'balanced'; there are: derivation, exact-negatives, "):
        claims.claim("balanced")

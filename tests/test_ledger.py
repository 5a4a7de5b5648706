"""The ledger as a page shows it: in the order of the numbers, with as many digits as mean something."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from mmcl.claims import Check, all_claims
from mmcl.ledger import ORDER, allowed, ledger, measured

ROOT = Path(__file__).parents[1]


def test_the_claims_stand_in_the_order_of_the_pages_that_number_them():
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    pages = [chapter["file"] for part in toc["parts"] for chapter in part["chapters"]]
    texts = [(ROOT / f"{page}.md").read_text(encoding="utf-8") for page in pages]
    boxes = tuple(id for text in texts for id in re.findall(r"^`{3,}\{prf:claim\} (\S+)", text, re.MULTILINE))
    assert boxes == ORDER and set(ORDER) == {claim.id for claim in all_claims()}


def test_a_chapter_lists_its_claims_by_number():
    shown = [claim.id for claim, _ in ledger("practice").entries]
    assert shown == [id for id in ORDER if id in shown] and shown[2:5] == ["normalisation", "centring", "offset"]


@pytest.mark.parametrize(
    ("check", "left", "right"),
    [
        (Check("x", 0.9500020506846054, 0.96, 0.056, ""), "0.95 ± 0.056", "0.96"),
        (Check("x", 9.176950121, 9.176950117, 9e-6, ""), "9.17695 ± 9e-6", "9.17695"),
        (Check("x", 0.0, 8.912e-11, 1e-7, ""), "0 ± 1e-7", "8.9e-11"),
        (Check("x", 0.95, 0.9698143, 0.0, "", "at least"), "≥ 0.95", "0.9698"),
        (Check("x", 22733.0, 22733.4, 0.0, "", "at least"), "≥ 22733", "22733"),
        (Check("x", 2.0, 2.00001234, 0.0, "", "at most"), "≤ 2", "2.0000123"),
    ],
)
def test_a_number_has_the_digits_that_its_tolerance_tells_apart_and_all_where_it_fails(check, left, right):
    assert allowed(check) == left and measured(check) == right

"""The table of methods shows what the claims keep."""

from __future__ import annotations

import numpy as np
import pytest

from mmcl.comparison import Comparison, Row


@pytest.fixture
def table() -> Comparison:
    unknown = np.full(5, np.nan)
    fine, due = np.array([0.98, 1.004, 7.9, 0.01, 123.4]), np.array([0.981, 1.0, *unknown[:3]])
    return Comparison(
        (
            Row("fine", "losses", fine, due, 400.0, (1.0, 1.0)),
            Row("stuck", "losses", np.array([0.5, 3.0, 2.0, np.nan, np.inf]), unknown, 20.0, (0.6, 2.0)),
            Row("late", "losses", np.array([0.8, 3.0, 2.0, 0.1, np.inf]), unknown, 20.0),
            Row("VICReg", "losses", np.array([0.03, 3.0, 2.0, 0.0, 0.1]), unknown),
        )
    )


def test_a_row_says_whether_it_is_aligned_and_balanced(table):
    assert table["fine"].verdict == "aligned, balanced"
    assert table["stuck"].verdict == "not aligned, not balanced"


def test_predictions_stand_in_brackets_and_what_never_happens_says_so(table):
    head, rule, fine, stuck, late, _ = table._repr_markdown_().splitlines()
    assert "| 0.98 (0.981) | 1 (1) | 7.9 | 0.01 | 123 |" in fine
    assert "| 0.5 | 3 | 2 | – | never |" in stuck
    assert fine.startswith("| fine | 400 |") and fine.endswith("| aligned, balanced | 1, 1 |")
    assert stuck.endswith("| not aligned, not balanced | 0.6, 2 |") and late.endswith(
        "| not aligned, not balanced | – |"
    )
    assert "| > 20 |" in late
    assert head.count("|") == rule.count("|") == fine.count("|")


def test_a_rank_without_alignment_and_a_time_of_its_own_are_marked(table):
    assert "| 2 † |" in table._repr_markdown_() and "| 0.1 ‡ |" in table._repr_markdown_()
    assert table._repr_markdown_().count("†") == 1


def test_an_unknown_method_names_those_there_are(table):
    with pytest.raises(KeyError, match="no method is called 'other'; there are: fine, stuck, late, VICReg"):
        table["other"]

"""The table of methods shows what the claims keep."""

from __future__ import annotations

import numpy as np
import pytest

from mmcl.comparison import Comparison, Row


@pytest.fixture
def table() -> Comparison:
    unknown = np.full(5, np.nan)
    return Comparison(
        (
            Row("fine", "losses", np.array([0.98, 1.004, 7.9, 0.01, 123.4]), np.array([0.981, 1.0, *unknown[:3]])),
            Row("stuck", "losses", np.array([0.5, 3.0, 2.0, np.nan, np.inf]), unknown),
        )
    )


def test_a_row_says_whether_it_is_aligned_and_balanced(table):
    assert table["fine"].verdict == "aligned, balanced"
    assert table["stuck"].verdict == "not aligned, unbalanced"


def test_predictions_stand_in_brackets_and_what_never_happens_says_so(table):
    _, _, fine, stuck = table._repr_markdown_().splitlines()
    assert "| 0.98 (0.981) | 1 (1) | 7.9 | 0.01 | 123 |" in fine
    assert "| 0.5 | 3 | 2 | – | never |" in stuck


def test_an_unknown_method_names_those_there_are(table):
    with pytest.raises(KeyError, match="no method is called 'other'; there are: fine, stuck"):
        table["other"]

"""A method's figure: theory is a line, training is dots, an end that is no surprise is not drawn."""

from __future__ import annotations

import numpy as np
import pytest

from mmcl.claims import Evidence
from mmcl.figures import family, methods, style
from mmcl.figures.method import Line, Panel, draw

TIME = np.array([0.0, 1.0, 10.0, 100.0])
CURVES = {
    "time": TIME,
    "one alignment": TIME / 100,
    "one kappa": 1 + TIME / 50,
    "one run time": TIME,
    "one run alignment": TIME / 101,
    "one run kappa": 1 + TIME / 51,
    "one end": np.array([1.0, 3.0, 8.0, 0.0]),
    "two run time": TIME,
    "two run alignment": TIME / 102,
    "two run kappa": 1 + TIME / 52,
}
FOUND = Evidence((), CURVES)


def _drawn(*lines: Line) -> list[list[tuple[str, str]]]:
    """Line style and mark of everything in either panel."""
    left, right = draw(Panel(lines), FOUND).axes
    return [[(line.get_linestyle(), line.get_marker()) for line in axes.lines] for axes in (left, right)]


def test_theory_is_a_line_training_is_dots_and_an_end_is_dotted_where_it_is_news():
    left, right = _drawn(Line("one", style.NEGATIVE))
    assert left == [("-", ""), ("None", "o")]
    assert right[:2] == left and len(right) == 3 and right[2][0] == "--"


def test_what_the_evidence_lacks_or_the_panel_declines_is_not_drawn():
    assert _drawn(Line("two", style.NEGATIVE)) == [[("None", "o")]] * 2
    assert _drawn(Line("one", style.NEGATIVE, dots=False))[0] == [("-", "")]


@pytest.mark.parametrize("panel", [*family.PANELS.values(), *methods.PANELS.values()], ids=repr)
def test_every_colour_is_one_of_the_book(panel):
    assert {line.colour for line in panel.lines} <= set(style.colours())

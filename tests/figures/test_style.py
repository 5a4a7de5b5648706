"""The palette can be seen on both pages, and axes of one quantity agree."""

from __future__ import annotations

import re

import numpy as np
import pytest

from mmcl.figures import style


@pytest.mark.parametrize("page", [style.LIGHT_PAGE, style.DARK_PAGE])
@pytest.mark.parametrize("colour", style.coordinate_colours(9))
def test_every_coordinate_can_be_named_in_its_colour_on_both_pages(colour, page):
    assert style.contrast(style.readable(colour, page), page) >= 4.5


def test_a_colour_that_can_be_read_stays_as_it_is_and_any_other_moves_little():
    assert style.readable("#7d45c4", style.LIGHT_PAGE) == "#7d45c4"
    assert style.contrast(style.readable("#7d45c4", style.DARK_PAGE), style.DARK_PAGE) < 4.7
    with pytest.raises(ValueError, match=r"`page` must leave room for text of contrast 4\.5; got '#b0b0b0'"):
        style.readable("#c0c0c0", "#b0b0b0")


def test_the_brighter_colours_of_the_site_can_be_read_as_text(pytestconfig):
    sheet = (pytestconfig.rootpath / "book" / "_static" / "custom.css").read_text(encoding="utf-8")
    light, dark = (
        dict(re.findall(r"--mmcl-(positive|negative|noise|accent): (#\w{6})", block))
        for block in sheet.split('"dark"')[:2]
    )
    assert set(light) == set(dark) == {"positive", "negative", "noise", "accent"}
    assert min(style.contrast(colour, style.LIGHT_PAGE) for colour in light.values()) >= 4.5
    assert min(style.contrast(colour, style.DARK_PAGE) for colour in dark.values()) >= 4.5


# Machado, Oliveira & Fernandes (2009), severity 1: what a reader without red, green or blue cones sees, in linear RGB.
BLINDNESS = {
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


@pytest.mark.parametrize("kind", BLINDNESS)
def test_positives_negatives_and_noise_stay_apart_for_colour_blind_readers(kind):
    from itertools import combinations

    from matplotlib.colors import to_rgb

    seen = [
        np.array(BLINDNESS[kind]) @ np.array(to_rgb(colour)) ** 2.2
        for colour in (style.POSITIVE, style.NEGATIVE, style.NOISE)
    ]
    screens = [np.clip(colour, 0, 1) ** (1 / 2.2) for colour in seen]
    assert min(np.linalg.norm(one - other) for one, other in combinations(screens, 2)) > 0.2


def test_coordinates_run_from_weak_to_strong():
    assert len(set(style.coordinate_colours(9))) == 9
    assert style.coordinate_colours(1) == style.coordinate_colours(5)[-1:]
    with pytest.raises(ValueError, match="`count` must be at least 1; got 0"):
        style.coordinate_colours(0)


def test_axes_of_one_quantity_agree():
    with style.style():
        _, (left, right) = style.panels(2)
        style.alignment_axis(left)
        right.plot([1, 10], [1, 400])
        style.condition_axis(right)
    assert left.get_ylim() == (-0.02, 1.02)
    assert right.get_yscale() == "log" and right.get_ylim()[0] == 0.97
    assert list(right.get_yticks()) == [1, 10, 100]


def test_the_style_ends_with_its_block():
    import matplotlib

    before = matplotlib.rcParams["axes.spines.top"]
    with style.style(axes__labelsize=7):
        assert matplotlib.rcParams["axes.labelsize"] == 7
    assert matplotlib.rcParams["axes.spines.top"] == before

"""A figure becomes one SVG that can stand beside others on a page and be read aloud."""

from __future__ import annotations

import base64
import re
import xml.etree.ElementTree as tree

import pytest
from matplotlib import pyplot

from mmcl.figures import style
from mmcl.figures.display import show

ALT = "A line that rises from zero to one, with a shaded region."


def drawn(name: str = "demo"):
    with style.style():
        figure, axes = style.panels()
        axes.plot([0, 1], [0, 1], color=style.POSITIVE, label="$\\kappa$")
        axes.fill_between([0, 1], [0, 1], hatch="//", color=style.NEGATIVE)
        axes.set_xlabel("time $t$")
        return show(figure, name=name, alt=ALT)


def test_a_figure_is_one_labelled_svg_of_full_width():
    root = tree.fromstring(drawn().svg)
    assert root.tag.endswith("svg") and root.get("role") == "img" and root.get("aria-label") == ALT
    assert root.get("width") == "100%" and root.get("height") is None and root.get("viewBox").startswith("0 0 518.4 ")


def test_two_figures_share_no_id_and_every_reference_resolves():
    one, other = (drawn(name).svg for name in ("one", "other"))
    ids = {name: set(re.findall(r'\bid="([^"]+)"', svg)) for name, svg in (("one", one), ("other", other))}
    assert not ids["one"] & ids["other"]
    assert set(re.findall(r'(?:url\(|href=")#([^")]+)', one)) <= ids["one"]


def test_its_style_rule_reaches_no_other_part_of_the_page():
    assert re.findall(r"<style[^>]*>([^{]*)\{", drawn().svg) == ["#drawing-demo *"]


def test_ink_and_paper_are_those_of_the_page():
    svg = drawn().svg
    assert "currentColor" in svg and "var(--mmcl-positive, #d4570a)" in svg
    assert not re.search(r"(?<!, )#(?:000000|ffffff)\b", svg)


def test_a_coordinate_is_bright_on_the_dark_page_and_dark_on_the_light_one():
    violet = style.coordinate_colours(2)[1]
    with style.style():
        figure, axes = style.panels()
        axes.plot([0, 1], [0, 1], color=violet)
    svg = show(figure, name="shades", alt=ALT).svg
    assert f"var(--mmcl-7d45c4, {style.readable(violet, style.LIGHT_PAGE)})" in svg
    rule = re.search(r'html\[data-theme="dark"\] \.mmcl-drawing \{ --mmcl-7d45c4: (#\w{6}); \}', svg)
    assert rule is not None and rule[1] == style.readable(violet, style.DARK_PAGE)


def test_it_is_the_same_each_time_and_names_no_other_place():
    first, second = drawn().svg, drawn().svg
    assert first == second
    assert set(re.findall(r"https?://[^\"\s]+", first)) <= {
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xlink",
    }


def test_a_notebook_gets_html_a_picture_and_the_text():
    bundle = drawn()._repr_mimebundle_()
    assert set(bundle) == {"text/html", "image/png", "text/plain"}
    assert base64.b64decode(bundle["image/png"]).startswith(b"\x89PNG")
    assert ALT in bundle["text/plain"]


def test_it_closes_the_figure():
    figure = pyplot.figure()
    show(figure, name="closed", alt=ALT)
    assert not pyplot.fignum_exists(figure.number)


@pytest.mark.parametrize(("name", "alt", "sentence"), [
    ("demo", "", r"`alt` must say in a sentence what the figure 'demo' shows; got ''"),
    ("demo", "a plot", r"`alt` must say in a sentence"),
    ("Two stages", ALT, r"`name` must consist of small letters, digits and hyphens .* got 'Two stages'"),
])  # fmt: skip
def test_a_missing_text_or_a_bad_name_is_refused(name, alt, sentence):
    with pytest.raises(ValueError, match=sentence):
        show(pyplot.figure(), name=name, alt=alt)
    pyplot.close("all")

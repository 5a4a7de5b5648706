"""One inline SVG for every figure: it follows the theme of the page, can be read aloud, and needs no file.

A chapter ends a cell with `show`; the notebook stores the SVG inside the page and a PNG for places that take no HTML.
"""

from __future__ import annotations

import base64
import io
import re
from dataclasses import dataclass
from html import escape
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from mmcl.figures.style import (
    ACCENT,
    DARK_PAGE,
    INK,
    LIGHT_PAGE,
    NEGATIVE,
    NOISE,
    PAPER,
    POSITIVE,
    RC,
    STRENGTH,
    readable,
)

PAGE_COLOURS = {
    INK: "currentColor",
    PAPER: "var(--pst-color-background, #ffffff)",
    POSITIVE: f"var(--mmcl-positive, {POSITIVE})",
    NEGATIVE: f"var(--mmcl-negative, {NEGATIVE})",
    NOISE: f"var(--mmcl-noise, {NOISE})",
    ACCENT: f"var(--mmcl-accent, {ACCENT})",
}
"""What the page makes of a drawn colour: its own, brighter on the dark theme and darker on the light one."""
SHADES = frozenset(to_hex(STRENGTH(place)) for place in range(STRENGTH.N))
"""The colours of the coordinates; a drawing brings along what either theme makes of those that it takes."""
SHORTEST_ALT = 20
"""A text for a figure with fewer letters than this says nothing."""


@dataclass(frozen=True)
class Display:
    """A drawn figure, ready for a page.

    Attributes:
        name: unique on its page, in small letters, digits and hyphens; every id inside the SVG starts with it.
        alt: what the figure shows, for readers who do not see it.
        svg: the figure as one SVG element.
        png: the same as a picture, on white.
    """

    name: str
    alt: str
    svg: str
    png: bytes

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        return {
            "text/html": f'<div class="mmcl-figure">{self.svg}</div>',
            "image/png": base64.b64encode(self.png).decode("ascii"),
            "text/plain": f"Figure: {self.alt}",
        }


def show(figure: Figure, *, name: str, alt: str) -> Display:
    """Turn a matplotlib figure into a `Display`, and close it.

    Black becomes the colour of the page's text and white the page's background, so one drawing serves both the light
    theme and the dark one.

    Args:
        figure: the drawing.
        name: a name that no other figure of the page has, such as ``"two-stages"``.
        alt: one or two sentences that say what the figure shows.

    Raises:
        ValueError: if `name` is not a slug or `alt` says too little.

    >>> drawing = Figure()
    >>> show(drawing, name="empty", alt="An empty figure that shows nothing.").svg[:4]
    '<svg'
    >>> show(drawing, name="empty", alt="")
    Traceback (most recent call last):
    ...
    ValueError: `alt` must say in a sentence what the figure 'empty' shows; got ''.
    """
    if not re.fullmatch(r"[a-z][a-z0-9-]*", name):
        raise ValueError(
            f"`name` must consist of small letters, digits and hyphens and start with a letter; got {name!r}."
        )
    if len(alt.strip()) < SHORTEST_ALT:
        raise ValueError(f"`alt` must say in a sentence what the figure {name!r} shows; got {alt!r}.")
    with mpl.rc_context({key: RC[key] for key in ("svg.fonttype", "svg.hashsalt")}):
        svg = _inline(_saved(figure, "svg", metadata={"Date": None}).decode(), name=name, alt=alt)
        png = _saved(figure, "png", dpi=150, facecolor="white")
    pyplot.close(figure)
    return Display(name=name, alt=" ".join(alt.split()), svg=svg, png=png)


def _saved(figure: Figure, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format=kind, **options)
    return buffer.getvalue()


def _inline(document: str, *, name: str, alt: str) -> str:
    """The SVG element alone, with its own ids, its own style rule, and the page's colours."""
    root = f"drawing-{name}"
    svg = document[document.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<!--.*?-->\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\bid="', f'id="{root}-', svg)
    svg = re.sub(r"url\(#", f"url(#{root}-", svg)
    svg = re.sub(r'href="#', f'href="#{root}-', svg)
    svg = svg.replace('<style type="text/css">*{', f'<style type="text/css">#{root} *{{')
    taken = sorted({found.lower() for found in re.findall(r"#[0-9a-f]{6}\b", svg, flags=re.IGNORECASE)} & SHADES)
    svg = re.sub(r"#[0-9a-f]{6}\b", lambda found: _of_the_page(found[0].lower()), svg, flags=re.IGNORECASE)
    head, body = svg.split(">", 1)
    body = _dark_shades(taken) + body.strip()
    box = re.search(r'viewBox="([^"]*)"', head)
    if box is None:
        raise ValueError(f"The drawing {name!r} has no view box.")
    points = box[1].split()[2]
    label = escape(" ".join(alt.split()))
    return (
        f'<svg id="{root}" class="mmcl-drawing" role="img" aria-label="{label}" viewBox="{box[1]}" '
        f'style="--drawn-width: {float(points):.0f}px" width="100%" fill="currentColor" '
        f'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">{body}'
    )


def _of_the_page(colour: str) -> str:
    """What a style sheet calls the colour."""
    if colour in SHADES:
        return f"var(--mmcl-{colour[1:]}, {readable(colour, LIGHT_PAGE)})"
    return PAGE_COLOURS.get(colour, colour)


def _dark_shades(taken: list[str]) -> str:
    """The rule that brightens these colours of coordinates on the dark theme; a copy of the drawing keeps it."""
    if not taken:
        return ""
    shades = " ".join(f"--mmcl-{colour[1:]}: {readable(colour, DARK_PAGE)};" for colour in taken)
    return f'<style type="text/css">html[data-theme="dark"] .mmcl-drawing {{ {shades} }}</style>'

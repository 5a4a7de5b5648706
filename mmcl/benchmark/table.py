"""A benchmark as tables: ratios first."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mmcl.benchmark.records import AT_LEAST, AT_MOST, Cost, Growth, Price, Race

SIGNS = {AT_LEAST: "≥", AT_MOST: "≤"}
UNITS = ((1e-6, 1e-9, "ns"), (1e-3, 1e-6, "µs"), (1.0, 1e-3, "ms"), (120.0, 1.0, "s"), (np.inf, 60.0, "min"))
SIZES = ((1e6, 1e3, "kB"), (1e9, 1e6, "MB"), (np.inf, 1e9, "GB"))


LEADS = {
    AT_LEAST: "**Against others.** A ratio is what the other takes over what ours takes: above 1, ours is less.",
    AT_MOST: "**Against its parts.** A ratio is what ours takes over what the other takes: below 1, ours is less.",
}
"""What the ratio of a table is; the two tables differ in its direction."""
ROUNDS = (
    "Every ratio is the middle one of its rounds, which need not be the ratio of the two middle times; beside it stand "
    "the lowest and the highest. A bar was set before the code was written, and the middle ratio is held against it."
)


def race_rows(races: Sequence[Race]) -> str:
    """The races in two tables, ratios first, one for either direction of the ratio; and their notes."""
    if not races:
        return ""
    tables = [_table(lead, [race for race in races if race.relation == way]) for way, lead in LEADS.items()]
    notes = [f"{_name(race)}: {race.note}" for race in races if race.note]
    return "\n\n".join(part for part in (ROUNDS, *tables, said("Notes.", notes)) if part)


def _table(lead: str, races: Sequence[Race]) -> str:
    if not races:
        return ""
    head = ["ratio", "from – to", "bar", "work", "this package", "against"]
    lines = ["| " + " | ".join(head) + " |", "|--:|:--|:--|:--|:--|:--|"]
    return "\n".join([lead, "", *lines, *("| " + " | ".join(_cells(race)) + " |" for race in races)])


def _name(race: Race) -> str:
    return race.work if race.theirs.name in race.work else f"{race.work}, against {race.theirs.name}"


def _cells(race: Race) -> list[str]:
    more = "> " if race.censored and race.relation == AT_LEAST else ""
    low, high = race.ratios.min(), race.ratios.max()
    bar = "–" if race.bound is None else f"{SIGNS[race.relation]} {number(race.bound)}"
    if race.bound is not None:
        bar += "" if race.reached else ", **missed**"
    spread = "–" if len(race.ratios) == 1 else f"{number(low)} – {number(high)}"
    ours, theirs = (_shown(cost, race.unit) for cost in (race.ours, race.theirs))
    return [f"**{more}{number(race.ratio)}**", spread, bar, race.work, ours, more + theirs]


def _shown(cost: Cost, unit: str) -> str:
    """A contender with its name, its cost and its threads."""
    threads = "" if cost.threads is None else f", {cost.threads} thread" + "s" * (cost.threads != 1)
    return f"{quantity(cost.median, unit)} ({cost.name}{threads})"


def growth_rows(growths: Sequence[Growth]) -> str:
    """A table of slopes."""
    if not growths:
        return ""
    lines = ["| slope | expected | work | sizes | from – to |", "|--:|:--|:--|:--|:--|"]
    for one in growths:
        expected = "–" if one.expected is None else f"{one.expected:.2f} ± 0.15"
        if one.reached is False:
            expected += ", **missed**"
        formula = f" (${one.formula}$)" if one.formula else ""
        ends = f"${one.variable}$ = {one.sizes[0]:,.0f} – {one.sizes[-1]:,.0f}"
        times = f"{quantity(one.values[0])} – {quantity(one.values[-1])}"
        lines.append(f"| **{round(one.slope, 2) + 0.0:.2f}** | {expected}{formula} | {one.work} | {ends} | {times} |")
    return "\n".join(lines)


def price_rows(prices: Sequence[Price]) -> str:
    """A table of single costs, and their notes."""
    if not prices:
        return ""
    lines = ["| cost | from – to | work |", "|--:|:--|:--|"]
    for one in prices:
        spread = f"{quantity(min(one.values))} – {quantity(max(one.values))}" if len(one.values) > 1 else "–"
        lines.append(f"| **{quantity(one.median)}** | {spread} | {one.work} |")
    notes = said("Notes.", [f"{one.work}: {one.note}" for one in prices if one.note])
    return "\n".join([*lines, "", notes])


def said(head: str, sentences: Sequence[str]) -> str:
    """A list under a head, or nothing."""
    return "\n".join([head, "", *(f"- {one}" for one in sentences)]) if sentences else ""


def quantity(value: float, unit: str = "s") -> str:
    """A time or a size with three digits and a unit that suits it.

    >>> quantity(0.00123), quantity(3e8, "B")
    ('1.23 ms', '300 MB')
    """
    table = UNITS if unit == "s" else SIZES
    _, scale, name = next(row for row in table if value < row[0])
    return f"{value / scale:.3g} {name}"


def number(value: float) -> str:
    """A ratio with two or three digits, never as a power of ten."""
    if value >= 100:
        return f"{float(f'{value:.3g}'):,.0f}"
    return f"{value:.3g}"

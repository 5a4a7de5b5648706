"""What `make bench` measured, and how a page shows it: ratios first, then times, with machine, threads and versions.

The benchmark itself lies in the folder `benchmarks`, outside the package: it needs the competitors.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np

PACKAGE = Path(__file__).resolve().parent
FORMAT = "mmcl benchmark 1"  # changes when what a file holds does
AT_LEAST, AT_MOST = "at least", "at most"
SIGNS = {AT_LEAST: "≥", AT_MOST: "≤"}
MISSING = (
    "Nothing has been measured on this copy yet: `make bench` runs the comparison, and the next `make book` shows it."
)
UNITS = ((1e-6, 1e-9, "ns"), (1e-3, 1e-6, "µs"), (1.0, 1e-3, "ms"), (120.0, 1.0, "s"), (np.inf, 60.0, "min"))
SIZES = ((1e6, 1e3, "kB"), (1e9, 1e6, "MB"), (np.inf, 1e9, "GB"))


@dataclass(frozen=True)
class Cost:
    """What one contender took, round by round.

    Attributes:
        name: who.
        values: seconds, or bytes.
        threads: how many it ran on; None where that means nothing.
    """

    name: str
    values: tuple[float, ...]
    threads: int | None = None

    @property
    def median(self) -> float:
        """The middle of the rounds."""
        return float(np.median(self.values))


@dataclass(frozen=True)
class Race:
    """One contender against another on the same work; their rounds took turns.

    Attributes:
        id: a short name, stable.
        work: what both did.
        ours: the cost of this package.
        theirs: the cost of the other.
        relation: "at least": the ratio is theirs over ours, and should be large; "at most": ours over theirs.
        bound: what the ratio should reach; None where nothing was promised.
        unit: "s" for times, "B" for memory.
        note: what a reader must know to judge it.
        censored: whether the other was stopped before it was done, so that its time is a lower bound.
    """

    id: str
    work: str
    ours: Cost
    theirs: Cost
    relation: str = AT_LEAST
    bound: float | None = None
    unit: str = "s"
    note: str = ""
    censored: bool = False

    @property
    def ratios(self) -> np.ndarray:
        """The ratio in every round, or (where the rounds did not pair) of the medians."""
        ours, theirs = np.array(self.ours.values), np.array(self.theirs.values)
        if len(ours) != len(theirs):
            ours, theirs = np.array([self.ours.median]), np.array([self.theirs.median])
        return theirs / ours if self.relation == AT_LEAST else ours / theirs

    @property
    def ratio(self) -> float:
        """The middle of the ratios."""
        return float(np.median(self.ratios))

    @property
    def reached(self) -> bool | None:
        """Whether the ratio is what was promised; None where nothing was."""
        if self.bound is None:
            return None
        return self.ratio >= self.bound if self.relation == AT_LEAST else self.ratio <= self.bound


@dataclass(frozen=True)
class Growth:
    """How a cost grows with one size.

    Attributes:
        id: a short name, stable.
        work: what was timed.
        variable: the letter of the size.
        sizes: where.
        values: the median cost at each.
        expected: the slope that the formula has over these sizes.
        formula: which, as TeX.
    """

    id: str
    work: str
    variable: str
    sizes: tuple[float, ...]
    values: tuple[float, ...]
    expected: float | None = None
    formula: str = ""

    @property
    def slope(self) -> float:
        """Of the logarithm of the cost in the logarithm of the size, by least squares."""
        return slope(self.sizes, self.values)

    @property
    def reached(self) -> bool | None:
        """Whether the slope is the formula's, to 0.15."""
        return None if self.expected is None else abs(self.slope - self.expected) <= 0.15


@dataclass(frozen=True)
class Results:
    """One run of the benchmark.

    Attributes:
        machine: processor, cores, system, by name.
        versions: of the libraries.
        races: contender against contender.
        growths: cost against size.
        omitted: what was left out, each with its reason.
        quick: whether it was a trial with few rounds.
    """

    machine: dict[str, str]
    versions: dict[str, str]
    races: tuple[Race, ...] = ()
    growths: tuple[Growth, ...] = ()
    omitted: tuple[str, ...] = ()
    quick: bool = False
    format: str = field(default=FORMAT)

    def __getitem__(self, id: str) -> Race | Growth:
        found: dict[str, Race | Growth] = {race.id: race for race in self.races}
        found |= {growth.id: growth for growth in self.growths}
        if id not in found:
            raise KeyError(f"nothing measured is called {id!r}; there are: {', '.join(found)}")
        return found[id]

    def save(self, path: Path) -> Path:
        """Write it as JSON beside its place and move it there, so that a reader never meets half a file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_suffix(".tmp")
        beside.write_text(json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        return beside.replace(path)

    def _repr_markdown_(self) -> str:
        parts = [_races(self.races), _growths(self.growths), _said("Left out:", self.omitted), self.conditions]
        return "\n\n".join(part for part in parts if part)

    @property
    def conditions(self) -> str:
        """On what, and with which versions, in two sentences."""
        machine = ", ".join(self.machine.values())
        versions = ", ".join(f"{name} {number}" for name, number in self.versions.items())
        trial = " **A trial with few rounds: the numbers are rough.**" if self.quick else ""
        return f"Measured on {machine}. Versions: {versions}.{trial}"


class Nothing:
    """What stands on the page where the benchmark has not been run."""

    def _repr_markdown_(self) -> str:
        return MISSING


def results(path: Path | None = None) -> Results | Nothing:
    """What the last run on this copy measured.

    Args:
        path: the file; None: where `make bench` leaves it.

    Raises:
        ValueError: if the file is damaged or of another version.
    """
    path = place() if path is None else path
    if not path.exists():
        return Nothing()
    try:
        return _read(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ValueError(f"The measurements in {path} cannot be read; remove the file, or run `make bench`.") from None


def place() -> Path:
    """Where `make bench` leaves its measurements."""
    return PACKAGE.parent / "_build" / "bench" / "results.json"


def slope(sizes: Sequence[float], values: Sequence[float]) -> float:
    """Of the line through the logarithms, by least squares.

    >>> round(slope([1, 2, 4], [3, 12, 48]), 12)
    2.0
    """
    return float(np.polyfit(np.log(sizes), np.log(values), 1)[0])


def _read(stored: dict) -> Results:
    if stored["format"] != FORMAT:
        raise ValueError(stored["format"])
    races = tuple(replace(Race(**race), ours=_cost(race["ours"]), theirs=_cost(race["theirs"]))
                  for race in stored["races"])  # fmt: skip
    growths = tuple(
        replace(Growth(**one), sizes=tuple(one["sizes"]), values=tuple(one["values"])) for one in stored["growths"]
    )
    return Results(**stored | {"races": races, "growths": growths, "omitted": tuple(stored["omitted"])})


def _cost(stored: dict) -> Cost:
    return Cost(**stored | {"values": tuple(stored["values"])})


def _races(races: Sequence[Race]) -> str:
    if not races:
        return ""
    head = ["ratio", "from – to", "promised", "work", "this package", "against"]
    lines = ["| " + " | ".join(head) + " |", "|--:|:--|:--|:--|:--|:--|"]
    lines += ["| " + " | ".join(_cells(race)) + " |" for race in races]
    return "\n".join([*lines, "", _said("Notes.", [f"{race.work}: {race.note}" for race in races if race.note])])


def _cells(race: Race) -> list[str]:
    more = "> " if race.censored and race.relation == AT_LEAST else ""
    low, high = race.ratios.min(), race.ratios.max()
    promised = "–" if race.bound is None else f"{SIGNS[race.relation]} {_number(race.bound)}"
    if race.bound is not None:
        promised += "" if race.reached else ", **missed**"
    spread = "–" if len(race.ratios) == 1 else f"{_number(low)} – {_number(high)}"
    ours, theirs = (_shown(cost, race.unit) for cost in (race.ours, race.theirs))
    return [f"**{more}{_number(race.ratio)}**", spread, promised, race.work, ours, more + theirs]


def _shown(cost: Cost, unit: str) -> str:
    """A contender with its name, its cost and its threads."""
    threads = "" if cost.threads is None else f", {cost.threads} thread" + "s" * (cost.threads != 1)
    return f"{quantity(cost.median, unit)} ({cost.name}{threads})"


def _growths(growths: Sequence[Growth]) -> str:
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
        lines.append(f"| **{one.slope:.2f}** | {expected}{formula} | {one.work} | {ends} | {times} |")
    return "\n".join(lines)


def _said(head: str, sentences: Sequence[str]) -> str:
    return "\n".join([head, "", *(f"- {one}" for one in sentences)]) if sentences else ""


def quantity(value: float, unit: str = "s") -> str:
    """A time or a size with three digits and a unit that suits it.

    >>> quantity(0.00123), quantity(3e8, "B")
    ('1.23 ms', '300 MB')
    """
    table = UNITS if unit == "s" else SIZES
    _, scale, name = next(row for row in table if value < row[0])
    return f"{value / scale:.3g} {name}"


def _number(value: float) -> str:
    """A ratio with two or three digits, never as a power of ten."""
    if value >= 100:
        return f"{float(f'{value:.3g}'):,.0f}"
    return f"{value:.3g}"

"""What `make bench` measured, and how a page shows it: ratios first, then times, with machine, threads and versions.

The benchmark itself lies in the folder `benchmarks`, outside the package: it needs the competitors.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from mmcl.benchmark.layout import Layout, Plans
from mmcl.benchmark.records import AT_LEAST, AT_MOST, Cost, Growth, Price, Race, slope
from mmcl.benchmark.table import growth_rows, price_rows, quantity, race_rows, said
from mmcl.provenance import code_key, hashed

__all__ = [
    "AT_LEAST", "AT_MOST", "Cost", "Growth", "Layout", "Nothing", "Plans", "Price", "Race", "Results", "code",
    "layouts", "place", "quantity", "results", "slope",
]  # fmt: skip

PACKAGE = Path(__file__).resolve().parents[1]
ENGINE = ("mmcl.training.many", "mmcl.training.in_batch", "mmcl.flows", "mmcl.sweeps")
FORMAT = "mmcl benchmark 1"  # changes when what a file holds does
MISSING = (
    "Nothing has been measured on this copy yet: `make bench` runs the comparison, and the next `make book` shows it."
)


@dataclass(frozen=True)
class Results:
    """One run of the benchmark.

    Attributes:
        machine: processor, cores, system, by name.
        versions: of the libraries.
        races: contender against contender.
        growths: cost against size.
        prices: what single pieces of work cost.
        omitted: what was left out, each with its reason.
        quick: whether it was a trial with few rounds.
        day: when it began.
        code: the hash of what was measured and of what measured it.
    """

    machine: dict[str, str]
    versions: dict[str, str]
    races: tuple[Race, ...] = ()
    growths: tuple[Growth, ...] = ()
    prices: tuple[Price, ...] = ()
    omitted: tuple[str, ...] = ()
    quick: bool = False
    day: str = ""
    code: str = ""
    format: str = field(default=FORMAT)

    def __getitem__(self, id: str) -> Race | Growth | Price:
        found: dict[str, Race | Growth | Price] = {race.id: race for race in self.races}
        found |= {growth.id: growth for growth in self.growths} | {price.id: price for price in self.prices}
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
        tables = [race_rows(self.races), growth_rows(self.growths), price_rows(self.prices)]
        parts = [*tables, said("Left out:", self.omitted), self.conditions]
        return "\n\n".join(part for part in parts if part)

    @property
    def conditions(self) -> str:
        """On what, when, with which versions and with which code, in a few sentences."""
        machine = ", ".join(self.machine.values())
        versions = ", ".join(f"{name} {number}" for name, number in self.versions.items())
        trial = " **A trial with few rounds: the numbers are rough.**" if self.quick else ""
        day = f" on {self.day}" if self.day else ""
        same = "" if self.code == code() else " **The code has changed since; `make bench` measures it anew.**"
        return f"Measured{day}, on {machine}. Versions: {versions}.{trial}{same}"


class Nothing:
    """What stands on the page where the benchmark has not been run."""

    def _repr_markdown_(self) -> str:
        return MISSING


def results(path: Path | None = None) -> Results | Nothing:
    """What the last run on this copy measured.

    Args:
        path: the file; None: where `make bench` leaves it, or its trial where there is nothing else.

    Raises:
        ValueError: if the file is damaged or of another version.
    """
    if path is None:
        path = place() if place().exists() else place(trial=True)
    if not path.exists():
        return Nothing()
    try:
        return _read(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ValueError(f"The measurements in {path} cannot be read; remove the file, or run `make bench`.") from None


def layouts(measured: Results | Nothing) -> Plans | Nothing:
    """A study of 10⁵ cells on a cluster, from the measured costs of a cell, of a task and of the store.

    Args:
        measured: what `results` gave.

    Returns:
        A table; `Nothing` where the parts have not been measured.
    """
    if isinstance(measured, Nothing) or not {"task", "store"} <= {one.id for one in measured.prices}:
        return Nothing()
    cost = {one.id: one.median for one in measured.prices}
    cells = [one for one in measured.prices if one.id.startswith("cell-")]
    return Plans(tuple(Layout(one.work, one.median, cost["task"], cost["store"]) for one in cells))


def place(*, trial: bool = False) -> Path:
    """Where `make bench` leaves its measurements, those of a trial or of some parts beside the whole."""
    return PACKAGE.parent / "_build" / "bench" / ("trial.json" if trial else "results.json")


def code() -> str:
    """The hash of the engine, of the libraries that it stands on, and of the benchmark."""
    races = (path.read_text(encoding="utf-8") for path in sorted((PACKAGE.parent / "benchmarks").glob("*.py")))
    return hashed(*map(code_key, ENGINE), *races)


def _read(stored: dict) -> Results:
    if stored["format"] != FORMAT:
        raise ValueError(stored["format"])
    races = tuple(replace(Race(**race), ours=_cost(race["ours"]), theirs=_cost(race["theirs"]))
                  for race in stored["races"])  # fmt: skip
    growths = tuple(
        replace(Growth(**one), sizes=tuple(one["sizes"]), values=tuple(one["values"])) for one in stored["growths"]
    )
    prices = tuple(replace(Price(**one), values=tuple(one["values"])) for one in stored.get("prices", ()))
    kept = {"races": races, "growths": growths, "prices": prices, "omitted": tuple(stored["omitted"])}
    return Results(**stored | kept)


def _cost(stored: dict) -> Cost:
    return Cost(**stored | {"values": tuple(stored["values"])})

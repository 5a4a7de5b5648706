"""What `make bench` measured, and how a page shows it: ratios first, then times, with machine, threads and versions.

The benchmark itself lies in the folder `benchmarks`, outside the package: it needs the competitors.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from mmcl.benchmark.records import AT_LEAST, AT_MOST, Cost, Growth, Race, slope
from mmcl.benchmark.table import growth_rows, quantity, race_rows, said

__all__ = [
    "AT_LEAST", "AT_MOST", "Cost", "Growth", "Nothing", "Race", "Results", "place", "quantity", "results", "slope",
]  # fmt: skip

PACKAGE = Path(__file__).resolve().parents[1]
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
        parts = [race_rows(self.races), growth_rows(self.growths), said("Left out:", self.omitted), self.conditions]
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

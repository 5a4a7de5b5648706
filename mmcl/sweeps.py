"""A long sweep is run once and kept as a labelled table: coordinates with names and units, and where it came from.

A table lies beside the evidence of the claims, as NetCDF, under a hash of everything that it depends on: the study's
grid, the source of the module that computes a cell and of whatever of the package that module imports, and the versions
of the numerical libraries.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm

from mmcl import checks
from mmcl.claims.store import LIBRARIES, PACKAGE, folder, sources

if TYPE_CHECKING:
    import xarray

FORMAT = "mmcl sweep 1"  # changes when what a file holds does


@dataclass(frozen=True)
class Axis:
    """One coordinate of a grid.

    Attributes:
        name: the cell's keyword argument, and the name in the table.
        values: the places on it.
        unit: "1" for a pure number.
        meaning: what it is, in words.
    """

    name: str
    values: tuple[float, ...]
    unit: str
    meaning: str


@dataclass(frozen=True)
class Quantity:
    """One number that every cell gives: its name, its unit ("1" for a pure number) and what it is, in words."""

    name: str
    unit: str
    meaning: str


@dataclass(frozen=True)
class Study:
    """A sweep that has not been run yet.

    Attributes:
        name: a short name, stable.
        title: what the sweep shows.
        axes: of the grid; the last one runs fastest.
        quantities: what each cell gives.
        cell: from one place on every axis, by name, to a value for every quantity, by name.
    """

    name: str
    title: str
    axes: tuple[Axis, ...]
    quantities: tuple[Quantity, ...]
    cell: Callable[..., dict[str, float]]

    @property
    def cells(self) -> Iterator[dict[str, float]]:
        """The places of the grid, as arguments of `cell`."""
        for values in product(*(axis.values for axis in self.axes)):
            yield dict(zip((axis.name for axis in self.axes), values, strict=True))

    @property
    def size(self) -> int:
        """How many cells the grid has."""
        return int(np.prod([len(axis.values) for axis in self.axes]))

    @property
    def configuration(self) -> dict[str, Any]:
        """Everything that defines the sweep but its code."""
        return {
            "name": self.name,
            "title": self.title,
            "axes": {axis.name: list(axis.values) for axis in self.axes},
            "quantities": [quantity.name for quantity in self.quantities],
            "cell": f"{self.cell.__module__}.{self.cell.__qualname__}",
        }


def run(study: Study, *, progress: bool | None = None) -> xarray.Dataset:
    """The study's table: from the store, or computed now and stored.

    Args:
        study: what to compute.
        progress: a progress bar: True, False, or None for one on long work at a terminal.

    Returns:
        A Dataset whose coordinates carry ``units`` and ``long_name``, and whose attributes say which configuration,
        which code and which versions made it.

    Raises:
        ValueError: if the stored file is damaged or of another version.
        OSError: if the store cannot be written; nothing is computed then.
    """
    study, path = checks.kind(study, Study, "`study`"), place(study)
    if path.exists():
        return load(path, key(study))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _beside(path).touch()
    except OSError as error:
        raise OSError(
            f"The store {path.parent} cannot be written ({error.strerror}); set MMCL_STORE to a folder."
        ) from None
    try:
        table = _computed(study, progress)
        save(table, path)
    finally:
        _beside(path).unlink(missing_ok=True)
    return load(path, key(study))


def save(table: xarray.Dataset, path: Path) -> Path:
    """Write a table as NetCDF beside its place and move it there, so that a reader never meets half a file."""
    beside = _beside(path)
    try:
        table.to_netcdf(beside, engine="scipy")
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    return path


def load(path: Path, expected: str | None = None) -> xarray.Dataset:
    """Read a stored table, and make sure that it is whole.

    Args:
        path: a file that `save` wrote.
        expected: the key that the table must carry; None: any.

    Raises:
        ValueError: if it is not, or if it is of another version of the code.
    """
    import xarray

    try:
        with xarray.open_dataset(path, engine="scipy") as stored:
            table = stored.load()
        whole = table.attrs["digest"] == _digest(table)
    except (OSError, KeyError, ValueError, TypeError, IndexError, AttributeError, EOFError):
        whole = False
    if not whole:
        raise ValueError(f"The stored sweep {path} is damaged; remove it, and it is computed again.")
    if table.attrs["format"] != FORMAT or expected not in (None, table.attrs["key"]):
        raise ValueError(
            f"The stored sweep {path} was made by another version ({table.attrs['format']}, mmcl "
            f"{table.attrs['mmcl']}, key {table.attrs['key']}); remove it, and it is computed again."
        )
    return table


def place(study: Study) -> Path:
    """The file of the study's table, whether it is there or not."""
    return folder() / f"sweep-{study.name}-{key(study)}.nc"


def key(study: Study) -> str:
    """The hash of what the study's table depends on."""
    digest = hashlib.sha256(platform.python_version().encode())
    for name in LIBRARIES:
        digest.update(f"{name} {version(name)}\n".encode())
    digest.update(json.dumps(study.configuration, sort_keys=True).encode())
    for path in sorted(sources(study.cell.__module__)):
        digest.update(path.relative_to(PACKAGE).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _beside(path: Path) -> Path:
    return path.with_suffix(f".{os.getpid()}.tmp")


def _computed(study: Study, progress: bool | None) -> xarray.Dataset:
    import xarray

    silent = None if progress is None else not progress
    bar = tqdm(
        study.cells, study.name, study.size, unit="cell", delay=2.0, disable=silent, file=sys.stderr, leave=False
    )
    rows = [study.cell(**place) for place in bar]
    names, shape = [axis.name for axis in study.axes], [len(axis.values) for axis in study.axes]
    table = xarray.Dataset(
        {one.name: (names, np.reshape([row[one.name] for row in rows], shape), _said(one)) for one in study.quantities},
        coords={axis.name: (axis.name, np.array(axis.values), _said(axis)) for axis in study.axes},
    )
    table.attrs = {
        "title": study.title,
        "format": FORMAT,
        "mmcl": version("mmcl"),
        "key": key(study),
        "configuration": json.dumps(study.configuration),
        "versions": json.dumps({name: version(name) for name in LIBRARIES}),
        "digest": _digest(table),
    }
    return table


def _said(one: Axis | Quantity) -> dict[str, str]:
    return {"units": one.unit, "long_name": one.meaning}


def _digest(table: xarray.Dataset) -> str:
    digest = hashlib.sha256()
    for name in sorted(map(str, table.variables)):
        digest.update(name.encode() + np.ascontiguousarray(table[name].values, dtype="<f8").tobytes())
    return digest.hexdigest()[:16]

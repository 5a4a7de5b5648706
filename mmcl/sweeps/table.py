"""The finished sweep as a labelled table: coordinates with names and units, and where it came from."""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mmcl import checks
from mmcl.sweeps.study import Axis, Quantity, Study

if TYPE_CHECKING:
    import xarray

FORMAT = "mmcl sweep 2"  # changes when what a file holds does


def table_of(study: Study, rows: Sequence[Mapping[str, Any]], code: str | None = None) -> xarray.Dataset:
    """The table of a study.

    Args:
        study: which.
        rows: what every cell gave, in the order of the study's cells.
        code: what computed them, as `Study.code` said it then; None: what it says now.

    Returns:
        A Dataset whose coordinates carry ``units`` and ``long_name``, and whose attributes say which configuration,
        which code and which versions made it. The fields of worlds and objectives are coordinates along their axis.
    """
    import xarray

    code = study.code if code is None else code
    axes = (*study.axes, *study.within)
    names, shape = [axis.name for axis in axes], [len(axis.values) for axis in axes]
    table = xarray.Dataset(
        {one.name: (names, np.reshape([row[one.name] for row in rows], shape), _said(one)) for one in study.quantities},
        coords={axis.name: (axis.name, np.array(axis.places), _said(axis)) for axis in axes},
    )
    for axis in axes:
        table = table.assign_coords({
            name: (axis.name, values, {
                "units": "1", "long_name": f"{name.removeprefix(axis.name + '_')} of the {axis.name}",
            })
            for name, values in _fields(axis).items()
        })  # fmt: skip
    table.attrs = {
        "title": study.title,
        "format": FORMAT,
        "mmcl": version("mmcl"),
        "key": study.key_on(code),
        "configuration": json.dumps(study.configuration),
        "versions": code,
        "digest": digest(table),
    }
    return table


def save(table: xarray.Dataset, path: str | Path) -> Path:
    """Write a table as NetCDF beside its place and move it there, so that a reader never meets half a file."""
    path = Path(checks.kind(path, (str, Path), "`path`"))
    beside = path.with_suffix(f".{uuid.uuid4().hex}.tmp")
    try:
        table.to_netcdf(beside, engine="scipy")
        with beside.open("rb") as handle:
            os.fsync(handle.fileno())  # or a machine that fails may keep the name and lose the content
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    return path


def load(path: str | Path, expected: str | None = None) -> xarray.Dataset:
    """Read a stored table, and make sure that it is whole.

    Args:
        path: a file that `save` wrote.
        expected: the key that the table must carry; None: any.

    Raises:
        ValueError: if it is not, or if it is of another version of the code.
    """
    import xarray

    path = Path(checks.kind(path, (str, Path), "`path`"))
    try:
        with xarray.open_dataset(path, engine="scipy") as stored:
            table = stored.load()
        whole = table.attrs["digest"] == digest(table)
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


def digest(table: xarray.Dataset) -> str:
    """The hash of all numbers and labels of a table."""
    found = hashlib.sha256()
    for name in sorted(map(str, table.variables)):
        values = table[name].values
        number = values.dtype.kind in "fiu"
        found.update(name.encode() + (values.astype("<f8").tobytes() if number else "\0".join(values).encode()))
    return found.hexdigest()[:16]


def _said(one: Axis | Quantity) -> dict[str, str]:
    return {"units": one.unit, "long_name": one.meaning}


def _fields(axis: Axis) -> dict[str, np.ndarray]:
    """The fields of the values of an axis, if they are frozen values: numbers, or texts where one has no number."""
    found: dict[str, np.ndarray] = {}
    for shown, name in axis.fields.items():
        if name == "kind":
            found[shown] = np.array([type(value).__qualname__ for value in axis.values])
            continue
        own = [getattr(value, name, np.nan) for value in axis.values]
        if all(one is None for one in own):
            continue
        numbers = all(isinstance(one, int | float) and not isinstance(one, bool) for one in own)
        counts = numbers and all(isinstance(one, int) and abs(one) < 2**31 for one in own)
        kind = np.int32 if counts else float
        found[shown] = np.array(own, kind) if numbers else np.array([_text(one) for one in own])
    return found


def _text(value: Any) -> str:
    return "" if value is None or value is np.nan else repr(value)

"""What is to be computed: a grid, and what one cell of it gives."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from itertools import product
from typing import Any

import numpy as np

from mmcl.provenance import code_key, described, fingerprint, hashed

Place = dict[str, Any]  # one value on every axis, by name: the arguments of a cell
LONGEST = 100  # characters of a name
CELL = "mmcl cell 1"  # changes when what a cell's configuration means does


@dataclass(frozen=True)
class Axis:
    """One coordinate of a grid.

    Attributes:
        name: the cell's keyword argument, and the name in the table.
        values: the places on it: numbers, or frozen values such as worlds and objectives.
        unit: "1" for a pure number.
        meaning: what it is, in words.
        labels: what the table calls the places; empty: the values themselves, which must then be numbers or texts.

    Raises:
        TypeError, ValueError: if it has no places, one place twice, another number of labels, or places that a table
            cannot hold.
    """

    name: str
    values: tuple[Any, ...]
    unit: str
    meaning: str
    labels: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _texts(self, "name", "unit", "meaning")
        _ascii(self)
        for name in ("values", "labels"):
            if isinstance(given := getattr(self, name), list | range | np.ndarray):
                object.__setattr__(self, name, tuple(given))
        if not isinstance(self.values, tuple):
            raise TypeError(f"`{self.name}` must have a tuple of values; got {self.values!r}.")
        if not self.values:
            raise ValueError(f"`{self.name}` must have at least one value; got none.")
        if self.labels and len(self.labels) != len(self.values):
            raise ValueError(f"`{self.name}` must have {len(self.values)} labels; got {len(self.labels)}.")
        for place in self.places:
            if not isinstance(place, str | int | float | np.integer | np.floating) or isinstance(place, bool):
                raise TypeError(f"`{self.name}` must have numbers or texts, or `labels` for its values; got {place!r}.")
            if place != place:
                raise ValueError(f"`{self.name}` must have values that can be told apart; got NaN.")
            if isinstance(place, int | np.integer) and not -(2**31) <= place < 2**31:
                raise ValueError(f"`{self.name}` must have whole numbers of 32 bits, as NetCDF has; got {place!r}.")
        if len({isinstance(place, str) for place in self.places}) > 1:
            raise TypeError(f"`{self.name}` must have numbers or texts, not both, in one column; got {self.places!r}.")
        for value in self.values:
            try:
                hash(value)
            except TypeError:
                raise TypeError(f"`{self.name}` must have frozen values, such as a tuple; got {value!r}.") from None
        for shown in (self.places, self.values):
            seen: dict[Any, Any] = {}
            for one, place in zip(shown, self.places, strict=True):
                if one in seen:
                    twice = (
                        f"{place!r} twice" if seen[one] == place else f"{seen[one]!r} and {place!r}, which are equal"
                    )
                    raise ValueError(f"`{self.name}` must have different values; got {twice}.")
                seen[one] = place

    @property
    def places(self) -> tuple[Any, ...]:
        """What the table calls the values."""
        return self.labels or self.values

    @property
    def fields(self) -> dict[str, str]:
        """Names of further coordinates, of the fields of frozen values, and which; "kind" is that of the value."""
        if not all(is_dataclass(value) for value in self.values):
            return {}
        names = dict.fromkeys(one.name for value in self.values for one in fields(value) if one.init)
        return {f"{self.name}_{name}": name for name in ("kind", *names)}


@dataclass(frozen=True)
class Quantity:
    """What every cell gives: its name, its unit ("1" for a pure number) and what it is, in words."""

    name: str
    unit: str
    meaning: str

    def __post_init__(self) -> None:
        _texts(self, "name", "unit", "meaning")
        _ascii(self)


def _texts(one: Any, *names: str) -> None:
    for name in names:
        if not isinstance(given := getattr(one, name), str):
            raise TypeError(f"`{name}` of {type(one).__name__} must be a text; got {given!r}.")


def _ascii(one: Axis | Quantity) -> None:
    if not one.name or not one.name.isascii():
        raise ValueError(f"`name` of {type(one).__name__} must be in plain letters, as NetCDF has; got {one.name!r}.")


@dataclass(frozen=True)
class Study:
    """A sweep that has not been run yet.

    Attributes:
        name: a short name, stable.
        title: what the sweep shows.
        axes: of the grid; the last one runs fastest.
        quantities: what each cell gives.
        cell: from one place on every axis, by name, to a value for every quantity, by name. A function of a module, or
            a frozen value that can be called; of a file, under whose content its results are kept.
        within: axes that one cell covers by itself: its values are then arrays of this shape.

    Raises:
        TypeError, ValueError: if the name cannot be a file's, two axes or quantities share a name, there is no
            quantity, or the cell cannot be called.
    """

    name: str
    title: str
    axes: tuple[Axis, ...]
    quantities: tuple[Quantity, ...]
    cell: Callable[..., Mapping[str, Any]]
    within: tuple[Axis, ...] = field(default=())

    def __post_init__(self) -> None:
        name = self.name if isinstance(self.name, str) else ""
        if not name.replace("-", "").replace("_", "").isalnum() or len(name) > LONGEST:
            shown = name[:LONGEST] if name else self.name
            raise ValueError(
                f"`name` must be at most {LONGEST} letters, digits, - and _, as it names files; got {shown!r}."
            )
        _texts(self, "title")
        if not callable(self.cell) or not hasattr(self.cell, "__module__"):
            raise TypeError(
                f"`cell` must be a function of a module, or a frozen value that is called; got {self.cell!r}."
            )
        if not self.quantities:
            raise ValueError("`quantities` must have at least one; got none.")
        told: tuple[Axis | Quantity, ...] = (*self.axes, *self.within, *self.quantities)
        names = [one.name for one in told]
        if twice := sorted({one for one in names if names.count(one) > 1}):
            raise ValueError(f"`axes`, `within` and `quantities` must have different names; got {twice[0]!r} twice.")
        for axis in (*self.axes, *self.within):
            if taken := sorted(set(names) & set(axis.fields)):
                raise ValueError(
                    f"`axes`, `within` and `quantities` must have other names than {taken[0]!r}, which in the table is "
                    f"{axis.fields[taken[0]]!r} of `{axis.name}`."
                )
        with contextlib.suppress(ValueError):  # told again when it matters; here the code is still as it was loaded
            code_key(self.module)

    def fits(self, values: Mapping[str, Any]) -> str | None:
        """What is wrong with what a cell gave, for a message; None if nothing is."""
        shape, wanted = tuple(len(axis.values) for axis in self.within), {one.name for one in self.quantities}
        if missing := sorted(wanted - set(values)):
            return f"must give the quantity {missing[0]!r}; it gave {', '.join(map(repr, values)) or 'nothing'}"
        for name in sorted(wanted):
            try:
                found = np.shape(values[name])
            except ValueError:  # rows of different lengths
                found = None
            if found != shape:
                got = "rows of different lengths" if found is None else f"the shape {found}"
                return f"must give {name!r} in the shape {shape}, of the axes within it; it gave {got}"
        return None

    @property
    def cells(self) -> Iterator[Place]:
        """The places of the grid, as arguments of `cell`."""
        for values in product(*(axis.values for axis in self.axes)):
            yield dict(zip((axis.name for axis in self.axes), values, strict=True))

    def place(self, index: int) -> Place:
        """The arguments of one cell, by its number in the order of `cells`."""
        found: Place = {}
        for axis in reversed(self.axes):
            index, here = divmod(index, len(axis.values))
            found[axis.name] = axis.values[here]
        return {axis.name: found[axis.name] for axis in self.axes}

    @property
    def size(self) -> int:
        """How many cells the grid has."""
        return math.prod(len(axis.values) for axis in self.axes)

    @property
    def module(self) -> str:
        """Where the cell is defined: what its results depend on is found from there."""
        return self.cell.__module__

    @property
    def configuration(self) -> dict[str, Any]:
        """Everything that defines the sweep but its code."""
        axes: tuple[Axis, ...] = (*self.axes, *self.within)
        told: tuple[Axis | Quantity, ...] = (*axes, *self.quantities)
        return {
            "name": self.name,
            "title": self.title,
            "axes": {axis.name: described(axis.values) for axis in self.axes},
            "within": {axis.name: described(axis.values) for axis in self.within},
            "labels": {axis.name: list(axis.labels) for axis in axes if axis.labels},
            "quantities": [quantity.name for quantity in self.quantities],
            "units": {one.name: one.unit for one in told},
            "meanings": {one.name: one.meaning for one in told},
            "cell": described(self.cell),
        }

    def configuration_of(self, place: Place) -> dict[str, Any]:
        """Everything that defines one cell but its code; not its study, so that a grid can grow around it."""
        within = {axis.name: described(axis.values) for axis in self.within}
        return {"format": CELL, "cell": described(self.cell), "within": within, "place": described(place)}

    @property
    def code(self) -> str:
        """The code and the libraries that a cell runs on, as text."""
        return json.dumps(fingerprint(self.module), sort_keys=True)

    @property
    def key(self) -> str:
        """The hash of what the study's table depends on."""
        return self.key_on(self.code)

    def key_on(self, code: str) -> str:
        """Likewise, on code that was read before."""
        return hashed(code, json.dumps(self.configuration, sort_keys=True))[:16]

    def said(self, index: int) -> str:
        """A cell in words, for a message."""
        words = []
        for axis in reversed(self.axes):
            index, here = divmod(index, len(axis.values))
            words.append(f"{axis.name} = {axis.places[here]}")
        return ", ".join(reversed(words))

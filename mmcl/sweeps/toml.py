"""A study in a file: what `mmcl.sweeps.worlds` takes, as TOML; whatever does not fit is refused in one sentence."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from mmcl import checks
from mmcl.data import PairedData
from mmcl.latents import GaussianLatents, Latents, Signs, SparseLatents, UniformLatents
from mmcl.sweeps.runs import Followed, Trained
from mmcl.sweeps.study import Study
from mmcl.sweeps.worlds import OBJECTIVES, of_grid, of_worlds

RUNS: dict[str, type[Trained] | type[Followed]] = {"train": Trained, "flow": Followed}
LATENTS: dict[str, type[Latents]] = {
    one.__name__: one for one in (Signs, GaussianLatents, UniformLatents, SparseLatents)
}
TOP = ("name", "title", "kind", "seeds", "run", "worlds", "objectives", "grid", "world", "objective")
SEEDS = 10**7  # more than anyone asks for, and still a list that fits into memory
Table = Mapping[str, Any]


def read(path: str | Path) -> Study:
    """The study that a file describes.

    Args:
        path: a TOML file. ``kind`` is "train" or "flow", ``[run]`` its settings, ``seeds`` a number or a list. Then
            either ``[[worlds]]`` and ``[[objectives]]``, each with a ``name``, or a ``[grid]`` of fields to vary, with
            the ``[world]`` and the ``[objective]`` that it varies.

    Raises:
        FileNotFoundError: if there is no such file.
        TypeError, ValueError: if it is no TOML, has a field that nothing reads, lacks one, or holds a value that does
            not fit; the sentence names the file and the field.
    """
    path = Path(checks.kind(path, (str, Path), "`path`"))
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise FileNotFoundError(f"The study {str(path)!r} must be a file that exists.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"The study {str(path)!r} must be a text file that can be read ({error}).") from None
    try:
        return _study(tomllib.loads(text), path)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path.name}: must be TOML; {error}.") from None
    except RecursionError:
        raise ValueError(f"{path.name}: must be TOML with fewer brackets within brackets.") from None
    except (TypeError, ValueError) as error:
        raise type(error)(f"{path.name}: {error}") from None


def _study(table: Table, path: Path) -> Study:
    _known(table, TOP, "")
    name = _text(table.get("name", path.stem), "`name`")
    title = _text(table.get("title", name), "`title`")
    kind = _chosen(table.get("kind", "train"), RUNS, "`kind`")
    run = _built(kind, _table(table.get("run", {}), "`run`"), "run")
    seeds = _seeds(table.get("seeds", 1 if kind is Trained else 0))
    if "grid" not in table:
        for one in ("world", "objective"):
            if one in table:
                raise ValueError(f"`{one}` must be left out without a `grid`: each of `{one}s` has its own fields.")
        worlds = _named(table, "worlds", _world)
        return of_worlds(name, worlds, _named(table, "objectives", _objective), seeds, run=run, title=title)
    for other in ("worlds", "objectives"):
        if other in table:
            raise ValueError(f"`{other}` must be left out beside `grid`, which varies one world and one objective.")
    world = _world(_table(table.get("world", {}), "`world`"), "world")
    objective = _objective(_table(table.get("objective", {}), "`objective`"), "objective")
    grid = {axis: _list(values, f"`grid.{axis}`") for axis, values in _table(table["grid"], "`grid`").items()}
    if "latents" in grid:
        grid["latents"] = [_latents(one, "grid.latents") for one in grid["latents"]]
    return of_grid(name, grid, seeds, world=world, objective=objective, run=run, title=title)


def _named(table: Table, field: str, build: Callable[[Table, str], Any]) -> dict[str, Any]:
    """A list of tables, each with a name."""
    found: dict[str, Any] = {}
    for number, one in enumerate(_list(table.get(field, []), f"`{field}`"), 1):
        where = f"{field}[{number}]"
        own = dict(_table(one, f"`{where}`"))
        if "name" not in own:
            raise ValueError(f"`{where}.name` must be given; got none.")
        name = _text(own.pop("name"), f"`{where}.name`")
        if name in found:
            raise ValueError(f"`{field}` must have different names; got {name!r} twice.")
        found[name] = build(own, where)
    if not found:
        raise ValueError(f"`{field}` must have at least one entry, or there must be a `grid`; got none.")
    return found


def _world(table: Table, where: str) -> PairedData:
    from mmcl.worlds import CANONICAL

    own = {"signal_a": CANONICAL.signal_a, **table}
    if "latents" in own:
        own["latents"] = _latents(own["latents"], f"{where}.latents")
    return _built(PairedData, own, where)


def _latents(value: Any, where: str) -> Latents:
    """By their name, or as a table of their `kind` and its fields."""
    own = dict(value) if isinstance(value, dict) else {"kind": value}
    kind = _chosen(own.pop("kind", None), LATENTS, f"`{where}`")
    if kind is SparseLatents and not own:
        raise ValueError(f'`{where}` must say how sparse, as {{kind = "SparseLatents", rate = 0.1}}; got {value!r}.')
    return _built(kind, own, where)


def _objective(table: Table, where: str) -> Any:
    own = dict(table)
    kind = _chosen(own.pop("kind", "InfoNCE"), OBJECTIVES, f"`{where}.kind`")
    if "inverse_temperature" in (field.name for field in fields(kind)):
        own.setdefault("inverse_temperature", 4.0)
    return _built(kind, own, where)


def _built(kind: Callable[..., Any], table: Table, where: str) -> Any:
    """A frozen value from its fields."""
    _known(table, tuple(field.name for field in fields(kind) if field.init), f"{where}.")  # type: ignore[arg-type]
    try:
        return kind(**table)
    except (TypeError, ValueError) as error:
        raise type(error)(f"`{where}`: {error}") from None


def _known(table: Table, names: tuple[str, ...], where: str) -> None:
    for name in table:
        if name not in names:
            raise ValueError(f"`{where}{name}` is no field of a study; there are: {', '.join(names)}.")


def _chosen(value: Any, options: Mapping[str, Any], name: str) -> Any:
    if not isinstance(value, str) or value not in options:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, options))}; got {value!r}.")
    return options[value]


def _seeds(value: Any) -> list[int]:
    """So many, from 0 on, or a list of them."""
    if isinstance(value, list):
        return value
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < SEEDS:
        raise ValueError(f"`seeds` must be a whole number below {SEEDS:,}, or a list of seeds; got {value!r}.")
    return list(range(value))


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise TypeError(f"{name} must be a text; got {value!r}.")
    return value


def _table(value: Any, name: str) -> Table:
    if not isinstance(value, dict):
        raise TypeError(f"{name} must be a table of fields; got {value!r}.")
    return value


def _list(value: Any, name: str) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError(f"{name} must be a list; got {value!r}.")
    return value

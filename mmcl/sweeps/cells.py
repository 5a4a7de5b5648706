"""The store of finished cells: one small file for each, whole or not there."""

from __future__ import annotations

import errno
import json
import os
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from mmcl.provenance import hashed
from mmcl.sweeps.study import Study

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
ABANDONED = 3600.0  # seconds after which a file that is still being written belongs to no process any more


@dataclass(frozen=True)
class Outcome:
    """What a cell gave.

    Attributes:
        values: by the quantity's name: floats, or lists of them.
        seconds: how long it took.
    """

    values: dict[str, Any]
    seconds: float


@dataclass(frozen=True)
class Cells:
    """The finished cells of a study, in a folder that other studies and other drivers may share.

    A cell's file is named by a hash of its own configuration and of the code; it is written beside the others and moved
    to its place, so that a reader never meets half a file, and whoever comes second writes the same.

    Attributes:
        study: whose cells.
        root: the folder of the store.
        code: what the cells are computed with, as `Study.code` says it.
    """

    study: Study
    root: Path
    code: str

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """The names of the cells, in their order."""
        configuration_of = self.study.configuration_of
        return tuple(
            hashed(self.code, json.dumps(configuration_of(place), sort_keys=True)) for place in self.study.cells
        )

    def path(self, index: int) -> Path:
        """The file of a cell, whether it is there or not."""
        key = self.keys[index]
        return self.root / "cells" / key[:2] / f"{key}.json"

    def open(self) -> None:
        """Make sure that the store can be written, before the work begins.

        Raises:
            OSError: if it cannot.
        """
        try:
            self._writing.mkdir(parents=True, exist_ok=True)
            trial = self._beside()
            trial.touch()
            trial.unlink()
        except OSError as error:
            raise self._refused(error) from None
        for left in self._writing.iterdir():
            _remove_if_abandoned(left)

    def load(self, index: int) -> Outcome | None:
        """A finished cell; None if it is not there.

        Raises:
            ValueError: if its file is damaged.
        """
        path = self.path(index)
        try:
            stored = json.loads(path.read_bytes())
        except FileNotFoundError:
            return None
        except (ValueError, RecursionError, IsADirectoryError, NotADirectoryError):
            stored = None
        whole = isinstance(stored, dict) and stored.get("digest") == _digest(self.keys[index], stored.get("values"))
        if not (whole and isinstance(stored.get("seconds"), float)):
            raise ValueError(f"The stored cell {path} is damaged; remove it, and it is computed again.")
        return Outcome(stored["values"], float(stored["seconds"]))

    def save(self, index: int, outcome: Outcome) -> None:
        """Keep a finished cell.

        Raises:
            OSError: if it cannot be written; nothing of it is left then.
        """
        path, values, beside = self.path(index), outcome.values, self._beside()
        record = {
            "cell": self.study.configuration_of(self.study.place(index)),
            "values": values,
            "seconds": outcome.seconds,
            "digest": _digest(self.keys[index], values),
        }
        try:
            path.parent.mkdir(exist_ok=True)
            with beside.open("wb") as handle:
                handle.write(json.dumps(record).encode())
                handle.flush()
                os.fsync(handle.fileno())  # or a machine that fails may keep the name and lose the content
            beside.replace(path)
        except OSError as error:
            raise self._refused(error) from None
        finally:
            beside.unlink(missing_ok=True)

    @property
    def _writing(self) -> Path:
        return self.root / "cells" / "writing"

    def _beside(self) -> Path:
        """A place for a file that is not finished: no other process, on any machine, has the same."""
        return self._writing / f"{uuid.uuid4().hex}.tmp"

    def _refused(self, error: OSError) -> OSError:
        return refusal(error, self.root)


def refusal(error: OSError, root: Path) -> OSError:
    """What to tell who cannot write there."""
    if error.errno in FULL:
        return OSError(
            f"The store {root} is full ({error.strerror}); what is finished is kept whole: make room, and start again."
        )
    return OSError(f"The store {root} cannot be written ({error.strerror}); give a folder, by `--store` or MMCL_STORE.")


def _digest(key: str, values: Any) -> str:
    return hashed(key, json.dumps(values, sort_keys=True))


def plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Floats, or lists of them; JSON keeps every bit of a float, and NaN as such."""
    return {name: np.asarray(value, dtype=float).tolist() for name, value in values.items()}


def _remove_if_abandoned(path: Path) -> None:
    try:
        if time.time() - path.stat().st_mtime > ABANDONED:
            path.unlink()
    except FileNotFoundError:  # finished, or removed by another driver
        pass

"""A sweep from beginning to end: what is stored already, what is missing, and the table."""

from __future__ import annotations

import logging
import os
import platform
import sys
import zlib
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from mmcl import checks
from mmcl.provenance import folder
from mmcl.sweeps.cells import Cells, Outcome, refusal
from mmcl.sweeps.executors import CellFailed, Executor, Processes, Task
from mmcl.sweeps.study import Study
from mmcl.sweeps.table import load, save, table_of

if TYPE_CHECKING:
    import xarray

GOLDEN = 0.6180339887498949


class SweepInterrupted(KeyboardInterrupt):
    """The user stopped a sweep; the message says how it goes on."""


def run(
    study: Study, *, executor: Executor | None = None, store: str | Path | None = None, progress: bool | None = None
) -> xarray.Dataset:
    """The study's table: from the store, or computed now and stored.

    Every finished cell is stored at once. Killed at any moment and started again, a sweep computes only what is
    missing, and its table is the same to the last bit, wherever the cells were computed on machines of one kind.

    Args:
        study: what to compute.
        executor: where: `Serial`, `Processes` or `Cluster`; None: all cores of this machine.
        store: the folder of the store; None: `mmcl.provenance.folder`.
        progress: a progress bar: True, False, or None for one on long work at a terminal.

    Returns:
        A Dataset whose coordinates carry ``units`` and ``long_name``, and whose attributes say which configuration,
        which code and which versions made it.

    Raises:
        TypeError, ValueError: on arguments that do not fit, or if a stored file is damaged or of another version.
        OSError: if the store cannot be written or is full, or if the cluster cannot be reached.
        CellFailed: if a cell raises an error, or gives no such quantity; the others that finished are kept.
        SweepInterrupted: on Ctrl-C; likewise.
    """
    study = checks.kind(study, Study, "`study`")
    root = folder() if store is None else Path(checks.kind(store, (str, Path), "`store`"))
    if executor is not None and not callable(getattr(executor, "run", None)):
        raise TypeError(f"`executor` must be Serial(), Processes() or Cluster(...); got {executor!r}.")
    code = study.code  # as it is now: a file that is edited while cells are computed does not change what computes them
    path, key = place(study, root, code), study.key_on(code)
    if path.exists():
        return load(path, key)
    cells = Cells(study, root, code)
    cells.open()
    found = _finished(cells, executor or Processes(), progress)
    table = table_of(study, [found[index].values for index in range(study.size)], code)
    try:
        save(table, path)
    except OSError as error:
        raise refusal(error, root) from None
    return load(path, key)


def place(study: Study, root: Path | None = None, code: str | None = None) -> Path:
    """The file of the study's table, whether it is there or not; on this code, or on that of now."""
    key = study.key_on(study.code if code is None else code)
    return (folder() if root is None else root) / f"sweep-{study.name}-{key}.nc"


def _finished(cells: Cells, executor: Executor, progress: bool | None) -> dict[int, Outcome]:
    """All cells of the study, those that are missing computed."""
    study, found = cells.study, _stored(cells, range(cells.study.size))
    silent = None if progress is None else not progress
    bar = tqdm(
        desc=study.name, total=study.size, initial=len(found), unit="cell", delay=0 if progress else 2.0,
        disable=silent, file=sys.stderr, leave=bool(progress),
    )  # fmt: skip
    with bar, logging_redirect_tqdm([logging.getLogger("mmcl.sweeps")]):
        while missing := [index for index in _order(study.size) if index not in found]:
            try:
                # Closed on a full disk or an interrupt, so that no further cell begins.
                with closing(executor.run(_tasks(cells, missing))) as finished:
                    for index, outcome in finished:
                        if wrong := study.fits(outcome.values):
                            raise CellFailed(f"The cell {study.said(index)} {wrong}.")
                        cells.save(index, outcome)
                        found[index] = outcome
                        bar.update()
            except KeyboardInterrupt:
                raise SweepInterrupted(
                    f"interrupted; {len(found)} of {study.size} cells are stored, and the same command goes on from "
                    "them."
                ) from None
            others = _stored(cells, [index for index in missing if index not in found])
            found |= others
            bar.update(len(others))
    return found


def _stored(cells: Cells, indices: Iterable[int]) -> dict[int, Outcome]:
    """Those of the cells that are in the store."""
    outcomes = ((index, cells.load(index)) for index in indices)
    return {index: outcome for index, outcome in outcomes if outcome is not None}


def _tasks(cells: Cells, missing: Iterable[int]) -> Iterator[Task]:
    """What is still to be done when its turn comes: another driver may have stored it meanwhile."""
    study = cells.study
    for index in missing:
        if not cells.path(index).exists():
            yield Task(index, study.cell, study.place(index), study.said(index))


def _order(size: int) -> list[int]:
    """The cells from a place on that depends on this process: two drivers on one store share the work."""
    driver = zlib.crc32(platform.node().encode()) + os.getpid()
    first = int(GOLDEN * driver % 1 * size)
    return [*range(first, size), *range(first)]

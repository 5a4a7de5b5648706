"""Where cells are computed: in this process, or in several of this machine; `mmcl.sweeps.cluster` has many machines."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import chain
from threading import RLock
from typing import Any, Protocol

from threadpoolctl import threadpool_limits
from tqdm import tqdm

from mmcl import checks
from mmcl.sweeps.cells import Outcome, plain
from mmcl.sweeps.fitness import Unfit, missing, required
from mmcl.sweeps.study import Place
from mmcl.training.threads import available

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
LONGEST = 1000  # characters of a cell's own error in a message
IDLE = 30  # seconds after which a process without work ends, also when its driver was killed


@dataclass(frozen=True)
class Task:
    """A cell on its way to a process.

    Attributes:
        index: its number in the study.
        cell: what to call.
        place: with which arguments.
        said: the place in words, for a message.
    """

    index: int
    cell: Callable[..., Any]
    place: Place
    said: str


class CellFailed(RuntimeError):
    """A cell raised an error; the message names the cell and says which."""


class Executor(Protocol):
    """Where cells are computed."""

    def run(self, tasks: Iterable[Task]) -> Generator[tuple[int, Outcome], None, None]:
        """Compute all tasks and yield each one's index and outcome as it is done, in any order.

        `tasks` is read as places for work become free, not all at once.
        """
        ...


@dataclass(frozen=True)
class Serial:
    """One cell after another, in this process."""

    def run(self, tasks: Iterable[Task]) -> Generator[tuple[int, Outcome], None, None]:
        """Each in its turn."""
        with one_thread():
            for task in tasks:
                yield task.index, compute(task)


@dataclass(frozen=True)
class Processes:
    """Several processes of this machine, by joblib.

    Attributes:
        jobs: how many; None: one per core.
    """

    jobs: int | None = None

    def __post_init__(self) -> None:
        if self.jobs is not None:
            checks.whole(self.jobs, "`jobs`")

    def run(self, tasks: Iterable[Task]) -> Generator[tuple[int, Outcome], None, None]:
        """As many at once as there are processes; short cells go in batches that joblib sizes.

        Raises:
            Unfit: if a process has loaded other code than this one, as when a file is edited meanwhile.
            CellFailed: if a cell raises an error, or a process is killed.
        """
        from joblib import Parallel, cpu_count, delayed, parallel_config
        from joblib.externals.loky import get_reusable_executor
        from joblib.externals.loky.process_executor import TerminatedWorkerError

        jobs, waiting = self.jobs or cpu_count(), iter(tasks)
        first = next(waiting, None)
        if first is None:
            return
        if jobs == 1:
            yield from Serial().run(chain([first], waiting))
            return
        expected = required(first.cell)
        # Processes left from an earlier sweep have its code: joblib starts others where they are to begin otherwise.
        config = parallel_config(
            "loky", n_jobs=jobs, inner_max_num_threads=1, idle_worker_timeout=IDLE, initializer=_begin,
            initargs=(expected,),
        )  # fmt: skip
        with config:
            finished = Parallel(return_as="generator_unordered")(
                delayed(_numbered)(task, expected) for task in chain([first], waiting)
            )
        whole = False
        try:
            yield from finished
            whole = True
        except TerminatedWorkerError:
            raise CellFailed(
                "A process of the sweep was killed from outside, most often for want of memory; what is finished is "
                f"kept: start again with fewer than {jobs} `jobs`."
            ) from None
        finally:
            finished.close()
            if not whole:  # on Ctrl-C or a full disk, nobody waits for what has begun
                get_reusable_executor().shutdown(wait=True, kill_workers=True)


def compute(task: Task) -> Outcome:
    """One cell, in a process that is held to one thread.

    Raises:
        CellFailed: if the cell raises an error.
    """
    begun = time.perf_counter()
    try:
        values = plain(task.cell(**task.place))
    except (Exception, SystemExit) as error:
        said = " ".join(str(error).split())[:LONGEST]
        raise CellFailed(f"The cell {task.said} failed with {type(error).__name__}: {said}") from error
    return Outcome(values, time.perf_counter() - begun)


def _begin(expected: Mapping[str, str]) -> None:
    """A process for cells of this code."""
    settle()


def _numbered(task: Task, expected: Mapping[str, str]) -> tuple[int, Outcome]:
    if reason := missing(expected, f"process {os.getpid()}, which computes cells,"):
        raise Unfit(reason)
    return task.index, compute(task)


@cache
def settle() -> None:
    """Hold a process that is there for cells alone to one thread, for good, so that it can be killed at any time."""
    os.environ.update(dict.fromkeys(THREADS, "1"))  # for libraries that a cell loads
    threadpool_limits(limits=1)
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(1)
    tqdm.set_lock(RLock())  # its own lock is shared by processes, and would be left behind


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """One thread, for now: the last digits of a cell must not depend on how many a machine has."""
    threads = torch.get_num_threads() if (torch := sys.modules.get("torch")) else available()
    variables = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, "1"))
    if torch:
        torch.set_num_threads(1)
    try:
        with threadpool_limits(limits=1):
            yield
    finally:
        if torch := sys.modules.get("torch"):  # which a cell may have loaded
            torch.set_num_threads(threads)
        for name, value in variables.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value

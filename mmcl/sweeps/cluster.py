"""Cells on the workers of a Dask scheduler; only this driver needs the store."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import queue
import time
import warnings
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import chain, islice
from typing import Any

from mmcl import checks
from mmcl.sweeps.cells import Outcome
from mmcl.sweeps.executors import CellFailed, Task
from mmcl.sweeps.fitness import Unfit, required
from mmcl.sweeps.worker import Batch, on_worker, packed, refuse_unfit, unfit

PATIENCE = 10.0  # seconds for the scheduler to answer, and between two words about missing workers
AHEAD = 3  # batches on their way for each worker: it finds the next one at hand when it is done
LARGEST_BATCH = 256
log = logging.getLogger("mmcl.sweeps")


@dataclass(frozen=True)
class Cluster:
    """The workers of a Dask scheduler, each with one thread.

    Attributes:
        address: of the scheduler, such as ``tcp://host:8786``.
        batch_seconds: cells that are shorter travel together, in batches that last about so long; 0: one by one.
    """

    address: str
    batch_seconds: float = 0.5

    def __post_init__(self) -> None:
        checks.non_negative(self.batch_seconds, "`batch_seconds`")

    def run(self, tasks: Iterable[Task]) -> Generator[tuple[int, Outcome], None, None]:
        """Keep every worker busy until all is done; what a lost worker had goes to another.

        Raises:
            ConnectionError: if the scheduler does not answer within 10 s, or goes away.
            Unfit: if a worker runs other versions than this driver, lacks the cells' module, or has several threads.
            CellFailed: if a cell raises an error, or takes several workers down with it.
        """
        if not find_spec("distributed"):
            raise Unfit("`--scheduler` needs Dask on this machine too: pip install dask distributed.")
        waiting = iter(tasks)
        first = next(waiting, None)
        if first is None:
            return
        expected = required(first.cell)
        with _quiet(), connected(self.address) as client:
            yield from _Flow(client, self, expected, chain([first], waiting)).results()


class _Flow:
    """Batches of cells on their way through a scheduler, never many more than the workers can take."""

    def __init__(self, client: Any, cluster: Cluster, expected: dict[str, str], waiting: Iterator[Task]) -> None:
        self.client, self.address, self.batch_seconds = client, cluster.address, cluster.batch_seconds
        self.expected, self.waiting = expected, waiting
        self.done: queue.Queue[Any] = queue.Queue()
        self.running: dict[str, tuple[Any, Batch]] = {}  # futures that nobody holds are cancelled
        self.batch = 1
        self.workers, self.counted, self.spoken = 0, -PATIENCE, time.monotonic()

    def results(self) -> Iterator[tuple[int, Outcome]]:
        """Every cell's index and outcome, as they come."""
        self._count()
        self._submit()
        while self.running:
            try:
                future = self.done.get(timeout=1.0)
            except queue.Empty:
                self._count()
                self._submit()
                continue
            _, batch = self.running.pop(future.key)
            outcomes = self._outcomes(future, batch)
            self._size(outcomes)
            self._count()
            self._submit()
            yield from zip((task.index for task in batch), outcomes, strict=True)

    def _submit(self) -> None:
        """As many batches as the workers can have ahead of them."""
        while len(self.running) < max(1, AHEAD * self.workers):
            batch = tuple(islice(self.waiting, self.batch))
            if not batch:
                return
            future = self.client.submit(on_worker, packed(batch), self.expected, pure=False)
            self.running[future.key] = future, batch
            future.add_done_callback(self.done.put)

    def _outcomes(self, future: Any, batch: Batch) -> list[Outcome]:
        from distributed import KilledWorker
        from distributed.client import FutureCancelledError

        try:
            return future.result()
        except (FutureCancelledError, OSError):
            raise ConnectionError(_lost(self.address)) from None
        except KilledWorker as killed:
            # The scheduler counts a worker's end against all that the worker had.
            raise CellFailed(
                f"The cell {batch[0].said}, or another that the same workers had, took {killed.allowed_failures + 1} "
                "of them down with it, most often for want of memory, unless they were stopped from outside; what is "
                "finished is kept."
            ) from None

    def _size(self, outcomes: list[Outcome]) -> None:
        """The next batches last about `batch_seconds`."""
        each = sum(one.seconds for one in outcomes) / len(outcomes)
        wanted = self.batch_seconds / max(each, 1e-6)
        self.batch = int(min(max(1.0, wanted), LARGEST_BATCH, 2 * self.batch))

    def _count(self) -> None:
        """Count the workers once a second; make sure of those that are new; say so while there are none."""
        now = time.monotonic()
        if now - self.counted < 1.0:
            return
        threads = self._asked(self.client.sync, self.client.scheduler.ncores, callback_timeout=PATIENCE)
        if threads is None:
            return
        if len(threads) > self.workers:
            refuse_unfit(self._asked(self.client.run, unfit, self.expected, on_error="return"))
        self.workers, self.counted = len(threads), now
        if threads:
            self.spoken = now
        elif now - self.spoken > PATIENCE:
            log.warning(
                f"The scheduler {self.address} has no workers; the sweep goes on when there are some "
                f"(dask worker {self.address} --nthreads 1)."
            )
            self.spoken = now

    def _asked(self, call: Any, *arguments: Any, **settings: Any) -> Any:
        try:
            return call(*arguments, **settings)
        except TimeoutError:
            log.warning(f"The scheduler {self.address} has not answered for {PATIENCE:.0f} s; the sweep waits for it.")
            return None
        except (OSError, AttributeError):  # the client forgets its scheduler when it closes
            raise ConnectionError(_lost(self.address)) from None


@contextlib.contextmanager
def connected(address: str) -> Iterator[Any]:
    """A client of the scheduler at that address.

    Raises:
        ConnectionError: if there is none, or if it does not answer within 10 s.
    """
    from distributed import Client

    try:
        # Asked first, as a client that gets no answer takes minutes to give up; in a thread, as a notebook has a loop.
        with ThreadPoolExecutor(1) as aside:
            aside.submit(asyncio.run, asyncio.wait_for(_answered(address), PATIENCE)).result()
        with warnings.catch_warnings():  # of versions that differ: `unfit` names them in a sentence
            warnings.filterwarnings("ignore", module=r"distributed")
            client = Client(address, timeout=PATIENCE, set_as_default=False)
    except Exception as error:  # whatever answers there may send anything
        said = " ".join(str(error).split())[:200] or "no answer"
        raise ConnectionError(
            f"`--scheduler` must be the address of a Dask scheduler that answers within {PATIENCE:.0f} s; "
            f"got {address!r} ({said})."
        ) from None
    try:
        yield client
    finally:
        with contextlib.suppress(OSError, TimeoutError, AttributeError):
            client.close(timeout=PATIENCE / 2)


async def _answered(address: str) -> None:
    """Wait for a scheduler to say that it is one."""
    from distributed import rpc

    async with rpc(address, timeout=PATIENCE) as there:
        who = await there.identity()
        if who.get("type") != "Scheduler":
            raise ValueError(f"a {who.get('type')} answers there")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without Dask's own words about what this module says in a sentence."""
    loud = logging.getLogger("distributed")
    level = loud.level
    loud.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        loud.setLevel(level)


def _lost(address: str) -> str:
    return f"The scheduler {address} went away; what is finished is kept: start the same command again."

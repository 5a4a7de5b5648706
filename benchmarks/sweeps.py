"""A sweep on two workers against one, and what a cell and a task cost."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from mmcl import InfoNCE
from mmcl.benchmark import AT_LEAST, Cost, Price, Race
from mmcl.sweeps import Axis, Cluster, Followed, Processes, Quantity, Study, Trained, of_worlds, run
from mmcl.sweeps.cells import Cells, Outcome
from mmcl.sweeps.executors import Executor, Task, compute, one_thread
from mmcl.worlds import CANONICAL

ROOT = Path(__file__).resolve().parents[1]
HALF = Trained(width=64, steps=1600, batch_size=512)  # about half a second


def workers(rounds: int, cells: int) -> Iterator[Race]:
    """The same study on two workers of a cluster and on one, and likewise in processes of this machine."""
    with cluster(1) as one, cluster(2) as two:
        clusters = _raced({"one worker": Cluster(one), "two workers": Cluster(two)}, 2 * rounds - 1, cells)
    processes = _raced({"one process": Processes(1), "two processes": Processes(2)}, 2 * rounds - 1, cells)
    work = f"a sweep of {cells} cells of about {_seconds(lambda: HALF(CANONICAL, InfoNCE(4.0), 0)):.1f} s"
    yield Race("sweep-workers", f"{work} on a Dask cluster", clusters[1], clusters[0], AT_LEAST, 1.7,
               note="from an empty store to the table; workers on loopback, warm")  # fmt: skip
    yield Race("sweep-processes", f"{work} by joblib", processes[1], processes[0], AT_LEAST,
               note="from an empty store to the table")  # fmt: skip


def prices(rounds: int, tasks: int) -> Iterator[Price]:
    """What a cell, a task and the store cost."""
    for run_ in (Trained(), Followed()):
        seed = (0,) if run_.random else ()
        name = "`train` with its defaults" if run_.random else "the exact flow"
        call = _one_thread(lambda run_=run_, seed=seed: run_(CANONICAL, InfoNCE(4.0), *seed))
        yield Price(f"cell-{'train' if run_.random else 'flow'}", f"a cell: {name}, canonical world",
                    tuple(call() for _ in range(rounds)))  # fmt: skip
    with cluster(2) as address:
        for id, executor, how in (
            ("task", Cluster(address, batch_seconds=0.0), "one by one"),
            ("task-batched", Cluster(address), "in batches"),
        ):
            _empty(executor, 100)
            values = tuple(_seconds(lambda executor=executor: _empty(executor, tasks)) / tasks for _ in range(rounds))
            yield Price(id, f"an empty cell through the scheduler, {how}", values,
                        note=f"{tasks} cells, two workers on loopback")  # fmt: skip
    yield Price("store", "a finished cell into the store", tuple(_stored(tasks) for _ in range(rounds)))


@contextlib.contextmanager
def cluster(count: int) -> Iterator[str]:
    """A scheduler and so many workers on loopback."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"tcp://127.0.0.1:{port}"
    host = ["--host", "127.0.0.1", "--no-dashboard"]
    with contextlib.ExitStack() as running, tempfile.TemporaryDirectory() as scratch:
        running.enter_context(_child("dask_scheduler", *host, "--port", str(port)))
        for _ in range(count):
            words = ["--nthreads", "1", "--no-nanny", "--local-directory", scratch]
            running.enter_context(_child("dask_worker", address, *host, *words))
        _wait_for(address, count)
        _warm(Cluster(address), 4 * count)
        yield address


@contextlib.contextmanager
def _child(name: str, *words: str) -> Iterator[None]:
    command = [sys.executable, "-m", f"distributed.cli.{name}", *words]
    child = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        child.terminate()
        child.wait(30)


def _wait_for(address: str, count: int) -> None:
    from distributed import Client

    with Client(address, timeout=30, set_as_default=False) as client:
        client.wait_for_workers(count, timeout=60)


def _raced(contenders: dict[str, Executor], rounds: int, cells: int) -> list[Cost]:
    """In every round each has its turn, with a store of its own."""
    values: dict[str, list[float]] = {name: [] for name in contenders}
    for executor in contenders.values():
        _warm(executor, 4)
    for _ in range(rounds):
        for name, executor in contenders.items():
            values[name].append(_seconds(lambda executor=executor: _swept(executor, HALF, cells)))
    return [Cost(name, tuple(found)) for name, found in values.items()]


def _warm(executor: Executor, cells: int) -> None:
    _swept(executor, Trained(width=8, steps=2, batch_size=8), cells)


def _swept(executor: Executor, each: Trained, cells: int) -> None:
    study = of_worlds("race", {"canonical": CANONICAL}, {"InfoNCE": InfoNCE(4.0)}, range(cells), run=each)
    with tempfile.TemporaryDirectory() as store:
        run(study, executor=executor, store=Path(store), progress=False)


def nothing(x: float) -> dict[str, float]:
    """A cell that does nothing."""
    return {"y": x}


def _empty(executor: Executor, count: int) -> None:
    found = list(executor.run(Task(i, nothing, {"x": float(i)}, f"x = {i}") for i in range(count)))
    assert sorted(index for index, _ in found) == list(range(count))


def _stored(count: int) -> float:
    """Seconds for one cell, where there are many."""
    number = Axis("x", tuple(map(float, range(count))), "1", "a number")
    study = Study("nothing", "Nothing", (number,), (Quantity("y", "1", "the same"),), nothing)
    with tempfile.TemporaryDirectory(dir=ROOT) as store:  # on a real disk, not in memory
        cells = Cells(study, Path(store), study.code)
        cells.open()
        assert len(cells.keys) == count
        return _seconds(lambda: [cells.save(i, Outcome({"y": float(i)}, 0.0)) for i in range(count)]) / count


def _one_thread(call: Callable[[], dict[str, float]]) -> Callable[[], float]:
    task = Task(0, call, {}, "")

    def timed() -> float:
        with one_thread():
            return compute(task).seconds

    timed()  # warm
    return timed


def _seconds(call: Callable[[], object]) -> float:
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun

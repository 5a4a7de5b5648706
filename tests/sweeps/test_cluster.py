"""A scheduler and workers as processes of their own, on loopback: the table is the serial one, whoever is killed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import threading
from dataclasses import dataclass
from pathlib import Path

import pytest
from children import ROOT, SIZE, Bench, Process, finished, some

from mmcl.sweeps.cluster import connected

POISON = """
import os, pathlib, sys, time
from mmcl.sweeps import Axis, CellFailed, Cluster, Quantity, Study, run
def cell(x):
    if x == 2.0:
        for _ in range(400):  # until the other one is stored: it may have been on its way from a worker that dies
            if list(pathlib.Path(os.environ["MMCL_STORE"]).glob("cells/??/*.json")):
                break
            time.sleep(0.05)
        os.kill(os.getpid(), 9)
    return {{"double": 2 * x}}
axis = Axis("x", (1.0, 2.0), "1", "a number")
try:
    run(Study("poison", "A cell that kills", (axis,), (Quantity("double", "1", "2x"),), cell), executor=Cluster({!r}))
except CellFailed as failed:
    sys.exit(str(failed))
"""


OWN = """
from mmcl.sweeps import Axis, Quantity, Study
FACTOR = {}
def cell(a):
    return {{"y": FACTOR * a}}
STUDY = Study("own", "Cells of one's own", (Axis("a", (1, 2, 3), "1", "a"),), (Quantity("y", "1", "y"),), cell)
"""
DRIVER = """
import sys
sys.path.insert(0, {!r})
import mycells
from mmcl.sweeps import Cluster, run
from mmcl.sweeps import Unfit
try:
    print(run(mycells.STUDY, executor=Cluster({!r}), store={!r})["y"].values.tolist())
except Unfit as unfit:
    sys.exit(str(unfit))
"""


@dataclass
class Dask:
    """A scheduler on a free port of this machine, and its workers."""

    bench: Bench
    address: str
    scheduler: Process

    def worker(self, *, threads: int = 1, package: Path = ROOT) -> Process:
        """One more worker."""
        here = ["distributed.cli.dask_worker", self.address, "--nthreads", str(threads), "--no-dashboard"]
        here += ["--host", "127.0.0.1", "--no-nanny", "--local-directory", str(self.bench.folder / "scratch")]
        return self.bench.start(*here, package=package)


@pytest.fixture
def dask(bench: Bench) -> Dask:
    """A scheduler; a test starts the workers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ["--host", "127.0.0.1", "--port", str(port), "--no-dashboard"]
    scheduler = bench.start("distributed.cli.dask_scheduler", *words)
    scheduler.says("Scheduler at:")
    return Dask(bench, f"tcp://127.0.0.1:{port}", scheduler)


@pytest.fixture
def words(dask: Dask, tmp_path: Path) -> list[str]:
    return ["--scheduler", dask.address, "--store", str(tmp_path / "store"), "--out", str(tmp_path / "table.nc")]


def test_a_worker_and_the_driver_are_killed_and_the_table_is_the_serial_one(bench, dask, words, tmp_path, undisturbed):
    workers = [dask.worker(), dask.worker()]
    driver = bench.sweep(*words)
    some(tmp_path / "store", 4)
    workers[0].killed()
    some(tmp_path / "store", 8)
    driver.killed()
    before = finished(tmp_path / "store")
    again = bench.sweep(*words)
    assert again.ended() == 0, again.text
    assert 8 <= len(before) < SIZE and before.items() <= finished(tmp_path / "store").items()
    assert (tmp_path / "table.nc").read_bytes() == undisturbed


def test_two_drivers_on_one_cluster_and_one_store_share_the_work(bench, dask, words, tmp_path, undisturbed):
    dask.worker(), dask.worker()
    drivers = [bench.sweep(*words[:-1], str(tmp_path / f"{i}.nc")) for i in range(2)]
    assert [driver.ended() for driver in drivers] == [0, 0], [driver.text for driver in drivers]
    assert [(tmp_path / f"{i}.nc").read_bytes() for i in range(2)] == [undisturbed] * 2
    assert len(finished(tmp_path / "store")) == SIZE


def test_a_worker_with_another_package_is_named(bench, dask, words, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(ROOT / "mmcl", other / "mmcl", ignore=shutil.ignore_patterns("__pycache__"))
    with (other / "mmcl" / "flow.py").open("a") as flow:
        flow.write("\n# Another version.\n")
    dask.worker(package=other)
    driver = bench.sweep(*words)
    assert driver.ended() == 2
    assert driver.last.startswith("mmcl sweep: The worker tcp://127.0.0.1:")
    assert "must have the same code of mmcl as the driver, " in driver.last and driver.last.count(". ") == 0
    assert not finished(tmp_path / "store")


def test_a_worker_with_several_threads_is_refused(bench, dask, words):
    dask.worker(threads=2)
    driver = bench.sweep(*words)
    assert driver.ended() == 2
    assert "must have one thread, as the math libraries are held to one; it has 2: start it with" in driver.last


def test_a_scheduler_that_goes_away_leaves_what_is_finished(bench, dask, words, tmp_path):
    dask.worker(), dask.worker()
    driver = bench.sweep(*words)
    some(tmp_path / "store", 3)
    dask.scheduler.killed()
    assert driver.ended() == 2
    assert driver.last == (
        f"mmcl sweep: The scheduler {dask.address} went away; what is finished is kept: start the same command again."
    )
    assert 3 <= len(finished(tmp_path / "store")) <= SIZE


def test_a_scheduler_that_stands_still_is_waited_for_with_a_word(bench, dask, words, tmp_path, undisturbed):
    dask.worker()
    driver = bench.sweep(*words)
    some(tmp_path / "store", 1)
    os.kill(dask.scheduler.child.pid, signal.SIGSTOP)
    driver.says("has not answered for 10 s; the sweep waits for it.")
    os.kill(dask.scheduler.child.pid, signal.SIGCONT)
    assert driver.ended() == 0, driver.text
    assert (tmp_path / "table.nc").read_bytes() == undisturbed


def test_a_cell_that_kills_its_workers_is_named(bench, dask, tmp_path, monkeypatch):
    monkeypatch.setenv("MMCL_STORE", str(tmp_path / "store"))
    for _ in range(5):
        dask.worker()
    driver = bench.start(script=POISON.format(dask.address))
    assert driver.ended() == 1
    assert driver.last.startswith(
        "The cell x = 2.0, or another that the same workers had, took 4 of them down with it, most often for want of"
    )
    assert len(finished(tmp_path / "store")) == 1


def test_cells_of_one_s_own_are_computed_by_workers_that_have_the_same_module_and_by_no_others(bench, dask, tmp_path):
    own, store = tmp_path / "own", tmp_path / "store"
    own.mkdir()
    module = own / "mycells.py"  # not on the path of the scheduler
    module.write_text(OWN.format(1.0))

    def table():
        driver = bench.start(script=DRIVER.format(str(own), dask.address, str(store)))
        return driver.ended(), driver.last

    def worker():
        one = dask.worker(package=Path(f"{ROOT}{os.pathsep}{own}"))
        one.says("Registered to:")
        return one

    without = dask.worker()
    status, said = table()
    assert status == 1 and said.endswith(
        "must have the module mycells of the cells on its path; it cannot import it (ModuleNotFoundError: No module "
        "named 'mycells')."
    )
    assert without.child.poll() is None  # and works for others
    without.killed()
    having = worker()
    assert table() == (0, "[1.0, 2.0, 3.0]")
    module.write_text(OWN.format(100.0))
    status, said = table()
    assert status == 1 and "must have the same code of mycells as the driver" in said and len(finished(store)) == 3
    having.killed()
    worker()
    assert table() == (0, "[100.0, 200.0, 300.0]")


def test_a_scheduler_that_does_not_answer_is_named_within_ten_seconds(bench, tmp_path):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()  # and never a word
        address = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        driver = bench.sweep("--scheduler", address, "--store", str(tmp_path / "store"))
        assert driver.ended() == 2
    assert driver.last.startswith(
        f"mmcl sweep: `--scheduler` must be the address of a Dask scheduler that answers within 10 s; got '{address}' ("
    )


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", b"\0" * 4096])
def test_what_answers_and_is_no_scheduler_is_named(answer):
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with contextlib.suppress(OSError):  # closed under it, at the end
                while True:
                    there, _ = server.accept()
                    with there:
                        there.recv(4096)
                        there.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(ConnectionError, match=f"got '{address}' \\("), connected(address):
            pass


def test_a_notebook_whose_loop_runs_already_gets_the_same_sentence():
    async def cell() -> None:
        with pytest.raises(ConnectionError, match=r"got 'nowhere' \(missing port number"), connected("nowhere"):
            pass

    asyncio.run(cell())


@pytest.mark.parametrize("address", ["localhost", "http://localhost:80", "tcp://localhost:port"])
def test_what_is_no_address_is_refused_at_once(bench, address, tmp_path):
    driver = bench.sweep("--scheduler", address, "--store", str(tmp_path / "store"))
    assert driver.ended() == 2
    assert f"must be the address of a Dask scheduler that answers within 10 s; got '{address}' (" in driver.last

"""Whatever happens to a driver, what is finished stays, and the table is that of an undisturbed run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from children import ROOT, SIZE, finished, some


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    return ["--store", str(tmp_path / "store"), "--out", str(tmp_path / "table.nc")]


def test_a_driver_that_is_killed_goes_on_where_it_was(bench, undisturbed, tmp_path, words):
    driver = bench.sweep("--jobs", "2", *words)
    some(tmp_path / "store", 5)
    driver.killed()
    before = finished(tmp_path / "store")
    again = bench.sweep("--jobs", "2", *words)
    assert again.ended() == 0, again.text
    after = finished(tmp_path / "store")
    assert 5 <= len(before) < SIZE == len(after) and before.items() <= after.items(), "none was computed again"
    assert (tmp_path / "table.nc").read_bytes() == undisturbed
    assert f"{len(before)}/{SIZE}" in again.text, "the bar begins with what is stored"


def test_an_interrupt_says_how_to_go_on_and_nothing_else(bench, tmp_path, words):
    driver = bench.sweep("--jobs", "2", *words)
    some(tmp_path / "store", 3)
    os.killpg(driver.child.pid, signal.SIGINT)  # as a terminal does
    assert driver.ended() == 130
    stored = len(finished(tmp_path / "store"))
    assert driver.last == (
        f"mmcl sweep: interrupted; {stored} of {SIZE} cells are stored, and the same command goes on from them."
    )
    assert 3 <= stored < SIZE


def test_two_drivers_at_once_share_the_work(bench, undisturbed, tmp_path):
    store = str(tmp_path / "store")
    drivers = [bench.sweep("--jobs", "1", "--store", store, "--out", str(tmp_path / f"{i}.nc")) for i in range(2)]
    assert [driver.ended() for driver in drivers] == [0, 0], [driver.text for driver in drivers]
    assert [(tmp_path / f"{i}.nc").read_bytes() for i in range(2)] == [undisturbed] * 2
    assert len(finished(tmp_path / "store")) == SIZE and not list((tmp_path / "store" / "cells" / "writing").iterdir())


@pytest.fixture
def small_disk(tmp_path: Path):
    """A disk with room for a part of the cells."""
    disk = tmp_path / "disk"
    disk.mkdir()
    try:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48k", "tmpfs", disk], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("only root, with the right to mount, can make a small disk; the next test has a small quota")
    yield disk
    subprocess.run(["umount", "--lazy", disk], check=True)


def test_a_full_disk_keeps_whole_cells_and_goes_on_with_more_room(bench, undisturbed, tmp_path, small_disk):
    words = ["--jobs", "2", "--store", str(small_disk), "--out", str(tmp_path / "table.nc")]
    driver = bench.sweep(*words)
    assert driver.ended() == 2
    assert driver.last == (
        f"mmcl sweep: The store {small_disk} is full (No space left on device); what is finished is kept whole: "
        "make room, and start again."
    )
    before = finished(small_disk)
    assert 0 < len(before) < SIZE and not list((small_disk / "cells" / "writing").iterdir())
    subprocess.run(["mount", "-o", "remount,size=8m", small_disk], check=True)
    again = bench.sweep(*words)
    assert again.ended() == 0, again.text
    assert before.items() <= finished(small_disk).items()
    assert (tmp_path / "table.nc").read_bytes() == undisturbed


def test_a_store_over_its_quota_keeps_whole_cells(bench, undisturbed, whole, tmp_path, words):
    sizes = sorted(path.stat().st_size for path in (whole / "store").glob("cells/??/*.json"))
    quota = f"import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, ({sizes[SIZE // 2]}, -1))"
    line = ["sweep", str(tmp_path / "study.toml"), "--jobs", "1", *words]
    script = f"{quota}; from mmcl.__main__ import main; sys.exit(main({line!r}))"
    # Through a pipe, which has no size: a file of its words would be over the quota first.
    driver = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert driver.returncode == 2  # about every second cell is too large
    assert f"\nmmcl sweep: The store {tmp_path / 'store'} is full (File too large); what is" in driver.stderr
    before = finished(tmp_path / "store")
    assert len(before) < SIZE and not list(tmp_path.rglob("*.tmp"))
    again = bench.sweep("--jobs", "1", *words)
    assert again.ended() == 0 and before.items() <= finished(tmp_path / "store").items()
    assert (tmp_path / "table.nc").read_bytes() == undisturbed

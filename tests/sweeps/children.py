"""Drivers, schedulers and workers as processes of their own, that tests may kill."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import mmcl

ROOT = Path(mmcl.__file__).parents[1]
STUDY = """
title = "Temperature and width, briefly"
kind = "train"
seeds = 6

[run]
steps = 800
batch_size = 64

[world]
ambient_dim = 24

[grid]
inverse_temperature = [1.0, 4.0]
width = [16, 32]
"""
SIZE = 24


def _interruptible() -> None:
    """A process inherits that interrupts are ignored where the tests themselves run in the background of a shell."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@dataclass
class Process:
    """A child whose words go to a file: a pipe would be held open by its own children when it is killed."""

    child: subprocess.Popen[bytes]
    log: Path

    def killed(self) -> None:
        """By SIGKILL, as by a machine that is switched off."""
        self.child.kill()
        self.child.wait(30)

    def ended(self) -> int:
        """Its exit status, when it has ended by itself."""
        return self.child.wait(120)

    @property
    def text(self) -> str:
        """What it has said so far."""
        return self.log.read_text(encoding="utf-8")

    @property
    def last(self) -> str:
        """The last line that it has said."""
        return re.split(r"[\r\n]", self.text.strip())[-1]

    def says(self, words: str) -> None:
        """Wait until it has said so."""
        until(lambda: words in self.text, f"{words!r} in {self.text!r}")


@dataclass
class Bench:
    """Starts processes, and ends what is left of them."""

    folder: Path
    running: list[Process] = field(default_factory=list)

    def start(self, *words: str, package: Path = ROOT, script: str | None = None) -> Process:
        """``python -m`` these words, or a script, with the package of that folder."""
        log = self.folder / f"process-{len(self.running)}.log"
        environment = os.environ | {"PYTHONPATH": str(package), "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "default"}
        command = [sys.executable, "-m", *words]
        if script:
            own = self.folder / f"script-{len(self.running)}.py"
            own.write_text(script)
            command = [sys.executable, str(own)]
        with log.open("wb") as out:
            child = subprocess.Popen(
                command, stdout=out, stderr=out, cwd=self.folder, env=environment, start_new_session=True,
                preexec_fn=_interruptible,
            )  # fmt: skip
        self.running.append(Process(child, log))
        return self.running[-1]

    def sweep(self, *words: str, **more: Path) -> Process:
        """A driver."""
        return self.start("mmcl", "sweep", str(self.folder / "study.toml"), *words, **more)

    def close(self) -> None:
        """End every process and its children."""
        for one in self.running:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(one.child.pid, signal.SIGKILL)
            one.child.wait(30)


def until(true: Callable[[], bool], what: str) -> None:
    """Wait for something, a minute at most."""
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline, f"a minute has passed without {what}"
        time.sleep(0.02)


def finished(store: Path) -> dict[str, int]:
    """The finished cells of a store, and when each was written."""
    return {path.name: path.stat().st_mtime_ns for path in store.glob("cells/??/*.json")}


def some(store: Path, count: int) -> dict[str, int]:
    """The finished cells, as soon as there are so many."""
    until(lambda: len(finished(store)) >= count, f"{count} cells in {store}")
    return finished(store)

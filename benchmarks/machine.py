"""On what the benchmark ran."""

from __future__ import annotations

import platform
from importlib.metadata import version
from pathlib import Path

from benchmarks.competitors import versions as competitors
from benchmarks.timing import cores


def machine() -> dict[str, str]:
    """Processor, cores and system."""
    count = cores()
    return {
        "processor": _processor(),
        "cores": f"{count} core" + "s" * (count != 1),
        "system": f"{platform.system()} {platform.machine()}",
    }


def versions() -> dict[str, str]:
    """Of Python, of the package, of what it computes with, and of the competitors."""
    own = {name: version(name) for name in ("mmcl", "numpy", "scipy", "numba", "torch")}
    return {"Python": platform.python_version(), **own, **competitors()}


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()

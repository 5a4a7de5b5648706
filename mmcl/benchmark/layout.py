"""How long a large study takes on a cluster, from what its parts cost on this machine."""

from __future__ import annotations

import math
from dataclasses import dataclass

from mmcl.benchmark.table import quantity

CELLS = 100_000
WORKERS = (1, 16, 64, 256, 1024)
BATCH = 0.5  # seconds: shorter cells travel together until a batch lasts so long


@dataclass(frozen=True)
class Layout:
    r"""A study of many cells, its driver and its scheduler.

    .. math:: T = \max\Big(\frac{N c}{w},\; N\Big(\frac{h}{b} + s\Big)\Big)

    Workers share the cells; scheduler and driver see every one of them, one after another.

    Attributes:
        work: what a cell does.
        cost: c, seconds a cell takes on one core.
        overhead: h, seconds that a task costs the scheduler and the driver.
        storing: s, seconds that the driver takes to store a cell.
        cells: N.
    """

    work: str
    cost: float
    overhead: float
    storing: float
    cells: int = CELLS

    @property
    def batch(self) -> int:
        """b, the cells that travel together."""
        return max(1, math.floor(BATCH / self.cost))

    @property
    def toll(self) -> float:
        """What a cell costs scheduler and driver."""
        return self.overhead / self.batch + self.storing

    @property
    def most(self) -> int:
        """The number of workers from which on more of them gain nothing."""
        return max(1, math.floor(self.cost / self.toll))

    def seconds(self, workers: int) -> float:
        """How long the study takes on so many workers."""
        return max(self.cells * self.cost / workers, self.cells * self.toll)


@dataclass(frozen=True)
class Plans:
    """Layouts beside each other, as a table."""

    layouts: tuple[Layout, ...]

    def _repr_markdown_(self) -> str:
        head = [
            "work of a cell",
            "cost",
            "toll",
            "cells a task",
            *(f"{w:,} workers" for w in WORKERS),
            "useful workers",
        ]
        head[4] = "1 worker"
        lines = ["| " + " | ".join(head) + " |", "|:--|" + "--:|" * (len(head) - 1)]
        for one in self.layouts:
            times = (duration(one.seconds(count)) for count in WORKERS)
            start = (one.work, quantity(one.cost), quantity(one.toll), str(one.batch))
            lines.append("| " + " | ".join([*start, *times, f"{one.most:,}"]) + " |")
        return "\n".join(lines)


def duration(seconds: float) -> str:
    """A long time with two digits.

    >>> [duration(one) for one in (40, 600, 9000, 400_000)]
    ['40 s', '10 min', '2.5 h', '4.6 days']
    """
    units = ((86400.0, " days"), (3600.0, " h"), (60.0, " min"), (1.0, " s"))
    scale, name = next((unit for unit in units if seconds >= 1.5 * unit[0]), units[-1])
    return f"{seconds / scale:.2g}{name}"

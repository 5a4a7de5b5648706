"""Rounds that take turns, each contender at the number of threads at which it is fastest."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from threadpoolctl import threadpool_limits

from mmcl.benchmark import Cost

Work = Callable[[], object]
TRIALS = 2


@dataclass(frozen=True)
class Contender:
    """What is timed.

    Attributes:
        name: who.
        work: the call.
        per: the time is divided by this, a number of steps.
        probe: a shorter call by which the best number of threads is found; None: the work itself.
        managed: whether it chooses its threads by itself, as a user meets it; it may then have all cores.
    """

    name: str
    work: Work
    per: float = 1.0
    probe: Work | None = None
    managed: bool = False


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def seconds(work: Work, threads: int) -> float:
    """The time of one call, on so many threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with threadpool_limits(limits=threads):
            begun = time.perf_counter()
            work()
            return time.perf_counter() - begun
    finally:
        torch.set_num_threads(before)


def best_threads(contender: Contender) -> int:
    """The number of threads, from 1 to all cores, at which the contender is fastest."""
    if contender.managed:
        contender.work()  # warm
        return cores()
    work = contender.probe or contender.work
    times = {
        count: min(seconds(work, count) for _ in range(TRIALS + 1)) for count in range(1, cores() + 1)
    }  # the first call of all warms up: it is among three
    return min(times, key=lambda count: times[count])


def compete(contenders: Mapping[str, Contender], rounds: int) -> dict[str, Cost]:
    """The costs of all contenders; in every round each has its turn."""
    threads = {name: best_threads(one) for name, one in contenders.items()}
    values: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, one in contenders.items():
            values[name].append(seconds(one.work, threads[name]) / one.per)
    return {
        name: Cost(one.name, tuple(values[name]), None if one.managed else threads[name])
        for name, one in contenders.items()
    }


def say(text: str) -> None:
    """Progress, on the error stream."""
    print(text, file=sys.stderr, flush=True)

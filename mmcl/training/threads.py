"""The two directions of a loss, each on a core of its own where they are long enough for it to pay."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

T = TypeVar("T")
LONG = 2**14  # numbers in each half; a hand-over costs some 30 microseconds, as much as 2000 exponentials


def both(first: Callable[[], T], second: Callable[[], T], size: int) -> tuple[T, T]:
    """The values of two functions of NumPy, which lets go of the interpreter while it computes.

    Args:
        first: called in this thread.
        second: called beside it.
        size: how many numbers each of them handles.
    """
    if size < LONG or cores() < 2:
        return first(), second()
    later = _pool(os.getpid()).submit(second)
    try:
        value = first()
    finally:
        other = later.result()  # waited for in any case: an interrupt leaves nothing running
    return value, other


@cache
def cores() -> int:
    """How many cores this process may use: its affinity, and OMP_NUM_THREADS where that is set."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return min(count, int(asked)) if asked.isdecimal() and int(asked) else count


@cache
def _pool(process: int) -> ThreadPoolExecutor:
    """One thread, for this process: a fork inherits none."""
    return ThreadPoolExecutor(1, thread_name_prefix="mmcl")

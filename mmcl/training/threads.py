"""How many threads a run may have: those of a small matrix product cost more than they bring."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import threadpool_info, threadpool_limits


@contextmanager
def threads(count: int | None) -> Iterator[None]:
    """So many threads of NumPy's matrix products and, where it is loaded, of torch, for now; None: as they are."""
    torch = sys.modules.get("torch")
    before = torch.get_num_threads() if torch else None
    try:
        with threadpool_limits(limits=count, user_api="blas"):
            if torch and count is not None:
                torch.set_num_threads(count)
            yield
    finally:
        if torch:
            torch.set_num_threads(before)


def available() -> int:
    """How many threads work may be dealt out to: those that NumPy's matrix products may have at present."""
    return max((pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"), default=1)

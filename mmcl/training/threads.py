"""How many threads a run may have: those of a small matrix product cost more than they bring."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

from threadpoolctl import ThreadpoolController, threadpool_info


@contextmanager
def threads(count: int | None) -> Iterator[None]:
    """So many threads of NumPy's matrix products and, where it is loaded, of torch, for now; None: as they are."""
    if count is None:
        yield
        return
    wish = object()
    try:
        _ASKED.add(wish, count)
        yield
    finally:
        _ASKED.remove(wish)


@dataclass
class _Asked:
    """What is asked for at present. Threads are the process's: the last of several runs restores what was before."""

    wishes: dict[object, int] = field(default_factory=dict)
    before: Any = None
    of_torch: int | None = None  # before; it may have been loaded since
    lock: Any = field(default_factory=Lock)

    def add(self, wish: object, count: int) -> None:
        """From now on so many."""
        with self.lock:
            found = ThreadpoolController()
            if self.before is None:
                self.before = found.limit(limits=None, user_api="blas")
            self.wishes[wish] = count
            self._give(count, found)

    def remove(self, wish: object) -> None:
        """As many as the youngest of the other wishes says; without one, as many as there were."""
        with self.lock:
            self.wishes.pop(wish, None)
            if self.wishes:
                self._give(list(self.wishes.values())[-1], ThreadpoolController())
            elif self.before is not None:
                self.before.restore_original_limits()
                if self.of_torch is not None:
                    sys.modules["torch"].set_num_threads(self.of_torch)
                self.before = self.of_torch = None

    def _give(self, count: int, libraries: ThreadpoolController) -> None:
        libraries.limit(limits=count, user_api="blas")
        if (torch := sys.modules.get("torch")) and self.of_torch is None:
            self.of_torch = torch.get_num_threads()
        if torch := sys.modules.get("torch"):
            torch.set_num_threads(count)


_ASKED = _Asked()


def available() -> int:
    """How many threads work may be dealt out to: those that NumPy's matrix products may have at present."""
    return max((pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"), default=1)

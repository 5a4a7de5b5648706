"""How many threads a run may have: those of a small matrix product cost more than they bring."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, NamedTuple

from threadpoolctl import ThreadpoolController, threadpool_info


@contextmanager
def threads(count: int | None, *, torch_too: bool = True) -> Iterator[None]:
    """So many threads of NumPy's matrix products and, where it is loaded, of torch, for now; None: as they are.

    Args:
        count: how many.
        torch_too: whether torch is held to them.
    """
    if count is None:
        yield
        return
    wish = object()
    try:
        _ASKED.add(wish, Wish(count, torch_too))
        yield
    finally:
        _ASKED.remove(wish)


class Wish(NamedTuple):
    """What a run asks for."""

    at_most: int
    torch_too: bool


@dataclass
class _Asked:
    """What is asked for at present. Threads are the process's: the last of several runs restores what was before."""

    wishes: dict[object, Wish] = field(default_factory=dict)
    before: Any = None
    of_torch: int | None = None  # before; it may have been loaded since
    lock: Any = field(default_factory=Lock)

    def add(self, name: object, wish: Wish) -> None:
        """From now on so many."""
        with self.lock:
            found = ThreadpoolController()
            if self.before is None:
                self.before = found.limit(limits=None, user_api="blas")
            self.wishes[name] = wish
            self._give(found)

    def remove(self, name: object) -> None:
        """As many as the youngest of the other wishes says; without one, as many as there were."""
        with self.lock:
            self.wishes.pop(name, None)
            if self.wishes:
                self._give(ThreadpoolController())
            elif self.before is not None:
                self.before.restore_original_limits()
                if self.of_torch is not None:
                    sys.modules["torch"].set_num_threads(self.of_torch)
                self.before = self.of_torch = None

    def _give(self, libraries: ThreadpoolController) -> None:
        """What the youngest wish asks for; torch, what the youngest asks that holds it."""
        wishes = list(self.wishes.values())
        libraries.limit(limits=wishes[-1].at_most, user_api="blas")
        if (torch := sys.modules.get("torch")) and self.of_torch is None:
            self.of_torch = torch.get_num_threads()
        if torch := sys.modules.get("torch"):
            held = [wish.at_most for wish in wishes if wish.torch_too]
            torch.set_num_threads(held[-1] if held else self.of_torch)


_ASKED = _Asked()


def available() -> int:
    """How many threads work may be dealt out to: those that NumPy's matrix products may have at present."""
    return max((pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"), default=1)

"""Functions in machine code, and when what is kept of them is made anew."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

from numba import njit

SOURCES = "sign_*.py"  # beside this file: of what is compiled


def compiled(function: Callable[..., Any]) -> Any:
    """`function` in machine code that lets go of the interpreter's lock; what it adds up it may add in another order.

    Kept between processes, beside the source or in the user's cache, where there is a place for it. Numba makes it anew
    when the function's own file has changed. It holds functions of other files too, so here any of them will do.
    """
    make = partial(njit, nogil=True, fastmath={"reassoc", "contract", "nsz"}, error_model="numpy")
    try:
        made = make(cache=True)(function)
        _forget(made, Path(__file__).parent.glob(SOURCES))
    except (RuntimeError, OSError):  # no folder that can be written to
        return make()(function)
    return made


def _forget(made: Any, sources: Iterable[Path]) -> None:
    """What was kept before the last change of a source."""
    if not hasattr(made, "stats"):  # compiling is turned off
        return
    name = f"{made.__module__.rpartition('.')[2]}.{made.__name__}-*.nbi"
    changed = max((source.stat().st_mtime for source in sources), default=0.0)
    for index in Path(made.stats.cache_path).glob(name):
        if index.stat().st_mtime < changed:
            index.unlink(missing_ok=True)

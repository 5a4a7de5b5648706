"""Functions in machine code, and when what is kept of them is made anew."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache, partial
from hashlib import sha256
from importlib.resources import files
from typing import Any

from numba import njit

SIGNS = re.compile(r"sign_\w+\.py")  # beside this file: what it compiles


def compiled(function: Callable[..., Any]) -> Any:
    """`function` in machine code that lets go of the interpreter's lock.

    What it adds up itself it adds in the order that is written: those digits depend neither on how many numbers a
    processor takes at once, nor on whether the code was compiled just now or kept. So sums are written for many numbers
    at once.

    Kept between processes, beside the source or in the user's cache, where there is a place for it. Numba makes it anew
    when the function's own file has changed. It holds functions of other files too: so it is kept under a name that
    changes with any of them.
    """
    function.__qualname__ = f"{function.__qualname__}-{_digest()}"
    make = partial(njit, nogil=True, fastmath={"contract", "nsz"}, error_model="numpy")
    try:
        return make(cache=True)(function)
    except RuntimeError:  # no folder that can be written to
        return make()(function)


@cache
def _digest() -> str:
    """Of all that may be compiled, and of how; the sources may lie in an archive."""
    named = {one.name: one for one in files(__package__).iterdir()}
    sources = [name for name in sorted(named) if name == "compiled.py" or SIGNS.fullmatch(name)]
    text = b"".join(named[name].read_bytes() for name in sources)
    return sha256(text).hexdigest()[:16]

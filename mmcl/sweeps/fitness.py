"""Whether a process computes what the driver would: the same versions, and the same code of a cell."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from typing import Any

from mmcl.provenance import PACKAGE, code_key, fingerprint

CODE = "code of "


class Unfit(RuntimeError):
    """A worker would not compute what the driver would; the message says why."""


def required(cell: Callable[..., Any]) -> dict[str, str]:
    """What a worker must have: versions by name, the code of the whole package, and that of the cell's own module.

    A cell of the script that is running travels with its code.
    """
    module = cell.__module__
    own = module.split(".")[0] != PACKAGE.name and module != "__main__"
    return fingerprint(PACKAGE.name) | ({CODE + module: code_key(module)} if own else {})


def missing(expected: Mapping[str, str], worker: str) -> str | None:
    """What this process, called so, lacks of it, in a sentence; None if nothing."""
    for name, wanted in expected.items():
        try:
            found = _own().get(name) or _code(name.removeprefix(CODE))
        except Exception as error:  # importing a user's module may do anything
            module, said = name.removeprefix(CODE), " ".join(str(error).split())
            return (
                f"The {worker} must have the module {module} of the cells on its path; it cannot import it "
                f"({type(error).__name__}: {said})."
            )
        if found != wanted:
            return f"The {worker} must have the same {name} as the driver, {wanted}; it has {found}."
    return None


@cache
def _own() -> dict[str, str]:
    """Of the code as this process first met it: an edit on a shared disk does not change what is loaded."""
    return fingerprint(PACKAGE.name)


@cache
def _code(module: str) -> str:
    """Likewise, of a module of the user's."""
    import_module(module)
    return code_key(module)

"""Where a stored number came from: the code, the libraries and the settings that it depends on, as a hash.

The hash covers the source of the module that computes and of every module of the package that it imports, however
indirectly, and the versions of the numerical libraries; where the module is a user's own, also of the modules beside it
that it imports. So a change of the code that matters, and only that, asks for a new run. What a process has loaded it
goes on computing with, whatever happens to the file: a file that was edited meanwhile is refused.
"""

from __future__ import annotations

import ast
import hashlib
import os
import platform
import sys
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from importlib.metadata import version
from inspect import ismethod
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

PACKAGE = Path(__file__).resolve().parent
LIBRARIES = ("numpy", "scipy", "numba", "sympy", "torch", "matplotlib", "pillow", "fonttools")
_met: dict[Path, tuple[ModuleType, object, str]] = {}  # modules, their specs (a reload makes new ones), their text


def folder() -> Path:
    """Where results are kept: `MMCL_STORE`, else `_build/claims` of the checkout, else the user's cache."""
    if chosen := os.environ.get("MMCL_STORE"):
        return Path(chosen)
    root = PACKAGE.parent
    return root / "_build" / "claims" if (root / "pyproject.toml").exists() else Path.home() / ".cache" / "mmcl"


def code_key(module: str) -> str:
    """The hash of the code behind `module`: Python, the libraries, and the sources that it depends on.

    Raises:
        ValueError: if it has no file, as what is typed at a prompt or into a notebook; if a file was edited after this
            process loaded it and asked for its hash.
    """
    found = sources(module)
    if not found:
        raise ValueError(
            f"What is computed must be defined in a file, whose content its results are kept under; got {module!r}, "
            "which is none: move it to a module, and import it from there."
        )
    digest = hashlib.sha256(platform.python_version().encode())
    for name in LIBRARIES:
        digest.update(f"{name} {version(name)}\n".encode())
    for path in sorted(found):
        shown = path.relative_to(PACKAGE).as_posix() if path.is_relative_to(PACKAGE) else path.name
        digest.update(shown.encode() + _source(path, found[path]).encode())
    return digest.hexdigest()[:16]


def _source(path: Path, module: str) -> str:
    """What a file holds, which must be what its module was loaded from."""
    text, loaded = path.read_text(encoding="utf-8"), sys.modules.get(module)
    if loaded is None or Path(getattr(loaded, "__file__", None) or "").resolve() != path:
        return text
    known = _met.get(path)
    if known is None or known[0] is not loaded or known[1] is not loaded.__spec__:
        _met[path] = loaded, loaded.__spec__, text
    elif known[2] != text:
        raise ValueError(
            f"The file {path.name} was edited after this process had loaded it: results of the old code would be kept "
            f"under the new one; start again, or reload {module}."
        )
    return text


def fingerprint(module: str) -> dict[str, str]:
    """What must be the same on two machines for `module` to compute the same: versions by name, and the code's hash."""
    found = {"Python": platform.python_version(), "mmcl": version("mmcl")}
    found |= {name: version(name) for name in LIBRARIES}
    return found | {"code of mmcl": code_key(module)}


def hashed(*texts: str) -> str:
    """One short name for all of `texts`."""
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:32]


def described(value: Any) -> Any:
    """A setting in the terms of JSON: numbers, texts, lists; a frozen value by its kind and its fields.

    Raises:
        TypeError: on anything that has no such description.

    >>> from mmcl.objectives import InfoNCE
    >>> described({"objective": InfoNCE(4.0), "scales": (2, 1.5)})
    {'objective': {'kind': 'InfoNCE', 'inverse_temperature': 4.0, 'negatives': 1.0}, 'scales': [2, 1.5]}
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.generic | np.ndarray):
        return described(value.tolist())
    if isinstance(value, Mapping):
        return {str(name): described(one) for name, one in value.items()}
    if isinstance(value, tuple | list):
        return [described(one) for one in value]
    kind = type(value) if is_dataclass(value) and not isinstance(value, type) else value
    name = getattr(kind, "__qualname__", "")
    if "<" in name or ismethod(kind):  # local functions and lambdas, and methods of several objects, share their names
        raise TypeError(
            "A setting must be a value, or a function or class whose module and name tell it from all others; "
            f"got {name}."
        )
    if kind is not value:
        own = {field.name: described(getattr(value, field.name)) for field in fields(value) if field.init}
        ours = kind.__module__.split(".")[0] == PACKAGE.name
        return {"kind": name if ours else f"{kind.__module__}.{name}", **own}
    if name:
        return {"named": f"{value.__module__}.{name}"}
    raise TypeError(f"A setting must be a number, a text, a list or a frozen value; got {type(value).__name__}.")


def sources(module: str) -> dict[Path, str]:
    """The files that `module` depends on, itself included, and the names that they are loaded under.

    For the package itself, all of its files.
    """
    if module == PACKAGE.name:
        return {path: _named(path) for path in PACKAGE.rglob("*.py")}
    root, found, waiting = None, dict[Path, str](), [(module, module, _file(module, None))]
    if module.split(".")[0] != PACKAGE.name:
        loaded = sys.modules.get(module)
        own = Path(getattr(loaded, "__file__", None) or "")
        if not own.is_file():
            return {}
        name = getattr(getattr(loaded, "__spec__", None), "name", module)  # what `python -m` calls __main__
        waiting = [(module, name, own.resolve())]
        # Beside an installed module are the libraries, whose versions are hashed already.
        if "site-packages" not in own.parts:
            root = own.resolve().parents[name.count(".") + (own.name == "__init__.py")]
    while waiting:
        loaded_as, name, path = waiting.pop()
        if path is None or path in found:
            continue
        found[path] = loaded_as
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        others = imported(path.read_text(encoding="utf-8"), package)
        waiting += [(other, other, _file(other, root)) for other in others]
    return found


def _named(path: Path) -> str:
    """A module of the package, by its file."""
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def imported(text: str, package: str) -> list[str]:
    """The modules that a source imports, inside functions too; `package` is what its dots stand for."""
    names: list[str] = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package.rsplit(".", node.level - 1)[0] if node.level else ""
            base = ".".join(filter(None, (above, node.module)))
            names += [base, *(f"{base}.{alias.name}" for alias in node.names)]
    return names


def _file(module: str, root: Path | None) -> Path | None:
    """The file of a module of this package or, with the folder of a user's own modules, of one of these."""
    folder = PACKAGE.parent if module.split(".")[0] == PACKAGE.name else root
    if folder is None:
        return None
    base = folder.joinpath(*module.split("."))
    for path in (base.parent / f"{base.name}.py", base / "__init__.py"):
        if path.exists() and path != PACKAGE / "__init__.py":
            return path
    return None

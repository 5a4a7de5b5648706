"""Guards whose messages are sentences: the argument, its symbol, what must hold, what came.

Every guard returns the value it has checked, in the type that the caller computes with, and changes nothing else.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from dataclasses import is_dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


def _shown(value: object) -> str:
    if isinstance(value, int) and abs(value) >= 10**40:
        return "a whole number of more than 40 digits"  # Python itself refuses to print the longest
    text = " ".join(repr(value).split())
    if len(text) > 60 and is_dataclass(value) and not isinstance(value, type):
        return f"{type(value).__name__}(...)"
    return text if len(text) <= 60 else text[:57] + "..."


def _number(value: Any, name: str, requirement: str) -> float:
    """`value` as a float, unless it is no real number at all (a bool, text, bytes, a complex number, an array)."""
    refused = bool | np.bool_ | str | bytes | bytearray | memoryview | complex | np.complexfloating | np.timedelta64
    if not isinstance(value, refused):
        try:
            return float(operator.index(value)) if hasattr(value, "__index__") else float(value)
        except OverflowError:
            raise ValueError(f"{name} must be {requirement} that a float can hold; got {_shown(value)}.") from None
        except (TypeError, ValueError):
            pass
    raise TypeError(f"{name} must be {requirement}; got {_shown(value)}.")


def number(value: Any, name: str) -> float:
    """A finite number."""
    found = _number(value, name, "a finite number")
    if not -math.inf < found < math.inf:
        raise ValueError(f"{name} must be finite; got {_shown(value)}.")
    return found


def positive(value: Any, name: str) -> float:
    """A number in (0, ∞).

    >>> positive(-0.5, "`inverse_temperature` (τ²)")
    Traceback (most recent call last):
    ...
    ValueError: `inverse_temperature` (τ²) must be positive and finite; got -0.5.
    """
    number = _number(value, name, "a positive number")
    if not 0 < number < math.inf:
        raise ValueError(f"{name} must be positive and finite; got {_shown(value)}.")
    return number


def non_negative(value: Any, name: str) -> float:
    """A number in [0, ∞)."""
    number = _number(value, name, "a number of at least 0")
    if not 0 <= number < math.inf:
        raise ValueError(f"{name} must be at least 0 and finite; got {_shown(value)}.")
    return number


def between(value: Any, name: str, least: float, most: float) -> float:
    """A number in [least, most]."""
    number = _number(value, name, f"a number between {least:g} and {most:g}")
    if not least <= number <= most:
        raise ValueError(f"{name} must be between {least:g} and {most:g}; got {_shown(value)}.")
    return number


def flag(value: Any, name: str) -> bool:
    """True or False, and nothing that merely acts like it."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} must be True or False; got {_shown(value)}.")
    return bool(value)


def whole(value: Any, name: str, least: int = 1, most: float = 2**53) -> int:
    """A whole number of at least `least`, and of no more than can be counted."""
    try:
        if isinstance(value, bool | np.bool_):
            raise TypeError
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be a whole number of at least {least}; got {_shown(value)}.") from None
    if number < least:
        raise ValueError(f"{name} must be a whole number of at least {least}; got {_shown(number)}.")
    if number > most:
        raise ValueError(f"{name} must be at most {most:,.0f}; got {_shown(number)}.")
    return number


def scales(values: ArrayLike, name: str, *, zero_allowed: bool) -> tuple[float, ...]:
    """A sequence of finite scales, positive or (if `zero_allowed`) at least 0."""
    requirement = "at least 0 and finite" if zero_allowed else "positive and finite"
    array = real_array(values, name, ndim=1, empty_allowed=zero_allowed)
    lower = array >= 0 if zero_allowed else array > 0
    if not np.all(lower):
        worst = int(np.flatnonzero(~lower)[0])
        raise ValueError(f"{name} must be {requirement} in every coordinate; got {array[worst]:g} at position {worst}.")
    return tuple(array.tolist())


def real_array(values: ArrayLike, name: str, *, ndim: int, empty_allowed: bool = False) -> NDArray[np.float64]:
    """A finite real array of `ndim` dimensions, as float64; a copy only where the type asks for one."""
    if isinstance(values, list | tuple) and any(isinstance(value, bool | np.bool_) for value in values):
        raise TypeError(f"{name} must hold real numbers; got {_shown(values)}.")  # beside a number, NumPy takes it as 1
    try:
        raw = np.asarray(values)
    except (ValueError, RuntimeError, TypeError):
        tensor = "; pass a tensor as `x.detach().float().cpu()`"
        what = tensor if hasattr(values, "detach") else " with rows of equal length"
        raise TypeError(f"{name} must be an array of real numbers{what}.") from None
    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        raise TypeError(f"{name} must hold a number at every place; got an array with masked entries.")
    if raw.dtype.kind not in "fiu":
        raise TypeError(f"{name} must hold real numbers; got {_shown(values)} of type {raw.dtype}.")
    if raw.ndim != ndim:
        raise ValueError(f"{name} must have {ndim} dimension{'s' * (ndim != 1)}; got shape {raw.shape}.")
    if raw.size == 0 and not empty_allowed:
        raise ValueError(f"{name} must not be empty; got shape {raw.shape}.")
    array = raw.astype(np.float64, copy=False)
    finite = np.isfinite(array)
    if not finite.all():
        where = tuple(int(i) for i in np.argwhere(~finite)[0])
        place = where[0] if ndim == 1 else where
        raise ValueError(f"{name} must be finite; got {array[where]} at position {place}.")
    return array


def times(values: ArrayLike, name: str = "`times` (t)") -> NDArray[np.float64]:
    """One-dimensional, strictly increasing, starting at 0 or later."""
    array = real_array(values, name, ndim=1)
    if array[0] < 0:
        raise ValueError(f"{name} must start at 0 or later; got {array[0]:g}.")
    falls = np.flatnonzero(np.diff(array) <= 0)
    if falls.size:
        at = int(falls[0])
        raise ValueError(f"{name} must increase strictly; got {array[at]:g} followed by {array[at + 1]:g}.")
    return array.copy()  # a record keeps them, whatever the caller does with hers


def generator(value: Any, name: str = "`rng`") -> np.random.Generator:
    """A NumPy generator, passed in by the caller: nothing here seeds one."""
    if not isinstance(value, np.random.Generator):
        raise TypeError(f"{name} must be a numpy.random.Generator, e.g. np.random.default_rng(0); got {_shown(value)}.")
    return value


def kind(value: Any, types: type | tuple[type, ...], name: str) -> Any:
    """An instance of one of `types`; the message names them."""
    if not isinstance(value, types):
        options: Sequence[type] = types if isinstance(types, tuple) else (types,)
        raise TypeError(f"{name} must be {' or '.join(t.__name__ for t in options)}; got {_shown(value)}.")
    return value

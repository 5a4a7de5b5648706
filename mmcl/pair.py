"""Two of the same thing, one per modality."""

from __future__ import annotations

from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")


class Pair(NamedTuple, Generic[T]):
    """A value for modality A beside the same kind of value for modality B.

    >>> Pair(2, 3).b
    3
    """

    a: T
    b: T

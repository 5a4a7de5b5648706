"""Where compiled gradients of InfoNCE on fair signs are worked out."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray as Array
from numpy.typing import DTypeLike

BLOCK = 128  # pairs at a time, whole bytes of bits: they stay in the cache from one operation to the next


class Room(NamedTuple):
    """Where a gradient is worked out, kept from step to step.

    Attributes:
        flat: the signs of a block as they are drawn.
        both: $-2\\tau^2R$ and its transpose.
        decay: e of the pairs of a block, then what pulls them.
        pulls: the slopes of both directions, and of a block.
    """

    flat: Float[Array, " N"]
    both: Float[Array, "2 d d"]
    decay: Float[Array, "b d"]
    pulls: Float[Array, "3 d d"]

    @classmethod
    def empty(cls, size: int, dim: int, dtype: DTypeLike) -> Room:
        """For batches of `size` pairs in `dim` dimensions each."""
        shapes = ((2 * dim * BLOCK,), (2, dim, dim), (min(size, BLOCK), dim), (3, dim, dim))
        return cls(*(np.empty(shape, dtype) for shape in shapes))

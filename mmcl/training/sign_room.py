"""Where compiled gradients of InfoNCE on fair signs are worked out."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray as Array
from numpy.typing import DTypeLike

BLOCK = 128  # pairs at a time: they stay in the cache from one operation to the next
UNPACKED = 10**6  # multiplications up to which OpenBLAS does not copy the factors of a product, which is faster
WIDE, LONG = 128, 512  # above so many dimensions too few pairs would be left, and are taken so many at a time instead
ROWS = 16  # pairs whose signs are spread out at a time: whole bytes of bits


class Room(NamedTuple):
    """Where a gradient is worked out, kept from step to step.

    Attributes:
        flat: the signs of a few pairs as they are drawn.
        both: $-2\\tau^2R$ and its transpose.
        decay: e of the pairs of a block, then what pulls them.
        rests: ρ of the pairs of a block, then their weights.
        pulls: the slopes of both directions, and of a block.
    """

    flat: Float[Array, " N"]
    both: Float[Array, "2 d d"]
    decay: Float[Array, "b d"]
    rests: Float[Array, " b"]
    pulls: Float[Array, "3 d d"]

    @classmethod
    def empty(cls, size: int, dim: int, dtype: DTypeLike) -> Room:
        """For batches of `size` pairs in `dim` dimensions each."""
        rows = min(size, LONG if dim > WIDE else min(BLOCK, UNPACKED // dim**2))
        return cls(
            flat=np.empty(2 * dim * ROWS, dtype),
            both=np.empty((2, dim, dim), dtype),
            decay=np.empty((rows, dim), dtype),
            rests=np.empty(rows),
            pulls=np.empty((3, dim, dim), dtype),
        )


class Gradient(NamedTuple):
    r"""What is worked out of a learner, likewise.

    Attributes:
        latent: $K=DF$.
        in_scores: $X=\partial L/\partial R$.
        in_factor: $\partial L/\partial F$.
    """

    latent: Float[Array, "D k"]
    in_scores: Float[Array, "d d"]
    in_factor: Float[Array, "D k"]

    @classmethod
    def empty(cls, shape: tuple[int, ...], dtype: DTypeLike) -> Gradient:
        """For factors of this shape, (2d, k)."""
        dim = shape[0] // 2
        return cls(np.empty(shape, dtype), np.empty((dim, dim), dtype), np.empty(shape, dtype))

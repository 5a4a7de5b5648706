"""Where compiled gradients of InfoNCE on fair signs are worked out."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray as Array
from numpy.typing import DTypeLike

BLOCK = 256  # pairs at a time: they stay in the cache from one operation to the next
LOOKED_UP = 32  # dimensions from which on sums of rows are looked up and not multiplied out
ROWS = 16  # pairs whose signs are spread out at a time: whole bytes of bits
FACTORS = 64  # numbers that are seldom far above 2, whose product fits, in single precision too
LINE = 64  # bytes that memory gives at a time


def aligned(shape: int | tuple[int, ...], dtype: DTypeLike) -> Array:
    """Zeros that begin with a line of the cache: what is read many numbers at a time is read from one line, not two."""
    count, size = int(np.prod(shape)), np.dtype(dtype).itemsize
    memory = np.zeros(count * size + LINE, np.uint8)
    first = -memory.ctypes.data % LINE
    return memory[first : first + count * size].view(dtype).reshape(shape)


class Room(NamedTuple):
    """Where a gradient is worked out, kept from step to step.

    Attributes:
        flat: the signs of a few pairs as they are drawn.
        both: $-2\\tau^2R$ and its transpose.
        decay: e of the pairs of a block, then what pulls them.
        rests: ρ of the pairs of a block, then their weights.
        factors: (1 + e)/2 of eight pairs, of no more coordinates than their product is sure to fit.
        pulls: the slopes of both directions.
        sums: where its products with signs are worked out.
    """

    flat: Float[Array, " N"]
    both: Float[Array, "2 d d"]
    decay: Float[Array, "b d"]
    rests: Float[Array, " b"]
    factors: Float[Array, "8 w"]
    pulls: Float[Array, "2 d d"]
    sums: Sums

    @classmethod
    def empty(cls, size: int, dim: int, dtype: DTypeLike) -> Room:
        """For batches of `size` pairs in `dim` dimensions each."""
        rows = min(size, BLOCK)
        return cls(
            flat=aligned(2 * dim * ROWS, dtype),
            both=aligned((2, dim, dim), dtype),
            decay=aligned((rows, dim), dtype),
            rests=aligned(rows, np.float64),
            factors=aligned((8, FACTORS), dtype),
            pulls=aligned((2, dim, dim), dtype),
            sums=Sums.empty(rows, dim, dtype),
        )


class Sums(NamedTuple):
    """Where products with signs are worked out, kept likewise.

    Attributes:
        table: the eight sums of four rows, of four times four rows; empty where the library is to multiply.
        pairs: the sum and the difference of two rows.
        zero: a row of zeros.
        across: codes of four signs of a pair, for every four of them; as many as fill sixteens.
        down: codes of a sign of four pairs, likewise.
        part: a product that is then added.
    """

    table: Float[Array, "4 8 d"]
    pairs: Float[Array, "2 d"]
    zero: Float[Array, " d"]
    across: UInt8[Array, "b g"]
    down: UInt8[Array, "g d"]
    part: Float[Array, "d d"]

    @classmethod
    def empty(cls, size: int, dim: int, dtype: DTypeLike) -> Sums:
        """For so many pairs at a time in `dim` dimensions each."""
        wide = dim if dim >= LOOKED_UP else 0
        return cls(
            table=aligned((4, 8, wide), dtype),
            pairs=aligned((2, wide), dtype),
            zero=aligned(wide, dtype),
            across=aligned((size, -(-wide // 16) * 4), np.uint8),
            down=aligned((-(-size // 16) * 4, wide), np.uint8),
            part=aligned((dim, dim), dtype),
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
        return cls(aligned(shape, dtype), aligned((dim, dim), dtype), aligned(shape, dtype))

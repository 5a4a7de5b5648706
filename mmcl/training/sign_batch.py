"""A batch of fair signs, drawn over the one before it, and InfoNCE's slopes on it."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray as Array
from numpy.typing import DTypeLike

from mmcl.data import PairedData
from mmcl.latents import Signs, random_bits
from mmcl.pair import Pair
from mmcl.training.sign_room import Room, aligned


def takes_signs(data: PairedData) -> bool:
    """Whether a batch of this world is a `SignBatch`: fair signs, as many in both modalities."""
    a, b = data.views
    return isinstance(data.latents, Signs) and a.ambient_dim == b.ambient_dim


class SignBatch(Pair[Array]):
    r"""The signs $\varepsilon_A,\varepsilon_B$ of a batch, shapes (n, d), side by side in one array.

    What is compiled is loaded when it is first needed.
    """

    stack: Float[Array, "2 n d"]

    @classmethod
    def empty(cls, size: int, dim: int, dtype: DTypeLike) -> SignBatch:
        """Room for `size` pairs in `dim` dimensions each."""
        stack = aligned((2, size, dim), dtype)
        batch = cls(*stack)
        batch.stack = stack
        return batch

    @cached_property
    def room(self) -> Room:
        """Where gradients on it are worked out."""
        _, n, d = self.stack.shape
        return Room.empty(n, d, self.stack.dtype)

    def draw(self, shared: int, rng: np.random.Generator) -> SignBatch:
        """The batch that `PairedData.signs` would draw, r = `shared`, over the present one."""
        _, n, d = self.stack.shape
        return self.spread(random_bits(n * (2 * d - shared), rng), shared)

    def spread(self, packed: UInt8[Array, " B"], shared: int) -> SignBatch:
        """The batch of these random bits, over the present one."""
        from mmcl.training.sign_kernel import spread

        spread(packed, shared, self.stack, self.room)
        return self

    def slopes(self, scores: Float[Array, "d d"], negatives: float) -> tuple[float, Float[Array, "d d"]]:
        r"""The sums over the pairs of InfoNCE's losses and of their slopes in $\tau^2R$.

        Args:
            scores: $\tau^2R$.
            negatives: K.

        Returns:
            Sums that are not finite where an exponential or a product of factors leaves its type.
        """
        from mmcl.training.sign_kernel import slope_in_scores

        np.multiply(scores, -2, out=self.room.both[0])
        self.room.both[1] = self.room.both[0].T
        slope = np.empty_like(self.room.both[0])
        return slope_in_scores(self.stack, float(negatives), self.room, slope), slope

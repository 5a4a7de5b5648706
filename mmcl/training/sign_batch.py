"""A batch of fair signs, drawn over the one before it, and InfoNCE's slopes on it."""

from __future__ import annotations

from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float
from numpy import ndarray as Array
from numpy.typing import DTypeLike

from mmcl.data import PairedData
from mmcl.latents import Signs
from mmcl.pair import Pair

if TYPE_CHECKING:
    from mmcl.training.sign_block import Block

BLOCK = 512  # pairs at a time: so many stay in the cache from one operation to the next


def takes_signs(data: PairedData) -> bool:
    """Whether a batch of this world is a `SignBatch`: fair signs, as many in both modalities."""
    a, b = data.views
    return isinstance(data.latents, Signs) and a.ambient_dim == b.ambient_dim


class SignBatch(Pair[Array]):
    r"""The signs $\varepsilon_A,\varepsilon_B$ of a batch, shapes (n, d), side by side in one array."""

    _stack: Float[Array, "2 n d"]

    @classmethod
    def empty(cls, size: int, dim: int, dtype: DTypeLike) -> SignBatch:
        """Room for `size` pairs in `dim` dimensions each."""
        stack = np.empty((2, size, dim), dtype)
        batch = cls(*stack)
        batch._stack = stack
        return batch

    def slopes(self, scores: Float[Array, "d d"], log_weight: float) -> tuple[float, Float[Array, "d d"]]:
        r"""The sums over the pairs of InfoNCE's losses and of their slopes in $\tau^2R$.

        Args:
            scores: $\tau^2R$.
            log_weight: log K.

        Returns:
            Sums that are not finite where an exponential, or a product of factors, is too large for its type.
        """
        both, slopes, blocks = self._room
        np.multiply(scores, -2, out=both[0])
        both[1] = both[0].T
        loss = sum(block.add(log_weight, first=block is blocks[0]) for block in blocks)
        return loss, -2 * (slopes[0] + slopes[1].T)

    @cached_property
    def _room(self) -> tuple[Array, Array, list[Block]]:
        """Where -2τ²R and its transpose stand, where half of minus the slopes is summed, and the blocks between."""
        from mmcl.training.sign_block import Block  # torch, only where it is needed

        _, n, d = self._stack.shape
        both, slopes = np.empty((2, 2, d, d), self._stack.dtype)
        count = -(-n // BLOCK)
        cuts = [i * n // count for i in range(count + 1)]
        scratch = np.empty((2, 2, -(-n // count), d), self._stack.dtype)
        blocks = [Block(self._stack[:, i:j], both, scratch[:, :, : j - i], slopes) for i, j in pairwise(cuts)]
        return both, slopes, blocks

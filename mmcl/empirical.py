"""Real pairs with the same face as the world of the theory: moments, and samples."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float
from numpy import ndarray as Array

from mmcl import checks
from mmcl.data import Batch


@dataclass(frozen=True, eq=False)
class EmpiricalPairs:
    r"""Real pairs: row i of `a` and row i of `b` belong together; the population is these n pairs.

    The moments are about zero, $\frac1n\sum_i x_ix_i^\top$; they are covariances when the columns are centred, which
    `standardized` does. Nothing is centred or scaled unasked.

    Args:
        a: modality A, one row per pair, shape (n, d_A).
        b: modality B, likewise, shape (n, d_B).

    Raises:
        TypeError, ValueError: unless both are non-empty, finite, two-dimensional and equally long.
    """

    a: Float[Array, "n d_a"]
    b: Float[Array, "n d_b"]

    def __post_init__(self) -> None:
        a, b = checks.real_array(self.a, "`a`", ndim=2), checks.real_array(self.b, "`b`", ndim=2)
        if len(a) != len(b):
            raise ValueError(f"`a` and `b` must have as many rows as each other (n pairs); got {len(a)} and {len(b)}.")
        for name, array, given in (("a", a, self.a), ("b", b, self.b)):
            # Moments are kept: what they are of must not change with the caller's array.
            own = array is not given and array.base is None
            object.__setattr__(self, name, array if own else array.copy())

    def __len__(self) -> int:
        return len(self.a)

    @property
    def ambient_dim(self) -> tuple[int, int]:
        """$(d_A, d_B)$, the number of columns of each modality."""
        return self.a.shape[1], self.b.shape[1]

    @cached_property
    def covariance_a(self) -> Float[Array, "d_a d_a"]:
        r"""$\frac1n\sum_i x_{A,i}x_{A,i}^\top$."""
        return self.a.T @ self.a / len(self)

    @cached_property
    def covariance_b(self) -> Float[Array, "d_b d_b"]:
        r"""$\frac1n\sum_i x_{B,i}x_{B,i}^\top$."""
        return self.b.T @ self.b / len(self)

    @cached_property
    def cross_covariance(self) -> Float[Array, "d_a d_b"]:
        r"""$\frac1n\sum_i x_{A,i}x_{B,i}^\top$."""
        return self.a.T @ self.b / len(self)

    def sample(self, size: int, *, rng: np.random.Generator) -> Batch:
        """`size` distinct pairs, drawn without replacement.

        Raises:
            ValueError: if there are fewer pairs than that.
        """
        n, rng = checks.whole(size, "`size` (n)"), checks.generator(rng)
        if n > len(self):
            raise ValueError(f"`size` (n) must be at most the number of pairs, {len(self)}; got {n}.")
        rows = rng.choice(len(self), size=n, replace=False)
        return Batch(self.a[rows], self.b[rows], None)

    def shuffled(self, *, rng: np.random.Generator) -> EmpiricalPairs:
        """The same rows with the pairing destroyed: the control that any claim about pairs needs."""
        return EmpiricalPairs(self.a, self.b[checks.generator(rng).permutation(len(self))])

    def standardized(self, like: EmpiricalPairs | None = None) -> EmpiricalPairs:
        r"""Columns centred and each modality scaled to $\mathbb E\|x\|^2 = 1$, by the moments of `like` (or its own).

        Held-out pairs are standardised ``like`` the training pairs.
        """
        like = self if like is None else checks.kind(like, EmpiricalPairs, "`like`")
        if like.ambient_dim != self.ambient_dim:
            raise ValueError(f"`like` must have as many columns, {self.ambient_dim}; got {like.ambient_dim}.")
        a, b = (_standardized(x, reference) for x, reference in ((self.a, like.a), (self.b, like.b)))
        return EmpiricalPairs(a, b)


def _standardized(x: Array, reference: Array) -> Array:
    size = float(np.abs(reference).max()) or 1.0
    x, reference = x / size, reference / size  # squares could leave the range of floats
    # Rows that differ by round-off do not vary.
    if not np.ptp(reference, axis=0).max() > 4 * np.finfo(float).eps:
        raise ValueError("`standardized` needs a modality that varies; every row of one is the same.")
    mean = reference.mean(axis=0)
    power = np.mean(np.sum((reference - mean) ** 2, axis=1))
    return (x - mean) / np.sqrt(power)

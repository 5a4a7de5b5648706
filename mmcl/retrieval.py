"""Does a representation find the partner? Ranks and recall, with ties counted fairly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray as Array

from mmcl import checks
from mmcl.pair import Pair

# Rows that are equal on paper may differ by round-off after a matrix product; scores this close are one score.
TIE = 1e-12


@dataclass(frozen=True)
class Chance:
    """What recall would be if the pairs were matched at random, the representations staying what they are.

    Attributes:
        mean: expected recall, 1/n at rank 1 unless ties take some of it away.
        deviation: standard deviation of recall.
    """

    mean: float
    deviation: float


def ranks(features_a: Float[Array, "n m"], features_b: Float[Array, "n m"]) -> Pair[Float[Array, " n"]]:
    r"""The rank of each row's partner among all rows of the other modality, best is 1, ties in the middle.

    .. math:: \text{rank}_i = 1 + \#\{j: s_{ij}>s_{ii}\} + \tfrac12\,\#\{j\ne i: s_{ij}=s_{ii}\},
              \qquad s_{ij}=f_{A,i}\cdot f_{B,j}

    The score is the inner product that the losses use. Scores that differ by less than $10^{-12}$ of the largest one
    are equal. Partners that share their features, e.g. pictures whose names are the same words, tie when they are
    sought (A→B, if B is the name); when they do the seeking (B→A) all g of them give one and the same ranking, in
    which at most one of the g pictures is first.

    Args:
        features_a: modality A, one row per pair, shape (n, m).
        features_b: modality B, likewise.

    Returns:
        The ranks A→B and B→A, each of shape (n,), whole or half numbers from 1 to n.

    Raises:
        TypeError, ValueError: unless both are finite matrices of one shape.

    >>> ranks([[1.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [1.0, 0.0]]).a
    array([1.5, 1.5])
    """
    return Pair(*(_partner_ranks(scores, width) for scores, width in _scores(features_a, features_b)))


def recall(features_a: Float[Array, "n m"], features_b: Float[Array, "n m"], *, at: int = 1) -> Pair[float]:
    """The share of rows whose partner has a rank (see `ranks`) of at most `at`, A→B and B→A.

    A partner tied for the first place with g - 1 others has rank (g + 1)/2, so it is no hit at 1: a representation
    that gives everything the same features finds nothing.

    Raises:
        TypeError, ValueError: unless the features are finite matrices of one shape and 1 ≤ `at` ≤ n.

    >>> recall([[1.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [1.0, 0.0]])
    Pair(a=0.0, b=0.5)
    """
    found = ranks(features_a, features_b)
    k = _depth(at, len(found.a))
    return Pair(*(float(np.mean(rank <= k)) for rank in found))


def best(
    features_a: Float[Array, "n m"], features_b: Float[Array, "n m"], *, count: int = 1
) -> Pair[Int[Array, "n k"]]:
    """The rows of the other modality that score highest for each row, best first, A→B and B→A.

    Of rows that tie, the first in order comes first: what is found is to be looked at, `recall` is to be judged by.

    Args:
        features_a: modality A, one row per pair, shape (n, m).
        features_b: modality B, likewise.
        count: k, how many.

    Raises:
        TypeError, ValueError: unless the features are finite matrices of one shape and 1 ≤ `count` ≤ n.

    >>> best([[1.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [3.0, 1.0]]).a.tolist()
    [[1], [1]]
    """
    scores = [table for table, _ in _scores(features_a, features_b)]
    k = _depth(count, len(scores[0]), "`count`")
    return Pair(*(np.argsort(-table, axis=1, kind="stable")[:, :k] for table in scores))


def chance(features_a: Float[Array, "n m"], features_b: Float[Array, "n m"], *, at: int = 1) -> Pair[Chance]:
    r"""Mean and deviation of `recall` over all n! ways to match the rows, exactly.

    With $h_{ij}=1$ if j ranks at most `at` for i, and a uniformly random matching π,

    .. math:: \mathbb E\,\frac1n\sum_ih_{i\pi(i)}=\bar h,\qquad
              \operatorname{Var}=\frac1{n^2(n-1)}\sum_{ij}(h_{ij}-\bar h_{i\cdot}-\bar h_{\cdot j}+\bar h)^2 .

    Without ties the mean is `at`/n. Ties lower it at rank 1, and the deviation knows that rows with equal features
    hit and miss together.

    Source: Hoeffding (1951), moments of the combinatorial statistic.

    Raises:
        TypeError, ValueError: as `recall`, and if there is a single pair only.
    """
    scores = _scores(features_a, features_b)
    k = _depth(at, len(scores.a[0]))
    tables = (np.apply_along_axis(_mid_ranks, 1, s, width) for s, width in scores)
    return Pair(*(_moments((table <= k).astype(float)) for table in tables))


def _moments(h: Float[Array, "n n"]) -> Chance:
    n = len(h)
    if n < 2:
        raise ValueError(f"`features_a` must have at least 2 rows for pairs to be matched at random; got {n}.")
    centred = h - h.mean(axis=1, keepdims=True) - h.mean(axis=0) + h.mean()
    return Chance(float(h.mean()), float(np.sqrt((centred**2).sum() / (n - 1)) / n))


def _depth(at: int, n: int, name: str = "`at`") -> int:
    k = checks.whole(at, name)
    if k > n:
        raise ValueError(f"{name} must be at most the number of pairs, {n}; got {k}.")
    return k


def _scores(features_a: Array, features_b: Array) -> Pair[tuple[Float[Array, "n n"], float]]:
    """The scores, one row per query, and how close two of them are when they tie; A→B and B→A."""
    f_a = checks.real_array(features_a, "`features_a` (f_A)", ndim=2)
    f_b = checks.real_array(features_b, "`features_b` (f_B)", ndim=2)
    if f_a.shape != f_b.shape:
        raise ValueError(f"`features_b` (f_B) must have the shape of `features_a`, {f_a.shape}; got {f_b.shape}.")
    scores = _in_units(f_a) @ _in_units(f_b).T  # ranks know no scale, and products could leave the range of floats
    width = TIE * float(np.abs(scores).max())
    return Pair((scores, width), (scores.T, width))


def _in_units(features: Array) -> Array:
    largest = np.abs(features).max()
    return features / largest if largest > 0 else features


def _partner_ranks(scores: Float[Array, "n n"], width: float) -> Float[Array, " n"]:
    own = scores.diagonal()[:, None]
    better = (scores > own + width).sum(axis=1)
    tied = (np.abs(scores - own) <= width).sum(axis=1) - 1
    return 1 + better + tied / 2


def _mid_ranks(scores: Float[Array, " n"], width: float) -> Float[Array, " n"]:
    """The rank of every candidate in one row of scores."""
    ascending = np.sort(scores)
    not_better = np.searchsorted(ascending, scores + width, side="right")
    worse = np.searchsorted(ascending, scores - width, side="left")
    return 1 + (len(scores) - not_better) + (not_better - worse - 1) / 2

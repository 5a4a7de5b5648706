"""What a reader does with a finished representation: a ridge probe, a nearest class mean, a search."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray as Array
from numpy.typing import ArrayLike

from mmcl import checks
from mmcl.retrieval import TIE


def ridge_probe(
    features: Float[Array, "*draws n m"], targets: Float[Array, "*draws n k"], penalty: float
) -> Float[Array, "*draws m k"]:
    r"""The linear probe $w=\big(\frac1nF^\top F+\lambda I\big)^{-1}\frac1nF^\top Y$, one for every draw at once.

    Args:
        features: F, one row per labelled example, shape (…, n, m).
        targets: Y, shape (…, n, k).
        penalty: λ, positive.

    Raises:
        TypeError, ValueError: if the penalty is not positive or the rows do not match.

    >>> ridge_probe(np.eye(2), np.eye(2), 0.5)
    array([[0.5, 0. ],
           [0. , 0.5]])
    """
    features, targets = _real(features, "`features` (F)", 2), _real(targets, "`targets` (Y)", 2)
    lam, n = checks.positive(penalty, "`penalty` (λ)"), features.shape[-2]
    if targets.shape[-2] != n:
        raise ValueError(f"`targets` (Y) must have as many rows as `features` (F), n = {n}; got {targets.shape[-2]}.")
    _fit(features.shape[:-2], targets.shape[:-2], "`targets` (Y)", "`features` (F)")
    flipped = np.swapaxes(features, -1, -2)
    moment = flipped @ features / n + lam * np.eye(features.shape[-1])
    return np.linalg.solve(moment, flipped @ targets / n)


def nearest_mean(
    examples: Float[Array, "*draws c k m"], queries: Float[Array, "*draws n m"]
) -> Float[Array, "*draws n c"]:
    r"""For every query and class mean $\mu_c$ the score $f\cdot\mu_c-\frac12\|\mu_c\|^2$: the nearest mean scores most.

    Args:
        examples: k examples of each of c classes, shape (…, c, k, m).
        queries: shape (…, n, m).

    Source: the classifier of Snell et al. (2017).

    >>> int(nearest_mean(np.array([[[0.0]], [[2.0]]]), np.array([[1.5]])).argmax())
    1
    """
    examples, queries = _real(examples, "`examples`", 3), _real(queries, "`queries`", 2)
    _fit(examples.shape[:-3], queries.shape[:-2], "`queries`", "`examples`")
    _as_wide(queries, examples, "`queries`", "`examples`")
    means = examples.mean(axis=-2)
    half = np.einsum("...cm,...cm->...c", means, means)[..., None, :] / 2
    return queries @ np.swapaxes(means, -1, -2) - half


def first_place(
    queries: Float[Array, "*draws m"], candidates: Float[Array, "*draws n m"], partner: int = 0
) -> Float[Array, "*draws"]:
    r"""The chance that a query finds its partner first, ties broken at random: $1/(g+1)$ if g others tie with it.

    Args:
        queries: one for each draw, shape (…, m).
        candidates: n for each draw, shape (…, n, m).
        partner: which of the candidates is the partner.

    >>> first_place(np.array([1.0]), np.array([[1.0], [1.0], [0.0]]))
    array(0.5)
    """
    queries, candidates = _real(queries, "`queries`", 1), _real(candidates, "`candidates`", 2)
    partner = checks.whole(partner, "`partner`", least=0, most=candidates.shape[-2] - 1)
    _fit(queries.shape[:-1], candidates.shape[:-2], "`candidates`", "`queries`")
    _as_wide(candidates, queries, "`candidates`", "`queries`")
    scores = np.einsum("...m,...nm->...n", queries, candidates)
    gap = scores - scores[..., partner, None]
    near = TIE * np.abs(scores).max(axis=-1, keepdims=True)
    return np.where((gap > near).any(axis=-1), 0.0, 1 / (np.abs(gap) <= near).sum(axis=-1))


def drawn_per_class(labels: Int[Array, " n"], shots: int, *, rng: np.random.Generator) -> Int[Array, "c k"]:
    """`shots` (k) different rows of every class, drawn at random.

    Raises:
        ValueError: if a class has fewer rows than that.
    """
    k, rng = checks.whole(shots, "`shots` (k)"), checks.generator(rng)
    labels = np.asarray(labels)
    if not labels.size:
        raise ValueError("`labels` must hold at least one; got none.")
    if labels.ndim != 1:
        raise ValueError(f"`labels` must be one row; got shape {labels.shape}.")
    if labels.dtype.kind == "f" and np.isnan(labels).any():
        raise ValueError("`labels` must be one for every row; got NaN.")
    rows = [np.flatnonzero(labels == c) for c in np.unique(labels)]
    least = min(map(len, rows))
    if least < k:
        raise ValueError(f"`shots` (k) must be at most the size of the smallest class, {least}; got {k}.")
    return np.array([rng.choice(row, size=k, replace=False) for row in rows])


def _fit(first: tuple[int, ...], second: tuple[int, ...], name: str, other: str) -> None:
    """As many draws of one as of the other, or one."""
    try:
        np.broadcast_shapes(first, second)
    except ValueError:
        raise ValueError(f"{name} must have the draws of {other}, {first}; got {second}.") from None


def _as_wide(array: Array, like: Array, name: str, other: str) -> None:
    if array.shape[-1] != like.shape[-1]:
        raise ValueError(f"{name} must be as wide as {other}, m = {like.shape[-1]}; got {array.shape[-1]}.")


def _real(values: ArrayLike, name: str, least: int) -> Float[Array, "..."]:
    """Finite real numbers in at least so many dimensions, in double precision."""
    array = checks.real_array(np.ravel(values), name, ndim=1).reshape(np.shape(values))
    if array.ndim < least:
        raise ValueError(f"{name} must have at least {least} dimensions; got shape {array.shape}.")
    return array

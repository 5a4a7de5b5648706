r"""CLIP's loss on a batch of features, with its gradient by hand: the matrix of all scores is never held.

.. math:: L=-\frac1n\sum_i\log\frac{e^{S_{ii}}}{\sum_je^{S_{ij}}}-\frac1n\sum_j\log\frac{e^{S_{jj}}}{\sum_ie^{S_{ij}}},
          \qquad S=\tau^2f_Af_B^\top

One pass over blocks of scores sums their exponentials along rows and columns at once. A second forms the scores again,
and multiplies their softmaxes with the features. One exponential serves both directions.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from mmcl.pair import Pair

BLOCK = 2**19  # scores at once: a few megabytes, near the caches
Features = Pair[Float[Tensor, "n m"]]
Block = tuple[slice, slice, Float[Tensor, "rows columns"]]
Slopes = tuple[float, Features, float]  # loss, gradients, slope in log τ²


def in_batch(features: Features, inverse_temperature: float, *, block: int = BLOCK) -> Slopes:
    r"""The loss, its gradient in $f_A$ and $f_B$, and its slope in $\log\tau^2$.

    .. math:: \frac{\partial L}{\partial f_A}=\frac{\tau^2}n(P_{\to}+P_{\downarrow}-2I)f_B,\qquad
              \frac{\partial L}{\partial f_B}=\frac{\tau^2}n(P_{\to}+P_{\downarrow}-2I)^\top f_A,

    with the softmax of S along its rows and along its columns. Memory, beside the features and their gradients: two
    blocks of scores and the rows of one, three blocks where the scores lie too far apart for one exponential.

    Source: Radford et al. (2021) for the loss; the gradient is ours.

    Args:
        features: $f_A,f_B$, normalised, one row per pair.
        inverse_temperature: τ².
        block: how many scores are formed at once; all of them, if they fit, are formed once and kept.
    """
    (f_a, f_b), scale = features, inverse_temperature / len(features.a)
    found = _shared(features, inverse_temperature, block) or _apart(features, inverse_temperature, block)
    losses, weights = found
    pull_a, pull_b = torch.zeros_like(f_a), torch.zeros_like(f_b)
    for rows, columns, weight in weights:  # into place: a copy of the features would cost more than a block
        pull_a[rows].addmm_(weight, f_b[columns])
        pull_b[columns].addmm_(weight.T, f_a[rows])
    # The pairs' own pull last: beside it the digits of the sums would be lost, block after block.
    gradient = Pair(pull_a.sub_(f_b, alpha=2).mul_(scale), pull_b.sub_(f_a, alpha=2).mul_(scale))
    return float(losses.mean()), gradient, float(_inner(gradient.a, f_a))  # the loss is a function of τ² f_A


def _inner(a: Tensor, b: Tensor) -> Tensor:
    return torch.dot(a.reshape(-1), b.reshape(-1))


def _blocks(features: Features, tau2: float, block: int) -> Iterator[Block]:
    """The scores of some rows and columns, all in the same place: a block is gone when the next one is formed."""
    (f_a, f_b), n = features, len(features.a)
    high, wide = _shape(n, block)
    place, room = f_a.new_empty(high * wide), torch.empty_like(f_a[:high])
    for rows in _slices(n, high):
        scaled = torch.mul(f_a[rows], tau2, out=room[: rows.stop - rows.start])  # a rounding that all of a row share
        for columns in _slices(n, wide):
            shape = rows.stop - rows.start, columns.stop - columns.start
            yield rows, columns, torch.mm(scaled, f_b[columns].T, out=place[: math.prod(shape)].view(shape))


def _shape(n: int, block: int) -> tuple[int, int]:
    """Rows and columns of a block. The nearer to a square, the fewer numbers its products read and write."""
    if n * n <= block:
        return n, n
    high = min(n, max(1, math.isqrt(block // 2)))
    return high, min(n, max(1, block // high))


def _slices(n: int, size: int) -> list[slice]:
    """Of `size` at most, and as nearly alike as can be."""
    size = -(-n // -(-n // size))
    return [slice(first, min(first + size, n)) for first in range(0, n, size)]


class _Sums(NamedTuple):
    r"""Sums of exponentials along one side of S, in units of $e^{top}$."""

    top: Float[Tensor, " n"]
    total: Float[Tensor, " n"]  # in double precision: the roundings of many blocks would add up

    @classmethod
    def none(cls, features: Tensor) -> _Sums:
        n, lowest = len(features), torch.finfo(features.dtype).min  # not -∞, which has no difference to itself
        return cls(features.new_full((n,), lowest), features.new_zeros(n, dtype=torch.float64))

    def add(self, part: slice, scores: Tensor, dim: int) -> tuple[Tensor, Tensor]:
        """The largest scores so far, and the exponentials of a block in their units, in its place."""
        top, higher = self.top[part], torch.maximum(self.top[part], scores.amax(dim))
        e = scores.sub_(higher.unsqueeze(dim)).exp_()
        self.total[part].mul_((top - higher).exp()).add_(e.sum(dim))
        top.copy_(higher)
        return higher, e

    @property
    def log(self) -> Tensor:
        return self.top.double() + self.total.log()


def _shared(features: Features, tau2: float, block: int) -> tuple[Tensor, Iterable[Block]] | None:
    r"""The losses of the pairs, and both softmaxes added, from one exponential.

    $e^{S_{ij}-\max_jS_{ij}}$ serves the columns too, unless a column lies so far below a row that it underflows: None.
    """
    along, down, own, held = _Sums.none(features.a), _Sums.none(features.b), torch.empty_like(features.a[:, 0]), []
    for rows, columns, scores in _blocks(features, tau2, block):
        _keep_pairs(own, rows, columns, scores)
        top, e = along.add(rows, scores, 1)
        peak, column = down.top[columns], down.total[columns]  # one unit for all columns of a block
        higher = torch.maximum(peak[0], top.max())
        column.mul_((peak[0] - higher).exp()).add_(e.T @ (top - higher).exp())
        peak.fill_(higher)
        if scores.numel() == len(own) ** 2:  # a matrix of one block is formed once
            held.append((rows, columns, e))
    spread = float(along.log.max() - down.log.min())
    if not spread < -0.7 * math.log(torch.finfo(own.dtype).tiny):
        return None
    shift = down.top.max()
    share = ((shift.double() - down.top.double()).exp() / down.total).to(own.dtype)

    def weights() -> Iterator[Block]:
        spare = None
        total, lift = (1 / along.total).to(own.dtype), (along.top - shift).exp()
        blocks = held or (
            (rows, columns, s.sub_(along.top[rows, None]).exp_()) for rows, columns, s in _blocks(features, tau2, block)
        )
        for rows, columns, e in blocks:
            spare = torch.empty_like(e).ravel() if spare is None else spare
            factor = spare[: e.numel()].view(e.shape)
            torch.addr(total[rows, None], lift[rows], share[columns], out=factor)
            yield rows, columns, e.mul_(factor)

    return _losses(own, along, down), weights()


def _apart(features: Features, tau2: float, block: int) -> tuple[Tensor, Iterable[Block]]:
    """The same with an exponential of its own for each direction, at any spread of the scores."""
    along, down, own = _Sums.none(features.a), _Sums.none(features.b), torch.empty_like(features.a[:, 0])
    for rows, columns, scores in _blocks(features, tau2, block):
        _keep_pairs(own, rows, columns, scores)
        down.add(columns, scores.clone(), 0)
        along.add(rows, scores, 1)
    # The largest score first: its digits would be lost in the logarithm of the sum.
    row, column = (sums.total.log().to(own.dtype) for sums in (along, down))
    both = (
        (rows, columns, (s - along.top[rows, None]).sub_(row[rows, None]).exp_().add_(
            s.sub_(down.top[columns]).sub_(column[columns]).exp_()))
        for rows, columns, s in _blocks(features, tau2, block)
    )  # fmt: skip
    return _losses(own, along, down), both


def _keep_pairs(own: Tensor, rows: slice, columns: slice, scores: Tensor) -> None:
    """The scores of the pairs in a block, if there are any."""
    pairs = scores.diagonal(rows.start - columns.start)
    own[max(rows.start, columns.start) :][: len(pairs)] = pairs


def _losses(own: Tensor, along: _Sums, down: _Sums) -> Tensor:
    """Those of the pairs, in double precision."""
    first, second = (sums.top.double() - own + sums.total.log() for sums in (along, down))
    return first + second

r"""CLIP's loss on a batch of features, with its gradient by hand: the matrix of all scores is never held.

.. math:: L=-\frac1n\sum_i\log\frac{e^{S_{ii}}}{\sum_je^{S_{ij}}}-\frac1n\sum_j\log\frac{e^{S_{jj}}}{\sum_ie^{S_{ij}}},
          \qquad S=\tau^2f_Af_B^\top

One pass over blocks of rows sums the exponentials along rows and columns at once. A second forms the scores again, and
multiplies their softmaxes with the features. One exponential serves both directions.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import torch
from jaxtyping import Float
from torch import Tensor

from mmcl.pair import Pair

BLOCK = 2**19  # scores at once: a few megabytes, near the caches
ROWS = 128  # in a block at least: of fewer, a matrix product is not worth its name
Features = Pair[Float[Tensor, "n m"]]
Blocks = Iterable[tuple[slice, Float[Tensor, "rows n"]]]
Slopes = tuple[float, Features, float]  # loss, gradients, slope in log τ²


def in_batch(features: Features, inverse_temperature: float, *, block: int | None = None) -> Slopes:
    r"""The loss, its gradient in $f_A$ and $f_B$, and its slope in $\log\tau^2$.

    .. math:: \frac{\partial L}{\partial f_A}=\frac{\tau^2}n(P_{\to}+P_{\downarrow}-2I)f_B,\qquad
              \frac{\partial L}{\partial f_B}=\frac{\tau^2}n(P_{\to}+P_{\downarrow}-2I)^\top f_A,

    with the softmax of S along its rows and along its columns. Memory, beside the features and their gradients: two
    blocks of scores, three where the scores lie too far apart for one exponential.

    Source: Radford et al. (2021) for the loss; the gradient is ours.

    Args:
        features: $f_A,f_B$, normalised, one row per pair.
        inverse_temperature: τ².
        block: how many scores are formed at once, at least a row of them; all of them, if they fit, are formed once
            and kept. None: about half a million, or 128 rows where that is more.
    """
    block = max(BLOCK, ROWS * len(features.a)) if block is None else block
    (f_a, f_b), scale = features, inverse_temperature / len(features.a)
    found = _shared(features, inverse_temperature, block) or _apart(features, inverse_temperature, block)
    losses, weights = found
    pull_a, pull_b = torch.zeros_like(f_a), torch.zeros_like(f_b)
    for part, weight in weights:  # into place: a copy of the features would cost more than a block
        pull_a[part].addmm_(weight, f_b)
        pull_b.addmm_(weight.T, f_a[part])
    # The pairs' own pull last: beside it the digits of the sums would be lost, block after block.
    gradient = Pair(pull_a.sub_(f_b, alpha=2).mul_(scale), pull_b.sub_(f_a, alpha=2).mul_(scale))
    return float(losses.mean()), gradient, float(_inner(gradient.a, f_a))  # the loss is a function of τ² f_A


def _inner(a: Tensor, b: Tensor) -> Tensor:
    return torch.dot(a.reshape(-1), b.reshape(-1))


def _blocks(features: Features, tau2: float, block: int) -> Iterator[tuple[slice, Tensor]]:
    """The scores, some rows at a time, all in the same place: a block is gone when the next one is formed."""
    (f_a, f_b), n = features, len(features.a)
    size = min(n, max(1, block // n))
    place = f_a.new_empty(size, n)
    for first in range(0, n, size):
        part = slice(first, first + size)
        yield part, torch.mm(tau2 * f_a[part], f_b.T, out=place[: n - first])


def _shared(features: Features, tau2: float, block: int) -> tuple[Tensor, Blocks] | None:
    r"""The losses of the pairs, and both softmaxes added, from one exponential.

    $e^{S_{ij}-\max_jS_{ij}}$ serves the columns too, unless a column lies so far below a row that it underflows: None.
    """
    n, held, shift = len(features.a), [], torch.tensor(-math.inf)
    tops, totals, own = [], [], []
    column = features.b.new_zeros(n, dtype=torch.float64)  # of many blocks, whose roundings would add up
    for part, scores in _blocks(features, tau2, block):
        top = scores.amax(dim=1)
        own.append(scores.diagonal(part.start).to(torch.float64, copy=True))
        e = scores.sub_(top[:, None]).exp_()
        higher = torch.maximum(shift, top.max())
        column.mul_((shift - higher).exp()).add_(e.T @ (top - higher).exp())
        shift = higher
        tops.append(top)
        totals.append(e.sum(dim=1))
        if n * n <= block:  # a matrix of one block is formed once
            held.append((part, e))
    top, total, share = torch.cat(tops), torch.cat(totals), (1 / column).to(features.b.dtype)
    spread = (top + total.log()).max() - shift - column.log().min()
    if not float(spread) < -0.7 * math.log(torch.finfo(top.dtype).tiny):
        return None

    def weights() -> Iterator[tuple[slice, Tensor]]:
        factor = None
        for part, e in held or ((p, s.sub_(top[p, None]).exp_()) for p, s in _blocks(features, tau2, block)):
            factor = torch.empty_like(e) if factor is None else factor[: len(e)]
            torch.addr(1 / total[part, None], (top[part] - shift).exp(), share, out=factor)
            yield part, e.mul_(factor)

    return _losses(torch.cat(own), top, total, shift, column), weights()


def _apart(features: Features, tau2: float, block: int) -> tuple[Tensor, Blocks]:
    """The same with an exponential of its own for each direction, at any spread of the scores."""
    tops, totals, own = [], [], []
    peak, column = torch.full_like(features.b[:, 0], -math.inf), features.b.new_zeros(len(features.b)).double()
    for part, scores in _blocks(features, tau2, block):
        own.append(scores.diagonal(part.start).to(torch.float64, copy=True))
        higher = torch.maximum(peak, scores.amax(dim=0))
        column.mul_((peak - higher).exp()).add_((scores - higher).exp_().sum(dim=0))
        peak = higher
        tops.append(scores.amax(dim=1))
        totals.append(scores.sub_(tops[-1][:, None]).exp_().sum(dim=1))
    top, total = torch.cat(tops), torch.cat(totals)
    # The largest score first: its digits would be lost in the logarithm of the sum.
    log_total, log_column = total.log(), column.log().to(peak.dtype)
    both = (
        (p, (s - top[p, None]).sub_(log_total[p, None]).exp_().add_(s.sub_(peak).sub_(log_column).exp_()))
        for p, s in _blocks(features, tau2, block)
    )
    return _losses(torch.cat(own), top, total, peak, column), both


def _losses(own: Tensor, top: Tensor, total: Tensor, peak: Tensor, column: Tensor) -> Tensor:
    """Those of the pairs, in double precision: sums along rows and columns in units of $e^{top}$, $e^{peak}$."""
    return (top - own) + total.double().log() + (peak - own) + column.log()

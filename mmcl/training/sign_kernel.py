r"""InfoNCE on fair signs, compiled: from the random bits of a batch to the gradient of a learner.

A direction with the scores $u=\tau^2R^\top\varepsilon_A$ needs one exponential: with $e=\exp(-2u\varepsilon_B)$

.. math:: \tanh u-\varepsilon_B=-2\varepsilon_B\frac e{1+e},\qquad
          K\,e^{\sum_j(\log\cosh u_j-u_j\varepsilon_{B,j})}=K\prod_j\frac{1+e_j}2,

and nothing cancels: of the sum of negatives over the positive, $\rho$, the loss is $\log(1+\rho)$ and the pair's weight
$\rho/(1+\rho)$. Rows are worked off one after the other while they are in the cache.
"""

from __future__ import annotations

import math

import numpy as np
import scipy.linalg  # noqa: F401 its BLAS forms compiled products: loaded here, it keeps to the threads it is given
from jaxtyping import Float, UInt8
from numpy import ndarray as Array

from mmcl.training.compiled import compiled
from mmcl.training.sign_exponential import exponential
from mmcl.training.sign_product import add_product, product
from mmcl.training.sign_room import Gradient, Room

LOSSES = 8  # of pairs, in one logarithm
TINY = 2.0**-1022  # below, a product of factors has lost digits, which later factors do not bring back


@compiled
def spread(packed: UInt8[Array, " B"], shared: int, signs: Float[Array, "2 n d"], room: Room) -> None:
    """The bits of a batch as signs: n rows $(z,\\xi_A,\\xi_B)$, `shared` = r of them z."""
    _, n, d = signs.shape
    flat, count, number, rows = room.flat, 2 * d - shared, signs.dtype.type, len(room.flat) // (2 * d)
    for first in range(0, n, rows):
        last = min(first + rows, n)
        bits = packed[first * count // 8 : -(-last * count // 8)]
        for i in range(bits.size):
            byte = int(bits[i])
            for j in range(8):
                flat[8 * i + j] = number(1 - 2 * ((byte >> (7 - j)) & 1))
        for i in range(first, last):
            row = flat[(i - first) * count : (i - first + 1) * count]
            a, b, signal, noise = signs[0, i], signs[1, i], row[:shared], row[d:]
            for j in range(d):
                a[j] = row[j]
            for j in range(shared):
                b[j] = signal[j]
            b = b[shared:]
            for j in range(d - shared):
                b[j] = noise[j]


@compiled
def slope_in_scores(signs: Float[Array, "2 n d"], weight: float, room: Room, slope: Float[Array, "d d"]) -> float:
    """The sum of the losses, and that of their slopes in $\\tau^2R$, at -2τ²R in `room.both`.

    Not finite where an exponential or a product of factors leaves its type; the slope is then of no use.
    """
    n, block, loss = signs.shape[1], len(room.decay), 0.0
    room.pulls[:] = 0
    for first in range(0, n, block):
        last = min(first + block, n)
        for side in range(2):
            near, far, decay = signs[side, first:last], signs[1 - side, first:last], room.decay[: last - first]
            product(near, room.both[side], room.sums, decay)
            loss += _pulled(decay, far, weight, room.rests, room.factors)
            add_product(near, decay, room.sums, room.pulls[side])
    slope[:] = room.pulls[0] + room.pulls[1].T
    return loss


@compiled
def _pulled(
    scores: Float[Array, "n d"], far: Float[Array, "n d"], weight: float, rests: Float[Array, " n"],
    factors: Float[Array, "8 w"],
) -> float:  # fmt: skip
    """The sum of the losses of a direction; every score becomes the slope of its pair's loss in τ²R."""
    n, d = scores.shape
    number = scores.dtype.type
    half, loss, grown, least = number(0.5), 0.0, 0.0, 1.0
    rests[:n] = weight
    for top in range(0, n, len(factors)):
        rows = min(len(factors), n - top)
        for first in range(0, d, factors.shape[1]):
            width = min(factors.shape[1], d - first)
            for i in range(rows):
                e, signs, own = scores[top + i, first:], far[top + i, first:], factors[i]
                for j in range(width):
                    decay = exponential(e[j] * signs[j])
                    factor = half + half * decay
                    own[j] = factor
                    e[j] = decay / factor * signs[j]
            least = min(least, _multiply(rests[top : top + rows], factors, width))
    for i in range(n):
        rest = rests[i]
        grown += rest + grown * rest  # the product of several 1 + rest, less 1: one logarithm for all of them
        rests[i] = -rest / (1.0 + rest)
        if i % LOSSES == LOSSES - 1:
            loss += math.log1p(grown)
            grown = 0.0
    for i in range(n):
        row, share = scores[i], number(rests[i])
        for j in range(d):
            row[j] *= share
    return loss + math.log1p(grown) if least >= TINY or weight == 0 else math.nan


@compiled
def _multiply(rests: Float[Array, " k"], factors: Float[Array, "8 w"], width: int) -> float:
    """Each rest by the factors of its row, the eight rows side by side; the smallest of them."""
    a = b = c = d = e = f = g = h = factors.dtype.type(1)
    for j in range(width):
        a, b, c, d = a * factors[0, j], b * factors[1, j], c * factors[2, j], d * factors[3, j]
        e, f, g, h = e * factors[4, j], f * factors[5, j], g * factors[6, j], h * factors[7, j]
    products, least = (a, b, c, d, e, f, g, h), 1.0
    for i in range(rests.size):
        rests[i] *= products[i]
        least = min(least, rests[i])
    return least


@compiled
def slope_in_factor(
    factor: Float[Array, "D k"], scales: Float[Array, " D"], signs: Float[Array, "2 n d"], tau2: float, weight: float,
    room: Room, gradient: Gradient,
) -> tuple[float, float]:  # fmt: skip
    """The mean loss at a factor and its slope in log τ²; those in R and in the factor are put into `gradient`."""
    latent, x, slope = gradient
    n, d = signs.shape[1], len(scales) // 2
    number, ab = latent.dtype.type, room.both[0]
    square_a, square_b = _scaled(factor[:d], scales[:d], latent[:d]), _scaled(factor[d:], scales[d:], latent[d:])
    norm = math.sqrt(square_a) * math.sqrt(square_b)
    np.dot(latent[:d], latent[d:].T, ab)
    ab *= number(-2 * tau2 / norm)
    room.both[1] = ab.T
    loss = slope_in_scores(signs, weight, room, x)
    lanes = np.zeros(d, latent.dtype)
    for i in range(d):
        pull, score = x[i], ab[i]
        for j in range(d):
            lanes[j] += pull[j] * score[j]
    work = _sum(lanes) / (-2 * n)
    x *= number(tau2 / (n * norm))
    np.dot(x, latent[d:], slope[:d])
    np.dot(x.T, latent[:d], slope[d:])
    _less(slope[:d], work / square_a, latent[:d], scales[:d])
    _less(slope[d:], work / square_b, latent[d:], scales[d:])
    return loss / n, work


@compiled
def _scaled(factor: Float[Array, "d k"], scales: Float[Array, " d"], latent: Float[Array, "d k"]) -> float:
    """K = DF, and the sum of its squares."""
    number, lanes = latent.dtype.type, np.zeros(latent.shape[1], latent.dtype)
    for i in range(len(scales)):
        k, f = latent[i], factor[i]
        for j in range(k.size):
            value = number(scales[i] * f[j])
            k[j] = value
            lanes[j] += value * value
    return _sum(lanes)


@compiled
def _sum(lanes: Float[Array, " k"]) -> float:
    total = 0.0
    for lane in lanes:
        total += lane
    return total


@compiled
def _less(slope: Float[Array, "d k"], share: float, latent: Float[Array, "d k"], scales: Float[Array, " d"]) -> None:
    """The slope in K, less its part along K, as the slope in F."""
    number = slope.dtype.type
    along = number(share)
    for i in range(len(scales)):
        s, k, scale = slope[i], latent[i], number(scales[i])
        for j in range(s.size):
            s[j] = scale * (s[j] - along * k[j])


@compiled
def stepped(factor: Float[Array, "D k"], slope: Float[Array, "D k"], size: float, place: Float[Array, "D k"]) -> float:
    """A step of descent into `place`, and the sum of squares there."""
    lanes = np.zeros(factor.shape[1])
    for i in range(len(factor)):
        f, s, new = factor[i], slope[i], place[i]
        for j in range(f.size):
            value = f[j] - size * s[j]
            new[j] = value
            lanes[j] += value * value
    return _sum(lanes)


@compiled
def descended(
    factor: Float[Array, "D k"], scales: Float[Array, " D"], packed: UInt8[Array, "T B"], shared: int, tau2: float,
    weight: float, size: float, limit: float, signs: Float[Array, "2 n d"], room: Room, gradient: Gradient,
    place: Float[Array, "D k"], losses: Float[Array, " T"],
) -> tuple[int, float]:  # fmt: skip
    """Steps of descent into `place`, from the bits of their batches: how many, and the sum of squares after the last.

    The last is the first that goes beyond the limit, or the one before a loss that is not finite.
    """
    square = 0.0
    for i in range(len(packed)):
        spread(packed[i], shared, signs, room)
        losses[i] = slope_in_factor(factor, scales, signs, tau2, weight, room, gradient)[0]
        if not math.isfinite(losses[i]):
            return i, square
        square = stepped(factor, gradient.in_factor, size, place)
        if not square <= limit:
            return i + 1, square
        factor = place
    return len(packed), square

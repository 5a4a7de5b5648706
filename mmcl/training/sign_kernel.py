r"""InfoNCE on fair signs, compiled: from the random bits of a batch to the gradient of a learner.

A direction with the scores $u=\tau^2R^\top\varepsilon_A$ needs one exponential: with $e=\exp(-2u\varepsilon_B)$

.. math:: \tanh u-\varepsilon_B=-2\varepsilon_B\frac e{1+e},\qquad
          K\,e^{\sum_j(\log\cosh u_j-u_j\varepsilon_{B,j})}=K\prod_j\frac{1+e_j}2,

and nothing cancels: of the sum of negatives over the positive, $\rho$, the loss is $\log(1+\rho)$ and the pair's weight
$\rho/(1+\rho)$. Rows are worked off one after the other while they are in the cache.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.linalg  # noqa: F401 its BLAS forms compiled products: loaded here, it keeps to the threads it is given
from jaxtyping import Float, UInt8
from numba import types
from numba.extending import overload
from numpy import ndarray as Array

from mmcl.training.compiled import compiled
from mmcl.training.sign_product import add_product, product
from mmcl.training.sign_room import Gradient, Room

FACTORS = 64  # numbers that are seldom far above 2, whose product fits, in single precision too
LOSSES = 8  # of pairs, in one logarithm
TINY = 2.0**-1022  # below, a product of factors has lost digits, which later factors do not bring back


def exponential(x: Any) -> Any:
    r"""$e^x$ to the last digit or two, in instructions that many numbers at a time can pass through.

    With the whole number k nearest to $x/\log2$, $e^x=2^k\sum_i r^i/i!$, $|r|\le\frac12\log2$; 2^k is made of its
    bits. Zero below the normal numbers of the type, infinite above.
    """
    return np.exp(x)


# In single and in double precision: 1/i!, 1/log 2, log 2 in two parts, and what leaves only whole numbers of a sum.
S = tuple(np.float32(1 / math.factorial(i)) for i in range(8))
S_LOG, S_HIGH, S_LOW = np.float32(1 / math.log(2)), np.float32(0.693359375), np.float32(-2.1219444005469059e-4)
S_ROUND, S_ZERO, S_ONE = np.float32(1.5 * 2**23), np.float32(0), np.float32(1)
D, D_ROUND = tuple(1 / math.factorial(i) for i in range(14)), 1.5 * 2**52
D_LOG, D_HIGH, D_LOW = 1 / math.log(2), float.fromhex("0x1.62e42fee00000p-1"), 1.9082149292705877e-10


def _single(x: Any) -> Any:
    shifted = np.float32(x * S_LOG + S_ROUND)
    k = shifted - S_ROUND
    r = (x - k * S_HIGH) - k * S_LOW
    p = ((((S[7] * r + S[6]) * r + S[5]) * r + S[4]) * r + S[3]) * r + S[2]
    p = p * r * r + r + S_ONE
    power = np.int32((shifted.view(np.int32) + np.int32(127)) << np.int32(23)).view(np.float32)
    value = p * power if x > np.float32(-87) else S_ZERO
    return value if x < np.float32(88) else np.float32(np.inf)


def _double(x: Any) -> Any:
    shifted = np.float64(x * D_LOG + D_ROUND)
    k = shifted - D_ROUND
    r = (x - k * D_HIGH) - k * D_LOW
    p = (((((D[13] * r + D[12]) * r + D[11]) * r + D[10]) * r + D[9]) * r + D[8]) * r + D[7]
    p = ((((p * r + D[6]) * r + D[5]) * r + D[4]) * r + D[3]) * r + D[2]
    p = p * r * r + r + 1.0
    power = np.int64((shifted.view(np.int64) + np.int64(1023)) << np.int64(52)).view(np.float64)
    value = p * power if x > -708.0 else 0.0
    return value if x < 709.0 else np.inf


@overload(exponential, jit_options={"fastmath": {"contract"}, "error_model": "numpy"})
def _exponential(x: Any) -> Callable[[Any], Any]:
    return _single if x == types.float32 else _double


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
            loss += _pulled(decay, far, weight, room.rests)
            add_product(near, decay, room.sums, room.pulls[side])
    slope[:] = room.pulls[0] + room.pulls[1].T
    return loss


@compiled
def _pulled(scores: Float[Array, "n d"], far: Float[Array, "n d"], weight: float, rests: Float[Array, " n"]) -> float:
    """The sum of the losses of a direction; every score becomes the slope of its pair's loss in τ²R."""
    n, d = scores.shape
    number = scores.dtype.type
    half, loss, grown, least = number(0.5), 0.0, 0.0, 1.0
    for i in range(n):
        rest = weight
        for first in range(0, d, FACTORS):
            last = min(first + FACTORS, d)
            e, signs, product = scores[i, first:last], far[i, first:last], number(1)
            for j in range(last - first):
                decay = exponential(e[j] * signs[j])
                factor = half + half * decay
                product *= factor
                e[j] = decay / factor * signs[j]
            rest *= product
            least = min(least, rest)
        rests[i] = rest
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
    work = 0.0
    for i in range(d):
        part, pull, score = number(0), x[i], ab[i]
        for j in range(d):
            part += pull[j] * score[j]
        work += part
    work /= -2 * n
    x *= number(tau2 / (n * norm))
    np.dot(x, latent[d:], slope[:d])
    np.dot(x.T, latent[:d], slope[d:])
    _less(slope[:d], work / square_a, latent[:d], scales[:d])
    _less(slope[d:], work / square_b, latent[d:], scales[d:])
    return loss / n, work


@compiled
def _scaled(factor: Float[Array, "d k"], scales: Float[Array, " d"], latent: Float[Array, "d k"]) -> float:
    """K = DF, and the sum of its squares."""
    number, total = latent.dtype.type, 0.0
    for i in range(len(scales)):
        square, k, f = number(0), latent[i], factor[i]
        for j in range(k.size):
            value = number(scales[i] * f[j])
            k[j] = value
            square += value * value
        total += square
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
    total = 0.0
    for i in range(len(factor)):
        f, s, new = factor[i], slope[i], place[i]
        for j in range(f.size):
            value = f[j] - size * s[j]
            new[j] = value
            total += value * value
    return total


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

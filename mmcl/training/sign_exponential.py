"""The exponential, compiled so that loops over it take many numbers at once."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import types
from numba.extending import overload


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

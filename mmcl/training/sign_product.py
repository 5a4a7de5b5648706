r"""Products with a matrix of signs, in little more than a quarter of the operations.

Whatever the row of signs, it adds up four rows of the other factor in one of sixteen ways:

.. math:: \sum_{i=1}^4\varepsilon_iy_i=\varepsilon_1(y_1\pm y_2\pm y_3\pm y_4).

The eight sums on the right are worked out once and then looked up, by a code of three bits that say which of the signs
are not the first one. Where there are few columns this costs more than it spares, and the library multiplies.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray as Array

from mmcl.training.compiled import compiled
from mmcl.training.sign_room import Sums


@compiled
def product(signs: Float[Array, "b d"], rows: Float[Array, "d m"], sums: Sums, out: Float[Array, "b m"]) -> None:
    """`signs @ rows` into `out`."""
    if sums.table.size == 0:
        np.dot(signs, rows, out)
        return
    number, codes, whole, last = signs.dtype.type, sums.across[: len(signs)], signs.shape[1] // 4, signs.shape[1] - 1
    for i in range(len(signs)):
        s, code = signs[i], codes[i]
        for g in range(whole):
            code[g] = _code(number, s[4 * g], s[4 * g + 1], s[4 * g + 2], s[4 * g + 3])
        for g in range(whole, code.size):  # what stands for signs that are not there goes with rows of zeros
            code[g] = _code(number, s[min(4 * g, last)], s[min(4 * g + 1, last)], s[min(4 * g + 2, last)], s[last])
    out[:] = 0
    _looked_up(signs.T, codes.T, rows, sums, out)


@compiled
def add_product(signs: Float[Array, "b d"], rows: Float[Array, "b m"], sums: Sums, out: Float[Array, "d m"]) -> None:
    """`signs.T @ rows`, added to `out`."""
    if sums.table.size == 0:
        np.dot(signs.T, rows, sums.part)
        out += sums.part
        return
    number, codes, last = signs.dtype.type, sums.down[: (len(signs) + 15) // 16 * 4], len(signs) - 1
    for g in range(len(codes)):
        a, b = signs[min(4 * g, last)], signs[min(4 * g + 1, last)]
        c, d, code = signs[min(4 * g + 2, last)], signs[min(4 * g + 3, last)], codes[g]
        for j in range(code.size):
            code[j] = _code(number, a[j], b[j], c[j], d[j])
    sums.part[:] = 0  # many small numbers one after the other onto a large one would lose their digits
    _looked_up(signs, codes, rows, sums, sums.part)
    out += sums.part


@compiled
def _code(number: Any, a: float, b: float, c: float, d: float) -> Any:
    """Which of the signs b, c, d are not a, in bits; `number` is their type."""
    return np.uint8(number(3.5) - a * (number(2) * b + c + number(0.5) * d))


@compiled
def _looked_up(
    signs: Float[Array, "k n"], codes: UInt8[Array, "g n"], rows: Float[Array, "k m"], sums: Sums,
    out: Float[Array, "n m"],
) -> None:  # fmt: skip
    """`signs.T @ rows`, added to `out`, sixteen rows at a time."""
    table, pairs, zero, last = sums.table, sums.pairs, sums.zero, len(signs) - 1
    for g in range(0, len(codes), 4):
        _add_up(rows, 4 * g, zero, pairs, table)
        c0, c1, c2, c3 = codes[g], codes[g + 1], codes[g + 2], codes[g + 3]
        s0, s1 = signs[min(4 * g, last)], signs[min(4 * g + 4, last)]
        s2, s3 = signs[min(4 * g + 8, last)], signs[min(4 * g + 12, last)]
        for i in range(len(out)):
            a, b, c, d = table[0, c0[i]], table[1, c1[i]], table[2, c2[i]], table[3, c3[i]]
            w, x, y, z, place = s0[i], s1[i], s2[i], s3[i], out[i]
            for j in range(place.size):
                place[j] += (w * a[j] + x * b[j]) + (y * c[j] + z * d[j])


@compiled
def _add_up(
    rows: Float[Array, "k m"], first: int, zero: Float[Array, " m"], pairs: Float[Array, "2 m"],
    table: Float[Array, "4 8 m"],
) -> None:  # fmt: skip
    r"""The sums $y_1\pm y_2\pm y_3\pm y_4$ of four times four rows: the minuses are the bits of a sum's number."""
    k = len(rows)
    for i in range(4):
        r, place = first + 4 * i, table[i]
        a, b = rows[r] if r < k else zero, rows[r + 1] if r + 1 < k else zero
        c, d = rows[r + 2] if r + 2 < k else zero, rows[r + 3] if r + 3 < k else zero
        like, unlike = pairs[0], pairs[1]
        for j in range(zero.size):
            x, y = c[j], d[j]
            like[j], unlike[j] = x + y, x - y
        for u in range(2):
            pair, plus, minus = pairs[u], place[u], place[3 - u]
            for j in range(zero.size):
                x, y = a[j] + b[j], pair[j]
                plus[j], minus[j] = x + y, x - y
            plus, minus = place[4 + u], place[7 - u]
            for j in range(zero.size):
                x, y = a[j] - b[j], pair[j]
                plus[j], minus[j] = x + y, x - y

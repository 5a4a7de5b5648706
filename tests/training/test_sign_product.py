"""Products with signs, looked up, are those that are multiplied out."""

from __future__ import annotations

from math import prod

import numpy as np
import pytest

from mmcl.training.sign_product import add_product, product
from mmcl.training.sign_room import LINE, LOOKED_UP, Room, Sums, aligned

KINDS = [(np.float64, 1e-14), (np.float32, 5e-6)]


def drawn(b, d, m, dtype):
    rng = np.random.default_rng(b + d)
    signs = np.array(1 - 2 * rng.integers(0, 2, (b, d)), dtype)
    return signs, rng.standard_normal((d, m)).astype(dtype), rng.standard_normal((b, m)).astype(dtype)


@pytest.mark.parametrize("d", [1, 3, LOOKED_UP - 1, *range(LOOKED_UP, LOOKED_UP + 17), 64, 129])
@pytest.mark.parametrize("b", [1, 15, 16, 33])
@pytest.mark.parametrize(("dtype", "atol"), KINDS)
def test_they_are_those_of_the_library(b, d, dtype, atol):
    signs, rows, down = drawn(b, d, d, dtype)
    sums, out = Sums.empty(40, d, dtype), np.full((b, d), np.nan, dtype)  # room for more pairs than there are
    assert (sums.table.size > 0) == (d >= LOOKED_UP)
    product(signs, rows, sums, out)
    np.testing.assert_allclose(out, signs.astype(float) @ rows, rtol=0, atol=d * atol)
    start = np.random.default_rng(0).standard_normal((d, d)).astype(dtype)
    total = start.copy()
    for _ in range(2):
        add_product(signs, down, sums, total)
    np.testing.assert_allclose(total, start + 2 * signs.T.astype(float) @ down, rtol=0, atol=2 * (b + 3) * atol)


def test_whole_numbers_come_out_whole():
    """All sixteen ways of four signs, each in every place of its sixteen rows: nothing is taken for something else."""
    ways = np.array([[1 - 2.0 * (way >> i & 1) for i in range(4)] for way in range(16)])
    signs = np.tile(np.hstack([np.roll(ways, shift, axis=0) for shift in range(8)]), (2, 1))
    rows = 3.0 ** (np.arange(32)[:, None] % 16) + np.arange(32)
    sums, out, total = Sums.empty(32, 32, float), np.empty((32, 32)), np.zeros((32, 32))
    product(signs, rows, sums, out)
    add_product(signs, rows, sums, total)
    np.testing.assert_array_equal(out, signs @ rows)
    np.testing.assert_array_equal(total, signs.T @ rows)


@pytest.mark.parametrize("shape", [7, (3, 5), (0, 4), (2, 0, 3)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8])
def test_memory_begins_with_a_line_of_the_cache(shape, dtype):
    one = aligned(shape, dtype)
    assert one.shape == (shape if isinstance(shape, tuple) else (shape,)) and one.dtype == dtype
    assert one.size == prod(one.shape) and one.flags.c_contiguous and one.flags.writeable and not one.any()
    assert one.size == 0 or one.ctypes.data % LINE == 0


def test_a_gradient_is_worked_out_in_such_memory():
    room = Room.empty(300, 64, np.float32)
    assert {array.ctypes.data % LINE for array in (*room[:-1], *room.sums) if array.size} == {0}

"""Condition number and effective rank, from their definitions."""

from __future__ import annotations

import re

import numpy as np
import pytest

from mmcl import condition_number, effective_rank

RNG = np.random.default_rng


def test_the_condition_number_is_the_ratio_of_the_longest_to_the_shortest_image_of_a_unit_vector():
    k = RNG(0).standard_normal((6, 2))
    angles = np.linspace(0, np.pi, 20_001)
    images = [np.sqrt(sum((row[0] * np.cos(t) + row[1] * np.sin(t)) ** 2 for row in k)) for t in angles]
    # Around an extreme the length is quadratic in the angle, and the grid misses by 1e-4 at most.
    assert condition_number(k) == pytest.approx(max(images) / min(images), rel=1e-7)


@pytest.mark.parametrize("shape", [(8, 3), (3, 3), (40, 1)])
def test_neither_rotation_nor_scale_changes_the_condition_number(shape):
    k = RNG(1).standard_normal(shape)
    left, right = (np.linalg.qr(RNG(2).standard_normal((n, n)))[0] for n in shape)
    assert condition_number(-7e5 * left @ k @ right) == pytest.approx(condition_number(k), rel=1e-12)


def test_orthogonal_columns_give_the_ratio_of_their_lengths():
    frame = np.linalg.qr(RNG(3).standard_normal((9, 3)))[0]
    assert condition_number(frame * [5.0, 0.5, 1.0]) == pytest.approx(10, rel=1e-12)
    assert condition_number([[2.0], [0.0]]) == 1.0


def test_a_lost_direction_makes_it_infinite():
    column = RNG(4).standard_normal((5, 1))
    assert condition_number(np.hstack([column, 3 * column])) == np.inf
    assert condition_number(np.ones((2, 3))) == np.inf  # m < r
    assert condition_number(np.zeros((3, 2))) == np.inf
    assert condition_number(np.diag([1.0, 1e-12])) == pytest.approx(1e12)


def test_the_effective_rank_counts_equal_values_and_only_those():
    s = RNG(5).random(7)
    assert effective_rank(s) == pytest.approx(sum(s) ** 2 / sum(x * x for x in s), rel=1e-12)
    for r in (1, 3, 8):
        assert effective_rank([0.2] * r + [0.0] * 4) == pytest.approx(r, rel=1e-12)
    assert effective_rank([1e-200, 1e-200]) == pytest.approx(2, rel=1e-12)
    assert 1 <= effective_rank([1.0, 1e-9]) < 1.00001


@pytest.mark.parametrize(
    ("function", "values", "error", "sentence"),
    [
        (condition_number, [1.0], ValueError, "`weights` (K) must have 2 dimensions; got shape (1,)."),
        (condition_number, np.ones((0, 2)), ValueError, "`weights` (K) must not be empty; got shape (0, 2)."),
        (condition_number, [[np.nan]], ValueError, "`weights` (K) must be finite; got nan at position (0, 0)."),
        (condition_number, [["x"]], TypeError, "`weights` (K) must hold real numbers; got [['x']] of type <U1."),
        (
            effective_rank, [0.0, 0.0], ValueError,
            "`values` (s) must not be empty or all zero; got 2 values, none above 0.",
        ),
        (effective_rank, [], ValueError, "`values` (s) must not be empty or all zero; got 0 values, none above 0."),
        (
            effective_rank, [1.0, -1.0], ValueError,
            "`values` (s) must be at least 0 and finite in every coordinate; got -1 at position 1.",
        ),
        (effective_rank, [[1.0]], ValueError, "`values` (s) must have 1 dimension; got shape (1, 1)."),
    ],
)  # fmt: skip
def test_what_has_no_spectrum_is_refused_in_a_sentence(function, values, error, sentence):
    with pytest.raises(error, match=f"^{re.escape(sentence)}$"):
        function(values)

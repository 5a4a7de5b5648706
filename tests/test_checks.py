"""A guard lets the right value through unchanged, and refuses every other one in a sentence."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch

from mmcl import checks

TAU = "`inverse_temperature` (τ²)"
RNG = "`rng` must be a numpy.random.Generator, e.g. np.random.default_rng(0); got 0."


def _sentence(text: str) -> str:
    return f"^{re.escape(text)}$"


@pytest.mark.parametrize("value", [0.5, 2, np.float32(0.5), np.int64(3), 1e-300, 1e300])
def test_a_number_comes_back_as_the_float_it_is(value):
    assert type(checks.positive(value, TAU)) is float
    assert checks.positive(value, TAU) == float(value) == checks.non_negative(value, TAU)


@pytest.mark.parametrize("value", [0, -0.5, np.nan, np.inf])
def test_what_is_not_positive_is_refused(value):
    with pytest.raises(ValueError, match=_sentence(f"{TAU} must be positive and finite; got {value!r}.")):
        checks.positive(value, TAU)


@pytest.mark.parametrize("value", [-1e-9, -np.inf, np.nan, np.inf])
def test_what_is_below_zero_is_refused(value):
    with pytest.raises(ValueError, match=_sentence(f"`negatives` (K) must be at least 0 and finite; got {value!r}.")):
        checks.non_negative(value, "`negatives` (K)")
    assert checks.non_negative(0, "`negatives` (K)") == 0.0


@pytest.mark.parametrize("value", ["1", None, True, np.True_, [1.0, 2.0], 1j])
def test_what_is_no_number_is_refused(value):
    with pytest.raises(TypeError, match=_sentence(f"{TAU} must be a positive number; got {value!r}.")):
        checks.positive(value, TAU)


def test_a_whole_number_is_whole():
    assert checks.whole(np.int64(3), "`steps`") == 3
    with pytest.raises(ValueError, match=_sentence("`width` (m) must be a whole number of at least 1; got 0.")):
        checks.whole(0, "`width` (m)")
    for value in (2.0, "2", True, None):
        sentence = f"`width` (m) must be a whole number of at least 2; got {value!r}."
        with pytest.raises(TypeError, match=_sentence(sentence)):
            checks.whole(value, "`width` (m)", least=2)


def test_scales_come_back_as_a_tuple_that_hashes():
    assert checks.scales(np.array([2, 1]), "`s`", zero_allowed=False) == (2.0, 1.0)
    assert checks.scales([0.0], "`s`", zero_allowed=True) == (0.0,)
    assert checks.scales([], "`s`", zero_allowed=True) == ()


def test_the_first_bad_scale_is_named_with_its_place():
    sentence = "`s` must be positive and finite in every coordinate; got 0 at position 1."
    with pytest.raises(ValueError, match=_sentence(sentence)):
        checks.scales([1, 0, -1], "`s`", zero_allowed=False)
    sentence = "`s` must be at least 0 and finite in every coordinate; got -1 at position 2."
    with pytest.raises(ValueError, match=_sentence(sentence)):
        checks.scales([1, 0, -1], "`s`", zero_allowed=True)
    with pytest.raises(ValueError, match=_sentence("`s` must be finite; got nan at position 0.")):
        checks.scales([np.nan], "`s`", zero_allowed=True)
    with pytest.raises(ValueError, match=_sentence("`s` must not be empty; got shape (0,).")):
        checks.scales([], "`s`", zero_allowed=False)


def test_an_array_is_converted_but_never_copied_without_need():
    values = np.ones((2, 3))
    assert checks.real_array(values, "`x`", ndim=2) is values
    assert checks.real_array(values.astype(np.float32), "`x`", ndim=2).dtype == np.float64


TENSOR = "`x` must be an array of real numbers; pass a tensor as `x.detach().float().cpu()`."


@pytest.mark.parametrize(
    ("values", "error", "sentence"),
    [
        ([[1.0], [1.0, 2.0]], TypeError, "`x` must be an array of real numbers with rows of equal length."),
        ([["a"]], TypeError, "`x` must hold real numbers; got [['a']] of type <U1."),
        ([[True]], TypeError, "`x` must hold real numbers; got [[True]] of type bool."),
        (torch.ones(2, 2, requires_grad=True), TypeError, TENSOR),
        (torch.ones(2, 2, dtype=torch.bfloat16), TypeError, TENSOR),
        ([True, 1.0], TypeError, "`x` must hold real numbers; got [True, 1.0]."),
        ([[1j]], TypeError, "`x` must hold real numbers; got [[1j]] of type complex128."),
        ([1.0, 2.0], ValueError, "`x` must have 2 dimensions; got shape (2,)."),
        (np.ones((0, 3)), ValueError, "`x` must not be empty; got shape (0, 3)."),
        ([[1.0, 2.0], [np.inf, 3.0]], ValueError, "`x` must be finite; got inf at position (1, 0)."),
    ],
)
def test_what_is_no_matrix_is_refused(values, error, sentence):
    with pytest.raises(error, match=_sentence(sentence)):
        checks.real_array(values, "`x`", ndim=2)


def test_times_start_at_zero_or_later_and_increase():
    np.testing.assert_array_equal(checks.times([0, 1, 2.5]), [0, 1, 2.5])
    np.testing.assert_array_equal(checks.times([3]), [3])
    for values, sentence in [
        ([-1, 0], "`times` (t) must start at 0 or later; got -1."),
        ([0, 2, 1], "`times` (t) must increase strictly; got 2 followed by 1."),
        ([0, 1, 1], "`times` (t) must increase strictly; got 1 followed by 1."),
        ([], "`times` (t) must not be empty; got shape (0,)."),
        ([0, np.nan], "`times` (t) must be finite; got nan at position 1."),
        (5.0, "`times` (t) must have 1 dimension; got shape ()."),
    ]:
        with pytest.raises(ValueError, match=_sentence(sentence)):
            checks.times(values)


def test_a_generator_is_passed_in_and_never_made_from_a_seed():
    rng = np.random.default_rng(0)
    assert checks.generator(rng) is rng
    with pytest.raises(TypeError, match=_sentence(RNG)):
        checks.generator(0)


def test_a_value_of_the_wrong_kind_is_shown_and_cut_short():
    assert checks.kind(1, int, "`x`") == 1
    with pytest.raises(TypeError, match=_sentence("`x` must be int or str; got 1.0.")):
        checks.kind(1.0, (int, str), "`x`")
    with pytest.raises(TypeError, match=_sentence(f"`x` must be int; got '{'a' * 56}....")):
        checks.kind("a" * 100, int, "`x`")


@pytest.mark.parametrize(
    ("value", "came"),
    [
        (4 + 0j, r"\(4\+0j\)"),
        (np.complex128(4), r"np\.complex128\(4\+0j\)"),
        (b"4", "b'4'"),
        (bytearray(b"4"), r"bytearray\(b'4'\)"),
    ],
)
def test_what_only_looks_like_a_number_is_refused(value, came):
    with pytest.raises(TypeError, match=rf"^`x` must be a positive number; got {came}\.$"):
        checks.positive(value, "`x`")


def test_a_whole_number_too_large_for_a_float_gets_a_sentence():
    with pytest.raises(
        ValueError, match=r"^`x` must be a positive number that a float can hold; got a whole number of"
    ):
        checks.positive(10**400, "`x`")


def test_masked_entries_are_not_read_as_numbers():
    with pytest.raises(TypeError, match=r"^`x` must hold a number at every place; got an array with masked entries\.$"):
        checks.real_array(np.ma.array([1.0, 2.0], mask=[False, True]), "`x`", ndim=1)


def test_flags_and_ranges():
    assert checks.flag(True, "`x`") and checks.between(0.5, "`x`", 0.1, 1.0) == 0.5
    with pytest.raises(TypeError, match=r"^`x` must be True or False; got 'no'\.$"):
        checks.flag("no", "`x`")
    with pytest.raises(ValueError, match=r"^`x` must be between 0\.1 and 1; got 2\.$"):
        checks.between(2, "`x`", 0.1, 1.0)


def test_a_whole_number_that_python_will_not_print_gets_a_sentence():
    sentence = "`x` must be a whole number of at least 1; got a whole number of more than 40 digits."
    with pytest.raises(ValueError, match=_sentence(sentence)):
        checks.whole(-(10**5000), "`x`")

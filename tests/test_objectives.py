"""An objective is a frozen value that checks itself."""

from __future__ import annotations

import re
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from mmcl import InBatchInfoNCE, InfoNCE, PositiveOnly


def test_objectives_compare_by_value_and_vary_by_replacement():
    assert InfoNCE(4.0) == InfoNCE(inverse_temperature=4.0, negatives=1.0)
    assert replace(InfoNCE(4.0), negatives=511.0) == InBatchInfoNCE(4.0).population(512)
    assert len({PositiveOnly(), PositiveOnly(), InfoNCE(1.0), InBatchInfoNCE(1.0)}) == 3
    with pytest.raises(AttributeError, match="cannot assign to field 'negatives'"):
        InfoNCE(4.0).negatives = 2.0


def test_a_batch_of_n_pairs_samples_n_minus_one_negatives():
    assert [InBatchInfoNCE(4.0).population(n).negatives for n in (2, 8, 512)] == [1.0, 7.0, 511.0]
    with pytest.raises(ValueError, match=r"^`batch_size` \(n\) must be a whole number of at least 2; got 1\.$"):
        InBatchInfoNCE(4.0).population(1)


@pytest.mark.parametrize("value", [0, -0.5, np.nan, np.inf])
@pytest.mark.parametrize("objective", [InfoNCE, InBatchInfoNCE])
def test_a_temperature_that_is_not_positive_is_refused(objective, value):
    sentence = f"`inverse_temperature` (τ²) must be positive and finite; got {value!r}."
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        objective(value)


@pytest.mark.parametrize("value", [-1.0, np.nan, np.inf])
def test_a_negative_weight_of_the_negatives_is_refused(value):
    sentence = f"`negatives` (K) must be at least 0 and finite; got {value!r}."
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        InfoNCE(1.0, negatives=value)
    assert InfoNCE(1.0, negatives=0).negatives == 0


def test_a_temperature_that_is_no_number_is_refused():
    with pytest.raises(TypeError, match=r"^`inverse_temperature` \(τ²\) must be a positive number; got 'cold'\.$"):
        InfoNCE("cold")


@pytest.mark.parametrize("number", [np.float32(0.1), Fraction(1, 10), Decimal("0.1")], ids=repr)
def test_an_objective_keeps_the_float_that_it_checked(number):
    for value in (InfoNCE(number).inverse_temperature, InBatchInfoNCE(number).inverse_temperature):
        assert type(value) is float and value == float(number)
    assert type(InfoNCE(1.0, negatives=number).negatives) is float

"""A verdict is earned: a bound is a bound, a NaN is nowhere, and nothing measured is nothing shown."""

from __future__ import annotations

import numpy as np
import pytest

from mmcl.claims.claim import Check, Evidence, at_least, at_most, close, slope, zero


@pytest.mark.parametrize("relation", ["equals", "at least", "at most"])
@pytest.mark.parametrize(
    ("predicted", "measured", "tolerance"), [(1.0, np.nan, 1.0), (np.nan, 1.0, 1.0), (1, 1, np.nan)]
)
def test_a_nan_never_holds(relation, predicted, measured, tolerance):
    assert not Check("x", predicted, measured, tolerance, "because", relation).holds


def test_no_checks_never_hold():
    assert not Evidence(()).holds


def test_one_failing_check_fails_the_claim():
    good, bad = zero("good", 0.0, tolerance=0.0, reason="exact"), zero("bad", 1.0, tolerance=0.5, reason="not")
    assert Evidence((good,)).holds and not Evidence((good, bad)).holds


def test_a_tolerance_is_a_distance_and_a_bound_is_sharp():
    assert close("x", -2.0, -2.0199, rel=0.01, reason="one percent").holds
    assert not close("x", -2.0, -2.0201, rel=0.01, reason="one percent").holds
    assert not zero("x", -1e-6, tolerance=1e-7, reason="an error has no sign").holds
    assert at_least("x", 2.0, 2.0, reason="bound").holds and not at_least("x", 2.0, 1.999, reason="bound").holds
    assert at_most("x", 2.0, 2.0, reason="bound").holds and not at_most("x", 2.0, 2.001, reason="bound").holds
    assert (
        not at_most("x", 2.0, np.inf, reason="bound").holds and not zero("x", np.inf, tolerance=1, reason="far").holds
    )


def test_a_check_is_asked_for_by_its_label():
    found = Evidence((zero("drift", 0.0, tolerance=1.0, reason="x"),))
    assert found["drift"].measured == 0.0
    with pytest.raises(KeyError, match="no check is labelled 'shift'; there are: drift"):
        found["shift"]


def test_the_slope_is_the_exponent_of_a_power_law():
    x = np.array([1.0, 3.0, 10.0])
    assert slope(x, 7 * x**-0.5) == pytest.approx(-0.5, abs=1e-12)

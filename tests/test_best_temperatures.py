"""The best temperature of each question, from formula and map."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mmcl.best_temperatures import WEIGHTS, best_temperatures
from mmcl.claims import evidence
from mmcl.optimum import optimal_temperatures


def test_the_ends_are_those_of_the_formula_and_the_way_is_the_valley_of_the_map():
    rows = best_temperatures().rows
    assert rows["fast balance at the end"][0] == optimal_temperatures(8, negatives=1.0).balance
    waits = evidence("wait-map").curves
    row = int(np.argmin(np.abs(np.log(waits["K"] / 511))))
    best = waits["tau2"][np.nanargmin(waits["balance"][row])]
    assert rows["the whole way to $\\kappa=1.1$"][1] == pytest.approx(best)


def test_another_map_has_another_valley():
    found = evidence("wait-map")
    flat = np.full_like(found.curves["balance"], 7.0)
    flat[:, 3] = 1.0
    other = replace(found, curves=found.curves | {"balance": flat})
    rows = best_temperatures(lambda id: other).rows
    assert set(rows["the whole way to $\\kappa=1.1$"]) == {float(found.curves["tau2"][3])}


def test_it_shows_itself_as_a_table():
    lines = best_temperatures()._repr_markdown_().splitlines()
    assert len(lines) == 6 and {line.count("|") for line in lines} == {len(WEIGHTS) + 2}

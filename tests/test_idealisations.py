"""The table of what each idealisation costs: every item is there, from evidence."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mmcl.claims import evidence
from mmcl.idealisations import idealisations

ITEMS = (
    "width", "batch", "normalisation", "centring", "common offset", "step", "weight decay", "momentum", "Adam",
    "latents: signs", "latents: Gaussian", "latents: uniform", "latents: sparse", "unequal spectra and noise",
    "missing overlap",
)  # fmt: skip


def test_every_item_has_a_prediction_and_a_measurement_and_all_but_signs_a_size():
    table = idealisations()
    assert {row.name for row in table.rows} == set(ITEMS)
    for row in table.rows:
        assert row.predicted and row.measured and ((row.bar and row.good) or row.name == "latents: signs")
    lines = table._repr_markdown_().splitlines()
    assert len(lines) == len(ITEMS) + 4 and {line.count(" | ") for line in lines[2:-2]} == {4}


def test_the_numbers_are_those_of_the_evidence():
    def other(id):
        found = evidence(id)
        if id != "missing-overlap":
            return found
        return replace(found, checks=(replace(found.checks[0], measured=0.02), *found.checks[1:]))

    row = idealisations(other)["missing overlap"]
    assert row.measured == "0.0200 in θ at $n=128$"
    assert row.good == "$n\\ge512$ †" and row.tried == "$n=128$"


def test_a_size_that_no_run_had_is_marked_and_the_sizes_run_are_named():
    table = idealisations()
    for row in table.rows:
        assert ("†" in row.good) == bool(row.tried)
    assert table["Adam"].tried == "$m=64$ to $1{,}024$"
    assert table._repr_markdown_().splitlines()[-1].count(";") == sum(bool(row.tried) for row in table.rows) - 1


def test_where_every_size_is_good_none_below_them_is_named():
    good = idealisations()["normalisation"].good
    assert good == "every $m$ run, from $512$ on and every $n$ run, from $16$ on"


def test_an_unknown_item_names_those_there_are():
    with pytest.raises(KeyError, match=r"no idealisation is called 'depth'; there are: width, batch, normalisation, "):
        idealisations()["depth"]

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
        assert row.predicted and row.measured and (row.good or row.name == "latents: signs")
    lines = table._repr_markdown_().splitlines()
    assert len(lines) == len(ITEMS) + 2 and {line.count(" | ") for line in lines[2:]} == {3}


def test_the_numbers_are_those_of_the_evidence():
    def other(id):
        found = evidence(id)
        if id != "missing-overlap":
            return found
        return replace(found, checks=(replace(found.checks[0], measured=0.02), *found.checks[1:]))

    assert idealisations(other)["missing overlap"].measured == "0.0200 in θ at $n=128$"
    assert idealisations(other)["missing overlap"].good == "$n=512$ †"  # beyond what was run


def test_a_size_is_named_only_as_far_as_it_was_run():
    good = {row.name: row.good for row in idealisations().rows}
    assert good["latents: Gaussian"] == "$n=256$ (smallest run)"
    assert good["step"] == r"$\eta=0.05$ (largest run)"
    assert good["Adam"].split(";")[0].endswith(" †") and "†" not in good["batch"]


def test_an_unknown_item_names_those_there_are():
    with pytest.raises(KeyError, match=r"no idealisation is called 'depth'; there are: width, batch, normalisation, "):
        idealisations()["depth"]

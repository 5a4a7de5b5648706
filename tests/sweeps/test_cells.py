"""A cell is kept whole, under the hash of what it depends on, and never repaired in silence."""

from __future__ import annotations

import json
import os
import re
import time

import numpy as np
import pytest

from mmcl import InfoNCE, PairedData, provenance
from mmcl.sweeps import Axis, Quantity, Serial, Study, run
from mmcl.sweeps.cells import ABANDONED, Cells, Outcome

AXIS = Axis("x", (1.0, 2.0, float("inf")), "1", "a number")


def _cell(x: float) -> dict[str, float]:
    return {"value": np.nan if x == 2.0 else x / 3}


@pytest.fixture
def cells(tmp_path) -> Cells:
    one = Study("one", "One", (AXIS,), (Quantity("value", "1", "x/3"),), _cell)
    one = Cells(one, tmp_path / "store", one.code)
    one.open()
    return one


@pytest.mark.parametrize("value", [1 / 3, -0.0, 5e-324, np.nan, np.inf, [0.1, np.nan], [[1.0], [2.0]]])
def test_what_is_kept_comes_back_to_the_last_bit(cells, value):
    cells.save(0, Outcome({"value": value}, 0.25))
    back = cells.load(0)
    assert back.seconds == 0.25
    assert np.asarray(back.values["value"]).tobytes() == np.asarray(value, dtype=float).tobytes()
    assert cells.load(1) is None and not list((cells.root / "cells" / "writing").iterdir())


@pytest.mark.parametrize("harm", ["cut", "changed", "empty", "of another cell", "without its time", "deep"])
def test_a_damaged_cell_is_refused_in_a_sentence(cells, harm):
    run(cells.study, executor=Serial(), store=cells.root)
    next(cells.root.glob("*.nc")).unlink()
    path = cells.path(0)
    text = path.read_text()
    harmed = {"cut": text[:-9], "changed": text.replace("0.33", "0.34"), "empty": "",
              "of another cell": cells.path(1).read_text(), "without its time": text.replace("seconds", "minutes"),
              "deep": "[" * 100_000}[harm]  # fmt: skip
    assert harmed != text
    path.write_text(harmed)
    sentence = f"The stored cell {path} is damaged; remove it, and it is computed again."
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        run(cells.study, executor=Serial(), store=cells.root)


def test_a_cell_says_what_it_is(cells):
    cells.save(0, Outcome({"value": 1.0}, 0.1))
    stored = json.loads(cells.path(0).read_text())
    assert stored["cell"]["place"] == {"x": 1.0} and stored["cell"]["cell"]["named"].endswith("test_cells._cell")


def test_the_name_of_a_cell_changes_with_its_place_and_with_the_code(cells, monkeypatch):
    before = cells.keys
    assert len(set(before)) == 3
    monkeypatch.setattr(provenance, "version", lambda name: "99")
    assert not set(Cells(cells.study, cells.root, cells.study.code).keys) & set(before)


def test_half_a_file_of_a_dead_driver_is_swept_away_but_none_of_a_living_one(cells):
    old, new = (cells.root / "cells" / "writing" / f"{name}.tmp" for name in ("old", "new"))
    for path in (old, new):
        path.write_text("{")
    past = time.time() - ABANDONED - 1
    os.utime(old, (past, past))
    cells.open()
    assert not old.exists() and new.exists()


def test_frozen_values_are_described_by_kind_and_fields():
    shown = provenance.described((PairedData((2.0, 1.0), ambient_dim=4), InfoNCE(4), np.float64(0.5), None))
    assert shown[0]["kind"] == "PairedData" and shown[0]["signal_a"] == [2.0, 1.0] and "views" not in shown[0]
    assert shown[1:] == [{"kind": "InfoNCE", "inverse_temperature": 4.0, "negatives": 1.0}, 0.5, None]
    with pytest.raises(TypeError, match=r"^A setting must be a number, a text, a list or a frozen value; got set\.$"):
        provenance.described({1, 2})


def test_places_that_are_equal_are_named_by_their_labels():
    with pytest.raises(ValueError, match=r"^`w` must have different values; got 'a' and 'c', which are equal\.$"):
        Axis("w", ((1.0,), (2.0,), (1.0,)), "1", "a world", labels=("a", "b", "c"))
    with pytest.raises(ValueError, match=r"^`w` must have different values; got 'a' twice\.$"):
        Axis("w", ((1.0,), (2.0,)), "1", "a world", labels=("a", "a"))

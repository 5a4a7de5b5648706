"""The benchmark itself: a trial of the parts that race nobody from outside, and what is kept when a part fails."""

from __future__ import annotations

import json
import sys

import pytest

from benchmarks import __main__ as command


def test_a_trial_of_what_a_cell_costs_is_measured_and_saved(tmp_path, monkeypatch):
    out = tmp_path / "trial.json"
    monkeypatch.setattr(sys, "argv", ["benchmarks", "--quick", "--only", "tasks", "flow-worlds", "--out", str(out)])
    command.main()
    found = json.loads(out.read_text())
    assert {one["id"] for one in found["prices"]} == {"cell-train", "cell-flow", "task", "task-batched", "store"}
    assert [one["id"] for one in found["races"]] == ["flow-worlds"]
    assert found["omitted"][0] == "training: was not asked for."


def test_a_part_that_fails_loses_nothing_of_the_others(tmp_path, monkeypatch, capsys):
    def broken():
        yield command.Price("cell-flow", "a cell", (1.0,))
        raise ValueError("what\nhappened")

    whole = {"tasks": broken, "growth": lambda: [command.Price("cell-train", "another", (2.0,))]}
    monkeypatch.setattr(command, "parts", lambda quick: whole)
    monkeypatch.setattr(sys, "argv", ["benchmarks", "--out", str(tmp_path / "found.json")])
    with pytest.raises(SystemExit, match=r"^tasks: ended in ValueError: what happened\.$"):
        command.main()
    found = json.loads((tmp_path / "found.json").read_text())
    assert [one["id"] for one in found["prices"]] == ["cell-flow", "cell-train"]
    assert found["omitted"] == ["tasks: ended in ValueError: what happened."]
    assert "Traceback" in capsys.readouterr().err

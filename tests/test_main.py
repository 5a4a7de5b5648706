"""The command line: tables out, one sentence where the arguments do not fit."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

import mmcl.claims.store
from mmcl.__main__ import main
from mmcl.claims import Check, Evidence, claim
from mmcl.claims.claim import REGISTRY
from mmcl.training import TrainingInterrupted


def test_flow_prints_a_table_that_ends_where_the_theory_says(capsys):
    assert main(["flow", "--positives-only", "--until", "80", "--points", "3"]) == 0
    head, *rows = capsys.readouterr().out.splitlines()
    last = dict(zip(head.split(","), map(float, rows[-1].split(",")), strict=True))
    assert len(rows) == 3 and last["time"] == 80
    assert last["condition_number"] == pytest.approx(7.239, abs=5e-4)


def test_train_saves_a_record_that_can_be_read(tmp_path, capsys):
    target = tmp_path / "run.npz"
    assert main(["train", "--width", "16", "--steps", "4", "--batch-size", "8", "--out", str(target)]) == 0
    assert capsys.readouterr().out.strip() == str(target)
    with np.load(target) as stored:
        assert stored["time"][-1] == 2.0 and stored["weights_a"].shape == (64, 16)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["flow", "--signal", "2,-1"], "mmcl flow: `signal_a` (σ_A) must be positive and finite in every coordinate"),
        (["flow", "--until", "-1"], "mmcl flow: `--until` (t) must be positive and finite; got -1.0."),
        (["flow", "--negatives", "-1"], "mmcl flow: `negatives` (K) must be at least 0 and finite; got -1.0."),
        (["train", "--in-batch", "--negatives", "7"], "mmcl train: `--negatives` (K) must be left out with"),
        (["flow", "--positives-only", "--negatives", "2"], "mmcl flow: `--positives-only` has no temperature and no"),
        (["train", "--seed", "-1"], "mmcl train: `--seed` must be a whole number of at least 0; got -1."),
        (["train", "--width", "0"], "mmcl train: `width` (m) must be a whole number of at least 1; got 0."),
        (["verify", "nothing"], "mmcl verify: no claim has the id 'nothing'; there are: derivation,"),
    ],
)  # fmt: skip
def test_wrong_input_gets_one_sentence(arguments, sentence, capsys):
    assert main(arguments) == 2
    shown = capsys.readouterr().err.strip()
    assert shown.startswith(sentence) and "\n" not in shown


def test_a_target_that_cannot_be_written_is_refused_before_the_work(capsys):
    with pytest.raises(SystemExit):
        main(["train", "--out", "run.txt"])
    assert "the file must end in .csv or .npz; got 'run.txt'" in capsys.readouterr().err


def test_an_interrupted_run_still_delivers_its_record(monkeypatch, capsys):
    import mmcl.training

    whole = mmcl.training.train

    def interrupted(*args, **settings):
        raise TrainingInterrupted(whole(*args, **settings | {"steps": 3}))

    monkeypatch.setattr(mmcl.training, "train", interrupted)
    assert main(["train", "--width", "8", "--batch-size", "4"]) == 130
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 5 and "interrupted after step 3" in err


def test_a_diverging_run_still_delivers_its_record(capsys):
    assert main(["train", "--width", "8", "--batch-size", "4", "--step-size", "1e9"]) == 2
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 2 and "diverged at step 1" in err


def test_verify_shows_a_claim_that_cannot_be_measured_as_one_that_fails(monkeypatch, capsys, tmp_path):
    def broken():
        raise ArithmeticError("the step size vanished")

    broken.__module__ = "mmcl.claims.clock"
    monkeypatch.setenv("MMCL_STORE", str(tmp_path))
    monkeypatch.setitem(REGISTRY, "clock", replace(claim("clock"), measure=broken))
    assert main(["verify", "clock"]) == 1
    *_, row, total = capsys.readouterr().out.splitlines()
    assert row.startswith("clock") and "ArithmeticError: the step size vanished" in row and row.endswith("FAILS")
    assert total == "0 of 1 claims hold."


def test_verify_exits_with_one_when_a_claim_fails(monkeypatch, capsys):
    off = Evidence((Check("a number", 1.0, 2.0, 0.1, "no reason"),))
    monkeypatch.setattr(mmcl.claims.store, "evidence", lambda _: off)
    assert main(["verify", "clock"]) == 1
    head, rule, row, total = capsys.readouterr().out.splitlines()
    assert head.split() == ["claim", "what", "is", "compared", "predicted", "measured", "verdict"] and set(rule) == {
        "-"
    }
    assert row.split() == ["clock", "a", "number", "1", "±", "0.1", "2", "FAILS"] and total == "0 of 1 claims hold."
    assert main(["verify", "clock", "--json"]) == 1
    answer = json.loads(capsys.readouterr().out)
    assert answer["holds"] is False and answer["checks"][0]["claim"] == claim("clock").id


def test_a_record_that_cannot_be_saved_is_printed(monkeypatch, tmp_path, capsys):
    def full(self, path):
        raise OSError("No space left on device")

    monkeypatch.setattr("mmcl.trajectory.Trajectory.save", full)
    words = ["train", "--width", "8", "--steps", "2", "--batch-size", "4", "--out", str(tmp_path / "run.csv")]
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 4 and "could not save (No space left on device); the record follows." in err


def test_a_folder_is_no_target(tmp_path, capsys):
    folder = tmp_path / "run.csv"
    folder.mkdir()
    with pytest.raises(SystemExit):
        main(["train", "--out", str(folder)])
    assert "must be a file that can be written" in capsys.readouterr().err

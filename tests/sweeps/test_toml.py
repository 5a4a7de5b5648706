"""A study in a file is the study in Python, and whatever does not fit gets one sentence."""

from __future__ import annotations

import errno
import re
from pathlib import Path

import numpy as np
import pytest
import xarray

from mmcl import InfoNCE, PairedData, PositiveOnly, Sigmoid, sweeps
from mmcl.__main__ import main
from mmcl.latents import GaussianLatents, Signs, SparseLatents
from mmcl.sweeps import Followed, Serial, Trained
from mmcl.worlds import CANONICAL

WORLDS = """
title = "Two worlds, two losses"
seeds = [3, 5]
[run]
width = 8
steps = 4
batch_size = 16
[[worlds]]
name = "even"
signal_a = [2, 2]
ambient_dim = 6
[[worlds]]
name = "Gaussian"
signal_a = [2, 1]
noise_a = 0.25
ambient_dim = 6
latents = "GaussianLatents"
[[objectives]]
name = "positives"
kind = "PositiveOnly"
[[objectives]]
name = "weak negatives"
inverse_temperature = 2
negatives = 0.5
"""
GRID = """
kind = "flow"
run.until = 20
world.signal_a = [2, 1]
objective.kind = "Sigmoid"
objective.inverse_temperature = 10
[grid]
ambient_dim = [4, 8]
bias = [-10, -5, 0]
"""


def _read(folder: Path, text: str) -> sweeps.Study:
    path = folder / "two-by-two.toml"
    path.write_text(text)
    return sweeps.read(path)


def test_worlds_and_objectives_are_those_of_python(tmp_path):
    worlds = {
        "even": PairedData((2, 2), ambient_dim=6),
        "Gaussian": PairedData((2, 1), noise_a=0.25, ambient_dim=6, latents=GaussianLatents()),
    }
    objectives = {"positives": PositiveOnly(), "weak negatives": InfoNCE(2.0, 0.5)}
    run = Trained(width=8, steps=4, batch_size=16)
    there = sweeps.of_worlds("two-by-two", worlds, objectives, (3, 5), run=run, title="Two worlds, two losses")
    here = _read(tmp_path, WORLDS)
    assert here == there and here.key == there.key and here.size == 8


def test_a_grid_is_that_of_python(tmp_path):
    here = _read(tmp_path, GRID)
    axes = {"ambient_dim": [4, 8], "bias": [-10, -5, 0]}
    world, objective = PairedData((2, 1)), Sigmoid(10.0)
    assert here == sweeps.of_grid("two-by-two", axes, world=world, objective=objective, run=Followed(20.0))
    table = sweeps.run(here, executor=Serial(), store=tmp_path)
    assert table["alignment"].dims == ("ambient_dim", "bias") and "seed" not in table.coords
    assert table["ambient_dim"].attrs == {"units": "1", "long_name": "ambient dimension d"}


def test_an_axis_may_have_several_numbers_at_a_place(tmp_path):
    text = GRID.replace("bias = [-10, -5, 0]", "signal_a = [[2, 1], [2, 2]]")
    table = sweeps.run(_read(tmp_path, text), executor=Serial(), store=tmp_path)
    assert list(table["signal_a"].values) == ["(2.0, 1.0)", "(2.0, 2.0)"]
    even, uneven = (float(table["condition_number"].sel(signal_a=name)[0]) for name in ("(2.0, 2.0)", "(2.0, 1.0)"))
    assert even == pytest.approx(1.0) and uneven > 1.01


def test_latents_are_named_or_told_with_their_fields(tmp_path):
    text = GRID.replace("bias = [-10, -5, 0]", 'latents = ["Signs", {kind = "SparseLatents", rate = 0.1}]')
    text = text.replace('kind = "flow"\nrun.until = 20', 'kind = "train"').replace('"Sigmoid"', '"InfoNCE"')
    study = _read(tmp_path, text)
    assert study.axes[1].values == (Signs(), SparseLatents(0.1))
    (tmp_path / "world.toml").write_text(WORLDS.replace('"GaussianLatents"', '{kind = "SparseLatents", rate = 0.1}'))
    assert sweeps.read(str(tmp_path / "world.toml")).axes[0].values[1].latents == SparseLatents(0.1)


def test_a_table_of_worlds_has_their_fields_as_coordinates(tmp_path):
    table = sweeps.run(_read(tmp_path, WORLDS), executor=Serial(), store=tmp_path)
    assert table["alignment"].dims == ("world", "objective", "seed") and table["alignment"].shape == (2, 2, 2)
    assert list(table["world"].values) == ["even", "Gaussian"] and list(table["world_noise_a"].values) == [0.5, 0.25]
    assert list(table["objective_kind"].values) == ["PositiveOnly", "InfoNCE"]
    np.testing.assert_array_equal(table["objective_inverse_temperature"], [np.nan, 2.0])
    assert table["alignment_time"].attrs["units"] == "gradient-flow time"


def test_seeds_are_independent_streams_and_belong_to_the_cell_alone(tmp_path):
    world, run = PairedData((2, 1), ambient_dim=4), Trained(width=4, steps=2, batch_size=8)
    several = sweeps.of_worlds("several", {"a": world}, {"b": PositiveOnly(), "c": InfoNCE(1.0)}, range(3), run=run)
    alone = sweeps.of_worlds("alone", {"x": world}, {"y": PositiveOnly()}, [2], run=run)
    table, one = (sweeps.run(study, executor=Serial(), store=tmp_path) for study in (several, alone))
    assert len(np.unique(table["loss"])) == 6
    assert float(one["loss"][0, 0, 0]) == float(table["loss"].sel(objective="b", seed=2)[0])


def test_a_run_that_diverges_is_a_row_and_no_end_of_the_sweep(tmp_path):
    run = Trained(width=4, steps=3, batch_size=8, step_size=1e9)
    study = sweeps.of_worlds("far", {"a": CANONICAL}, {"b": InfoNCE(4.0)}, [0], run=run)
    table = sweeps.run(study, executor=Serial(), store=tmp_path)
    assert float(table["diverged"][0, 0, 0]) == 1 and np.isnan(float(table["alignment"][0, 0, 0]))


@pytest.mark.parametrize(
    ("before", "after", "sentence"),
    [
        ("seeds =", "sedes =", "`sedes` is no field of a study; there are: name, title, kind, seeds, run, worlds"),
        ("width = 8", "depth = 8", "`run.depth` is no field of a study; there are: width, step_size, steps, batch"),
        ("width = 8", "width = 0", "`run`: `width` (m) must be a whole number of at least 1; got 0."),
        ("noise_a", "noise", "`worlds[2].noise` is no field of a study; there are: signal_a, signal_b, noise_a"),
        ("noise_a = 0.25", "noise_a = -1", "`worlds[2]`: `noise_a` (σ_ξ,A) must be at least 0 and finite"),
        ('"even"', '"Gaussian"', "`worlds` must have different names; got 'Gaussian' twice."),
        ('name = "even"', "", "`worlds[1].name` must be given; got none."),
        ('"PositiveOnly"', '"SimCLR"', "`objectives[1].kind` must be one of 'InfoNCE', 'InBatchInfoNCE', 'Positive"),
        ("negatives = 0.5", "bias = 0.5", "`objectives[2].bias` is no field of a study; there are: inverse_temp"),
        ('"GaussianLatents"', '"Cauchy"', "`worlds[2].latents` must be one of 'Signs', 'GaussianLatents',"),
        ('"GaussianLatents"', '"SparseLatents"', "`worlds[2].latents` must say how sparse, as {kind = "),
        (
            '"GaussianLatents"',
            '{kind = "SparseLatents", rate = 2}',
            "`worlds[2].latents`: `rate` (q) must be at most 1, a",
        ),
        (
            '"GaussianLatents"',
            '{kind = "Signs", rate = 2}',
            "`worlds[2].latents.rate` is no field of a study; there are: ",
        ),
        ("[3, 5]", "[3, 3]", "`seed` must have different values; got 3 twice."),
        ("[3, 5]", "[]", "`seeds` must have at least one value where there is chance, as in training; got none."),
        ("[3, 5]", "0", "`seeds` must have at least one value where there is chance, as in training; got none."),
        (
            "[3, 5]",
            "[2147483648]",
            "each of `seeds` must be below 2**31, as NetCDF has 32 bits for it; got 2147483648.",
        ),
        ("[3, 5]", "-1", "`seeds` must be a whole number below 10,000,000, or a list of seeds; got -1."),
        ("[3, 5]", "5000000000", "`seeds` must be a whole number below 10,000,000, or a list of seeds; got 5000"),
        ("width = 8", f"width = {10**30}", "`run`: `width` (m) must be at most 9,007,199,254,740,992; got 1000"),
        ("[3, 5]", "[0.5]", "each of `seeds` must be a whole number of at least 0; got 0.5."),
        ("seeds", 'kind = "drive"\nseeds', "`kind` must be one of 'train', 'flow'; got 'drive'."),
        ("seeds", 'name = "a/b"\nseeds', "`name` must be at most 100 letters, digits, - and _, as it names"),
        ("seeds", f'name = "{"a" * 300}"\nseeds', "`name` must be at most 100 letters, digits, - and _, as it names"),
        ("[run]", "[world]\nnoise_a = 0.9\n[run]", "`world` must be left out without a `grid`: each of `worlds` has"),
        ("seeds", "objective = 3\nseeds", "`objective` must be left out without a `grid`: each of `objectives` has"),
        ("seeds", f"title = {'[' * 5000}\nseeds", "must be TOML with fewer brackets within brackets."),
        ("seeds = [3, 5]", "seeds = ", "must be TOML; "),
        ("[[worlds]]", "[[places]]", "`places` is no field of a study"),
        ("[run]", "[grid]\nwidth = [4]\n[run]", "`worlds` must be left out beside `grid`, which varies one world"),
    ],
)
def test_a_study_that_does_not_fit_is_refused_in_one_sentence(tmp_path, capsys, before, after, sentence):
    (tmp_path / "study.toml").write_text(WORLDS.replace(before, after))
    assert main(["sweep", str(tmp_path / "study.toml"), "--store", str(tmp_path)]) == 2
    said = capsys.readouterr().err.strip()
    assert said.startswith(f"mmcl sweep: study.toml: {sentence}") and "\n" not in said


@pytest.mark.parametrize(
    ("before", "after", "sentence"),
    [
        ("bias = [-10, -5, 0]\n", "tau = [1]\n", "`grid` must have axes among until, signal_a, signal_b, noise_a,"),
        ("bias = [-10, -5, 0]\n", "bias = []\n", "`bias` must have at least one value; got none."),
        ("bias = [-10, -5, 0]\n", "bias = -10\n", "`grid.bias` must be a list; got -10."),
        (
            "ambient_dim = [4, 8]\nbias = [-10, -5, 0]",
            "signal_a = [[2, 1]]\nambient_dim = []",
            "`ambient_dim` must have at least one value; got none.",
        ),
        ("ambient_dim = [4, 8]", "ambient_dim = [4, 0]", "`ambient_dim` (d) must be a whole number of at least 1; got"),
        ("ambient_dim = [4, 8]\nbias = [-10, -5, 0]", "", "`grid` must have at least one axis; got none."),
        (
            "ambient_dim = [4, 8]",
            "ambient_dim = [4, 8]\nsignal_a = [[1.0], [2, 2, 2, 1, 1]]",
            "`signal_a` (σ_A) must have",
        ),
        ('"Sigmoid"', '"InBatchInfoNCE"', "`objective` must be"),
        ("run.until", "seeds = 2\nrun.until", "`seeds` must be left out where nothing is random, as in a flow; got 2"),
    ],
)
def test_a_grid_that_does_not_fit_is_refused_in_one_sentence(tmp_path, before, after, sentence):
    with pytest.raises((TypeError, ValueError)) as refused:
        _read(tmp_path, GRID.replace(before, after))
    assert str(refused.value).startswith(f"two-by-two.toml: {sentence}")


def test_what_fits_in_every_combination_is_taken_though_it_would_not_fit_the_base(tmp_path):
    text = GRID.replace("bias = [-10, -5, 0]", "signal_a = [[2, 1, 1], [2, 2, 1]]\nsignal_b = [[1, 1, 1], [3, 1, 1]]")
    assert _read(tmp_path, text).size == 2 * 2 * 2


def test_a_table_for_which_there_is_no_room_is_named_where_it_was_to_go(tmp_path, capsys, monkeypatch):
    (tmp_path / "study.toml").write_text(WORLDS)
    words = ["sweep", str(tmp_path / "study.toml"), "--store", str(tmp_path), "--jobs", "1"]
    write = xarray.Dataset.to_netcdf

    def full(self, path, **settings):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(xarray.Dataset, "to_netcdf", full)
    assert main(words) == 2
    assert f"The store {tmp_path} is full (No space left on device); what is finished is" in capsys.readouterr().err
    monkeypatch.setattr(xarray.Dataset, "to_netcdf", write)
    assert main(words) == 0
    monkeypatch.setattr(xarray.Dataset, "to_netcdf", full)
    assert main([*words, "--out", str(tmp_path / "out.nc")]) == 2
    sentence = f"The table cannot go to {tmp_path}/out.nc (No space left on device); it is kept."
    assert sentence in capsys.readouterr().err


def test_an_empty_option_is_not_one_that_was_left_out(tmp_path, capsys):
    (tmp_path / "study.toml").write_text(WORLDS)
    with pytest.raises(SystemExit):
        main(["sweep", str(tmp_path / "study.toml"), "--store", ""])
    assert "argument --store: must be a folder; got an empty text" in capsys.readouterr().err
    assert main(["sweep", str(tmp_path / "study.toml"), "--scheduler", "", "--store", str(tmp_path)]) == 2
    assert "`--scheduler` must be the address of a Dask scheduler that answers" in capsys.readouterr().err


def test_a_study_that_is_not_there_is_named(tmp_path, capsys):
    assert main(["sweep", str(tmp_path / "none.toml")]) == 2
    assert capsys.readouterr().err.endswith("none.toml' must be a file that exists.\n")
    assert main(["sweep", "dimension", "--jobs", "0"]) == 2
    assert "`jobs` must be a whole number of at least 1; got 0." in capsys.readouterr().err
    assert main(["sweep", "dimension", "--jobs", "2", "--scheduler", "tcp://localhost:8786"]) == 2
    assert "`--jobs` must be left out with `--scheduler`" in capsys.readouterr().err


def test_the_study_of_the_chapter_can_be_read(tmp_path, pytestconfig):
    text = (pytestconfig.rootpath / "book" / "reproduce.md").read_text(encoding="utf-8")
    shown = re.search(r"^```toml\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)[1]
    study = _read(tmp_path, shown)
    assert study.size == 24 and [axis.name for axis in study.axes] == ["inverse_temperature", "ambient_dim", "seed"]
    brief = _read(tmp_path, shown.replace("steps = 800", "steps = 2").replace("width = 128", "width = 4"))
    assert not sweeps.run(brief, executor=Serial(), store=tmp_path)["alignment"].isnull().any()

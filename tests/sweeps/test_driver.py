"""A sweep is run once, says where it came from, and comes back as it was or not at all."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from importlib import import_module

import numpy as np
import pytest
import xarray

from mmcl import InfoNCE, __version__, provenance, sweeps
from mmcl.__main__ import main
from mmcl.latents import Signs, SparseLatents
from mmcl.studies import STUDIES, study
from mmcl.sweeps import Axis, CellFailed, Quantity, Serial, Study, SweepInterrupted
from mmcl.sweeps.executors import compute
from mmcl.worlds import CANONICAL, SMALL

CALLS: list[dict[str, float]] = []
STOP: list[bool] = []  # whether the fifth call is interrupted


def _cell(x: float, y: float) -> dict[str, float]:
    CALLS.append({"x": x, "y": y})
    return {"sum": x + y, "ratio": x / y}


def _stopping(x: float, y: float) -> dict[str, float]:
    if STOP and len(CALLS) == 4:
        raise KeyboardInterrupt
    return _cell(x, y)


def _divided(x: float, y: float) -> dict[str, float]:
    return {"sum": x + y, "ratio": x / y}


def _scaled(x: float, y: float) -> dict[str, list[float]]:
    return {name: [value, 10 * value] for name, value in _cell(x, y).items()}


@pytest.fixture(autouse=True)
def stopping() -> None:
    STOP[:] = [True]


def run(study: Study) -> xarray.Dataset:
    """In this process, where calls can be counted."""
    return sweeps.run(study, executor=Serial())


@pytest.fixture
def small(tmp_path, monkeypatch) -> Study:
    monkeypatch.setenv("MMCL_STORE", str(tmp_path / "store"))
    CALLS.clear()
    axes = Axis("x", (1.0, 2.0), "m", "a length ℓ"), Axis("y", (1.0, 4.0, 5.0), "1", "a number")
    return Study(
        "small", "A sum τ² and a ratio", axes, (Quantity("sum", "m", "x + y"), Quantity("ratio", "m", "x/y")), _cell
    )


def test_a_sweep_is_computed_once_and_labelled(small):
    first, second = run(small), run(small)
    assert len(CALLS) == small.size == 6 and second.identical(first)
    assert float(first["sum"].sel(x=2.0, y=5.0)) == 7.0 and first["ratio"].dims == ("x", "y")
    assert first["x"].attrs == {"units": "m", "long_name": "a length ℓ"} and first["sum"].attrs["units"] == "m"
    assert first.attrs["title"] == small.title and first.attrs["mmcl"] == __version__
    assert json.loads(first.attrs["configuration"])["axes"] == {"x": [1.0, 2.0], "y": [1.0, 4.0, 5.0]}


def test_a_table_under_other_units_words_or_labels_is_another_one(small):
    first = run(small)
    quantities = Quantity("sum", "km", "a sum"), small.quantities[1]
    second = run(replace(small, quantities=quantities, axes=(replace(small.axes[0], unit="s"), small.axes[1])))
    assert second["sum"].attrs == {"units": "km", "long_name": "a sum"} and second["x"].attrs["units"] == "s"
    assert len(CALLS) == 6 and first["sum"].attrs["units"] == "m"  # of the same cells


def test_values_of_one_name_from_two_modules_are_told_apart():
    both = [type("World", (), {"__annotations__": {"x": int}, "x": 1, "__module__": name}) for name in ("one", "two")]
    first, second = (provenance.described(dataclass(frozen=True)(kind)()) for kind in both)
    assert first == {"kind": "one.World", "x": 1} and second == {"kind": "two.World", "x": 1}
    assert provenance.described(run) == {"named": f"{__name__}.run"} != provenance.described(f"{__name__}.run")


def test_a_larger_grid_computes_only_what_is_new(small):
    run(small)
    run(replace(small, axes=(Axis("x", (2.0, 3.0), "m", "a length"), small.axes[1])))
    assert len(CALLS) == 9 and {call["x"] for call in CALLS[6:]} == {3.0}


def test_an_interrupted_sweep_keeps_what_is_finished_and_goes_on_from_it(small, monkeypatch):
    whole = run(small)
    shutil.rmtree(sweeps.folder())
    CALLS.clear()
    after_four = replace(small, cell=_stopping)
    sentence = "interrupted; 4 of 6 cells are stored, and the same command goes on from them."
    with pytest.raises(SweepInterrupted, match=f"^{sentence}$"):
        run(after_four)
    assert not list(sweeps.folder().glob("sweep-*")) and not list(sweeps.folder().rglob("*.tmp"))
    STOP.clear()
    table = run(after_four)
    assert len(CALLS) == 6 and table.drop_attrs().identical(whole.drop_attrs())


def test_what_another_driver_stores_meanwhile_is_not_computed_again(small):
    class Beside:
        """Runs the first cell; all others are stored by somebody else."""

        def run(self, tasks):
            first = next(tasks)
            run(small)
            yield first.index, compute(first)
            assert list(tasks) == []

    whole = run(replace(small, name="alone"))
    shutil.rmtree(sweeps.folder())
    CALLS.clear()
    table = sweeps.run(replace(small, name="beside"), executor=Beside())
    assert len(CALLS) == 7 and table.drop_attrs().identical(whole.drop_attrs())


def test_a_cell_that_fails_is_named_and_the_others_are_kept(small):
    broken = replace(
        small, cell=_divided, axes=(Axis("x", (1.0, 2.0), "m", "a length"), Axis("y", (0.0, 1.0), "1", "y"))
    )
    with pytest.raises(CellFailed, match=r"^The cell x = [12]\.0, y = 0\.0 failed with ZeroDivisionError: .* by zero$"):
        run(broken)


def test_a_cell_may_cover_an_axis_by_itself(small):
    z = Axis("z", (1.0, 10.0), "1", "a factor")
    table = run(replace(small, cell=_scaled, within=(z,)))
    assert table["sum"].dims == ("x", "y", "z") and table["z"].attrs["long_name"] == "a factor"
    assert float(table["sum"].sel(x=2.0, y=5.0, z=10.0)) == 70.0


@pytest.mark.parametrize("harm", ["cut", "changed", "empty"])
def test_a_damaged_file_is_refused_in_a_sentence(small, harm):
    run(small)
    path = sweeps.place(small)
    whole = path.read_bytes()
    seven = np.array([7.0], ">f8").tobytes()
    harmed = {"cut": whole[: len(whole) // 2], "changed": whole.replace(seven, seven[::-1]), "empty": b""}[harm]
    assert harmed != whole
    path.write_bytes(harmed)
    sentence = f"The stored sweep {path} is damaged; remove it, and it is computed again."
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        run(small)


def test_a_file_of_another_version_is_refused_in_a_sentence(small):
    other = replace(small, title="Another title")
    run(other)
    sweeps.place(other).rename(sweeps.place(small))
    with pytest.raises(ValueError, match=r"was made by another version \(mmcl sweep 2, mmcl [\d.]+, key \w+\); remove"):
        run(small)


def test_a_store_that_cannot_be_written_is_refused_before_the_work(small, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MMCL_STORE", str(tmp_path / "file" / "store"))
    sentence = r"^The store .* cannot be written \(.*\); give a folder, by `--store` or MMCL_STORE\.$"
    with pytest.raises(OSError, match=sentence):
        run(small)
    assert not CALLS


def test_importing_the_package_or_listing_the_studies_loads_no_xarray():
    code = "import sys, mmcl, mmcl.studies; print({'xarray', 'pandas'} & set(sys.modules) or '')"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == ""


def test_the_command_lists_saves_and_refuses(small, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(STUDIES, "small", small)
    run(small)
    target = tmp_path / "small.nc"
    assert main(["sweep", "--list"]) == 0 and "small  (6 cells)  A sum" in capsys.readouterr().out
    assert main(["sweep", "small", "--out", str(target)]) == 0 and capsys.readouterr().out.strip() == str(target)
    assert sweeps.load(target).identical(run(small))
    assert main(["sweep", "large"]) == 2
    assert capsys.readouterr().err.startswith("mmcl sweep: no study has the name 'large'; there are: temperature-map,")
    assert main(["sweep"]) == 2
    assert capsys.readouterr().err.startswith("mmcl sweep: `study.toml | NAME` must be a file or a study")


@pytest.mark.parametrize("name", STUDIES)
def test_a_random_tenth_of_a_stored_sweep_is_computed_again(name):
    one = study(name)
    table, rng = sweeps.run(one), np.random.default_rng(int(one.key, 16))
    for index in rng.choice(one.size, -(-one.size // 10), replace=False):
        here = one.place(int(index))
        for quantity, value in one.cell(**here).items():
            np.testing.assert_allclose(table[quantity].sel(here), value, rtol=1e-9, err_msg=f"{quantity} at {here}")


class _Scale:
    def cell(self, x: float) -> dict[str, float]:
        return {"y": x}


def _local():
    return lambda x: {"y": x}


def _typed(x: float) -> dict[str, object]:
    return {"y": int(x), "z": np.float32(x) / 3, "known": x > 1}


X, Y = Axis("x", (1.0, 2.0), "1", "a number"), Quantity("y", "1", "y")


@pytest.mark.parametrize("cell", [_local(), _Scale().cell, _local.__get__(3)], ids=["lambda", "method", "bound"])
def test_a_cell_that_its_name_does_not_tell_from_others_is_refused(cell, tmp_path):
    with pytest.raises(TypeError, match=r"^A setting must be a value, or a function or class whose module and name"):
        sweeps.run(Study("nameless", "", (X,), (Y,), cell), executor=Serial(), store=tmp_path)
    assert not list(tmp_path.rglob("*.json"))


@pytest.mark.parametrize("how", [["-c", "{}"], ["-"]])
def test_a_cell_without_a_file_is_refused(how, tmp_path):
    script = (
        "from mmcl.sweeps import *\ndef cell(x): return {'y': x}\n"
        "run(Study('typed', '', (Axis('x', (1.0,), '1', 'x'),), (Quantity('y', '1', 'y'),), cell), executor=Serial())"
    )
    command = [sys.executable, *(word.format(script) if word != "-" else word for word in how)]
    found = subprocess.run(command, input=script, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert found.returncode == 1
    assert found.stderr.splitlines()[-1].startswith("ValueError: What is computed must be defined in a file, whose")


OWN = """
from mmcl.sweeps import *
from own.parts import helper
def cell(x): return {"y": helper.times(x)}
if __name__ == "__main__":
    one = Study("own", "", (Axis("x", (1.0,), "1", "x"),), (Quantity("y", "1", "y"),), cell)
    print(float(run(one, executor=Serial(), store=STORE).y[0]))
"""


@pytest.mark.parametrize("how", [["-m", "own.cells"], ["-c", "import own.script"]], ids=["module", "imported"])
def test_a_change_in_a_file_beside_that_of_the_cell_asks_for_a_new_run(how, tmp_path):
    parts = tmp_path / "own" / "parts"
    parts.mkdir(parents=True)
    own = OWN.replace("STORE", repr(str(tmp_path)))
    (tmp_path / "own" / "cells.py").write_text(own)
    (tmp_path / "own" / "script.py").write_text(
        own.replace("def cell(x): return {\"y\": helper.times(x)}", "from own.cells import cell")
        .replace('if __name__ == "__main__":', "if True:")
    )  # fmt: skip
    (parts / "__init__.py").write_text("")
    (parts / "helper.py").write_text("from .factor import FACTOR\ndef times(x): return FACTOR * x\n")
    found = []
    for factor in (2, 3, 2):
        (parts / "factor.py").write_text(f"FACTOR = {factor}\n")
        found.append(subprocess.check_output([sys.executable, "-B", *how], text=True, cwd=tmp_path).strip())
    assert found == ["2.0", "3.0", "2.0"] and len(list(tmp_path.glob("cells/??/*.json"))) == 2


def test_beside_an_installed_module_are_libraries_and_not_its_own_files(tmp_path, monkeypatch):
    home = tmp_path / "site-packages"
    home.mkdir()
    (home / "installed_cell.py").write_text("import big_library\n")
    (home / "big_library.py").write_text("")
    monkeypatch.syspath_prepend(home)
    import_module("installed_cell")
    assert {path.name for path in provenance.sources("installed_cell")} == {"installed_cell.py"}


def test_numbers_of_any_type_come_back_from_the_store_as_they_were(tmp_path):
    one = Study("typed", "", (X,), (Y, Quantity("z", "1", "z"), Quantity("known", "1", "x > 1")), _typed)
    first = sweeps.run(one, executor=Serial(), store=str(tmp_path))
    next(tmp_path.glob("*.nc")).unlink()  # but not the cells
    assert sweeps.run(one, executor=Serial(), store=tmp_path).identical(first)
    assert all(first[name].dtype == np.float64 for name in ("y", "z", "known"))


@pytest.mark.parametrize(
    ("make", "error", "sentence"),
    [
        (lambda: Axis("x", (True, False), "1", "x"), TypeError,
         "`x` must have numbers or texts, or `labels` for its val"),
        (lambda: Axis("x", (None, 0.5), "1", "x"), TypeError,
         "`x` must have numbers or texts, or `labels` for its value"),
        (lambda: Axis("x", (2**31,), "1", "x"), ValueError,
         "`x` must have whole numbers of 32 bits, as NetCDF has; got"),
        (lambda: Axis("τ", (1.0,), "1", "x"), ValueError,
         "`name` of Axis must be in plain letters, as NetCDF has; got 'τ'."),
        (lambda: Quantity("κ", "1", "x"), ValueError, "`name` of Quantity must be in plain letters, as NetCDF has"),
        (lambda: Study("s", "", (Axis("w", (InfoNCE(4.0),), "1", "w", ("a",)),), (Quantity("w_kind", "1", "w"),),
                       _typed), ValueError,
         "`axes`, `within` and `quantities` must have other names than 'w_kind', which in the table is 'kind' of `w`."),
        (lambda: Study("s", "", (Axis("w", (InfoNCE(4.0),), "1", "w", ("a",)), Axis("w_negatives", (1.0,), "1", "x")),
                       (Y,), _typed), ValueError,
         "`axes`, `within` and `quantities` must have other names than 'w_negatives', which in the table is 'negativ"),
        (lambda: Study("a/b", "", (X,), (Y,), _typed), ValueError,
         "`name` must be at most 100 letters, digits, - and _"),
        (lambda: sweeps.run(Study("s", "", (X,), (Y,), _typed), executor="serial"), TypeError,
         "`executor` must be Serial"),
        (lambda: sweeps.run(Study("s", "", (X,), (Y,), _typed), store=3), TypeError,
         "`store` must be str or Path; got 3"),
        (lambda: sweeps.read(3), TypeError, "`path` must be str or Path; got 3."),
        (lambda: sweeps.load(3), TypeError, "`path` must be str or Path; got 3."),
        (lambda: sweeps.save(None, 3), TypeError, "`path` must be str or Path; got 3."),
        (lambda: sweeps.of_grid("s", {"steps": 23}, world=CANONICAL, objective=InfoNCE(4.0)), TypeError,
         "`steps` must be a list of values; got 23."),
        (lambda: sweeps.of_grid("s", ["steps"], world=CANONICAL, objective=InfoNCE(4.0)), TypeError,
         "`grid` must be a dict with a name for each entry; got ['steps']."),
        (lambda: sweeps.of_grid("s", {"steps": [23]}, world=None, objective=InfoNCE(4.0)), TypeError,
         "`world` must be PairedData; got None."),
        (lambda: sweeps.of_grid("s", {"steps": [2]}, world=CANONICAL, objective=InfoNCE(4.0), run="train"), TypeError,
         "`run` must be Trained or Followed; got 'train'."),
        (lambda: sweeps.of_worlds("s", [CANONICAL], {"a": InfoNCE(4.0)}), TypeError,
         "`worlds` must be a dict with a name for each entry; got [PairedData("),
        (lambda: sweeps.of_worlds("s", {"a": CANONICAL}, {"a": InfoNCE(4.0)}, 3), TypeError,
         "`seeds` must be a list of whole numbers, such as range(3); got 3."),
    ],
)  # fmt: skip
def test_what_is_no_study_is_refused_in_a_sentence(make, error, sentence):
    with pytest.raises(error, match=f"^{re.escape(sentence)}"):
        make()


def test_latents_and_what_may_be_absent_are_axes_like_any_other(tmp_path):
    axes = {"latents": [Signs(), SparseLatents(0.5)], "noise_b": [None, 0.5]}
    run = sweeps.Trained(width=4, steps=2, batch_size=8)
    one = sweeps.of_grid("absent", axes, [0], world=SMALL, objective=InfoNCE(4.0), run=run)
    table = sweeps.run(one, executor=Serial(), store=tmp_path)
    assert list(table["noise_b"].values) == ["None", "0.5"] and table["latents"].values[0] == "Signs()"
    assert table["loss"].shape == (2, 2, 1) and not table["loss"].isnull().any()


def _nothing(x: float, y: float) -> dict[str, float]:
    return {"sum": x}


def _long(x: float, y: float) -> dict[str, list[float]]:
    return {"sum": [x], "ratio": [x, y]}


def _leaving(x: float, y: float) -> dict[str, float]:
    raise SystemExit("enough,\n  " + 2000 * "!")


@pytest.mark.parametrize(
    ("cell", "sentence"),
    [
        (_nothing, "The cell x = {x}, y = {y} must give the quantity 'ratio'; it gave 'sum'."),
        (
            _long,
            "The cell x = {x}, y = {y} must give 'ratio' in the shape (), of the axes within it; "
            "it gave the shape (2,).",
        ),
        (_leaving, "The cell x = {x}, y = {y} failed with SystemExit: enough, " + 992 * "!"),
    ],
)
def test_the_first_cell_that_gives_something_else_ends_the_sweep_with_its_name(cell, sentence, small, tmp_path):
    with pytest.raises(CellFailed) as failed:
        run(replace(small, cell=cell))
    said = str(failed.value)
    x, y = re.search(r"x = (\S+), y = (\S+) ", said).groups()  # type: ignore[union-attr]
    assert said == sentence.format(x=x, y=y) and not list((tmp_path / "store").glob("cells/??/*.json"))


A, Q = Axis("a", (1, 2), "1", "a number"), Quantity("q", "1", "another")


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (
            lambda: Study("s", "t", (A, A), (Q,), _divided),
            "`axes`, `within` and `quantities` must have different names; got 'a' twice.",
        ),
        (
            lambda: Study("s", "t", (A,), (Q,), _divided, within=(Axis("q", (1, 2), "1", "a number"),)),
            "`axes`, `within` and `quantities` must have different names; got 'q' twice.",
        ),
        (lambda: Study("s", "t", (A,), (), _divided), "`quantities` must have at least one; got none."),
        (lambda: Study("s", None, (A,), (Q,), _divided), "`title` of Study must be a text; got None."),
        (lambda: Quantity("q", None, "m"), "`unit` of Quantity must be a text; got None."),
        (
            lambda: Study("s", "t", (A,), (Q,), 3),
            "`cell` must be a function of a module, or a frozen value that is called; got 3.",
        ),
        (
            lambda: Axis("a", (float("nan"),), "1", "m"),
            "`a` must have values that can be told apart; got NaN.",
        ),
        (
            lambda: Axis("a", (1, "x"), "1", "m"),
            "`a` must have numbers or texts, not both, in one column; got (1, 'x').",
        ),
        (
            lambda: Axis("a", ([1], [2]), "1", "m", ("one", "two")),
            "`a` must have frozen values, such as a tuple; got [1].",
        ),
        (lambda: Axis("a", 5, "1", "m"), "`a` must have a tuple of values; got 5."),
    ],
)
def test_faults_of_a_study_are_found_before_any_cell(make, sentence):
    with pytest.raises((TypeError, ValueError), match=f"^{re.escape(sentence)}$"):
        make()


def test_an_axis_takes_any_row_of_values():
    assert Axis("a", range(3), "1", "m").values == (0, 1, 2) == Axis("a", np.arange(3), "1", "m").values


def test_torch_that_a_cell_loads_has_its_threads_afterwards(tmp_path):
    script = (
        "from mmcl import sweeps\n"
        "from mmcl.sweeps import Axis, Quantity, Serial, Study\n"
        "def cell(x):\n    import torch\n    return {'y': torch.get_num_threads()}\n"
        "one = Study('one', '', (Axis('x', (1.0,), '1', 'x'),), (Quantity('y', '1', 'y'),), cell)\n"
        "within = float(sweeps.run(one, executor=Serial(), store='store').y[0])\n"
        "import torch\nprint(within, torch.get_num_threads())\n"
    )
    (tmp_path / "script.py").write_text(script)
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    environment["OPENBLAS_NUM_THREADS"] = "2"
    told = subprocess.check_output([sys.executable, "script.py"], text=True, cwd=tmp_path, env=environment)
    assert told.split() == ["1.0", "2"]

"""A sweep is run once, says where it came from, and comes back as it was or not at all."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from mmcl import __version__, sweeps
from mmcl.__main__ import main
from mmcl.studies import STUDIES, study
from mmcl.sweeps import Axis, Quantity, Study

CALLS: list[dict[str, float]] = []


def _cell(x: float, y: float) -> dict[str, float]:
    CALLS.append({"x": x, "y": y})
    return {"sum": x + y, "ratio": x / y}


@pytest.fixture
def small(tmp_path, monkeypatch) -> Study:
    monkeypatch.setenv("MMCL_STORE", str(tmp_path / "store"))
    CALLS.clear()
    axes = Axis("x", (1.0, 2.0), "m", "a length ℓ"), Axis("y", (1.0, 4.0, 5.0), "1", "a number")
    return Study(
        "small", "A sum τ² and a ratio", axes, (Quantity("sum", "m", "x + y"), Quantity("ratio", "m", "x/y")), _cell
    )


def test_a_sweep_is_computed_once_and_labelled(small):
    first, second = sweeps.run(small), sweeps.run(small)
    assert len(CALLS) == small.size == 6 and second.identical(first)
    assert float(first["sum"].sel(x=2.0, y=5.0)) == 7.0 and first["ratio"].dims == ("x", "y")
    assert first["x"].attrs == {"units": "m", "long_name": "a length ℓ"} and first["sum"].attrs["units"] == "m"
    assert first.attrs["title"] == small.title and first.attrs["mmcl"] == __version__
    assert json.loads(first.attrs["configuration"])["axes"] == {"x": [1.0, 2.0], "y": [1.0, 4.0, 5.0]}


def test_another_grid_is_another_sweep(small):
    sweeps.run(small)
    sweeps.run(replace(small, axes=(Axis("x", (3.0,), "m", "a length"), small.axes[1])))
    assert len(CALLS) == 9


def test_an_interrupted_sweep_leaves_nothing(small):
    def torn(**place):
        raise KeyboardInterrupt

    torn.__module__ = _cell.__module__
    with pytest.raises(KeyboardInterrupt):
        sweeps.run(replace(small, cell=torn))
    assert not list(sweeps.folder().iterdir())


@pytest.mark.parametrize("harm", ["cut", "changed", "empty"])
def test_a_damaged_file_is_refused_in_a_sentence(small, harm):
    sweeps.run(small)
    path = sweeps.place(small)
    whole = path.read_bytes()
    seven = np.array([7.0], ">f8").tobytes()
    harmed = {"cut": whole[: len(whole) // 2], "changed": whole.replace(seven, seven[::-1]), "empty": b""}[harm]
    assert harmed != whole
    path.write_bytes(harmed)
    sentence = f"The stored sweep {path} is damaged; remove it, and it is computed again."
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        sweeps.run(small)


def test_a_file_of_another_version_is_refused_in_a_sentence(small):
    other = replace(small, title="Another title")
    sweeps.run(other)
    sweeps.place(other).rename(sweeps.place(small))
    with pytest.raises(ValueError, match=r"was made by another version \(mmcl sweep 1, mmcl [\d.]+, key \w+\); remove"):
        sweeps.run(small)


def test_a_store_that_cannot_be_written_is_refused_before_the_work(small, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MMCL_STORE", str(tmp_path / "file" / "store"))
    with pytest.raises(OSError, match=r"^The store .* cannot be written \(.*\); set MMCL_STORE to a folder\.$"):
        sweeps.run(small)
    assert not CALLS


def test_importing_the_package_or_listing_the_studies_loads_no_xarray():
    code = "import sys, mmcl, mmcl.studies; print({'xarray', 'pandas'} & set(sys.modules) or '')"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == ""


def test_the_command_lists_saves_and_refuses(small, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(STUDIES, "small", small)
    target = tmp_path / "small.nc"
    assert main(["sweep", "--list"]) == 0 and "small  (6 cells)  A sum" in capsys.readouterr().out
    assert main(["sweep", "small", "--out", str(target)]) == 0 and capsys.readouterr().out.strip() == str(target)
    assert sweeps.load(target).identical(sweeps.run(small))
    assert main(["sweep", "large"]) == 2
    assert capsys.readouterr().err.startswith("mmcl sweep: no study has the name 'large'; there are: temperature-map,")
    assert main(["sweep"]) == 2
    assert capsys.readouterr().err.startswith("mmcl sweep: `NAME` must be one of the studies, temperature-map,")


@pytest.mark.parametrize("name", STUDIES)
def test_a_random_tenth_of_a_stored_sweep_is_computed_again(name):
    one = study(name)
    table, rng = sweeps.run(one), np.random.default_rng(int(sweeps.key(one), 16))
    shape = [len(axis.values) for axis in one.axes]
    # The cells of one temperature share one path, so a tenth of the map is a tenth of its temperatures.
    count = shape[0] if name == "temperature-map" else one.size
    drawn = rng.choice(count, -(-count // 10), replace=False)
    cells = list(one.cells)
    if name == "temperature-map":
        cells = [cells[i * shape[1] + j] for i in drawn for j in range(shape[1])]
    else:
        cells = [cells[i] for i in drawn]
    for place in cells:
        for quantity, value in one.cell(**place).items():
            np.testing.assert_allclose(
                float(table[quantity].sel(place)), value, rtol=1e-9, err_msg=f"{quantity} at {place}"
            )

"""Studies that are small enough to be killed often."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from children import STUDY, Bench


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """Processes of this test."""
    (tmp_path / "study.toml").write_text(STUDY)
    one = Bench(tmp_path)
    yield one
    one.close()


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the study's table, computed in one go in one process, and its store."""
    folder = tmp_path_factory.mktemp("undisturbed")
    (folder / "study.toml").write_text(STUDY)
    one = Bench(folder)
    driver = one.sweep("--jobs", "1", "--store", str(folder / "store"), "--out", str(folder / "table.nc"))
    assert driver.ended() == 0, driver.text
    return folder


@pytest.fixture
def undisturbed(whole: Path) -> bytes:
    """The table of a run that nothing happened to."""
    return (whole / "table.nc").read_bytes()

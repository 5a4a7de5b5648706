"""One strict build of the book, shared by every test of the site, in whichever process it runs."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from filelock import FileLock

PROJECT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Build:
    """What a build said and where it left the site."""

    folder: Path

    @property
    def html(self) -> Path:
        """The built pages."""
        return self.folder / "_build" / "html"

    @property
    def exit_code(self) -> int:
        """Zero if it passed."""
        return int((self.folder / "exit_code").read_text())

    @property
    def output(self) -> str:
        """Everything that it said."""
        return (self.folder / "output").read_text(encoding="utf-8")


def page_names() -> list[str]:
    """The pages of the table of contents, the front page first."""
    toc = yaml.safe_load((PROJECT / "_toc.yml").read_text(encoding="utf-8"))
    return [toc["root"], *(chapter["file"] for part in toc["parts"] for chapter in part["chapters"])]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that asks for a `page` once for each page."""
    if "page" in metafunc.fixturenames:
        metafunc.parametrize("page", page_names(), ids=lambda name: name.removeprefix("book/"))


@pytest.fixture(scope="session")
def project() -> Path:
    """The top of the project."""
    return PROJECT


@pytest.fixture(scope="session")
def book(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """The book, built strictly into an empty folder; only executed cells of unchanged code are taken from the cache."""
    alone = "PYTEST_XDIST_WORKER" not in os.environ
    folder = (tmp_path_factory.getbasetemp() if alone else tmp_path_factory.getbasetemp().parent) / "book"
    with FileLock(f"{folder}.lock"):  # the first process that comes here builds, the others wait
        if not (folder / "exit_code").exists():
            _build(folder)
    return Build(folder)


def _build(folder: Path) -> None:
    folder.mkdir()
    words = ["build", str(PROJECT), "--path-output", str(folder), "-W", "-n", "--keep-going", "--all"]
    command = [str(Path(sys.executable).with_name("jupyter-book")), *words]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    done = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True)
    (folder / "output").write_text(done.stdout + done.stderr, encoding="utf-8")
    (folder / "exit_code").write_text(str(done.returncode))


@pytest.fixture(scope="session")
def site(book: Build) -> Path:
    """The folder of the built pages."""
    if book.exit_code:
        pytest.fail("The book does not build: see test_build.", pytrace=False)
    return book.html

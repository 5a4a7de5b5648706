"""One strict build of the book, shared by every test of the site."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

PROJECT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Build:
    """What a build said and where it left the site."""

    exit_code: int
    output: str
    html: Path


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
    target = tmp_path_factory.mktemp("book")
    words = ["build", str(PROJECT), "--path-output", str(target), "-W", "-n", "--keep-going", "--all"]
    command = [str(Path(sys.executable).with_name("jupyter-book")), *words]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    done = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True)
    return Build(done.returncode, done.stdout + done.stderr, target / "_build" / "html")


@pytest.fixture(scope="session")
def site(book: Build) -> Path:
    """The folder of the built pages."""
    if book.exit_code:
        pytest.fail("The book does not build: see test_build.", pytrace=False)
    return book.html

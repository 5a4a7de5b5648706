"""The notation page resolves and is complete: its words are names of the package, and it has the chapters' letters."""

from __future__ import annotations

import dataclasses
import inspect
import re
from importlib import import_module
from pathlib import Path

import pytest

import mmcl

PAGE = Path(__file__).parents[1] / "book" / "notation.md"
HOMES = (
    "mmcl", "mmcl.data", "mmcl.training", "mmcl.training.grams", "mmcl.closed_form", "mmcl.relaxation", "mmcl.spectra",
    "mmcl.symbolic.potentials", "mmcl.worlds", "mmcl.trajectory", "mmcl.temperature", "mmcl.downstream",
    "mmcl.methods.predictor_flow", "mmcl.methods.reconstruction", "mmcl.covariance", "mmcl.augmentation",
    "mmcl.landscape", "mmcl.sparse", "mmcl.training.relu", "mmcl.training.optimizer", "mmcl.stability", "mmcl.forces",
    "mmcl.family_end", "mmcl.benchmark",
)  # fmt: skip


CHAPTERS = sorted(page for page in PAGE.parent.glob("*.md") if page != PAGE and "| letter |" in page.read_text("utf-8"))


def rows(page: Path) -> list[str]:
    """The rows of the page's tables of letters."""
    found, inside = [], False
    for line in page.read_text(encoding="utf-8").splitlines():
        inside = line.startswith("| letter |") or (inside and line.startswith("|"))
        if inside and not line.startswith(("| letter |", "|:--")):
            found.append(line)
    return found


def letters(row: str) -> set[str]:
    """What a row explains, each letter without its definition: $a_p,b_p$ are two, $N_A^2=…$ is one."""
    found = []
    for formula in re.findall(r"\$([^$]+)\$", re.split(r"(?<!\\)\|", row)[1]):
        parts = re.split(r",(?![^({\[]*[)}\]])", formula.replace(r"\,", ""))
        found += [re.split(r"=|\\in(?![a-z])|\\ge(?![a-z])", part)[0].strip() for part in parts]
    return set(found) - {""}


def words() -> list[str]:
    return [word for row in rows(PAGE) for word in re.findall(r"`([^`]+)`", row.rsplit("|", 2)[1])]


def resolve(name: str) -> object:
    for home in HOMES:
        module = import_module(home)
        if hasattr(module, name):
            return getattr(module, name)
    raise AssertionError(f"{name} is no name of the package")


@pytest.mark.parametrize("word", words())
def test_a_word_of_the_notation_is_a_name_of_the_package(word):
    call = re.fullmatch(r"(\w+)\((\w+)=…\)", word)
    if call:
        assert call[2] in inspect.signature(resolve(call[1])).parameters
        return
    name, *attribute = word.split(".")
    thing = resolve(name)
    for part in attribute:
        fields = {field.name for field in dataclasses.fields(thing)} if dataclasses.is_dataclass(thing) else set()
        assert part in fields or hasattr(thing, part)


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda page: page.stem)
def test_the_page_has_every_letter_of_a_chapter(chapter):
    known = {
        letter
        for row in rows(PAGE)
        if "{doc}`" not in row or f"{{doc}}`{chapter.stem}`" in row  # a letter of all chapters, or of this one
        for letter in letters(row)
    }
    assert set().union(*map(letters, rows(chapter))) - known == set()


def test_a_row_is_read_letter_by_letter():
    assert letters(r"| $a_p,k_{A,p}$, $L(\theta)$, $N_A^2=\mathbb E\|f\|^2$ | lengths | |") == {
        "a_p", "k_{A,p}", r"L(\theta)", "N_A^2",
    }  # fmt: skip


def test_no_table_of_letters_has_bars_that_its_cells_would_halve():
    bars = [row for page in (PAGE, *CHAPTERS) for row in rows(page) if r"\|" in row]
    assert bars == [], "Markdown makes \\| a single bar inside a table: write \\lVert … \\rVert"


def test_the_page_names_the_public_objects():
    assert len(words()) > 30 and mmcl.__version__

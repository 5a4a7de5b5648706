"""The notation page resolves: every word in its column "in code" is a name of the package."""

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
    "mmcl.symbolic.potentials", "mmcl.worlds", "mmcl.trajectory", "mmcl.temperature",
)  # fmt: skip


def words() -> list[str]:
    rows = [
        line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("|") and "|:--" not in line
    ]
    return [word for row in rows for word in re.findall(r"`([^`]+)`", row.rsplit("|", 2)[1])]


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


def test_the_page_names_the_public_objects():
    assert len(words()) > 30 and mmcl.__version__

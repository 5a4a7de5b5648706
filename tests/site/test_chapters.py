"""House rules of the chapters: they call, show and assert; numbers come from the run."""

from __future__ import annotations

import ast
import builtins
import re
from pathlib import Path

import pytest
import yaml

LONGEST_CELL = 12
IMPORTS = (ast.Import, ast.ImportFrom)
CELL = re.compile(r"^(?P<fence>`{3,})\{code-cell\}[^\n]*\n(?P<body>.*?)^(?P=fence)\s*$", re.DOTALL | re.MULTILINE)
OPTIONS = re.compile(r"\A---\n(?P<block>.*?)^---\n|\A(?P<lines>(?::[\w-]+:[^\n]*\n)+)", re.DOTALL | re.MULTILINE)
FRONT_MATTER = re.compile(r"\A---\n(.*?)^---\n", re.DOTALL | re.MULTILINE)


@pytest.fixture
def text(project: Path, page: str) -> str:
    return (project / f"{page}.md").read_text(encoding="utf-8")


def cells(text: str) -> list[tuple[dict, str]]:
    """Each cell's settings and its code."""
    found = []
    for cell in CELL.finditer(text):
        options = OPTIONS.match(cell["body"])
        written = options and (options["block"] or re.sub(r"^:", "", options["lines"] or "", flags=re.MULTILINE))
        settings = yaml.safe_load(written) or {} if written else {}
        found.append((settings, cell["body"][options.end() :] if options else cell["body"]))
    return found


def prose(text: str) -> str:
    """The text that a person typed: no header, code, formula, role, link or address."""
    text = FRONT_MATTER.sub("", text, count=1)
    text = re.sub(
        r"^(`{3,})\{?(code-cell|code-block|code|bibtex|bash|python|math|literalinclude|bibliography)\b.*?^\1\s*$",
        "",
        text,
        flags=re.DOTALL | re.MULTILINE,
    )
    text = re.sub(r"\$\$.*?\$\$|\$[^$\n]+\$|\\begin\{.*?\\end\{[^}]*\}", "", text, flags=re.DOTALL)
    text = re.sub(r"\{[\w:-]+\}`[^`]*`|`[^`]*`|\]\([^)]*\)|<?https?://\S+", "", text)
    return re.sub(r"(?i)arxiv:\s*\S+|python 3\.\d+(?:(?:,| to| or| and) 3\.\d+)*", "", text)


def test_an_executed_page_has_a_jupytext_header(text):
    front = FRONT_MATTER.match(text)
    header = yaml.safe_load(front[1]) if front else {}
    if cells(text):
        assert header["jupytext"]["text_representation"]["format_name"] == "myst"
        assert header["kernelspec"]["name"] == "python3"


def test_cells_are_short(text):
    for _, code in cells(text):
        lines = [line for line in code.splitlines() if line.strip()]
        assert len(lines) <= LONGEST_CELL, f"{len(lines)} lines, from {lines[0]!r}: move the work into mmcl"


def test_cells_call_and_never_define(text):
    forbidden = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.For, ast.While, ast.Lambda)
    for _, code in cells(text):
        for node in ast.walk(ast.parse(re.sub(r"^%.*$", "", code, flags=re.MULTILINE))):
            assert not isinstance(node, forbidden), f"`{ast.unparse(node).splitlines()[0]}` belongs into mmcl"


def test_cells_that_are_shown_run_when_they_are_pasted_in_order(text):
    """No name comes from a cell that the page leaves out; folded cells count as shown."""
    known, hidden = set(dir(builtins)), set()
    for settings, code in cells(text):
        nodes = list(ast.walk(ast.parse(re.sub(r"^%.*$", "", code, flags=re.MULTILINE))))
        read = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
        loops = [node.target for node in nodes if isinstance(node, ast.comprehension)]
        passing = {node.id for target in loops for node in ast.walk(target) if isinstance(node, ast.Name)}
        made = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)} - passing
        made |= {alias.asname or alias.name for node in nodes if isinstance(node, IMPORTS) for alias in node.names}
        if {"remove-cell", "remove-input"} & set(settings.get("tags", [])):
            hidden |= made
            continue
        assert not (missing := (read - passing - made - known) | (read & hidden) - made), (
            f"{sorted(missing)} in {code[:60]!r}"
        )
        known |= made


def test_figures_have_a_caption_and_a_name(text):
    for settings, code in cells(text):
        figure = settings.get("mystnb", {}).get("figure")
        if figure is not None:
            assert len(str(figure.get("caption", "")).split()) > 5, f"no caption that states the finding: {code[:60]!r}"
            assert str(figure.get("name", "")).startswith("fig-"), f"the name must start with 'fig-': {code[:60]!r}"


def test_pictures_have_a_text(text):
    for directive in re.finditer(r"^(`{3,}|:{3,})\{(?:figure|image)\}.*?^\1\s*$", text, flags=re.DOTALL | re.MULTILINE):
        assert re.search(r"^:alt: \S{3,}", directive[0], flags=re.MULTILINE), directive[0][:80]


def test_numbers_in_prose_come_from_the_run(text):
    typed = re.findall(r"(?<![\w.])\d+\.\d{2,}(?![\w.]*\d)", prose(text)) if cells(text) else []
    assert typed == [], "glue these numbers instead of typing them"

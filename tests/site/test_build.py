"""The book builds without a warning, and every page is whole."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from bs4 import BeautifulSoup

pytestmark = pytest.mark.site


def soup(site: Path, page: str) -> BeautifulSoup:
    return BeautifulSoup((site / f"{page}.html").read_text(encoding="utf-8"), "html.parser")


def test_the_strict_build_passes(book):
    assert book.exit_code == 0, book.output[-8000:]
    assert "WARNING" not in book.output, book.output[-8000:]
    assert "Traceback" not in book.output, book.output[-8000:]


def test_every_figure_has_a_caption_and_a_text(site, page):
    for figure in soup(site, page).select(".bd-article figure"):
        caption = figure.find("figcaption")
        assert caption and len(caption.get_text().split()) > 5, f"{figure.get('id')} has no caption that says anything"
        drawings = figure.select("svg[role=img], img")
        assert drawings, f"{figure.get('id')} shows nothing"
        for drawing in drawings:
            text = drawing.get("aria-label") or drawing.get("alt") or ""
            assert len(text) >= 20, f"{figure.get('id')} has no text for readers who do not see it"


def test_every_drawing_stands_in_a_figure(site, page):
    loose = [
        drawing["id"] for drawing in soup(site, page).select("svg.mmcl-drawing") if not drawing.find_parent("figure")
    ]
    assert not loose, "give the cell `mystnb: figure:` with a caption and a name"


def test_ids_of_drawings_do_not_collide(site, page):
    ids = [node["id"] for node in soup(site, page).select("svg.mmcl-drawing, svg.mmcl-drawing [id]")]
    assert len(ids) == len(set(ids))


def test_no_cell_shows_an_error_or_a_warning(site, page):
    article = soup(site, page)
    assert not article.select(".output.traceback, .output.stderr")


def test_the_site_carries_mathjax_and_no_live_code(site):
    assert (site / "_static" / "mathjax" / "tex-svg.js").stat().st_size > 1_000_000
    front = (site / "book" / "index.html").read_text(encoding="utf-8").lower()
    assert "thebe" not in front and "unpkg" not in front and "jsdelivr" not in front


@pytest.fixture
def code_cache(project) -> ModuleType:
    spec = importlib.util.spec_from_file_location("code_cache", project / "book" / "_ext" / "code_cache.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_changed_module_changes_the_cache(code_cache, project, tmp_path):
    shutil.copytree(project / "mmcl", tmp_path / "mmcl", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(project / "requirements.txt", tmp_path)
    before = code_cache.code_hash(tmp_path)
    assert before == code_cache.code_hash(tmp_path) == code_cache.code_hash(project)
    with (tmp_path / "mmcl" / "__init__.py").open("a") as module:
        module.write("# changed\n")
    changed = code_cache.code_hash(tmp_path)
    (tmp_path / "requirements.txt").write_text("numpy\n")
    assert len({before, changed, code_cache.code_hash(tmp_path)}) == 3


def test_the_page_of_the_benchmark_is_read_again_when_there_is_a_new_one(code_cache, tmp_path, monkeypatch):
    monkeypatch.setattr(code_cache, "MEASURED", tmp_path / "results.json")
    env = SimpleNamespace(found_docs={"book/reproduce", "book/index"})

    def outdated() -> list[str]:
        return code_cache.outdated(None, env, set(), set(), set())

    assert outdated() == []
    code_cache.MEASURED.write_text("{}")
    assert outdated() == ["book/reproduce"] and outdated() == []
    code_cache.MEASURED.unlink()
    assert outdated() == ["book/reproduce"]

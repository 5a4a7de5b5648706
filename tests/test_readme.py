"""The README tells the truth: its code runs, its picture is what the package draws, its order is kept."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from mmcl.figures.two_stages import save_headline

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_python_example_runs_and_prints_what_it_says(capsys):
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    exec(compile(code, "README", "exec"), {})
    theory_and_run, terminal = capsys.readouterr().out.splitlines()
    theory, run = map(float, theory_and_run.split())
    assert abs(run / theory - 1) < 0.1 and round(float(terminal), 3) == 9.177


def test_the_headline_figure_is_what_the_package_draws(tmp_path):
    drawn = save_headline(tmp_path / "two-stages.svg").read_text()
    kept = (ROOT / "book" / "_static" / "two-stages.svg").read_text()
    numbers = re.compile(r"-?\d+\.\d+|-?\d+")
    new, old = (
        np.array([float(x) for x in numbers.findall(re.sub(r'(id|href)="[^"]*"|url\([^)]*\)', "", text))])
        for text in (drawn, kept)
    )
    assert new.shape == old.shape, "draw it again: python -m mmcl.figures.two_stages book/_static/two-stages.svg"
    assert np.abs(new - old).max() < 0.5  # half a pixel


def test_the_sections_come_in_the_order_that_a_newcomer_needs():
    order = ["What one learns here", "## Two commands", "## Run one chapter", "## Use the package", "## Cite"]
    places = [README.index(text) for text in order]
    assert places == sorted(places)

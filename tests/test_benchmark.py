"""What the page shows of a benchmark, and that it stands without one."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from mmcl import benchmark
from mmcl.benchmark import (
    AT_LEAST,
    AT_MOST,
    MISSING,
    Cost,
    Growth,
    Nothing,
    Price,
    Race,
    Results,
    layouts,
    quantity,
    results,
    slope,
)  # fmt: skip
from mmcl.figures.benchmark import drawing

OURS = Cost("mmcl.train", (0.5, 0.4, 0.6))
LOOP = Cost("PyTorch loop", (15.0, 16.0, 12.0), 2)
RUN = Race("training-float32", "800 steps", OURS, LOOP, AT_LEAST, 25.0, note="Same steps.")
BARE = Race("products", "one loss", OURS, Cost("4 products", (0.25,), 1), AT_MOST, 1.3)
MEMORY = Race("memory-open_clip", "memory", Cost("a", (4e6,)), Cost("b", (2.5e8,)), AT_LEAST, 30.0, unit="B")
WIDTH = Growth("width", "a step", "m", (64, 256, 1024), (1e-3, 1e-3, 1e-3), 0.0, "m^0")
FOUND = Results({"processor": "A processor", "cores": "2 cores"}, {"numpy": "2.4.6"}, (RUN, BARE, MEMORY), (WIDTH,),
                omitted=("lightly: why.",))  # fmt: skip


@pytest.mark.parametrize("power", [0.0, 1.0, 2.5])
def test_the_slope_of_a_power_law_is_its_power(power):
    sizes = (10, 30, 100, 1000)
    assert slope(sizes, [7 * size**power for size in sizes]) == pytest.approx(power, abs=1e-12)


def test_a_ratio_is_that_of_a_round_and_then_the_middle_of_all():
    assert list(RUN.ratios) == [30.0, 40.0, 20.0] and RUN.ratio == 30.0 and RUN.reached
    assert not replace(RUN, bound=31.0).reached and replace(RUN, bound=None).reached is None


def test_contenders_of_unequal_rounds_are_compared_by_their_medians():
    assert list(BARE.ratios) == [2.0] and not BARE.reached


def test_a_slope_may_be_off_by_fifteen_hundredths():
    assert WIDTH.reached and replace(WIDTH, expected=0.14).reached and not replace(WIDTH, expected=0.16).reached


def test_the_table_begins_with_the_ratio_and_says_what_was_missed():
    rows = [line for line in FOUND._repr_markdown_().splitlines() if line.startswith(("| **", "**Against"))]
    assert rows == [
        "**Against others.** A ratio is what the other takes over what ours takes: above 1, ours is less.",
        "| **30** | 20 – 40 | ≥ 25 | 800 steps | 500 ms (mmcl.train) | 15 s (PyTorch loop, 2 threads) |",
        "| **62.5** | – | ≥ 30 | memory | 4 MB (a) | 250 MB (b) |",
        "**Against its parts.** A ratio is what ours takes over what the other takes: below 1, ours is less.",
        "| **2** | – | ≤ 1.3, **missed** | one loss | 500 ms (mmcl.train) | 250 ms (4 products, 1 thread) |",
        "| **0.00** | 0.00 ± 0.15 ($m^0$) | a step | $m$ = 64 – 1,024 | 1 ms – 1 ms |",
    ]


def test_the_table_says_on_what_it_was_measured_and_what_is_left_out():
    text = FOUND._repr_markdown_()
    assert "Measured, on A processor, 2 cores. Versions: numpy 2.4.6." in text and "- lightly: why." in text
    assert "- 800 steps, against PyTorch loop: Same steps." in text and "trial" not in text
    assert "A trial with few rounds" in replace(FOUND, quick=True)._repr_markdown_()


def test_the_page_says_when_it_was_measured_and_whether_the_code_has_changed_since():
    known = replace(FOUND, day="2026-01-02", code=benchmark.code())
    assert "Measured on 2026-01-02, on A processor" in known.conditions and "changed" not in known.conditions
    for other in (replace(known, code="0" * 32), FOUND):
        assert "**The code has changed since; `make bench` measures it anew.**" in other.conditions


def test_a_trial_leaves_the_whole_measurement_alone_and_is_shown_where_there_is_none(tmp_path, monkeypatch):
    monkeypatch.setattr(benchmark, "PACKAGE", tmp_path / "mmcl")
    trial, whole = replace(FOUND, quick=True), replace(FOUND, day="2026-01-02")
    trial.save(benchmark.place(trial=True))
    assert results() == trial
    whole.save(benchmark.place())
    assert results() == whole and results(benchmark.place(trial=True)) == trial


def test_a_competitor_that_was_stopped_is_shown_as_a_bound():
    text = replace(FOUND, races=(replace(RUN, censored=True),))._repr_markdown_()
    assert "| **> 30** |" in text and "| > 15 s (PyTorch loop, 2 threads) |" in text


def test_what_is_saved_is_read_again(tmp_path):
    path = FOUND.save(tmp_path / "bench" / "results.json")
    assert results(path) == FOUND and [file.name for file in path.parent.iterdir()] == ["results.json"]
    assert FOUND["width"] is WIDTH


def test_without_a_benchmark_the_page_says_how_to_make_one(tmp_path):
    nothing = results(tmp_path / "results.json")
    assert isinstance(nothing, Nothing) and nothing._repr_markdown_() == MISSING
    assert "make bench" in MISSING and drawing(nothing) is None


@pytest.mark.parametrize("text", ["", "[]", "{}", json.dumps({"format": "mmcl benchmark 0"})])
def test_a_damaged_file_is_refused_in_a_sentence(text, tmp_path):
    path = tmp_path / "results.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"results\.json cannot be read; remove the file, or run `make bench`\.$"):
        results(path)


def test_the_figure_is_whole_with_widths_and_without():
    for found in (FOUND, replace(FOUND, growths=())):
        bundle = drawing(found)._repr_mimebundle_()
        assert bundle["text/html"].startswith('<figure class="align-default">') and "figcaption" in bundle["text/html"]
        assert "800 steps, exact negatives, float32 30 times" in bundle["text/html"]
    assert drawing(replace(FOUND, races=(BARE,))) is None


def test_a_quantity_has_a_unit_that_suits_it():
    assert [quantity(x) for x in (2e-9, 1.5e-6, 0.0207, 47.0, 600.0)] == ["2 ns", "1.5 µs", "20.7 ms", "47 s", "10 min"]
    assert [quantity(x, "B") for x in (5e4, 4e6, 7.2e11)] == ["50 kB", "4 MB", "720 GB"]


def test_the_results_lie_where_the_makefile_looks_for_them(pytestconfig):
    assert benchmark.place() == pytestconfig.rootpath / "_build" / "bench" / "results.json"
    makefile = (pytestconfig.rootpath / "Makefile").read_text(encoding="utf-8")
    assert "_build/bench/*.json" in makefile and np.all([r.reached for r in (RUN, MEMORY)])


PRICED = replace(FOUND, prices=(
    Price("cell-train", "a cell: `train`", (2.0, 1.0, 1.5)), Price("cell-flow", "a cell: the flow", (0.1,)),
    Price("task", "an empty cell", (0.006,)), Price("store", "into the store", (0.002,), "on a disk"),
))  # fmt: skip


def test_a_price_stands_in_a_table_of_its_own_and_is_read_again(tmp_path):
    text = PRICED._repr_markdown_()
    assert "| **1.5 s** | 1 s – 2 s | a cell: `train` |" in text and "- into the store: on a disk" in text
    assert results(PRICED.save(tmp_path / "results.json")) == PRICED and PRICED["task"].median == 0.006


def test_a_study_takes_as_long_as_its_workers_or_its_driver():
    train, flow = layouts(PRICED).layouts
    assert (train.batch, flow.batch) == (1, 5) and train.toll == pytest.approx(0.008) and train.most == 187
    assert flow.toll == pytest.approx(0.0012 + 0.002)
    assert train.seconds(1) == pytest.approx(150_000) and train.seconds(1024) == pytest.approx(800)
    row = layouts(PRICED)._repr_markdown_().splitlines()[2]
    assert row == "| a cell: `train` | 1.5 s | 8 ms | 1 | 1.7 days | 2.6 h | 39 min | 13 min | 13 min | 187 |"


def test_without_prices_nothing_is_laid_out(tmp_path):
    for found in (FOUND, results(tmp_path / "results.json")):
        assert layouts(found)._repr_markdown_() == MISSING

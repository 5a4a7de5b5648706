"""What is compiled is kept, and made anew when what it holds has changed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import mmcl
from mmcl.training import compiled

SLOPE = """
import numpy as np
from mmcl.training.sign_batch import SignBatch
from mmcl.training.sign_kernel import slope_in_scores
batch = SignBatch.empty(5, 3, np.float64)
batch.stack[:] = 1
print(batch.slopes(np.eye(3), 7.0)[1][0, 0], sum(slope_in_scores.stats.cache_hits.values()))
"""


def test_it_is_compiled_where_no_folder_takes_it(monkeypatch):
    njit = compiled.njit

    def refusing(*arguments, cache=False, **settings):
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return njit(*arguments, **settings)

    monkeypatch.setattr(compiled, "njit", refusing)
    twice = compiled.compiled(lambda x: 2 * x)
    assert twice(21) == 42 and twice.signatures


def test_what_is_kept_is_made_anew_when_a_function_of_another_file_changes(tmp_path):
    """Numba looks at the file of the caller alone, and would go on with the old one."""
    package = tmp_path / "mmcl"
    shutil.copytree(Path(mmcl.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))

    def run():
        answer = subprocess.run(
            [sys.executable, "-c", SLOPE], env=os.environ | {"PYTHONPATH": str(tmp_path)}, cwd=tmp_path,
            capture_output=True, text=True, check=True, timeout=120,
        )  # fmt: skip
        slope, kept = answer.stdout.split()
        return float(slope), kept == "1"

    first, again = run(), run()
    assert not first[1] and again == (first[0], True)
    source = package / "training" / "sign_product.py"
    text = source.read_text(encoding="utf-8")
    assert text.count("out += sums.part") == 1
    source.write_text(text.replace("out += sums.part", "out -= sums.part"), encoding="utf-8")
    assert run() == (-first[0], False)

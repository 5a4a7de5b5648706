"""What is compiled is kept, and made anew when what it holds has changed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

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
    assert text.count("out += sums.part") == 2
    source.write_text(text.replace("out += sums.part", "out -= sums.part"), encoding="utf-8")
    os.utime(source, (0, 0))  # as old as what a copy that keeps times may bring
    changed = run()
    assert changed[0] != first[0] and not changed[1]
    source.write_text(text, encoding="utf-8")
    assert run() == (first[0], True)


def test_what_was_compiled_just_now_gives_the_bits_of_what_is_kept(tmp_path):
    """A restarted run must not differ from an undisturbed one, nor one worker from another."""
    run = (
        "import numpy as np; from mmcl import InfoNCE, PairedData, train; "
        "world = PairedData(signal_a=np.geomspace(2, 1, 8), noise_a=0.5, ambient_dim=64); "
        "settings = {'width': 32, 'step_size': 0.5, 'steps': 20, 'batch_size': 300, 'record_every': 20}; "
        "ends = [train(world, InfoNCE(4.0), rng=np.random.default_rng(0), dtype=kind, **settings) for kind in 'fd']; "
        "print(*[w.tobytes().hex() for end in ends for w in end.weights])"
    )
    first, again = (
        subprocess.run(
            [sys.executable, "-c", run], env=os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}, capture_output=True,
            text=True, check=True, timeout=120,
        ).stdout
        for _ in range(2)
    )  # fmt: skip
    assert list(tmp_path.rglob("*.nbc")) and first == again


@pytest.mark.parametrize("name", ["compiled.py", "sign_room.py", "sign_kernel.py"])
def test_what_is_kept_in_an_archive_has_a_name_of_its_own_for_every_change(name, tmp_path):
    def digest(text):
        archive = tmp_path / "mmcl.zip"
        with ZipFile(archive, "w") as place:
            for file in Path(mmcl.__file__).parent.rglob("*.py"):
                content = file.read_text(encoding="utf-8") + text * (file.name == name)
                place.writestr(str(file.relative_to(Path(mmcl.__file__).parents[1])), content)
        run = "from mmcl.training import compiled; assert '.zip' in compiled.__file__; print(compiled._digest())"
        return subprocess.run(
            [sys.executable, "-c", run], env=os.environ | {"PYTHONPATH": str(archive)}, cwd=tmp_path,
            capture_output=True, text=True, check=True, timeout=60,
        ).stdout  # fmt: skip

    assert digest("") == compiled._digest() + "\n" != digest("\n# changed")

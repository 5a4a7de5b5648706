"""Execute a chapter again when the package changes, not only when its own cells do.

The notebook cache compares cells alone. A changed module would leave stale numbers on every page. So the cache lies in
a folder named after a hash of everything that the cells run on: the package, the pinned requirements and the version of
Python. The hash is a setting of the build too: when it changes, every chapter is read again.

One page shows what `make bench` measured; it is read again when that has changed, and never taken from the cache.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.environment import BuildEnvironment

PROJECT = Path(__file__).resolve().parents[2]
MEASURED = PROJECT / "_build" / "bench" / "results.json"
SHOWN_ON = "book/reproduce"


def code_hash(project: Path = PROJECT) -> str:
    """Sixteen hexadecimal digits that change with any file of the package or with the requirements."""
    files = (path for path in (project / "mmcl").rglob("*") if path.is_file())
    sources = [path for path in files if "__pycache__" not in path.parts]  # what is compiled comes and goes
    digest = hashlib.sha256(sys.version.encode())
    for path in sorted([*sources, project / "requirements.txt"]):
        digest.update(f"{path.relative_to(project).as_posix()}\0{path.stat().st_size}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def choose_folder(app: Sphinx, config: Config) -> None:
    """Point the notebook cache at the folder of this code, and drop the folders of older code."""
    caches = PROJECT / "_build" / ".jupyter_cache"
    config["mmcl_code_hash"] = code_hash()
    current = caches / config["mmcl_code_hash"]
    current.mkdir(parents=True, exist_ok=True)
    older = sorted(set(caches.iterdir()) - {current}, key=lambda path: path.stat().st_mtime, reverse=True)
    for path in older[2:]:
        shutil.rmtree(path, ignore_errors=True)
    config["nb_execution_cache_path"] = str(current)


def outdated(app: Sphinx, env: BuildEnvironment, added: set[str], changed: set[str], removed: set[str]) -> list[str]:
    """The page of the benchmark, if that was run since the page was read."""
    now = hashlib.sha256(MEASURED.read_bytes()).hexdigest() if MEASURED.exists() else ""
    before, env.mmcl_measured = getattr(env, "mmcl_measured", ""), now
    return [SHOWN_ON] if now != before and SHOWN_ON in env.found_docs else []


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the setting and choose the folder before anything reads it."""
    app.add_config_value("mmcl_code_hash", "", "env", [str])
    app.connect("config-inited", choose_folder, priority=10)
    app.connect("env-get-outdated", outdated)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

"""Execute the chapters that the cache does not know, as many at once as there are cores, before Sphinx reads them.

MyST-NB executes one notebook at a time, each when its page is read. Here the same executor fills the same cache first.
A chapter that fails is not cached: MyST-NB executes it again and reports the error where it belongs.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn
from jupyter_cache.executors.utils import single_nb_execution
from myst_nb.core.read import is_myst_markdown_notebook, myst_nb_reader_plugin
from nbformat import NotebookNode
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

# Together the kernels fill the machine; and small matrix products are fastest on one thread.
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def execute_unknown(app: Sphinx, env: BuildEnvironment, docnames: Iterable[str]) -> None:
    """Fill the cache with the chapters among `docnames` that are not in it."""
    if app.config["nb_execution_mode"] != "cache":
        return
    cache = get_cache(app.config["nb_execution_cache_path"])
    unknown: dict[Path, NotebookNode] = {}
    for path in (Path(env.doc2path(name)) for name in docnames):
        if path.suffix == ".md" and is_myst_markdown_notebook(path.read_text(encoding="utf-8")):
            notebook = myst_nb_reader_plugin(str(path))
            try:
                cache.match_cache_notebook(notebook)
            except KeyError:
                unknown[path] = notebook
    if len(unknown) < 2:
        return
    longest_first = sorted(unknown, key=lambda path: path.stat().st_size, reverse=True)
    workers = min(os.cpu_count() or 1, len(unknown))
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_one_thread) as pool:
        timeout = app.config["nb_execution_timeout"]
        jobs = {path: pool.submit(execute, unknown[path], path.parent, timeout) for path in longest_first}
        for path, job in jobs.items():
            if job.result() is not None:
                notebook, seconds = job.result()
                bundle = CacheBundleIn(notebook, str(path), data={"execution_seconds": seconds})
                cache.cache_notebook_bundle(bundle, check_validity=False, overwrite=True)


def execute(notebook: NotebookNode, folder: Path, timeout: int) -> tuple[NotebookNode, float] | None:
    """The notebook with its outputs, and the seconds it took; None if a cell failed."""
    done = single_nb_execution(notebook, cwd=str(folder), timeout=timeout, allow_errors=False, meta_override=True)
    return None if done.err is not None else (notebook, done.time)


def _one_thread() -> None:
    os.environ.update(ONE_THREAD)


def setup(app: Sphinx) -> dict[str, bool]:
    """Execute between the cleaning of the environment and the reading of the pages."""
    app.connect("env-before-read-docs", execute_unknown)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

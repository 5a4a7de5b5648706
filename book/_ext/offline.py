"""Keep the site whole without a network: its own MathJax, and no script that comes from elsewhere.

MathJax is one file, taken at build time from the wheel ``sphinx-mathjax-offline`` (it draws SVG and needs no fonts).
Jupyter Book loads ``sphinx_thebe`` for live code; the book has none, and its scripts point elsewhere and raise an error
on every page, so its hooks are taken off.
"""

from __future__ import annotations

import shutil
from importlib.metadata import files
from pathlib import Path

from sphinx.application import Sphinx

MATHJAX = "mathjax/tex-svg.js"


def copy_mathjax(app: Sphinx) -> None:
    """Copy MathJax into the built site and tell Sphinx where it lies."""
    if app.builder.format != "html":
        return
    wheel = files("sphinx-mathjax-offline") or []
    source = next(Path(str(path.locate())) for path in wheel if path.name == "tex-svg.js")
    target = Path(app.outdir) / "_static" / MATHJAX
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.exists():
        shutil.copyfile(source, target)
    app.config["mathjax_path"] = MATHJAX


def drop_live_code(app: Sphinx) -> None:
    """Take off every hook of ``sphinx_thebe``, and its style sheet."""
    app.registry.css_files[:] = [entry for entry in app.registry.css_files if "thebe" not in entry[0]]
    for listeners in app.events.listeners.values():
        for listener in list(listeners):
            if listener.handler.__module__ == "sphinx_thebe":
                app.disconnect(listener.id)


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect MathJax and disconnect live code."""
    drop_live_code(app)
    app.connect("builder-inited", copy_mathjax)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

"""The house: imports point down, what is public is documented, and importing costs nothing."""

from __future__ import annotations

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import mmcl

PACKAGE = Path(mmcl.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in FILES}

#: From the ground up; a package stands for every module in it.
LAYERS = {
    "ground": ("checks", "pair", "latents", "provenance"),
    "world": (
        "data", "empirical", "worlds", "real_pairs", "objectives", "losses", "metrics", "spectra", "retrieval",
        "trajectory", "symbolic", "temperature", "course", "surrogate", "sparse", "forces", "downstream",
        "probes", "family", "family_losses", "share_potentials", "centering",
    ),
    "dynamics": (
        "coordinates", "extrapolation", "flow_point", "flow_jacobian", "flow_system", "force_flow", "coupled_flow",
        "flow", "flows", "closed_form", "relaxation", "optimum", "stability", "training", "adam_limit", "landscape",
        "augmentation", "covariance", "methods", "family_end",
    ),
    "judgement": ("claims", "ledger", "comparison", "idealisations", "sweeps", "studies", "benchmark"),
    "face": ("__init__", "__main__", "figures"),
}  # fmt: skip
HEIGHT = {module: height for height, modules in enumerate(LAYERS.values()) for module in modules}
Defined = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def _shown(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def _module(path: Path) -> str:
    """The dotted name below `mmcl`; a package is called by its own name, mmcl itself `__init__`."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts)


MODULES = {_module(path): path for path in FILES}


def _imported(tree: ast.Module) -> set[str]:
    """Every module of the package that a file imports, inside functions too, but for those that only types need."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = []
        if isinstance(node, ast.Import):
            found |= {_named(alias.name) for alias in node.names if alias.name.split(".")[0] == "mmcl"}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            if (node.module or "").split(".")[0] == "mmcl":
                found |= {_named(f"{node.module}.{alias.name}", node.module) for alias in node.names}
    return found


def _named(*candidates: str) -> str:
    for name in candidates:
        below = name.removeprefix("mmcl").removeprefix(".") or "__init__"
        if below in MODULES:
            return below
    raise AssertionError(f"{candidates} is no module of the package")


def test_every_module_has_its_layer():
    heads = {module.split(".")[0] for module in MODULES}
    assert heads == set(HEIGHT), "a new module says where it stands, in the table above"


@pytest.mark.parametrize("path", FILES, ids=_shown)
def test_imports_point_down(path):
    here = _module(path).split(".")[0]
    above = {name for name in _imported(TREES[path]) if HEIGHT[name.split(".")[0]] > HEIGHT[here]}
    assert not above


def test_no_two_modules_import_each_other_however_indirectly():
    graph = {module: _imported(TREES[path]) for module, path in MODULES.items()}
    list(TopologicalSorter(graph).static_order())


@pytest.mark.parametrize("path", FILES, ids=_shown)
def test_files_and_functions_are_short(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 260
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.FunctionDef):
            documented = node.body[1:] if ast.get_docstring(node) else node.body
            code = documented[-1].end_lineno - documented[0].lineno + 1 if documented else 0
            assert code <= 55, node.name


def _public(body: list[ast.stmt], inside: str = "") -> list[tuple[str, Defined]]:
    found: list[tuple[str, Defined]] = []
    for node in body:
        if isinstance(node, Defined) and not node.name.startswith("_"):
            if any(ast.unparse(mark).endswith(".setter") for mark in node.decorator_list):
                continue
            found.append((inside + node.name, node))
            if isinstance(node, ast.ClassDef):
                found += _public(node.body, f"{node.name}.")
    return found


@pytest.mark.parametrize("path", FILES, ids=_shown)
def test_whatever_is_public_is_documented(path):
    assert ast.get_docstring(TREES[path]), "the module says what it is"
    assert [name for name, node in _public(TREES[path].body) if not ast.get_docstring(node)] == []


@pytest.mark.parametrize("path", [path for path in FILES if path.stem != "__main__"], ids=_shown)
def test_a_library_neither_prints_nor_seeds(path):
    calls = [ast.unparse(node.func) for node in ast.walk(TREES[path]) if isinstance(node, ast.Call)]
    legacy = ("np.random.seed", "random.seed", "torch.manual_seed", "np.random.set_state", "torch.seed")
    assert not {"print", *legacy} & set(calls)
    drawn = [call for call in calls if call.startswith(("np.random.", "numpy.random.", "torch.rand"))]
    sources = ("np.random.default_rng", "np.random.Generator")
    assert [call for call in drawn if not call.startswith(sources)] == [], "randomness is an argument"


def test_every_public_name_resolves_and_nothing_else_does():
    for name in mmcl.__all__:
        assert getattr(mmcl, name) is not None
    assert dir(mmcl) == sorted(mmcl.__all__)
    with pytest.raises(AttributeError, match=r"^module 'mmcl' has no attribute 'align'$"):
        mmcl.align  # noqa: B018


def _fresh(code: str) -> str:
    """What `code` prints in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=PACKAGE.parent, capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout.strip()


def test_modules_are_reached_from_the_package_and_hold_the_public_names():
    code = (
        "import mmcl; assert mmcl.methods.train_method is mmcl.train_method and mmcl.family.Spectral is mmcl.Spectral"
    )
    assert _fresh(f"{code}; print(mmcl.sweeps.Study.__name__)") == "Study"


def test_importing_the_package_takes_under_half_a_second_and_loads_no_heavy_library():
    seconds, loaded = _fresh(
        "import sys, time; begun = time.process_time(); import mmcl; print(time.process_time() - begun,"
        "{'torch', 'sympy', 'matplotlib', 'numba'} & set(sys.modules) or '')"
    ).partition(" ")[::2]
    assert float(seconds) < 0.5 and loaded == ""


@pytest.mark.parametrize(
    "use",
    [
        "mmcl.PairedData(signal_a=(2, 1)).sample(3, rng=numpy.random.default_rng(0))",
        "mmcl.InfoNCE(4.0), mmcl.PositiveOnly(), mmcl.Trajectory",
        "mmcl.condition_number(numpy.eye(2)), mmcl.spectrum(numpy.eye(3), numpy.eye(3))",
        "mmcl.EmpiricalPairs(numpy.eye(3), numpy.eye(3)).standardized()",
        "mmcl.terminal_condition_number(mmcl.PairedData(signal_a=(2, 1)))",
        "mmcl.family.NTXent(4.0), mmcl.Sigmoid(10.0), mmcl.SimSiam(), mmcl.methods.VICReg(), mmcl.train_method",
    ],
)
def test_what_needs_neither_torch_nor_sympy_loads_neither(use):
    assert _fresh(f"import sys, numpy, mmcl; {use}; print({{'torch', 'sympy'}} & set(sys.modules) or '')") == ""


def test_training_in_the_world_of_the_theory_needs_no_torch():
    run = (
        "mmcl.train(mmcl.PairedData((2, 1), ambient_dim=3), mmcl.PositiveOnly(), width=4, step_size=1, steps=2, rng=r)"
    )
    code = f"import sys, numpy, mmcl; r = numpy.random.default_rng(0); {run}; print('torch' in sys.modules)"
    assert _fresh(code) == "False"

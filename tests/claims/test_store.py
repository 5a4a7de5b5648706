"""Evidence is measured once for each state of the code, and never read half-written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mmcl import provenance
from mmcl.claims import claim, evidence, store
from mmcl.claims.claim import REGISTRY, Claim, Evidence, zero
from mmcl.ledger import ClaimFailed, Ledger


class Counted:
    """A measurement that counts how often it is asked for."""

    def __init__(self) -> None:
        self.calls = 0
        self.__module__ = "mmcl.claims.claim"

    def __call__(self) -> Evidence:
        self.calls += 1
        check = zero("drift", 0.25 * self.calls, tolerance=1.0, reason="a half holds")
        return Evidence((check,), {"curve": np.arange(3.0), "name": np.array("x")})


@pytest.fixture
def counted(tmp_path, monkeypatch) -> Claim:
    monkeypatch.setenv("MMCL_STORE", str(tmp_path / "store"))
    return Claim("drift", "It does not drift.", "ours", "stage-one", Counted())


def test_the_same_code_is_measured_once_and_read_back_as_it_was(counted):
    first, second = store.evidence(counted), store.evidence(counted)
    assert counted.measure.calls == 1
    assert second.checks == first.checks
    assert second.seconds == first.seconds >= 0
    np.testing.assert_array_equal(second.curves["curve"], [0.0, 1.0, 2.0])
    assert str(second.curves["name"]) == "x"


def test_another_key_asks_for_a_new_measurement(counted, monkeypatch):
    store.evidence(counted)
    monkeypatch.setattr(store, "key", lambda claim: "0" * 16)
    store.evidence(counted)
    assert counted.measure.calls == 2


def test_a_half_written_file_is_never_read(counted, monkeypatch):
    def torn(handle, **arrays):
        handle.write(b"PK half an archive")
        handle.flush()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(np, "savez_compressed", torn)
        store.evidence(counted)
    assert not list(provenance.folder().glob("*.npz"))
    assert store.evidence(counted).holds and counted.measure.calls == 2


def _broken() -> Evidence:
    raise ArithmeticError("the step size vanished\nat t = 4")


@pytest.fixture
def broken(tmp_path, monkeypatch) -> Claim:
    monkeypatch.setenv("MMCL_STORE", str(tmp_path / "store"))
    _broken.__module__ = "mmcl.claims.claim"
    return Claim("drift", "It does not drift.", "ours", "stage-one", _broken)


def test_a_claim_that_cannot_be_measured_fails_and_is_tried_again(broken, tmp_path):
    for _ in range(2):
        found = store.evidence(broken)
        assert not found.holds and "ArithmeticError: the step size vanished at t = 4" in found.checks[0].label
        assert not list(tmp_path.glob("store/*"))
    (one, shown), = store.measure_missing([broken])  # fmt: skip
    assert one is broken and not shown.holds
    with pytest.raises(ClaimFailed, match="`drift` fails at 'it can be measured"):
        Ledger(((broken, found),)).require()


def test_lack_of_memory_says_nothing_of_a_claim(broken):
    def starved():
        raise MemoryError

    starved.__module__ = "mmcl.claims.claim"
    with pytest.raises(MemoryError):
        store.evidence(replace(broken, measure=starved))


def test_an_error_may_say_anything_and_the_page_stays_a_table(broken):
    def odd():
        raise ValueError("a | b")

    odd.__module__ = "mmcl.claims.claim"
    rows = Ledger(((broken, store.evidence(replace(broken, measure=odd))),))._repr_markdown_().splitlines()
    assert r"ValueError: a \| b" in rows[2]


def test_its_figure_says_why_it_cannot_be_drawn(broken, monkeypatch):
    monkeypatch.setitem(REGISTRY, "drift", broken)
    with pytest.raises(RuntimeError, match=r"claim `drift` could not be measured.*step size vanished"):
        evidence("drift")


@pytest.fixture
def package(tmp_path, monkeypatch) -> Path:
    """A package of five modules: judge → flow → data, judge → (inside a function) lazy; other alone."""
    root = tmp_path / "mmcl"
    (root / "claims").mkdir(parents=True)
    files = {
        "__init__": "", "data": "x = 1", "flow": "from mmcl import data", "lazy": "", "other": "",
        "claims/__init__": "", "claims/judge": "import mmcl.flow\ndef f():\n    from mmcl.lazy import y",
    }  # fmt: skip
    for name, text in files.items():
        (root / f"{name}.py").write_text(text)
    monkeypatch.setattr(provenance, "PACKAGE", root)
    return root


@pytest.fixture
def judged(counted) -> Claim:
    counted.measure.__module__ = "mmcl.claims.judge"
    return counted


def test_what_a_claim_depends_on_is_found_through_every_import(package):
    found = {path.relative_to(package).as_posix() for path in provenance.sources("mmcl.claims.judge")}
    assert found == {"claims/judge.py", "flow.py", "data.py", "lazy.py"}


@pytest.mark.parametrize("name", ["claims/judge", "flow", "data", "lazy"])
def test_editing_a_dependency_changes_the_key(package, judged, name):
    before = store.key(judged)
    (package / f"{name}.py").write_text((package / f"{name}.py").read_text() + "\n# edited\n")
    assert store.key(judged) != before


def test_editing_anything_else_does_not(package, judged):
    before = store.key(judged)
    (package / "other.py").write_text("z = 3")
    (package / "__init__.py").write_text("z = 3")
    assert store.key(judged) == before


def test_another_version_of_a_library_changes_the_key(judged, package, monkeypatch):
    before = store.key(judged)
    monkeypatch.setattr(provenance, "version", lambda name: "99")
    assert store.key(judged) != before


def test_a_real_claim_depends_on_the_physics_that_it_measures():
    module = claim("two-stages").measure.__module__
    found = {path.relative_to(provenance.PACKAGE).as_posix() for path in provenance.sources(module)}
    expected = {"flow.py", "extrapolation.py", "data.py", "objectives.py", "symbolic/hyperbolic.py",
                "symbolic/potentials.py", "training/descent.py", "training/grams.py", "training/scores.py"}  # fmt: skip
    assert expected <= found
    assert not {"figures/style.py", "__init__.py"} & found


def test_the_store_stands_in_the_checkout_unless_told_otherwise(monkeypatch, tmp_path):
    monkeypatch.delenv("MMCL_STORE", raising=False)
    assert provenance.folder() == provenance.PACKAGE.parent / "_build" / "claims"
    monkeypatch.setattr(provenance, "PACKAGE", tmp_path / "mmcl")
    assert provenance.folder() == Path.home() / ".cache" / "mmcl"

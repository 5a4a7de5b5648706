"""Results are kept under the code that made them, whatever happens to its file meanwhile."""

from __future__ import annotations

import subprocess
import sys
from textwrap import dedent, indent

import pytest

STUDY = """
import importlib
from pathlib import Path
import own_cells
from mmcl.sweeps import Axis, Processes, Quantity, Serial, Study, Unfit, executors, run

def study():
    return Study("own", "", (Axis("x", (1.0, 2.0, 3.0), "1", "x"),), (Quantity("y", "1", "y"),), own_cells.cell)

def table(executor):
    return run(study(), executor=executor, store="store").y.values.tolist()

def edit(factor):
    Path("own_cells.py").write_text(f"def cell(x): return {{'y': {factor} * x}}" + "#" * factor)
"""


@pytest.fixture
def told(tmp_path):
    """What a process prints that has the study of a module beside it."""
    (tmp_path / "own_study.py").write_text(STUDY)
    (tmp_path / "own_cells.py").write_text("def cell(x): return {'y': 1 * x}")

    def run(text: str) -> list[str]:
        body = indent(dedent(text), "    ")
        (tmp_path / "script.py").write_text(f"from own_study import *\nif __name__ == '__main__':\n{body}")
        done = subprocess.run(
            [sys.executable, "-B", "script.py"], cwd=tmp_path, text=True, capture_output=True, timeout=300
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    return run


ONE, TWO = "[1.0, 2.0, 3.0]", "[2.0, 4.0, 6.0]"


def test_a_file_that_was_edited_after_it_was_loaded_is_refused(told):
    script = """
        print(table(Serial()))
        edit(2)
        try:
            table(Serial())
        except ValueError as error:
            print(error)
        """
    sentence = (
        "The file own_cells.py was edited after this process had loaded it: results of the old code would be kept "
        "under the new one; start again, or reload own_cells."
    )
    assert told(script) == [ONE, sentence]
    assert told("print(table(Serial()))") == [TWO]


def test_processes_of_an_earlier_sweep_do_not_go_on_with_its_code(told):
    script = """
        for factor in (1, 2, 1):
            edit(factor)
            importlib.reload(own_cells)
            print(table(Processes(2)))
        """
    assert told(script) == [ONE, TWO, ONE]


def test_a_process_that_loads_another_file_than_the_driver_computes_nothing(told):
    script = """
        one, required = study(), executors.required
        def edited(cell):
            found = required(cell)
            edit(2)
            return found
        executors.required = edited
        try:
            run(one, executor=Processes(2), store="store")
        except Unfit as error:
            print(error)
        print(len(list(Path("store").glob("cells/??/*.json"))))
        """
    sentence, count = told(script)
    assert "must have the same code of own_cells as the driver" in sentence and count == "0"


def test_an_edit_during_a_sweep_changes_neither_its_table_nor_its_name(told):
    script = """
        from mmcl.sweeps import executors
        compute = executors.compute
        def computed(task):
            edit(2)
            return compute(task)
        executors.compute = computed
        print(table(Serial()))
        """
    assert told(script) == [ONE]
    assert told("edit(1); importlib.reload(own_cells); print(table(Serial()))") == [ONE]
    assert told("edit(2); importlib.reload(own_cells); print(table(Serial()))") == [TWO]


def test_a_file_beside_it_counts_as_its_own(told, tmp_path):
    (tmp_path / "own_cells.py").write_text("import own_helper\ndef cell(x): return {'y': own_helper.FACTOR * x}")
    (tmp_path / "own_helper.py").write_text("FACTOR = 1")
    script = """
        import own_helper
        print(table(Serial()))
        Path("own_helper.py").write_text("FACTOR = 2  #")
        importlib.reload(own_cells)
        try:
            table(Serial())
        except ValueError as error:
            print("own_helper.py" in str(error))
        importlib.reload(own_helper)
        print(table(Serial()))
        """
    assert told(script) == [ONE, "True", TWO]

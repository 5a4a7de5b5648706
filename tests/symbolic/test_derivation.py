"""The derivation holds, and would not hold if any one of its equations were different."""

from dataclasses import replace

import pytest
import sympy as sp

from mmcl.symbolic.chain import CHAPTERS, derivation
from mmcl.symbolic.derivation import Derivation, Line, Step
from mmcl.symbolic.zero import reduced

NAMES = [name for steps in CHAPTERS.values() for name in steps]
every_step = pytest.mark.parametrize("step", NAMES, indirect=True)


@pytest.fixture
def step(request):
    return derivation()[request.param]


def altered(line):
    """The line with another equation: a constant added, a matrix doubled, a sign turned."""
    left, right = line.equation.lhs, line.equation.rhs
    if isinstance(line.equation, sp.StrictGreaterThan):
        equation = sp.StrictGreaterThan(-left, right, evaluate=False)
    elif isinstance(right, sp.MatrixExpr):
        equation = sp.Eq(left, 2 * right, evaluate=False)
    else:
        equation = sp.Eq(left, right + sp.Rational(1, 1000), evaluate=False)
    return Line(equation, line.readings[:1])  # one reading suffices to find it


@every_step
def test_sympy_confirms_every_step(step):
    assert step.verify() is step and derivation()[step.name] is step


@every_step
def test_no_displayed_equation_can_be_altered(step):
    for line in step.lines:
        if line.readings:
            with pytest.raises(ArithmeticError, match=f"step `{step.name}` must hold identically"):
                replace(step, lines=(altered(line),)).verify()


def test_a_wrong_constant_and_a_wrong_sign_are_found_in_the_flow():
    step = derivation()["closure"]
    line = step.lines[2]
    for wrong in (line.equation.rhs * 2, -line.equation.rhs):
        with pytest.raises(ArithmeticError):
            replace(step, lines=(replace(line, equation=sp.Eq(line.equation.lhs, wrong)),)).verify()


def test_a_step_of_definitions_only_is_no_step():
    x, y = sp.symbols("x y")
    with pytest.raises(ArithmeticError, match="must check at least one equation"):
        Step("empty", "nothing", (Line(sp.Eq(x, y)),)).verify()


def test_a_broken_step_breaks_the_derivation():
    x = sp.Symbol("x")
    wrong = Step("wrong", "one is two", (Line(sp.Eq(x, 2), ({x: sp.Integer(1)},)),))
    with pytest.raises(ArithmeticError, match="step `wrong`"):
        Derivation.of(derivation()["expectation"], wrong).verify()


def test_the_chapters_share_out_all_steps():
    names = [step.name for step in derivation()]
    assert len(set(names)) == len(names)
    assert [step.name for chapter in CHAPTERS for step in derivation(chapter)] == names


def test_unknown_names_get_a_sentence():
    with pytest.raises(KeyError, match="`name` must be a step of the derivation"):
        derivation()["nonsense"]
    with pytest.raises(ValueError, match=r"`chapter` must be one of dynamics, .*; got 'nonsense'"):
        derivation("nonsense")


@every_step
def test_every_step_displays_as_aligned_mathematics(step):
    shown = step._repr_latex_()
    assert shown.startswith("$$\n\\begin{aligned}") and shown.endswith("\\end{aligned}\n$$")
    assert shown.count("{") == shown.count("}")
    assert shown.count("\\\\[4pt]") == len(step.lines) - 1


def test_the_zero_test_sees_through_exponentials_logarithms_and_roots():
    x, y = sp.symbols("x y", positive=True)
    assert reduced(sp.tanh(x) - (sp.exp(2 * x) - 1) / (sp.exp(2 * x) + 1)) == 0
    assert reduced(sp.log(x * y * sp.exp(x)) - sp.log(x) - sp.log(y) - x) == 0
    assert reduced((sp.sqrt(x) + sp.sqrt(y)) ** 2 - x - y - 2 * sp.sqrt(x * y)) == 0
    assert reduced(sp.tanh(x) - x) != 0
    assert reduced(sp.log(1 + sp.exp(x)) - x) != 0

"""What a derivation is: steps that display equations, and every displayed equation is one that SymPy checks.

A line displays an equation between letters. Its readings say what the letters stand for, expressions that come from
the definitions or from earlier steps; under each reading the two sides must agree identically.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import sympy as sp

from mmcl.symbolic.zero import reduced

Reading = Mapping[sp.Basic, sp.Basic | int]


@dataclass(frozen=True)
class Line:
    """One displayed equation, or an inequality of the form something > 0.

    Attributes:
        equation: what the chapter displays.
        readings: what its letters stand for, once for every case to check; none for a definition.
    """

    equation: sp.Rel
    readings: tuple[Reading, ...] = ()

    @property
    def residuals(self) -> tuple[sp.Expr, ...]:
        """Left side less right side under every reading, entry by entry for matrices."""
        found: list[sp.Expr] = []
        for reading in self.readings:
            left, right = (_read(side, reading) for side in (self.equation.lhs, self.equation.rhs))
            gap = left - right
            found += list(gap.doit()) if getattr(gap, "is_Matrix", False) or isinstance(gap, sp.MatrixExpr) else [gap]
        return tuple(found)

    def failure(self) -> str | None:
        """What SymPy could not confirm, or None."""
        for residual in self.residuals:
            if isinstance(self.equation, sp.StrictGreaterThan):
                if not residual.is_positive:
                    return f"{self.equation} is not seen to be positive"
            elif (left := reduced(residual)) != 0:
                return f"`{sp.sstr(self.equation)[:120]}` leaves {sp.sstr(left)[:160]}"
        return None

    def _latex(self, printer: object = None) -> str:
        symbol = {sp.StrictGreaterThan: ">"}.get(type(self.equation), "=" if self.readings else ":=")
        left, right = (sp.latex(side, order="none") for side in (self.equation.lhs, self.equation.rhs))
        # SymPy prints sums of matrices with a double sign, and τ² is a letter of its own.
        shown = rf"{left} &{symbol} {right}".replace("+ - ", "- ")
        return shown.replace(r"\left(\tau^{2}\right)^{2}", r"\tau^{4}")


@dataclass(frozen=True)
class Step:
    """One step of a derivation.

    Attributes:
        name: the word to ask for the step by.
        title: what the step shows.
        lines: what it displays and checks.
        source: whose statement it is.
    """

    name: str
    title: str
    lines: tuple[Line, ...]
    source: str = "ours"

    @property
    def equations(self) -> tuple[sp.Rel, ...]:
        """What the chapter displays."""
        return tuple(line.equation for line in self.lines)

    @property
    def residuals(self) -> tuple[sp.Expr, ...]:
        """What SymPy must reduce to zero."""
        return tuple(residual for line in self.lines for residual in line.residuals)

    def verify(self) -> Step:
        """The step itself, once SymPy has confirmed every line under every reading.

        Raises:
            ArithmeticError: naming the step and the first equation that does not hold.
        """
        if not any(line.readings for line in self.lines):
            raise ArithmeticError(f"step `{self.name}` must check at least one equation; it has definitions only.")
        for line in self.lines:
            if (failure := line.failure()) is not None:
                raise ArithmeticError(f"step `{self.name}` must hold identically; {failure}.")
        return self

    def _repr_latex_(self) -> str:
        body = " \\\\[4pt]\n".join(line._latex() for line in self.lines)
        return f"$$\n\\begin{{aligned}}\n{body}\n\\end{{aligned}}\n$$"


@dataclass(frozen=True)
class Derivation:
    """Steps in their order, each built when it is first asked for; ``derivation["force"]`` is the step of that name."""

    builders: Mapping[str, Callable[[], Step]]

    @classmethod
    def of(cls, *steps: Step) -> Derivation:
        """A derivation of steps that are there already."""
        return cls({step.name: partial(_given, step) for step in steps})

    @property
    def steps(self) -> tuple[Step, ...]:
        """All steps."""
        return tuple(build() for build in self.builders.values())

    def __getitem__(self, name: str) -> Step:
        if name not in self.builders:
            raise KeyError(f"`name` must be a step of the derivation, one of {', '.join(self.builders)}; got {name!r}.")
        return self.builders[name]()

    def __iter__(self) -> Iterator[Step]:
        return iter(self.steps)

    def __len__(self) -> int:
        return len(self.builders)

    def verify(self) -> Derivation:
        """The derivation itself, once every step holds.

        Raises:
            ArithmeticError: naming the first step that does not.
        """
        for step in self.steps:
            step.verify()
        return self

    def _repr_markdown_(self) -> str:
        rows = [f"| {i} | `{x.name}` | {x.title} | {len(x.residuals)} |" for i, x in enumerate(self.steps, start=1)]
        return "\n".join(["| | step | what it shows | identities checked |", "|---|---|---|---|", *rows])


def _given(step: Step) -> Step:
    return step


def _read(side: sp.Basic, reading: Reading) -> sp.Basic:
    """`side` with its letters read; sums over p = 1..r are written out before the letters in them are."""
    matrices = {letter: value for letter, value in reading.items() if isinstance(letter, sp.MatrixSymbol)}
    sizes = {letter: sp.Integer(value) for letter, value in reading.items() if isinstance(value, int)}
    letters = {letter: value for letter, value in reading.items() if letter not in matrices and letter not in sizes}
    sized = side.xreplace(matrices).xreplace(sizes)
    written = sized.replace(lambda e: isinstance(e, sp.Sum | sp.Product), lambda e: e.doit())
    return written.xreplace(letters)

"""The Jacobian of a system given as a chain of definitions, by the chain rule from one to the next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import sympy as sp


def jacobian(
    point: Mapping[sp.Symbol, sp.Expr], definitions: Mapping[sp.Symbol, sp.Expr], velocity: Sequence[sp.Expr]
) -> sp.ImmutableMatrix:
    """Partials of `velocity` in the state, at `point`.

    Args:
        point: every letter of the state with its value at the point.
        definitions: further letters in order, each an expression in the state and the letters before it.
        velocity: expressions in any of these letters; other letters are constants.
    """
    values, size = dict(point), len(point)
    slopes = {letter: sp.eye(size)[i, :] for i, letter in enumerate(point)}

    def slope(expression: sp.Expr) -> sp.Matrix:
        total = sp.zeros(1, size)
        for letter in sorted(expression.free_symbols & slopes.keys(), key=str):
            total += sp.diff(expression, letter).xreplace(values) * slopes[letter]
        return total.applyfunc(sp.expand)

    for letter, expression in definitions.items():
        slopes[letter] = slope(expression)
        values[letter] = sp.expand(expression.xreplace(values))
    return sp.ImmutableMatrix.vstack(*[sp.ImmutableMatrix(slope(sp.sympify(x))) for x in velocity])

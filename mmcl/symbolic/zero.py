"""Deciding that an expression vanishes, by exact polynomial algebra.

Everything here is a rational function of letters, square roots of positive letters, exponentials and logarithms.
Each independent exponential becomes a positive letter, each logarithm a sum over the irreducible factors of its
argument; what remains is a rational function, and its numerator vanishes identically or not.
"""

from __future__ import annotations

from functools import reduce

import sympy as sp

from mmcl.symbolic.stable import plain


def reduced(expression: sp.Expr) -> sp.Expr:
    """Zero if `expression` vanishes identically, else an equal expression that does not."""
    if expression == 0 or (simple := plain(expression)) == 0:
        return sp.Integer(0)
    exponential = simple.rewrite([sp.cosh, sp.sinh, sp.tanh, sp.sech, sp.coth], sp.exp)
    letters = _exponentials(exponential)
    rational = _with_letters(exponential, letters)
    rational = rational.replace(sp.log, lambda x: _log(x, letters))
    numerator = sp.numer(sp.together(rational))
    return sp.Integer(0) if sp.expand(numerator) == 0 else expression


def _exponentials(expression: sp.Expr) -> dict[sp.Expr, tuple[sp.Symbol, int]]:
    """For every monomial m in the exponents a letter for exp(m / n), with the least n that keeps powers whole."""
    denominators: dict[sp.Expr, list[int]] = {}
    for power in expression.atoms(sp.exp):
        for term in sp.Add.make_args(sp.expand(power.exp)):
            coefficient, monomial = term.as_coeff_Mul()
            denominators.setdefault(monomial, []).append(int(sp.denom(coefficient)))
    return {
        m: (sp.Dummy(f"e{i}", positive=True), reduce(sp.lcm, n, 1)) for i, (m, n) in enumerate(denominators.items())
    }


def _with_letters(expression: sp.Expr, letters: dict[sp.Expr, tuple[sp.Symbol, int]]) -> sp.Expr:
    def lettered(exponent: sp.Expr) -> sp.Expr:
        value = sp.Integer(1)
        for term in sp.Add.make_args(sp.expand(exponent)):
            coefficient, monomial = term.as_coeff_Mul()
            letter, n = letters[monomial]
            value *= letter ** (coefficient * n)
        return value

    return expression.replace(sp.exp, lettered)


def _log(argument: sp.Expr, letters: dict[sp.Expr, tuple[sp.Symbol, int]]) -> sp.Expr:
    """log of a product of positive factors, as a sum; the letters' own logarithms are the exponents."""
    exponents = {letter: monomial / n for monomial, (letter, n) in letters.items()}
    value = sp.Integer(0)
    top, bottom = sp.fraction(sp.cancel(sp.together(argument)))
    for sign, polynomial in ((1, top), (-1, bottom)):
        content, factors = sp.factor_list(polynomial)
        for factor, power in [(content, 1), *factors]:
            if not sp.sympify(factor).is_positive:
                return sp.log(top / bottom)
            value += sign * power * exponents.get(factor, sp.log(factor))
    return value

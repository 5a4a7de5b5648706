"""Functions that SymPy can differentiate and NumPy can evaluate without overflow at any argument.

``log(1 + exp(x))`` overflows in floating point at x = 710 although its value is 710; the named functions below carry
their derivatives as functions of the same kind, so every expression built from them stays safe under `diff`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import sympy as sp


class expit(sp.Function):  # lower case: printed and compiled under this name
    r"""The logistic function, $\frac1{1+e^{-x}}$."""

    nargs = 1

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        r"""$\sigma'(x) = \sigma(x)\,\sigma(-x)$, each factor safe where the other vanishes."""
        (x,) = self.args
        return expit(x) * expit(-x)

    def _eval_rewrite_as_exp(self, x: sp.Expr, **_: Any) -> sp.Expr:
        return 1 / (1 + sp.exp(-x))

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        inner = rf"\operatorname{{expit}}\left({printer._print(self.args[0])}\right)"
        return inner if exp is None else f"{inner}^{{{exp}}}"


class softplus(sp.Function):  # lower case: printed and compiled under this name
    r"""$\log(1+e^x)$, the antiderivative of the logistic function."""

    nargs = 1

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        r"""$\mathrm{softplus}'(x) = \mathrm{expit}(x)$."""
        return expit(self.args[0])

    def _eval_rewrite_as_exp(self, x: sp.Expr, **_: Any) -> sp.Expr:
        return sp.log(1 + sp.exp(x))

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        inner = rf"\operatorname{{softplus}}\left({printer._print(self.args[0])}\right)"
        return inner if exp is None else f"{inner}^{{{exp}}}"


class expm1(sp.Function):  # lower case: printed and compiled under this name
    r"""$e^x-1$, without the cancellation around zero."""

    nargs = 1

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        r"""$e^x$."""
        return sp.exp(self.args[0])

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        inner = rf"\left(e^{{{printer._print(self.args[0])}}} - 1\right)"
        return inner if exp is None else f"{inner}^{{{exp}}}"


class tanh(sp.Function):  # lower case: printed and compiled under this name
    r"""$\tanh x$, whose derivative does not cancel where the function saturates."""

    nargs = 1

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        r"""$1-\tanh^2x = 4\,\sigma(2x)\,\sigma(-2x)$."""
        (x,) = self.args
        return 4 * expit(2 * x) * expit(-2 * x)

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        inner = rf"\tanh{{\left({printer._print(self.args[0])} \right)}}"
        return inner if exp is None else rf"\tanh^{{{exp}}}{{\left({printer._print(self.args[0])} \right)}}"


def plain(expression: sp.Expr) -> sp.Expr:
    """The same expression in exponentials and logarithms alone, for algebra and for reading."""
    return (
        expression.replace(expit, lambda x: 1 / (1 + sp.exp(-x)))
        .replace(softplus, lambda x: sp.log(1 + sp.exp(x)))
        .replace(tanh, lambda x: (1 - sp.exp(-2 * x)) / (1 + sp.exp(-2 * x)))
        .replace(expm1, lambda x: sp.exp(x) - 1)
    )


def compiled(arguments: Sequence[sp.Symbol], expressions: Sequence[sp.Expr] | sp.Expr) -> Callable[..., Any]:
    """`expressions` as a NumPy function of `arguments`, common subexpressions shared."""
    import numpy as np
    from scipy import special

    named = {"expit": special.expit, "softplus": lambda x: np.logaddexp(0.0, x), "tanh": np.tanh, "expm1": np.expm1}
    tables: list[Any] = [named, "scipy", "numpy"]
    return sp.lambdify(arguments, expressions, modules=tables, cse=True)

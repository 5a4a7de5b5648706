r"""The expectation over signs: infinitely many negatives in closed form.

Ours; for independent fair signs the moment generating function is a product.
"""

from __future__ import annotations

from itertools import product

import sympy as sp

from mmcl.symbolic.derivation import Line, Step
from mmcl.symbolic.symbols import d, j

v = sp.IndexedBase("v", real=True)
mean = sp.Symbol(r"{\mathbb{E}_{\varepsilon}\, e^{v\cdot\varepsilon}}", positive=True)
next_mean = sp.Symbol(r"{\mathbb{E}_{\varepsilon,\varepsilon_{d+1}}\, e^{v\cdot\varepsilon+v_{d+1}\varepsilon_{d+1}}}")
log_mean = sp.Symbol(r"{\log\mathbb{E}_{\varepsilon}\, e^{v\cdot\varepsilon}}", real=True)


def signs(n: int) -> list[tuple[int, ...]]:
    """All 2ⁿ sign patterns."""
    return list(product((1, -1), repeat=n))


def enumerated_mean(arguments: list[sp.Expr]) -> sp.Expr:
    r"""$2^{-d}\sum_{\varepsilon\in\{\pm1\}^d}e^{v\cdot\varepsilon}$, pattern by pattern."""
    patterns = signs(len(arguments))
    return sum(sp.exp(sum(e * x for e, x in zip(row, arguments, strict=True))) for row in patterns) / len(patterns)


def log_expectation() -> Step:
    r"""$\log\mathbb E_\varepsilon e^{v\cdot\varepsilon}=\sum_j\log\cosh v_j$, by enumeration and by induction."""
    dims = (1, 2, 3)
    totals = {n: enumerated_mean([v[i] for i in range(1, n + 1)]) for n in dims}
    extra = v[d + 1]
    return Step(
        "expectation",
        "the expectation over signs is a product of hyperbolic cosines",
        (
            Line(
                sp.Eq(mean, sp.Product(sp.cosh(v[j]), (j, 1, d))),
                tuple({d: n, mean: totals[n]} for n in dims),
            ),
            # The new sign is independent: given the others it multiplies each of their terms by its own mean.
            Line(
                sp.Eq(next_mean, mean * sp.cosh(extra)),
                ({next_mean: mean * enumerated_mean([extra])}, {next_mean: totals[3], mean: totals[2], extra: v[3]}),
            ),
            Line(
                sp.Eq(log_mean, sp.Sum(sp.log(sp.cosh(v[j])), (j, 1, d))),
                tuple({d: n, log_mean: sp.log(totals[n])} for n in dims),
            ),
        ),
    )

r"""The flow of the Gram matrix: 3r + 2 numbers that gradient flow closes on, and what it conserves.

Ours, from the model of Ren & Li (2023).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import sympy as sp

from mmcl.symbolic import symbols as s
from mmcl.symbolic.derivation import Line, Reading, Step
from mmcl.symbolic.symbols import ordered, rate
from mmcl.symbolic.weight_flow import k_a, k_b, weight_flow, xi_a, xi_b


@dataclass(frozen=True)
class GramFlow:
    """Time derivatives of the Gram matrix, expressions in `symbols`.

    Attributes:
        a_dot, b_dot, c_dot: of the squared lengths and the inner product of one coordinate.
        n_a_dot, n_b_dot: of the noise masses.
    """

    a_dot: sp.Expr
    b_dot: sp.Expr
    c_dot: sp.Expr
    n_a_dot: sp.Expr
    n_b_dot: sp.Expr

    @property
    def rates(self) -> dict[sp.Symbol, sp.Expr]:
        """Each letter with its derivative."""
        return {s.a: self.a_dot, s.b: self.b_dot, s.c: self.c_dot, s.n_a: self.n_a_dot, s.n_b: self.n_b_dot}

    def along(self, quantity: sp.Expr) -> sp.Expr:
        """The time derivative of any `quantity` of one coordinate and the noise, by the chain rule."""
        return sum((sp.diff(quantity, letter) * rate for letter, rate in self.rates.items()), sp.Integer(0))


def inner(left: sp.Expr, right: sp.Expr) -> sp.Expr:
    r"""The inner product of two vectors linear in the rows $k_A,k_B,\xi_A,\xi_B$.

    A symmetric bilinear form is a product of formal letters: $k_A^2$ reads $a$, $k_Ak_B$ reads $c$.
    """
    products = {k_a**2: s.a, k_b**2: s.b, k_a * k_b: s.c, xi_a**2: s.n_a, xi_b**2: s.n_b}
    letters = (k_a, k_b, xi_a, xi_b)
    value = sp.Integer(0)
    for powers, coefficient in sp.Poly(sp.expand(left * right), *letters).terms():
        value += coefficient * products[sp.prod(k**n for k, n in zip(letters, powers, strict=True))]
    return value


@lru_cache(maxsize=1)
def gram_flow() -> GramFlow:
    r"""The flow of $a_p,b_p,c_p,n_A,n_B$, from that of the weights by the product rule."""
    k_dot = weight_flow()
    return GramFlow(
        a_dot=2 * inner(k_a, k_dot[k_a]),
        b_dot=2 * inner(k_b, k_dot[k_b]),
        c_dot=inner(k_dot[k_a], k_b) + inner(k_a, k_dot[k_b]),
        n_a_dot=2 * inner(xi_a, k_dot[xi_a]),
        n_b_dot=2 * inner(xi_b, k_dot[xi_b]),
    )


def _components() -> Reading:
    """Every letter and its derivative for rows of width three, component by component."""
    k_dot, rows = (
        weight_flow(),
        {k: sp.symbols(f"{n}:3", real=True) for k, n in zip((k_a, k_b, xi_a, xi_b), "klmn", strict=True)},
    )
    at = [{k: rows[k][i] for k in rows} for i in range(3)]

    def product_of(left: sp.Symbol, right: sp.Symbol) -> sp.Expr:
        return sum((left * right).xreplace(x) for x in at)

    def rate_of(left: sp.Symbol, right: sp.Symbol) -> sp.Expr:
        return sum((k_dot[left] * right + left * k_dot[right]).xreplace(x) for x in at)

    pairs = {s.a: (k_a, k_a), s.b: (k_b, k_b), s.c: (k_a, k_b), s.n_a: (xi_a, xi_a), s.n_b: (xi_b, xi_b)}
    return {
        **{letter: product_of(*pair) for letter, pair in pairs.items()},
        **{rate(letter): rate_of(*pair) for letter, pair in pairs.items()},
    }


def closure() -> Step:
    """The product rule, with abstract inner products and once more with rows of three components."""
    derived = {rate(letter): value for letter, value in gram_flow().rates.items()}
    shared = s.N_a * s.N_b
    grown = s.g * s.c / shared
    lines = {
        s.a: 2 * s.sigma_a**2 * ordered(grown, -s.Lambda * s.a / s.N_a**2),
        s.b: 2 * s.sigma_b**2 * ordered(grown, -s.Lambda * s.b / s.N_b**2),
        s.c: ordered(
            s.g * ordered(s.sigma_a**2 * s.b, s.sigma_b**2 * s.a) / shared,
            -s.Lambda * s.c * ordered(s.sigma_a**2 / s.N_a**2, s.sigma_b**2 / s.N_b**2),
        ),
        s.n_a: -2 * s.noise_a**2 * s.Lambda * s.n_a / s.N_a**2,
        s.n_b: -2 * s.noise_b**2 * s.Lambda * s.n_b / s.N_b**2,
    }
    readings = (derived, _components())
    shown = tuple(Line(sp.Eq(rate(letter), value), readings) for letter, value in lines.items())
    return Step("closure", "gradient flow closes on 3r + 2 numbers", shown)


norm_rate = sp.Symbol(r"{\frac{d}{dt}\|W_A\|_F^2}", real=True)
per_coordinate = sp.Symbol(r"{\dot{a}_p/\sigma_{A,p}^2}", real=True)


def conservation() -> Step:
    r"""$\|W_A\|_F^2=\sum_pa_p/\sigma_{A,p}^2+n_A/\sigma_{\xi,A}^2$ stands still, because the loss has no scale."""
    flow = gram_flow()
    share = flow.a_dot / s.sigma_a**2
    one = {s.theta: s.c / (s.N_a * s.N_b)}
    summands = ordered(2 * s.forces[s.p] * s.thetas[s.p], -2 * s.Lambda * s.lengths_a[s.p] / s.N_a**2)
    shown = ordered(sp.Sum(summands, (s.p, 1, s.r)), -2 * s.Lambda * s.n_a / s.N_a**2)
    norm2 = sp.Symbol("{N_A^2}", positive=True)
    total = ordered(sp.Sum(s.lengths_a[s.p], (s.p, 1, s.r)), s.n_a)
    readings, zeros = [], []
    for r in (1, 2, 3):
        letters = [{s.g: s.forces[k], s.a: s.lengths_a[k], s.c: s.thetas[k] * s.N_a * s.N_b} for k in range(1, r + 1)]
        written = sum(share.xreplace(x) for x in letters) + flow.n_a_dot / s.noise_a**2
        readings.append({s.r: r, norm_rate: written})
        balance = {s.Lambda: sum(s.forces[k] * s.thetas[k] for k in range(1, r + 1))}
        mass = sp.sqrt(sum(s.lengths_a[k] for k in range(1, r + 1)) + s.n_a)
        zeros.append({norm_rate: written.xreplace(balance).xreplace({s.N_a: mass})})
    lines = (
        Line(sp.Eq(norm2, total)),
        Line(
            sp.Eq(per_coordinate, ordered(2 * s.g * s.theta, -2 * s.Lambda * s.a / s.N_a**2)),
            ({per_coordinate: share, **one},),
        ),
        Line(sp.Eq(norm_rate, shown), tuple(readings)),
        Line(sp.Eq(norm_rate, 0), tuple(zeros)),
    )
    return Step("conservation", "gradient flow conserves the norm of each modality's weights", lines)


def first_integrals() -> Step:
    r"""What stands still in each coordinate.

    .. math:: I_p=(a_pb_p-c_p^2)\,n_A^{-\sigma_{A,p}^2/\sigma_{\xi,A}^2}\,n_B^{-\sigma_{B,p}^2/\sigma_{\xi,B}^2}
    """
    flow = gram_flow()
    gram = s.a * s.b - s.c**2
    integral, kept = sp.Symbol("I_p", positive=True), sp.Symbol(r"{\frac{d}{dt}\log I_p}", real=True)
    shrinks = sp.Symbol(r"{\frac{d}{dt}\log(a_pb_p-c_p^2)}", real=True)
    powers = s.n_a ** (-(s.sigma_a**2) / s.noise_a**2) * s.n_b ** (-(s.sigma_b**2) / s.noise_b**2)
    fading = ordered(s.sigma_a**2 / s.N_a**2, s.sigma_b**2 / s.N_b**2)
    log_integral = (
        sp.log(gram) - s.sigma_a**2 / s.noise_a**2 * sp.log(s.n_a) - s.sigma_b**2 / s.noise_b**2 * sp.log(s.n_b)
    )
    orthogonal = {s.a: s.sigma_a**2, s.b: s.sigma_b**2, s.c: sp.Integer(0)}
    begin = sp.Symbol(r"{(a_pb_p-c_p^2)_{t=0}}", positive=True)
    lines = (
        Line(sp.Eq(shrinks, -2 * s.Lambda * fading), ({shrinks: flow.along(sp.log(gram))},)),
        Line(sp.Eq(integral, ordered(s.a * s.b, -(s.c**2)) * powers)),
        Line(sp.Eq(kept, 0), ({kept: flow.along(log_integral)},)),
        Line(sp.Eq(begin, s.sigma_a**2 * s.sigma_b**2), ({begin: gram.xreplace(orthogonal)},)),
    )
    return Step("first_integrals", "each coordinate has a first integral: misalignment is slaved to the noise", lines)

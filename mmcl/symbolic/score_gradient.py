r"""The gradient of the definition: through the scores, through R, and through the normaliser.

With $\varepsilon_A=(z,\xi_A)$, $\varepsilon_B=(z,\xi_B)$ and $R=K_AK_B^\top/(N_AN_B)$, where
$K_A=M_A^\top W_A$ has one row per latent sign, every score is $\tau^2\varepsilon_A^\top R\,\varepsilon_B'$. Ours, for
the population loss of Ren & Li (2023).
"""

from __future__ import annotations

from functools import lru_cache
from itertools import product

import sympy as sp

from mmcl.symbolic import symbols as s
from mmcl.symbolic.derivation import Line, Step
from mmcl.symbolic.expectation import signs
from mmcl.symbolic.symbols import ordered

X = sp.MatrixSymbol("X", s.d, s.d)
K_A, K_B, grad_A, grad_B = (
    sp.MatrixSymbol(name, s.d, s.m)
    for name in ("K_A", "K_B", r"\frac{\partial L}{\partial K_A}", r"\frac{\partial L}{\partial K_B}")
)
inner_XR = sp.Symbol(r"{\langle X,R\rangle}", real=True)


def weight_gradients() -> tuple[sp.MatrixExpr, sp.MatrixExpr]:
    r"""$\partial L/\partial K_A$ and $\partial L/\partial K_B$ for $X=\partial L/\partial R$.

    .. math:: \frac{\partial L}{\partial K_A}=\frac{XK_B}{N_AN_B}-\frac{\langle X,R\rangle}{N_A^2}K_A
    """
    shared = 1 / (s.N_a * s.N_b)
    return (
        sp.MatAdd(shared * X * K_B, -inner_XR / s.N_a**2 * K_A),
        sp.MatAdd(shared * X.T * K_A, -inner_XR / s.N_b**2 * K_B),
    )


def weight_gradient() -> Step:
    r"""The chain rule with the normaliser $N_A^2=\|K_A\|_F^2$, entry by entry for general 2×2 weights.

    L enters through its differential $\langle X,dR\rangle$ alone, so the loss is any function of R.
    """
    k_a, k_b, x = (sp.ImmutableMatrix(2, 2, sp.symbols(f"{name}:2:2", positive=True)) for name in ("k", "l", "x"))
    norms = [sp.sqrt(sum(entry**2 for entry in k)) for k in (k_a, k_b)]
    R = k_a * k_b.T / (norms[0] * norms[1])
    pairing = sum(u * y for u, y in zip(x, R, strict=True))
    exact = [k.applyfunc(lambda entry: sp.diff(pairing, entry)) for k in (k_a, k_b)]
    reading = {
        X: x,
        K_A: k_a,
        K_B: k_b,
        grad_A: exact[0],
        grad_B: exact[1],
        inner_XR: pairing,
        s.N_a: norms[0],
        s.N_b: norms[1],
    }
    to_a, to_b = weight_gradients()
    lines = tuple(Line(sp.Eq(g, f, evaluate=False), (reading,)) for g, f in ((grad_A, to_a), (grad_B, to_b)))
    return Step("weight_gradient", "the gradient in the weights, the normaliser included", lines)


U, V, eps_A, eps_B = (sp.IndexedBase(name, real=True) for name in ("U", "V", r"\varepsilon_A", r"\varepsilon_B"))
ell_A, ell_B = sp.symbols(r"{\ell_A} {\ell_B}", real=True)
odds_A, odds_B = sp.symbols(r"{p} {q}", positive=True)  # the weight of the negatives among all, per direction
slope_A, slope_B = (sp.Symbol(rf"{{\frac{{\partial\ell_{x}}}{{\partial R_{{ij}}}}}}", real=True) for x in "AB")


def score_losses(R: sp.Matrix, signs_a: sp.Matrix, signs_b: sp.Matrix) -> tuple[sp.Expr, sp.Expr]:
    r"""$\ell_A,\ell_B$ of one positive pair with latent signs $\varepsilon_A,\varepsilon_B$.

    .. math:: \ell_A=\log\Big(1+K\,e^{-\tau^2\varepsilon_A^\top R\varepsilon_B}\prod_j\cosh\tau^2U_j\Big),\quad
              U=R^\top\varepsilon_A
    """
    positive = s.tau2 * (signs_a.T * R * signs_b)[0]
    towards_b, towards_a = R.T * signs_a, R * signs_b
    return tuple(
        sp.log(1 + s.K * sp.exp(-positive) * sp.prod(sp.cosh(s.tau2 * x) for x in images))
        for images in (towards_b, towards_a)
    )


def score_loss_by_definition(R: sp.Matrix, signs_a: sp.Matrix, signs_b: sp.Matrix) -> sp.Expr:
    r"""$-\log\frac{e^s}{e^s+K\,\mathbb E_{\varepsilon_B'}e^{s'}}$, every negative written out."""
    score = sp.exp(s.tau2 * (signs_a.T * R * signs_b)[0])
    rows = signs(R.cols)
    negatives = sum(sp.exp(s.tau2 * (signs_a.T * R * sp.Matrix(row))[0]) for row in rows) / len(rows)
    return -sp.log(score / (score + s.K * negatives))


@lru_cache(maxsize=1)
def score_gradient() -> Step:
    r"""The gradient in R, for 2×2 R and signs left as letters: it holds pattern by pattern, so in the mean."""
    R = sp.Matrix(2, 2, sp.symbols("R:2:2", real=True))
    e_a, e_b = (sp.Matrix([base[1], base[2]]) for base in (eps_A, eps_B))
    u, w = R.T * e_a, R * e_b
    losses = score_losses(R, e_a, e_b)
    letters = {s.d: 2, **{U[k + 1]: u[k] for k in range(2)}, **{V[k + 1]: w[k] for k in range(2)}}
    by_hand = score_loss_by_definition(R, e_a, e_b), score_loss_by_definition(R.T, e_b, e_a)
    odds = {letter: 1 - sp.exp(-loss) for letter, loss in zip((odds_A, odds_B), losses, strict=True)}

    def readings(slope: sp.Symbol, loss: sp.Expr) -> tuple[dict, ...]:
        entries = product(range(2), repeat=2)
        return tuple(
            {
                **letters,
                **odds,
                slope: sp.diff(loss, R[a, b]),
                U[s.j]: u[b],
                V[s.i]: w[a],
                eps_A[s.i]: e_a[a],
                eps_B[s.j]: e_b[b],
            }
            for a, b in entries
        )

    def loss_line(letter: sp.Symbol, image: sp.IndexedBase, target: sp.IndexedBase, value: sp.Expr) -> Line:
        score = sp.Sum(image[s.j] * target[s.j], (s.j, 1, s.d))
        cosh = sp.Product(sp.cosh(s.tau2 * image[s.j]), (s.j, 1, s.d))
        return Line(sp.Eq(letter, sp.log(1 + s.K * sp.exp(-s.tau2 * score) * cosh)), ({**letters, letter: value},))

    to_b = s.tau2 * odds_A * eps_A[s.i] * ordered(sp.tanh(s.tau2 * U[s.j]), -eps_B[s.j])
    to_a = s.tau2 * odds_B * eps_B[s.j] * ordered(sp.tanh(s.tau2 * V[s.i]), -eps_A[s.i])
    lines = (
        loss_line(ell_A, U, eps_B, by_hand[0]),
        loss_line(ell_B, V, eps_A, by_hand[1]),
        Line(sp.Eq(odds_A, 1 - sp.exp(-ell_A)), ({odds_A: odds[odds_A], ell_A: by_hand[0]},)),
        Line(sp.Eq(slope_A, to_b), readings(slope_A, losses[0])),
        Line(sp.Eq(slope_B, to_a), readings(slope_B, losses[1])),
    )
    return Step("score_gradient", "the gradient in R of one positive pair among infinitely many negatives", lines)

r"""Gradient flow of the weights, one coordinate at a time.

With $\partial L/\partial R=-\mathrm{diag}(g_1..g_r,0)$ the weights of a coordinate see those of no other, except
through the normalisers and $\Lambda$. Ours.
"""

from __future__ import annotations

import sympy as sp

from mmcl.symbolic import score_gradient as gradient
from mmcl.symbolic import symbols as s
from mmcl.symbolic.derivation import Line, Reading, Step
from mmcl.symbolic.symbols import ordered, rate

# One entry of each row; vectors add and scale entry by entry, so the letters may also stand for whole rows.
k_a, k_b = sp.symbols(r"k_{A\,p} k_{B\,p}", real=True)
xi_a, xi_b = sp.symbols(r"\xi_{A\,j} \xi_{B\,j}", real=True)


def weight_flow() -> dict[sp.Symbol, sp.Expr]:
    r"""$\dot k=-\sigma^2\,\partial L/\partial k$ for the signal and the noise rows of both modalities.

    .. math:: \dot k_{A,p}=\sigma_{A,p}^2\Big(\frac{g_pk_{B,p}}{N_AN_B}-\frac{\Lambda k_{A,p}}{N_A^2}\Big),\qquad
              \dot\xi_{A,j}=-\sigma_{\xi,A}^2\frac{\Lambda\xi_{A,j}}{N_A^2}
    """
    shared = s.g / (s.N_a * s.N_b)
    return {
        k_a: s.sigma_a**2 * ordered(shared * k_b, -s.Lambda * k_a / s.N_a**2),
        k_b: s.sigma_b**2 * ordered(shared * k_a, -s.Lambda * k_b / s.N_b**2),
        xi_a: -(s.noise_a**2) * s.Lambda * xi_a / s.N_a**2,
        xi_b: -(s.noise_b**2) * s.Lambda * xi_b / s.N_b**2,
    }


def weights_in_latent_space() -> Step:
    r"""$\dot W_A=-\partial L/\partial W_A$ seen in $K_A=M_A^\top W_A$, for any 2×2 mixing with orthogonal columns."""
    M, grad, moved, squares = (
        sp.MatrixSymbol(name, s.d, s.d)
        for name in ("M_A", r"\frac{\partial L}{\partial K_A}", r"\dot{K}_A", r"\mathrm{diag}(\sigma_A^2)")
    )
    t = sp.Symbol("t", positive=True)
    turn = sp.Matrix([[1 - t**2, 2 * t], [-2 * t, 1 - t**2]]) / (1 + t**2)  # any rotation, without angles
    scales = sp.ImmutableMatrix(sp.diag(*sp.symbols("s1 s2", positive=True)))
    mixing = sp.ImmutableMatrix(turn * scales)
    W, x = (sp.ImmutableMatrix(2, 2, sp.symbols(f"{name}:2:2", real=True)) for name in ("w", "x"))
    change = sum(u * k for u, k in zip(x, mixing.T * W, strict=True))  # dL = ⟨∂L/∂K_A, dK_A⟩
    descent = -W.applyfunc(lambda entry: sp.diff(change, entry))
    reading = {M: mixing, grad: x, moved: mixing.T * descent, squares: scales**2}
    lines = (
        Line(sp.Eq(moved, -M.T * M * grad, evaluate=False), (reading,)),
        Line(sp.Eq(M.T * M, squares, evaluate=False), (reading,)),
    )
    return Step("latent_space", "each latent coordinate learns at the speed of its squared scale", lines)


def coordinate_flow() -> Step:
    """The rows of the weight gradient at diagonal R: two signal coordinates, one of noise, width two."""
    flow = weight_flow()
    lines = [Line(sp.Eq(s.Lambda, sp.Sum(s.forces[s.p] * s.thetas[s.p], (s.p, 1, s.r))), (_multiplier(),))]
    for letter, (modality, noise) in {k_a: (0, False), k_b: (1, False), xi_a: (0, True), xi_b: (1, True)}.items():
        lines.append(Line(sp.Eq(rate(letter), flow[letter]), _rows(letter, modality, noise)))
    return Step("weights", "a coordinate grows towards its partner and shrinks with the normaliser", tuple(lines))


def _multiplier() -> Reading:
    """Λ is what the normaliser's gradient carries, -⟨∂L/∂R, R⟩, with ∂L/∂R = -diag(g, 0)."""
    r = 2
    R = sp.Matrix(3, 3, lambda x, y: s.thetas[x + 1] if x == y < r else sp.Symbol(f"R{x}{y}"))
    X = sp.Matrix(3, 3, lambda x, y: -s.forces[x + 1] if x == y < r else 0)
    return {s.r: r, s.Lambda: -sum(u * v for u, v in zip(X, R, strict=True))}


def _rows(letter: sp.Symbol, modality: int, noise: bool) -> tuple[Reading, ...]:
    forces = sp.symbols("g1 g2", real=True)
    k, partner = (sp.ImmutableMatrix(3, 2, sp.symbols(f"{name}:3:2", real=True)) for name in ("k", "l"))
    own, other = (k, partner) if modality == 0 else (partner, k)
    X = sp.ImmutableMatrix(sp.diag(*[-g for g in forces], 0))
    meaning = {gradient.X: X, gradient.K_A: k, gradient.K_B: partner, gradient.inner_XR: -s.Lambda}
    slope = sp.ImmutableMatrix(gradient.weight_gradients()[modality].xreplace(meaning).doit())
    scale = ((s.noise_a, s.noise_b) if noise else (s.sigma_a, s.sigma_b))[modality]
    mate = {k_a: k_b, k_b: k_a}.get(letter)
    return tuple(
        {
            rate(letter): -(scale**2) * slope[row, i],
            letter: own[row, i],
            **({} if mate is None else {mate: other[row, i], s.g: forces[row]}),
        }
        for row in ((2,) if noise else (0, 1))
        for i in range(2)
    )

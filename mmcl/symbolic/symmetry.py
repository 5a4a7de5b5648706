r"""Sign symmetry: why only the diagonal of R ever moves.

Flipping a latent sign leaves the data's law as it is, and flips a row or a column of R. Ours.
"""

from __future__ import annotations

from functools import lru_cache

import sympy as sp

from mmcl.symbolic import symbols as s
from mmcl.symbolic.derivation import Line, Step
from mmcl.symbolic.expectation import signs
from mmcl.symbolic.score_gradient import score_losses

pair_loss = sp.Symbol(r"{\ell(R;\varepsilon_A,\varepsilon_B)}", real=True)
flipped = sp.Symbol(r"{\ell(SRS';S\varepsilon_A,S'\varepsilon_B)}", real=True)
slope_off = sp.Symbol(r"{\left.\frac{\partial L}{\partial R_{ij}}\right|_{R=\mathrm{diag}(\theta,0)}}", real=True)
slope_on = sp.Symbol(r"{\left.\frac{\partial L}{\partial R_{pp}}\right|_{R=\mathrm{diag}(\theta,0)}}", real=True)


def small_world(r: int, noise: int) -> list[tuple[sp.Matrix, sp.Matrix]]:
    """Every equally likely positive pair of latent signs: r of them shared, `noise` private to each modality."""
    return [(sp.Matrix(row[: r + noise]), sp.Matrix([*row[:r], *row[r + noise :]])) for row in signs(r + 2 * noise)]


def population_loss(R: sp.Matrix, r: int) -> sp.Expr:
    """L = L_A + L_B of the small world as a function of R, all positive pairs written out."""
    pairs = small_world(r, R.rows - r)
    return sum(sum(score_losses(R, e_a, e_b)) for e_a, e_b in pairs) / len(pairs)


def diagonal_scores(r: int, noise: int) -> sp.Matrix:
    r"""$R=\mathrm{diag}(\theta_1..\theta_r,0)$."""
    return sp.Matrix(r + noise, r + noise, lambda x, y: s.thetas[x + 1] if x == y < r else 0)


@lru_cache(maxsize=8)
def diagonal_slopes(r: int, noise: int) -> sp.ImmutableMatrix:
    r"""$\partial L/\partial R$ at $R=\mathrm{diag}(\theta_1..\theta_r,0)$, by differentiating the written-out loss."""
    size = r + noise
    diagonal = diagonal_scores(r, noise)
    h = sp.Dummy("h", real=True)

    def slope(a: int, b: int) -> sp.Expr:
        nudged = diagonal + h * sp.Matrix(size, size, lambda x, y: int((x, y) == (a, b)))
        return sp.diff(population_loss(nudged, r), h).subs(h, 0)

    return sp.ImmutableMatrix(size, size, slope)


def sign_symmetry() -> Step:
    r"""Flips $S,S'$ change nothing, so $\partial L/\partial R$ is diagonal where R is, and zero on the noise.

    Three coordinates, two of them signal; R and the signs are letters, so every pattern is covered at once.
    """
    R = sp.Matrix(3, 3, sp.symbols("R:3:3", real=True))
    e_a, e_b = (sp.Matrix(sp.symbols(f"{name}:3", real=True)) for name in ("x", "y"))
    plain = sum(score_losses(R, e_a, e_b))
    # z_p flips in both modalities at once; ξ_A and ξ_B each on its own.
    flips = [((-1, 1, 1), (-1, 1, 1)), ((1, -1, 1), (1, -1, 1)), ((1, 1, -1), (1, 1, 1)), ((1, 1, 1), (1, 1, -1))]
    turned = [
        {
            pair_loss: plain,
            flipped: sum(score_losses(sp.diag(*f) * R * sp.diag(*h), sp.diag(*f) * e_a, sp.diag(*h) * e_b)),
        }
        for f, h in flips
    ]
    slopes = diagonal_slopes(2, 1)
    moving = [slopes[k, k] for k in range(2)]
    still = [slopes[a, b] for a in range(3) for b in range(3) if a != b or a == 2]
    lines = (
        Line(sp.Eq(flipped, pair_loss), tuple(turned)),
        Line(sp.Eq(slope_off, 0), tuple({slope_off: value} for value in still)),
        Line(sp.Eq(slope_on, -s.g), tuple({slope_on: x, s.g: force_from_loss(k + 1, 2)} for k, x in enumerate(moving))),
    )
    return Step("sign_symmetry", "R stays diagonal: off the diagonal and on the noise the gradient is zero", lines)


def loss_of_theta(r: int) -> sp.Expr:
    r"""$L(\theta)=2\log\big(1+K\prod_p\frac{1+e^{-2\tau^2\theta_p}}2\big)$, for r coordinates."""
    return 2 * sp.log(1 + s.K * sp.prod((1 + sp.exp(-2 * s.tau2 * s.thetas[k])) / 2 for k in range(1, r + 1)))


def force_from_loss(index: int, r: int) -> sp.Expr:
    r"""$g_p=-\partial L/\partial\theta_p$, by differentiating."""
    return -sp.diff(loss_of_theta(r), s.thetas[index])

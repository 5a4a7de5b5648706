r"""A linear predictor beside two linear towers: the flow of its eigenvalues, and what it conserves. Ours.

In the symmetric case the predictor is diagonal in the directions of $k_{+,p}$, $k_{-,p}$ and of the noise images, with
eigenvalues $q_{+,p}$, $q_{-,p}$ and $q_\xi$; lengths are x, y and z.
"""

from __future__ import annotations

import sympy as sp

from mmcl.symbolic import symbols as s
from mmcl.symbolic.derivation import Line, Step
from mmcl.symbolic.symbols import half, ordered, rate

x, y, z = sp.symbols("x_p y_p z", positive=True)  # ‖k_+,p‖, ‖k_-,p‖ and ‖ξ_j‖
q_plus, q_minus, q_noise = sp.symbols(r"q_{+} q_{-} q_{\xi}", real=True)
q_start, q_end = sp.symbols("q_0 q_\\infty", positive=True)
beta = sp.Symbol("beta", positive=True)  # the predictor's rate
sigma, noise = sp.symbols(r"\sigma_p \sigma_{\xi}", positive=True)
S = sp.Symbol("S", real=True)  # E p·h'
N_p, N = sp.symbols("N_P N", positive=True)  # root mean squares of the prediction and of the target
growth, decay, noise_law = (
    sp.Symbol(rf"{{\frac{{d}}{{dt}}\Big(\frac{{{length}^2}}{{{scale}^2}}-\frac{{{q}^2}}{{{unit}}}\Big)}}", real=True)
    for length, scale, q, unit in (
        ("x_p", r"\sigma_p", "q_{+}", r"2\beta"),
        ("y_p", r"\sigma_p", "q_{-}", r"2\beta"),
        ("z", r"\sigma_\xi", r"q_\xi", r"\beta"),
    )
)
length_end, crossing, noise_left = (
    sp.Symbol(name, real=True)
    for name in (
        r"{\frac{x_{p,\infty}^2}{\sigma_p^2}}",
        r"{\frac{y_p^2}{\sigma_p^2}\Big|_{q_-=0}}",
        r"{\frac{z^2}{\sigma_\xi^2}\Big|_{q_\xi=0}}",
    )
)


def _rates() -> dict[sp.Symbol, sp.Expr]:
    """The right-hand sides that the chapter displays; dots of lengths and of eigenvalues."""
    both = N_p * N
    missing = {
        x: ordered(x, -S / N_p**2 * q_plus * x),
        y: -ordered(y, S / N_p**2 * q_minus * y),
        z: -S / N_p**2 * q_noise * z,
    }
    return {
        x: sigma**2 * q_plus / both * missing[x],
        q_plus: 2 * beta * x / both * missing[x],
        y: sigma**2 * q_minus / both * missing[y],
        q_minus: 2 * beta * y / both * missing[y],
        z: noise**2 * q_noise / both * missing[z],
        q_noise: beta * z / both * missing[z],
    }


def predictor_flow() -> Step:
    r"""$-\partial L/\partial W$ and $-\beta\,\partial L/\partial Q$, entry by entry, with the target held fixed.

    Two signal coordinates and one noise image a modality in width six: the gradient points along the directions, so
    they stay, and Q stays diagonal.
    """
    size = 6
    lengths = {1: sp.symbols("x_p y_p", positive=True), 2: sp.symbols("x_2 y_2", positive=True)}
    axes = [sp.eye(size)[i, :] for i in range(size)]
    rows_a = [lengths[k][0] * axes[2 * k - 2] + lengths[k][1] * axes[2 * k - 1] for k in (1, 2)] + [z * axes[4]]
    rows_b = [lengths[k][0] * axes[2 * k - 2] - lengths[k][1] * axes[2 * k - 1] for k in (1, 2)] + [z * axes[5]]
    k_a, k_b = (sp.Matrix(3, size, sp.symbols(f"{name}:{3 * size}", real=True)) for name in "kl")
    Q = sp.Matrix(size, size, sp.symbols(f"q:{size * size}", real=True))
    others = sp.symbols("q_3 q_4", real=True)
    eigenvalues = sp.diag(q_plus, q_minus, *others, q_noise, q_noise)
    here = {
        **dict(zip(k_a, sp.Matrix.vstack(*rows_a), strict=True)),
        **dict(zip(k_b, sp.Matrix.vstack(*rows_b), strict=True)),
        **dict(zip(Q, eigenvalues, strict=True)),
    }

    def slopes(k: sp.Matrix, target: sp.Matrix, letters: list[sp.Symbol]) -> list[sp.Expr]:
        """Of S/(N_P N) in `letters`, the target held, by the quotient rule."""
        score = sum((Q * k[i, :].T).dot(target[i, :]) for i in range(2))
        power = sum((Q * k[i, :].T).dot(Q * k[i, :].T) for i in range(3))
        return [
            ((sp.diff(score, u) - S / (2 * N_p**2) * sp.diff(power, u)) / (N_p * N)).xreplace(here) for u in letters
        ]

    in_k = sp.Matrix(3, size, slopes(k_a, k_b, list(k_a)))
    in_q = sp.Matrix(
        size, size, [u + v for u, v in zip(slopes(k_a, k_b, list(Q)), slopes(k_b, k_a, list(Q)), strict=True)]
    )
    moved = {
        x: sigma**2 * in_k[0, 0],
        q_plus: beta * in_q[0, 0],
        y: sigma**2 * in_k[0, 1],
        q_minus: beta * in_q[1, 1],
        z: noise**2 * in_k[2, 4],
        q_noise: beta * in_q[4, 4],
    }
    found = {rate(letter): value for letter, value in moved.items()}
    lines = [Line(sp.Eq(rate(letter), value), (found,)) for letter, value in _rates().items()]
    aside = sp.Symbol(r"{\text{everything else}}", real=True)
    stray = [in_k[0, j] for j in range(2, size)] + [in_q[i, j] for i in range(size) for j in range(size) if i != j]
    lines.append(Line(sp.Eq(aside, 0), tuple({aside: value} for value in stray)))
    return Step("predictor_flow", "the flow closes on a length and an eigenvalue for every direction", tuple(lines))


def predictor_laws() -> Step:
    """The quotient of a length's and an eigenvalue's equations can be integrated."""
    rates = _rates()

    def along(quantity: sp.Expr) -> sp.Expr:
        return sum((sp.diff(quantity, letter) * value for letter, value in rates.items()), sp.Integer(0))

    kept = {
        growth: along(x**2 / sigma**2 - q_plus**2 / (2 * beta)),
        decay: along(y**2 / sigma**2 - q_minus**2 / (2 * beta)),
        noise_law: along(z**2 / noise**2 - q_noise**2 / beta),
    }
    lines = tuple(Line(sp.Eq(letter, 0), (kept,)) for letter in kept)
    return Step("predictor_laws", "in every direction the tower and the predictor grow in step", lines)


def predictor_end() -> Step:
    r"""Where it stops, from the laws and from $\|Q\|_F$, which stands still because the loss has no scale in Q.

    If $\beta<q_0^2$ the lengths y and z reach zero first; if $\beta>q_0^2$ the eigenvalues do; at $\beta=q_0^2$ both do
    together, like powers of time.
    """
    kept = q_start**2 - beta  # of q_-² and q_ξ² where y = z = 0
    equal = s.r * q_end**2 + s.r * kept + 2 * (s.d - s.r) * kept
    solution = sp.solve(sp.Eq(equal, 2 * s.d * q_start**2), q_end**2)[0]
    law = sp.Rational(1, 2) + (q_end**2 - q_start**2) / (2 * beta)
    lines = (
        Line(
            sp.Eq(crossing, half(ordered(1, -(q_start**2) / beta))),
            ({crossing: sp.Rational(1, 2) + (0 - q_start**2) / (2 * beta)},),
        ),
        Line(sp.Eq(noise_left, ordered(1, -(q_start**2) / beta)), ({noise_left: 1 + (0 - q_start**2) / beta},)),
        Line(
            sp.Eq(q_end**2, ordered(q_start**2, beta * ordered(2 * s.d, -s.r) / s.r)),
            ({q_end: sp.sqrt(solution)},),
        ),
        Line(sp.Eq(length_end, s.d / s.r), ({length_end: law.subs(q_end**2, solution)},)),
    )
    return Step("predictor_end", "every coordinate ends with the same length in units of its scale", lines)

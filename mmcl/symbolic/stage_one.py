r"""Stage one in closed form: symmetric modalities under a force that all coordinates share.

Ours. That the condition number grows while positive pairs align is a claim of Ren & Li (2023); here it is a curve.
"""

from __future__ import annotations

import sympy as sp

from mmcl.symbolic import symbols as s
from mmcl.symbolic.derivation import Line, Step
from mmcl.symbolic.gram_flow import gram_flow
from mmcl.symbolic.symbols import half, ordered, rate
from mmcl.symbolic.weight_flow import k_a, k_b, weight_flow

N = sp.Symbol("N", positive=True)
sigma, noise = sp.Symbol(r"\sigma_p", positive=True), sp.Symbol(r"\sigma_\xi", positive=True)
plus, minus = sp.symbols(r"k_{+\,p} k_{-\,p}", real=True)
P, M = sp.symbols("P M", nonnegative=True)  # ∫(1-c̄) ds and ∫(1+c̄) ds
P_end = sp.Symbol(r"{P_\infty}", positive=True)
alignment = sp.Symbol(r"{\bar c}", real=True)  # E f_A·f_B = Σ θ_p
plus2, minus2 = sp.symbols(r"\|k_{+\,p}\|^2 \|k_{-\,p}\|^2", positive=True)
N2, inner = sp.Symbol("{N^2}", positive=True), sp.IndexedBase("c", real=True)
clock_slope = sp.Symbol(r"{\frac{ds}{dt}}", real=True)
P_slope, M_slope = sp.Symbol(r"{\frac{dP}{ds}}", real=True), sp.Symbol(r"{\frac{dM}{ds}}", real=True)


def _along(quantity: sp.Expr) -> sp.Expr:
    r"""$d/ds$ by the chain rule, with $dP=(1-\bar c)ds$ and $dM=(1+\bar c)ds$."""
    return sp.diff(quantity, P) * (1 - alignment) + sp.diff(quantity, M) * (1 + alignment)


def symmetric_case() -> Step:
    r"""$k_\pm=(k_A\pm k_B)/2$ decouple: $\dot k_\pm=\sigma^2(\pm g-\Lambda)k_\pm/N^2$, as vectors."""
    flow = weight_flow()
    same = {s.sigma_a: sigma, s.sigma_b: sigma, s.N_a: N, s.N_b: N}
    parts = {sign: ((k_a + sign * k_b) / 2, ((flow[k_a] + sign * flow[k_b]) / 2).xreplace(same)) for sign in (1, -1)}
    lines = []
    for letter, sign in ((plus, 1), (minus, -1)):
        value, velocity = parts[sign]
        shown = sigma**2 / N**2 * ordered(sign * s.g, -s.Lambda) * letter
        lines += [
            Line(sp.Eq(letter, ordered(k_a, sign * k_b) / 2)),
            Line(sp.Eq(rate(letter), shown), ({letter: value, rate(letter): velocity},)),
        ]
    return Step("symmetric_case", "with symmetric modalities sum and difference of the views decouple", tuple(lines))


def lengths(scale: sp.Expr) -> tuple[sp.Expr, sp.Expr]:
    r"""$\|k_+\|^2=\frac{\sigma^2}2e^{2\sigma^2P}$ and $\|k_-\|^2=\frac{\sigma^2}2e^{-2\sigma^2M}$."""
    return scale**2 * sp.exp(2 * scale**2 * P) / 2, scale**2 * sp.exp(-2 * scale**2 * M) / 2


def common_force() -> Step:
    r"""One force for all: $\Lambda=g\bar c$, and in the clock $ds=g\,dt/N^2$ every length is an exponential."""
    grow, decay = lengths(sigma)
    start = {P: sp.Integer(0), M: sp.Integer(0)}
    velocity = {line.equation.lhs: line.equation.rhs for line in symmetric_case().lines}
    lines = [
        Line(sp.Eq(clock_slope, s.g / N**2)),
        Line(sp.Eq(P_slope, 1 - alignment)),
        Line(sp.Eq(M_slope, 1 + alignment)),
    ]
    for letter, square, form, sign in ((plus, plus2, grow, 1), (minus, minus2, decay, -1)):
        slope = sp.Symbol(rf"{{\frac{{d}}{{ds}}\log\|{sp.latex(letter)}\|}}", real=True)
        from_flow = (velocity[rate(letter)] / letter).xreplace({s.Lambda: s.g * alignment}) * N**2 / s.g
        from_form = _along(sp.log(form)) / 2
        begin = (s.a + s.b + 2 * sign * s.c) / 4
        unit = begin.xreplace({s.a: sigma**2, s.b: sigma**2, s.c: sp.Integer(0)})
        lines += [
            Line(sp.Eq(slope, sigma**2 * ordered(sign, -alignment)), ({slope: from_flow}, {slope: from_form})),
            Line(sp.Eq(square, form), ({square: unit, **start},)),
        ]
    split = {plus2: (s.a + s.c) / 2, minus2: (s.a - s.c) / 2}  # (a + b ± 2c) / 4 at a = b
    n, n_start, n_slope = (sp.Symbol(x, positive=True) for x in ("n", "{n(0)}", r"{\frac{d}{ds}\log n}"))
    n_form = n_start * sp.exp(-(noise**2) * (M - P))
    lines += [
        Line(sp.Eq(s.a, ordered(plus2, minus2)), (split,)),
        Line(sp.Eq(s.c, ordered(plus2, -minus2)), (split,)),
        Line(sp.Eq(n_slope, -2 * noise**2 * alignment), ({n_slope: _along(sp.log(n_form))}, {n_slope: _noise_slope()})),
        Line(sp.Eq(n, n_form), ({n: n_start, **start},)),
    ]
    return Step("common_force", "under one common force every length is an exponential of two clocks", tuple(lines))


def _noise_slope() -> sp.Expr:
    r"""$\frac{d}{ds}\log n$, from the flow of the Gram matrix."""
    rate_of_log = gram_flow().along(sp.log(s.n_a)) * N**2 / s.g
    return rate_of_log.xreplace({s.Lambda: s.g * alignment, s.N_a: N, s.noise_a: noise})


def universal_curve() -> Step:
    r"""Conservation gives M(P) without an ODE, and with it κ as a function of the alignment."""
    scales = s.sigmas
    grow, decay = lengths(scales[s.p])
    left_over = (s.d - s.r) * sp.exp(-(noise**2) * (M - P))
    total = ordered(sp.Sum(half(ordered(_grown(s.p), _shrunk(s.p))), (s.p, 1, s.r)), left_over)
    kept, change, kappa2 = (sp.Symbol(x) for x in (r"{\|W_A\|_F^2}", r"{\frac{d}{ds}\|W_A\|_F^2}", r"\kappa^2"))
    norm, shared = sp.Sum(grow + decay, (s.p, 1, s.r)) + noise**2 * left_over, sp.Sum(grow - decay, (s.p, 1, s.r))
    starts, changes, shares = [], [], []
    for r in (1, 2, 3):
        mass, aligned, norm_w = (x.subs(s.r, r).doit() for x in (norm, shared, total))
        starts.append({kept: s.d, s.r: r, P: sp.Integer(0), M: sp.Integer(0)})
        changes.append({change: _along(norm_w).xreplace({alignment: aligned / mass})})
        pairs = {k: lengths(scales[k]) for k in range(1, r + 1)}
        read = {inner[k]: grown - shrunk for k, (grown, shrunk) in pairs.items()}
        shares.append({s.r: r, alignment: aligned / mass, N2: mass, **read})
    top, bottom = (sum(lengths(scales[k])) for k in (1, s.r))
    ratio = ordered(_grown(1), _shrunk(1)) / ordered(_grown(s.r), _shrunk(s.r))
    lines = (
        Line(sp.Eq(kept, total), tuple(starts)),
        Line(sp.Eq(alignment, sp.Sum(inner[s.p], (s.p, 1, s.r)) / N2), tuple(shares)),
        Line(sp.Eq(change, 0), tuple(changes)),
        Line(sp.Eq(kappa2, scales[1] ** 2 / scales[s.r] ** 2 * ratio), ({kappa2: top / bottom},)),
    )
    return Step(
        "universal_curve", "one curve of condition number against alignment, whatever the loss, K and step", lines
    )


def _grown(p: sp.Expr | int) -> sp.Expr:
    return sp.exp(2 * s.sigmas[p] ** 2 * P)


def _shrunk(p: sp.Expr | int) -> sp.Expr:
    return sp.exp(-2 * s.sigmas[p] ** 2 * M)


def positives_alone() -> Step:
    r"""Where positives alone end: $M\to\infty$ while conservation keeps P finite. Zero noise keeps its mass."""
    left = sp.Sum(sp.exp(2 * s.sigmas[s.p] ** 2 * P_end), (s.p, 1, s.r))
    noisy, quiet, kappa_end = (sp.Symbol(x) for x in ("{2d}", r"{2r\quad(\sigma_\xi=0)}", r"{\kappa_\infty}"))

    def at_the_end(expression: sp.Expr) -> sp.Expr:
        split = sp.expand(expression, power_exp=True)
        tails = [x for x in split.atoms(sp.exp) if x.has(M)]
        return split.subs({x: sp.limit(x, M, sp.oo) for x in tails}).subs(P, P_end)

    def signal(r: int) -> sp.Expr:
        return sum((_grown(k) + _shrunk(k)) / 2 for k in range(1, r + 1))

    def conserved(r: int, scale: sp.Expr) -> sp.Expr:
        return signal(r) + (s.d - r) * sp.exp(-(scale**2) * (M - P))  # = d

    with_noise = tuple({s.r: r, noisy: 2 * at_the_end(conserved(r, noise))} for r in (1, 2, 3))
    without = tuple({s.r: r, quiet: 2 * (at_the_end(conserved(r, sp.Integer(0))) - (s.d - r))} for r in (1, 2, 3))
    kappa2 = sum(lengths(s.sigmas[1])) / sum(lengths(s.sigmas[s.r]))
    gap = ordered(s.sigmas[1] ** 2, -(s.sigmas[s.r] ** 2))
    lines = (
        Line(sp.Eq(left, noisy), with_noise),
        Line(sp.Eq(left, quiet), without),
        Line(
            sp.Eq(kappa_end, s.sigmas[1] / s.sigmas[s.r] * sp.exp(gap * P_end)),
            ({kappa_end: sp.sqrt(at_the_end(kappa2))},),
        ),
    )
    return Step("positives_alone", "positives alone end at a finite P, far from balance", lines)

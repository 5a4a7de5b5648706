r"""The losses of the family in the shares of the model, from their definitions with all signs written out. Ours."""

from __future__ import annotations

from collections.abc import Callable

import sympy as sp

from mmcl.family import Decoupled, Spectral
from mmcl.symbolic import symbols as s
from mmcl.symbolic.derivation import Line, Step
from mmcl.symbolic.expectation import signs
from mmcl.symbolic.loss_of_theta import loss_letter, thetas
from mmcl.symbolic.potentials import general_potential, mu
from mmcl.symbolic.stable import expit, softplus
from mmcl.symbolic.symbols import ordered
from mmcl.symbolic.symmetry import diagonal_scores, small_world

bias = sp.Symbol("b", real=True)
sharpness, weight = sp.Symbol("s", positive=True), sp.Symbol("lambda", positive=True)
alphas = sp.IndexedBase("alpha", positive=True)
share = sp.Symbol("alpha_j", positive=True)
G = sp.Symbol("G_j", real=True)
curvature = sp.Symbol(r"{\varphi''(\theta_p)}", real=True)
uniform, one_loss = sp.Symbol("U_A", real=True), sp.Symbol(r"{L(\alpha)}", real=True)
bend = sp.Symbol(r"{\sum_{pq}v_pv_q\frac{\partial^2L}{\partial\theta_p\partial\theta_q}}", real=True)
WORLDS = ((1, 0), (1, 1), (2, 0))  # signal and noise coordinates
Scores = Callable[[sp.Expr], sp.Expr]


def enumerated(r: int, noise: int, positive: Scores, negative: Scores, outside: Scores = sp.sympify) -> sp.Expr:
    """E positive(score of a pair) + E outside(E over negatives of negative(score)), every sign written out.

    Args:
        r: signal coordinates.
        noise: noise coordinates of each modality.
        positive: what a positive pair's score costs.
        negative: what is averaged over the negatives of an anchor.
        outside: what is done to that average.
    """
    R, pairs = diagonal_scores(r, noise), small_world(r, noise)
    own = sum(positive((a.T * R * b)[0]) for a, b in pairs)
    others = [sum(negative((a.T * R * b)[0]) for _, b in pairs) / sp.Integer(len(pairs)) for a, _ in pairs]
    return (own + sum(outside(x) for x in others)) / sp.Integer(len(pairs))


def decoupled() -> Step:
    r"""Without the positive in the denominator $\Phi$ is linear, and φ is that of InfoNCE."""
    potential = general_potential(Decoupled(1.0))
    cases, forces = [], []
    for r, noise in WORLDS:
        one_way = enumerated(r, noise, lambda x: -s.tau2 * x, lambda x: sp.exp(s.tau2 * x), sp.log)
        cases.append({s.r: r, loss_letter: 2 * one_way})  # diagonal R: both directions are alike
        forces.append({s.g: -sp.diff(2 * one_way, s.thetas[1]), s.theta: s.thetas[1]})
    term = ordered(sp.log(sp.cosh(s.tau2 * s.thetas[s.p])), -s.tau2 * s.thetas[s.p])
    factored = {s.g: potential.clock * potential.pull}
    lines = (
        Line(sp.Eq(loss_letter, 2 * sp.Sum(term, (s.p, 1, s.r))), tuple(cases)),
        Line(sp.Eq(s.g, 2 * s.tau2 * ordered(1, -sp.tanh(s.tau2 * s.theta))), (*forces, factored)),
    )
    return Step("decoupled", "the decoupled loss has InfoNCE's force with the clock at its fastest", lines)


def spectral() -> Step:
    r"""A parabola for each coordinate: the force falls in a straight line and ends at $\theta_p=1/\mu$."""
    potential = general_potential(Spectral())
    cases, forces = [], []
    for r, noise in WORLDS:
        loss = enumerated(r, noise, lambda x: -2 * mu * x, lambda x: mu**2 * x**2)
        cases.append({s.r: r, loss_letter: loss})
        forces.append({s.g: -sp.diff(loss, s.thetas[1]), s.theta: s.thetas[1]})
    term = ordered(mu**2 * s.thetas[s.p] ** 2, -2 * mu * s.thetas[s.p])
    factored = {s.g: potential.clock * potential.pull}
    second = {curvature: sp.diff(potential.phi, s.theta, 2)}
    lines = (
        Line(sp.Eq(loss_letter, sp.Sum(term, (s.p, 1, s.r))), tuple(cases)),
        Line(sp.Eq(s.g, 2 * mu * ordered(1, -mu * s.theta)), (*forces, factored)),
        Line(sp.Eq(curvature, 2 * mu**2), (second,)),
        Line(sp.Gt(curvature, 0), (second,)),
    )
    return Step("spectral", "the spectral loss is a sum of parabolas", lines)


def sigmoid() -> Step:
    r"""Not separable, and strictly convex: the second slope along any v is a sum of positive squares."""
    cases, forces, bends = [], [], []
    for r, noise in WORLDS:
        loss = enumerated(
            r, noise,
            lambda x: softplus(-s.tau2 * x - bias),
            lambda x: s.K * softplus(s.tau2 * x + bias),
        )  # fmt: skip
        way = [sp.Symbol(f"v_{k}", real=True) for k in range(1, r + 1)]
        second = sum(
            x * y * sp.diff(loss, p, q)
            for x, p in zip(way, thetas(r), strict=True)
            for y, q in zip(way, thetas(r), strict=True)
        )
        cases.append({loss_letter: loss, **_sigmoid_parts(r)})
        forces.append({s.g: -sp.diff(loss, s.thetas[1]), **_sigmoid_parts(r)})
        bends.append({bend: second, **_sigmoid_parts(r, way)})
    lines = (
        Line(sp.Eq(loss_letter, ordered(own_term, s.K * negative_term)), tuple(cases)),
        Line(sp.Eq(s.g, s.tau2 * ordered(own_pull, -s.K * negative_pull)), tuple(forces)),
        Line(sp.Eq(bend, s.tau2**2 * ordered(own_bend, s.K * negative_bend)), tuple(bends)),
    )
    return Step("sigmoid", "the sigmoid loss averages over the signs of a negative pair, and is strictly convex", lines)


own_term, own_pull, own_bend = (
    sp.Symbol(text, real=True)
    for text in (
        r"{\softplus\big(-\tau^2{\textstyle\sum_p}\theta_p-b\big)}",
        r"{\sigmoid\big(-\tau^2{\textstyle\sum_q}\theta_q-b\big)}",
        r"{\big({\textstyle\sum_p}v_p\big)^2\sigmoid'\big(\tau^2{\textstyle\sum_q}\theta_q+b\big)}",
    )
)
negative_term, negative_pull, negative_bend = (
    sp.Symbol(text, real=True)
    for text in (
        r"{\E_\epsilon\softplus\big(\tau^2{\textstyle\sum_p}\epsilon_p\theta_p+b\big)}",
        r"{\E_\epsilon\,\epsilon_p\sigmoid\big(\tau^2{\textstyle\sum_q}\epsilon_q\theta_q+b\big)}",
        r"{\E_\epsilon\big({\textstyle\sum_p}\epsilon_pv_p\big)^2\sigmoid'\big(\tau^2{\textstyle\sum_q}\epsilon_q\theta_q+b\big)}",
    )
)


def _sigmoid_parts(r: int, way: list[sp.Symbol] | None = None) -> dict:
    """What the displayed terms stand for with r coordinates, p = 1."""
    total, rows = sum(thetas(r)), signs(r)
    mixed = [sum(e * x for e, x in zip(row, thetas(r), strict=True)) for row in rows]
    found = {
        own_term: softplus(-s.tau2 * total - bias),
        own_pull: expit(-s.tau2 * total - bias),
        negative_term: sum(softplus(s.tau2 * x + bias) for x in mixed) / len(rows),
        negative_pull: sum(e[0] * expit(s.tau2 * x + bias) for e, x in zip(rows, mixed, strict=True)) / len(rows),
    }
    if way is not None:
        logistic = [expit(s.tau2 * x + bias) * expit(-s.tau2 * x - bias) for x in (total, *mixed)]
        steps = [sum(way), *(sum(e * x for e, x in zip(row, way, strict=True)) for row in rows)]
        found[own_bend] = steps[0] ** 2 * logistic[0]
        found[negative_bend] = sum(x**2 * y for x, y in zip(steps[1:], logistic[1:], strict=True)) / len(rows)
    return found


def uniformity() -> Step:
    r"""Uniformity sees the shares $\alpha_j$ of all coordinates of one modality, noise included."""
    cases, forces = [], []
    for d in (1, 2, 3):
        rows = signs(d)
        # ‖f - f'‖² of outputs with diagonal Gram matrix: the coordinates in which the signs differ
        squares = [sum(alphas[k] * (e[k - 1] - h[k - 1]) ** 2 for k in range(1, d + 1)) for e in rows for h in rows]
        value = sp.log(sum(sp.exp(-sharpness * x) for x in squares) / sp.Integer(len(squares)))
        cases.append({s.d: d, uniform: value})
        # Up to a constant common to all coordinates, which the normaliser takes back.
        forces.append({G: -weight / 2 * (sp.diff(value, alphas[1]) + 2 * sharpness), share: alphas[1]})
    span = (s.j, 1, s.d)
    value = ordered(
        -2 * sharpness * sp.Sum(alphas[s.j], span), sp.Sum(sp.log(sp.cosh(2 * sharpness * alphas[s.j])), span)
    )
    lines = (
        Line(sp.Eq(uniform, value), tuple(cases)),
        Line(sp.Eq(G, -weight * sharpness * sp.tanh(2 * sharpness * share)), tuple(forces)),
    )
    return Step("uniformity", "uniformity pushes every coordinate down, the larger its share the harder", lines)


def one_encoder() -> Step:
    """NT-Xent: a positive pair's score scatters with the noise, and negatives see the noise as well.

    Written out for one signal coordinate and one or two of noise.
    """
    cases = []
    for noise in (1, 2):
        d = 1 + noise
        rows = signs(d)
        value = sp.Integer(0)
        for e in rows:
            for private in signs(noise):
                other = (e[0], *private)
                score = sum(alphas[k] * e[k - 1] * other[k - 1] for k in range(1, d + 1))
                mean = sum(
                    sp.exp(s.tau2 * sum(alphas[k] * e[k - 1] * h[k - 1] for k in range(1, d + 1))) for h in rows
                ) / sp.Integer(len(rows))
                value += 2 * sp.log(1 + s.K * mean * sp.exp(-s.tau2 * score))
        cases.append({one_loss: value / (len(rows) * 2**noise), **_one_encoder_parts(noise)})
    return Step(
        "one_encoder",
        "one encoder's loss averages over the signs of the noise of a positive pair",
        (Line(sp.Eq(one_loss, 2 * scattered), tuple(cases)),),
    )


scattered = sp.Symbol(
    r"{\E_\eta\log\Big(1+K\,e^{-\tau^2(\sum_p\alpha_p+\sum_{j>r}\alpha_j\eta_j)}\prod_j\cosh\tau^2\alpha_j\Big)}",
    real=True,
)


def _one_encoder_parts(noise: int) -> dict:
    d = 1 + noise
    product = sp.prod(sp.cosh(s.tau2 * alphas[k]) for k in range(1, d + 1))
    terms = [
        sp.log(1 + s.K * product * sp.exp(-s.tau2 * (alphas[1] + sum(e * alphas[k + 2] for k, e in enumerate(row)))))
        for row in signs(noise)
    ]
    return {scattered: sum(terms) / len(terms)}

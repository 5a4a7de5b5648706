r"""The loss as a function of θ alone, and the force on each coordinate.

Ours, from the definitions in Ren & Li (2023).
"""

from __future__ import annotations

import sympy as sp

from mmcl.objectives import InfoNCE, PositiveOnly
from mmcl.symbolic import symbols as s
from mmcl.symbolic.derivation import Line, Step
from mmcl.symbolic.potentials import Potential, general_potential, log_K, u
from mmcl.symbolic.stable import plain
from mmcl.symbolic.symbols import half, ordered
from mmcl.symbolic.symmetry import diagonal_scores, force_from_loss, loss_of_theta, population_loss, small_world

score = sp.Symbol("s^+", real=True)
loss_letter = sp.Symbol(r"{L(\theta)}", real=True)
slack = sp.Symbol("{(1-S)}", positive=True)
others = sp.Symbol("g_q", real=True)
Phi_of_sum = sp.Symbol(r"{\Phi\big(\sum_q\varphi(\theta_q)\big)}", real=True)
phi_letter, Phi_letter = sp.Symbol(r"{\varphi(\theta_p)}", real=True), sp.Symbol(r"{\Phi(u)}", real=True)
outer_slope = sp.Symbol(r"{\Phi'}", real=True)
inner_slope = sp.Symbol(r"{\varphi'(\theta_p)}", real=True)
INFO_NCE = InfoNCE(inverse_temperature=1.0)  # its parameters stay letters below


def thetas(r: int) -> list[sp.Expr]:
    r"""$\theta_1,\dots,\theta_r$."""
    return [s.thetas[k] for k in range(1, r + 1)]


def infonce_potential() -> Potential:
    r"""$(\varphi,\Phi)$ of InfoNCE with K as a letter."""
    general = general_potential(INFO_NCE)
    return Potential(phi=general.phi, outer=general.outer.subs(log_K, sp.log(s.K)))


def summed(potential: Potential, r: int) -> sp.Expr:
    r"""$\sum_p\varphi(\theta_p)$."""
    return sum(potential.phi.subs(s.theta, x) for x in thetas(r))


def negative_factors() -> sp.Product:
    r"""$\prod_q\frac{1+e^{-2\tau^2\theta_q}}2$."""
    return sp.Product(half(1 + sp.exp(-2 * s.tau2 * s.thetas[s.q])), (s.q, 1, s.r))


def loss_in_theta() -> Step:
    """Positive pairs all score alike; the written-out loss of small worlds at diagonal R is a function of θ."""
    potential = infonce_potential()
    positives = [{score: s.tau2 * (e_a.T * diagonal_scores(2, 1) * e_b)[0], s.r: 2} for e_a, e_b in small_world(2, 1)]
    worlds = ((1, 0), (1, 1), (2, 1), (3, 0))  # signal and noise coordinates
    enumerated = [{s.r: r, loss_letter: population_loss(diagonal_scores(r, noise), r)} for r, noise in worlds]
    one_term = sp.log(half(1 + sp.exp(-2 * s.tau2 * s.theta)))
    separable = tuple(
        {loss_letter: loss_of_theta(r), Phi_of_sum: potential.outer.subs(u, summed(potential, r))} for r in (1, 2, 3)
    )
    lines = (
        Line(sp.Eq(score, s.tau2 * sp.Sum(s.thetas[s.p], (s.p, 1, s.r))), tuple(positives)),
        Line(sp.Eq(loss_letter, 2 * sp.log(1 + s.K * negative_factors())), tuple(enumerated)),
        Line(sp.Eq(loss_letter, Phi_of_sum), separable),
        Line(sp.Eq(phi_letter, one_term), ({phi_letter: potential.phi},)),
        Line(sp.Eq(Phi_letter, 2 * sp.log(1 + s.K * sp.exp(u))), ({Phi_letter: potential.outer},)),
    )
    return Step("loss_in_theta", "the loss depends on θ alone, through a sum over the coordinates", lines)


def force() -> Step:
    r"""$g_p=-\partial L/\partial\theta_p$: a clock common to all times a pull that each coordinate switches off."""
    potential, positives = infonce_potential(), general_potential(PositiveOnly())
    cases, ratios, factored = [], [], []
    for r in (1, 2, 3):
        exact = force_from_loss(1, r)
        remaining = 1 - sp.exp(-loss_of_theta(r) / 2)  # each direction's loss is -log S
        cases.append({s.r: r, s.g: exact, slack: remaining, s.theta: s.thetas[1]})
        at = {outer_slope: potential.clock.subs(u, summed(potential, r)), s.theta: s.thetas[1]}
        factored.append({s.g: exact, inner_slope: -potential.pull.subs(s.theta, s.thetas[1]), **at})
        if r > 1:
            ratios.append({s.g: exact, others: force_from_loss(2, r), s.theta: s.thetas[1], s.theta_q: s.thetas[2]})
    contrast = 1 - sp.tanh(s.tau2 * s.theta)
    alone = sp.Symbol(r"{g_p^{\text{positives only}}}")
    lines = (
        Line(sp.Eq(slack, ordered(1, -1 / ordered(1, s.K * negative_factors()))), tuple(cases)),
        Line(sp.Eq(s.g, 2 * slack * s.tau2 * contrast), tuple(cases)),
        Line(sp.Eq(s.g, -outer_slope * inner_slope), tuple(factored)),
        # K has left the ratio: it is only a clock.
        Line(sp.Eq(s.g / others, contrast / (1 - sp.tanh(s.tau2 * s.theta_q))), tuple(ratios)),
        Line(sp.Eq(alone, 2), ({alone: positives.clock * positives.pull},)),
    )
    return Step("force", "positives pull with 1, negatives push back with tanh τ²θ, and K is only a clock", lines)


def temperature_limit() -> Step:
    r"""As τ → 0 all coordinates feel one force, as with positives only: stage one never ends."""
    ratio = sp.Symbol(r"{\lim_{\tau\to0}\frac{g_p}{g_q}}", positive=True)
    first = sp.Symbol(r"{\frac{\partial}{\partial\tau^2}\frac{g_p}{g_q}\Big|_{\tau=0}}", real=True)
    pull = infonce_potential().pull
    quotient = pull / pull.subs(s.theta, s.theta_q)  # the clock has left it
    in_exponentials = plain(quotient)
    alone = general_potential(PositiveOnly()).pull
    at_zero = sp.diff(in_exponentials, s.tau2).subs(s.tau2, 0)
    lines = (
        Line(
            sp.Eq(ratio, 1),
            ({ratio: sp.limit(in_exponentials, s.tau2, 0)}, {ratio: alone / alone.subs(s.theta, s.theta_q)}),
        ),
        Line(sp.Eq(first, ordered(s.theta_q, -s.theta)), ({first: at_zero},)),
    )
    return Step("temperature_limit", "for small τ² InfoNCE walks the path of positives only", lines)

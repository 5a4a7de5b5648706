r"""What the temperature does: how it learns, where the forces are largest, and what freezes. Ours."""

from __future__ import annotations

import sympy as sp

from mmcl.symbolic import symbols as s
from mmcl.symbolic.balance import g_bar, g_prime
from mmcl.symbolic.derivation import Line, Step
from mmcl.symbolic.loss_of_theta import force_from_loss, infonce_potential, loss_of_theta, slack
from mmcl.symbolic.symbols import ordered

x = sp.Symbol("x", positive=True)  # τ²/r
rate = sp.Symbol("rho", positive=True)
heat = sp.Symbol(r"{\frac{\partial L}{\partial\log\tau^2}}", real=True)
share_slope = sp.Symbol(r"{\frac{d\log(1-S)}{dx}}", real=True)
S = sp.Symbol("S", positive=True)
noise_rate, balance_rate, warming = (
    sp.Symbol(name, real=True)
    for name in (r"{\frac{d\log n}{dt}}", r"{\frac{d\log(\theta_p-\theta_q)}{dt}}", r"{\frac{d\log\tau^2}{dt}}")
)
noise_by_heat, balance_by_heat = (
    sp.Symbol(name, real=True)
    for name in (r"{\frac{d\log n}{d\log\tau^2}}", r"{\frac{d\log(\theta_p-\theta_q)}{d\log\tau^2}}")
)
noise_scale, N2, mode = sp.Symbol(r"\sigma_\xi", positive=True), sp.Symbol("{N_*^2}", positive=True), sp.Symbol(
    "lambda", positive=True
)  # fmt: skip
spent = sp.Symbol(r"{F(\tau^2)}", real=True)
spent_slope = sp.Symbol(r"{\tau^2F'(\tau^2)}", real=True)


def learned() -> Step:
    r"""$\partial L/\partial\log\tau^2=-\Lambda$: a learned temperature takes what the normalisers take."""
    readings = []
    for r in (1, 2, 3):
        total = sum(force_from_loss(k, r) * s.thetas[k] for k in range(1, r + 1))
        readings.append({s.r: r, heat: s.tau2 * sp.diff(loss_of_theta(r), s.tau2), s.Lambda: total})
    lines = (Line(sp.Eq(heat, -s.Lambda), tuple(readings)),)
    return Step("learned_temperature", "the temperature learns from the total force", lines)


def optima() -> Step:
    r"""Where the force and its slope at balance are largest; S depends on x through K alone."""
    K = sp.Symbol("K", positive=True)
    force, slope = 2 * (1 - S) * s.r * x * (1 - sp.tanh(x)), 2 * (1 - S) * s.r**2 * x**2 * sp.sech(x) ** 2
    readings: list[dict] = []
    force_readings: list[dict] = []
    slope_readings: list[dict] = []
    for r in (1, 2, 3):
        odds = K * ((1 + sp.exp(-2 * x)) / 2) ** r
        share = odds / (1 + odds)
        by_x = {S: 1 - share, s.r: r}
        readings.append({share_slope: sp.diff(sp.log(share), x), **by_x})
        for letter, expression, found in ((g_bar, force, force_readings), (g_prime, slope, slope_readings)):
            filled = expression.xreplace({S: 1 - share}).subs(s.r, r)
            found.append({_relative(letter): x * sp.diff(filled, x) / filled, **by_x})
    saturation = S * s.r * x * ordered(1, -sp.tanh(x))
    lines = (
        Line(sp.Eq(share_slope, -S * s.r * ordered(1, -sp.tanh(x))), tuple(readings)),
        Line(sp.Eq(_relative(g_bar), ordered(1, -x * ordered(1, sp.tanh(x)), -saturation)), tuple(force_readings)),
        Line(sp.Eq(_relative(g_prime), ordered(2, -2 * x * sp.tanh(x), -saturation)), tuple(slope_readings)),
    )
    return Step("optimal_temperatures", "where alignment and balance pull hardest", lines)


def freezing() -> Step:
    r"""Per unit of $\log\tau^2$ learned, noise decays at a constant rate, imbalance at one that grows like τ²."""
    potential = infonce_potential()
    y = s.tau2 / s.r
    at = {s.theta: 1 / s.r}
    pull = potential.pull.subs(at)
    curve = -sp.diff(potential.pull, s.theta).subs(at)
    g_at, slope_at = slack * pull * 2, slack * curve * 2
    time_rates = {
        noise_rate: -2 * noise_scale**2 * s.Lambda / N2,
        balance_rate: -2 * mode * g_prime / (s.r * N2),
        warming: rate * s.Lambda,
    }
    by_heat = {
        noise_by_heat: time_rates[noise_rate] / time_rates[warming],
        balance_by_heat: (time_rates[balance_rate] / time_rates[warming]).subs({g_prime: slope_at, s.Lambda: g_at}),
    }
    integral = s.tau2 + s.r * sp.log(sp.cosh(y))
    lines = (
        Line(sp.Eq(noise_by_heat, -2 * noise_scale**2 / (rate * N2)), (by_heat,)),
        Line(
            sp.Eq(balance_by_heat, -2 * mode / (s.r * rate * N2) * s.tau2 * ordered(1, sp.tanh(s.tau2 / s.r))),
            (by_heat,),
        ),
        Line(sp.Eq(spent, integral)),
        Line(
            sp.Eq(spent_slope, s.tau2 * ordered(1, sp.tanh(s.tau2 / s.r))),
            ({spent_slope: s.tau2 * sp.diff(integral, s.tau2)},),
        ),
    )
    return Step("freezing", "what a learned temperature leaves behind depends on how far it went", lines)


def _relative(letter: sp.Symbol) -> sp.Symbol:
    return sp.Symbol(rf"{{x\,\frac{{d\log {sp.latex(letter)}}}{{dx}}}}", real=True)

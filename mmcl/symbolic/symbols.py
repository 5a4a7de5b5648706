"""The letters of the derivation, one object each, shared by every step."""

from __future__ import annotations

import sympy as sp

tau2 = sp.Symbol("tau^2", positive=True)  # τ², the inverse temperature
K = sp.Symbol("K", nonnegative=True)  # K, the weight of the negatives
theta = sp.Symbol("theta_p", real=True)  # θ_p, the share of the alignment carried by coordinate p
theta_q = sp.Symbol("theta_q", real=True)  # … by another one

sigma_a, sigma_b = sp.symbols(r"\sigma_{A\,p} \sigma_{B\,p}", positive=True)  # scales of coordinate p
noise_a, noise_b = sp.symbols(r"\sigma_{\xi\,A} \sigma_{\xi\,B}", nonnegative=True)  # noise scales
N_a, N_b = sp.symbols("N_A N_B", positive=True)  # normalisers
g = sp.Symbol("g_p", real=True)  # the force -∂L/∂θ_p
Lambda = sp.Symbol("Lambda", real=True)  # Σ g_p θ_p

a, b = sp.symbols("a_p b_p", positive=True)  # ‖k_A,p‖², ‖k_B,p‖²
c = sp.Symbol("c_p", real=True)  # ⟨k_A,p, k_B,p⟩
n_a, n_b = sp.symbols("n_A n_B", nonnegative=True)  # noise masses
t = sp.Symbol("t", nonnegative=True)  # gradient-flow time

# The coordinates in which the first integrals are solved (`hyperbolic`).
w = sp.Symbol("w_p", real=True)  # cos∠(k_A,p, k_B,p) = tanh w_p
v = sp.Symbol("v_p", real=True)  # w_p less the decay of the normalisers; bounded for all time
delta = sp.Symbol("delta_p", real=True)  # log(a_p / b_p)
T_a, T_b = sp.symbols("T_A T_B", real=True)  # ∫ Λ/N² dt, the clocks of the normalisers
nu_a, nu_b = sp.symbols("nu_A nu_B", real=True)  # log N²
clock = sp.Symbol(r"{\Phi'}", real=True)  # the factor of the force that all coordinates share
pull = sp.Symbol("f_p", real=True)  # … and the coordinate's own: g_p = Φ' f_p


def rate(letter: sp.Symbol) -> sp.Symbol:
    r"""The letter for a time derivative.

    >>> print(rate(a))
    {\dot{a}_{p}}
    """
    base, _, index = sp.latex(letter).partition("_")
    return sp.Symbol(rf"{{\dot{{{base}}}_{index}}}" if index else rf"{{\dot{{{base}}}}}", real=True)


def ordered(*terms: sp.Expr) -> sp.Add:
    """A sum that is displayed in the order given."""
    return sp.Add(*terms, evaluate=False)


def half(expression: sp.Expr) -> sp.Mul:
    """Half of it, displayed as one fraction."""
    return sp.Mul(sp.Rational(1, 2), expression, evaluate=False)


# Counters and sizes, and the letters that carry an index of their own in sums.
p, q, i, j = sp.symbols("p q i j", integer=True, positive=True)
d, r, m = sp.symbols("d r m", integer=True, positive=True)
thetas = sp.IndexedBase("theta", real=True)
forces = sp.IndexedBase("g", real=True)
lengths_a = sp.IndexedBase("a", positive=True)
sigmas = sp.IndexedBase("sigma", positive=True)

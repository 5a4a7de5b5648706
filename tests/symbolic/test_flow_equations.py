"""What the solver runs, against the definition (autograd), against the Gram flow, and at extreme arguments."""

from itertools import product

import numpy as np
import pytest
import sympy as sp
import torch
from scipy.integrate import solve_ivp

from mmcl.losses import log_expectation_over_rows, loss
from mmcl.objectives import InBatchInfoNCE, InfoNCE, PositiveOnly
from mmcl.pair import Pair
from mmcl.symbolic import symbols as s
from mmcl.symbolic.gram_flow import gram_flow
from mmcl.symbolic.hyperbolic import compiled_rates
from mmcl.symbolic.potentials import potential
from mmcl.symbolic.stable import compiled, expit, expm1, softplus, tanh

OBJECTIVES = [InfoNCE(1.3, 0.7), InfoNCE(4.0, 511.0), PositiveOnly()]


def force_by_autograd(objective, theta):
    """-∂L/∂θ of the definition: all sign patterns of r = 3 as a finite population, features z and θ z."""
    z = torch.tensor(list(product((1.0, -1.0), repeat=len(theta))), dtype=torch.float64)
    shares = torch.tensor(theta, dtype=torch.float64, requires_grad=True)
    features = Pair(z, z * shares)
    rows = Pair(*(log_expectation_over_rows(f) for f in features))
    value = loss(objective, features, rows)
    (slope,) = torch.autograd.grad(value, shares)
    return float(value.detach()), -slope.numpy()


@pytest.mark.parametrize("objective", OBJECTIVES, ids=repr)
def test_the_force_is_the_gradient_of_the_definition(objective):
    theta = np.array([0.5, 0.2, -0.1])
    value, expected = force_by_autograd(objective, theta)
    numeric = potential(objective).numeric
    u = np.sum(numeric.phi(theta))
    np.testing.assert_allclose(numeric.clock(u)[0] * numeric.pull(theta)[0] * np.ones(3), expected, rtol=1e-12)
    np.testing.assert_allclose(numeric.outer(u), value, rtol=1e-12)


@pytest.mark.parametrize("tau2", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize("negatives", [0.0, 1e-300, 1.0, 1e300])
def test_potentials_overflow_nowhere(tau2, negatives):
    numeric = potential(InfoNCE(tau2, negatives)).numeric
    theta = np.array([-1e3, -1.0, 0.0, 1.0, 1e3])
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        values = [numeric.phi(theta), *numeric.pull(theta)]
        values += [x for u in (-1e6, 0.0, 1e6) for x in (numeric.outer(u), *numeric.clock(u))]
    assert all(np.all(np.isfinite(x)) for x in values)
    assert numeric.clock(0.0)[0] == pytest.approx(2 * negatives / (1 + negatives) if negatives < 1e300 else 2)


def test_a_loss_on_finite_batches_has_no_potential():
    with pytest.raises(TypeError, match="the loss on a finite batch has none: take its limit"):
        potential(InBatchInfoNCE(1.0))
    with pytest.raises(TypeError, match="`objective` must have an expression in θ"):
        potential("InfoNCE")


STABLE = {softplus: lambda x: sp.log(1 + sp.exp(x)), expit: lambda x: 1 / (1 + sp.exp(-x)), tanh: sp.tanh}
STABLE[expm1] = lambda x: sp.exp(x) - 1


@pytest.mark.parametrize("function", STABLE, ids=lambda f: f.__name__)
def test_stable_functions_and_their_derivatives_equal_the_plain_ones(function):
    x = sp.Symbol("x")
    for order in (0, 1, 2):
        stable = compiled([x], sp.diff(function(x), x, order))
        for at in (-3.0, 0.1, 2.0):
            exact = float(sp.diff(STABLE[function](x), x, order).subs(x, sp.Rational(at)).evalf(30))
            assert stable(at) == pytest.approx(exact, rel=1e-14)


def a_point(seed):
    rng = np.random.default_rng(seed)
    v, delta, pull = rng.uniform(-0.5, 1.0, (3, 4))
    squares = rng.uniform(0.5, 4.0, (2, 4))
    T_a, T_b, nu_a, nu_b, clock, Lambda = rng.uniform(0.1, 0.9, 6)
    return (v, delta, T_a, T_b, nu_a, nu_b, clock, Lambda, pull), tuple(squares)


def test_the_compiled_partials_are_the_derivatives_of_the_compiled_functions():
    rates, ((*arguments,), squares) = compiled_rates(), a_point(0)
    step = 1e-6
    cases = ((rates.lengths, rates.lengths_partials, 4), (rates.velocity, rates.velocity_partials, 9))
    for function, partials, count in cases:
        exact = partials(*arguments[:count], *squares)
        for i in range(count):
            up, down = list(arguments[:count]), list(arguments[:count])
            up[i], down[i] = up[i] + step, down[i] - step
            pairs = zip(function(*up, *squares), function(*down, *squares), strict=True)
            for k, (high, low) in enumerate(pairs):
                np.testing.assert_allclose((high - low) / (2 * step), exact[k * count + i] * np.ones(4), atol=1e-8)


def test_hyperbolic_coordinates_survive_angles_of_zero_and_clocks_without_end():
    rates = compiled_rates()
    v, delta = np.array([0.0, 1e-12, 1.0, 1.0]), np.zeros(4)
    ends = np.array([0.0, 0.0, 1e3, 1e300])  # T, so that w reaches 10³⁰⁰
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        a, b, c = rates.lengths(v, delta, ends, ends, 1.0, 1.0)
        partials = rates.lengths_partials(v, delta, ends, ends, 1.0, 1.0)
        gap = rates.misalignment(v, delta, ends, ends, 1.0, 1.0)
        velocity = rates.velocity_partials(v, delta, ends, ends, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0)
    assert all(np.all(np.isfinite(x)) for x in (a, b, c, gap, *partials, *velocity))
    assert c[1] == pytest.approx(1e-12, rel=1e-10)
    assert gap[3] == 0 and gap[0] == 0.5
    np.testing.assert_allclose(a[2:], np.e / 2, rtol=1e-14)


def small_world_flow():
    """Both forms of the flow for r = 2 coordinates under a frozen force, one right-hand side each."""
    squares = np.array([4.0, 1.0]), np.array([1.5, 2.0])
    noise, pulls = (0.3, 0.6), np.array([1.0, 0.6])
    flow, rates = gram_flow(), compiled_rates()
    letters = (s.a, s.b, s.c, s.n_a, s.n_b, s.N_a, s.N_b, s.g, s.Lambda, s.sigma_a, s.sigma_b, s.noise_a, s.noise_b)
    gram = compiled(letters, [flow.a_dot, flow.b_dot, flow.c_dot, flow.n_a_dot, flow.n_b_dot])
    scales = [np.sqrt(x) for x in (*squares, *noise)]

    def by_gram(t, y):
        a, b, c = y[:6].reshape(3, 2)
        N_a, N_b = np.sqrt(a.sum() + y[6]), np.sqrt(b.sum() + y[7])
        Lambda = np.sum(pulls * c) / (N_a * N_b)
        a_dot, b_dot, c_dot, m_dot, n_dot = gram(a, b, c, y[6], y[7], N_a, N_b, pulls, Lambda, *scales)
        return np.concatenate([a_dot, b_dot, c_dot, [m_dot, n_dot]])

    def by_coordinates(t, y):
        (v, delta), (T_a, T_b) = y[:4].reshape(2, 2), y[4:]
        a, b, c = rates.lengths(v, delta, T_a, T_b, *squares)
        norms = [z.sum() + 3 * n * np.exp(-2 * n * T) for z, n, T in zip((a, b), noise, (T_a, T_b), strict=True)]
        Lambda = np.sum(pulls * c) / np.sqrt(norms[0] * norms[1])
        v_dot, delta_dot = rates.velocity(v, delta, T_a, T_b, *np.log(norms), 1.0, Lambda, pulls, *squares)
        return np.concatenate([v_dot, delta_dot, Lambda / np.array(norms)])

    gram_start = np.concatenate([squares[0], squares[1], np.zeros(2), 3 * np.array(noise)])
    start = np.concatenate([np.zeros(2), np.log(squares[0] / squares[1]), np.zeros(2)])
    return squares, (by_gram, gram_start), (by_coordinates, start)


def test_the_flow_in_hyperbolic_coordinates_is_the_gram_flow():
    squares, *forms = small_world_flow()
    times = np.linspace(0, 6, 7)
    gram, coordinates = (
        solve_ivp(f, (0, 6), start, method="DOP853", t_eval=times, rtol=1e-12, atol=1e-12).y.T for f, start in forms
    )
    for expected, y in zip(gram, coordinates, strict=True):
        a, b, c = lengths = compiled_rates().lengths(y[:2], y[2:4], *y[4:], *squares)
        np.testing.assert_allclose(np.concatenate(lengths), expected[:6], rtol=1e-9, atol=1e-10)
        gap = compiled_rates().misalignment(y[:2], y[2:4], *y[4:], *squares)
        np.testing.assert_allclose(gap, (a + b - 2 * c) / 4, atol=1e-12)

r"""Rates at the balanced point when the two modalities differ. Ours.

The state is $\log a_p,\log b_p$, the misalignment $e_p=1-c_p^2/(a_pb_p)$ and the noise masses.
"""

from __future__ import annotations

from functools import lru_cache

import sympy as sp

from mmcl.symbolic import symbols as s
from mmcl.symbolic.balance import centring, force_near_balance, g_bar, g_prime
from mmcl.symbolic.derivation import Line, Step
from mmcl.symbolic.gram_flow import gram_flow
from mmcl.symbolic.linearisation import jacobian
from mmcl.symbolic.symbols import ordered

scales_a, scales_b = (sp.IndexedBase(rf"\sigma_{x}", positive=True) for x in "AB")
J_aa, J_ab, J_ba, J_bb = (sp.MatrixSymbol(f"J_{{{x}}}", s.r, s.r) for x in ("AA", "AB", "BA", "BB"))
Pi, s_A, s_B = (sp.MatrixSymbol(x, s.r, s.r) for x in (r"\Pi", "s_A", "s_B"))


@lru_cache(maxsize=2)
def general_jacobian(r: int) -> sp.ImmutableMatrix:
    """The Jacobian of the Gram flow at the balanced point, size 3r + 2."""
    a, b, c, shares, forces = (sp.symbols(f"{name}1:{r + 1}", positive=True) for name in ("a", "b", "c", "t", "g"))
    log_a, log_b, gaps = (sp.symbols(f"{name}1:{r + 1}", real=True) for name in ("x", "y", "e"))
    norms = sp.symbols("N1 N2", positive=True)  # N_A, N_B away from the point
    point = {
        **dict.fromkeys(log_a, sp.log(s.N_a**2 / r)),
        **dict.fromkeys(log_b, sp.log(s.N_b**2 / r)),
        **dict.fromkeys([*gaps, s.n_a, s.n_b], sp.Integer(0)),
    }
    definitions = {
        **{length: sp.exp(x) for length, x in zip([*a, *b], [*log_a, *log_b], strict=True)},
        **{z: sp.sqrt(u * v * (1 - e)) for z, u, v, e in zip(c, a, b, gaps, strict=True)},
        norms[0]: sp.sqrt(sum(a) + s.n_a),
        norms[1]: sp.sqrt(sum(b) + s.n_b),
        **{share: z / (norms[0] * norms[1]) for share, z in zip(shares, c, strict=True)},
        **dict(zip(forces, force_near_balance(shares), strict=True)),
        s.Lambda: sum(g * share for g, share in zip(forces, shares, strict=True)),
    }
    flow = gram_flow()

    def local(expression: sp.Expr, k: int) -> sp.Expr:
        scales = {s.sigma_a: scales_a[k + 1], s.sigma_b: scales_b[k + 1], s.N_a: norms[0], s.N_b: norms[1]}
        return expression.xreplace({s.a: a[k], s.b: b[k], s.c: c[k], s.g: forces[k], **scales})

    quantities = (sp.log(s.a), sp.log(s.b), 1 - s.c**2 / (s.a * s.b))
    velocity = [local(flow.along(x), k) for x in quantities for k in range(r)]
    velocity += [local(rate, 0) for rate in (flow.n_a_dot, flow.n_b_dot)]
    return jacobian(point, definitions, velocity)


def unequal_rates() -> Step:
    """The blocks for two coordinates; block triangular again, so their eigenvalues are all."""
    r, J = 2, general_jacobian(2)
    speeds = [
        sp.ImmutableMatrix(r, r, lambda i, j, x=x, N=N: x[i + 1] ** 2 / N**2 if i == j else 0)
        for x, N in ((scales_a, s.N_a), (scales_b, s.N_b))
    ]
    # Overall sizes ride along: the shares are the logarithms less their mean, hence Π on the left.
    projected = sp.ImmutableMatrix(sp.diag(centring(r), centring(r)) * J[: 2 * r, : 2 * r])
    reading = {
        s.r: r,
        Pi: centring(r),
        s_A: speeds[0],
        s_B: speeds[1],
        J_aa: projected[:r, :r],
        J_ab: projected[:r, r:],
        J_ba: projected[r:, :r],
        J_bb: projected[r:, r:],
    }
    own, other = ordered(-g_prime / s.r, -g_bar), ordered(-g_prime / s.r, g_bar)
    blocks = (
        sp.Eq(J_aa, own * Pi * s_A * Pi, evaluate=False),
        sp.Eq(J_ab, other * Pi * s_A * Pi, evaluate=False),
        sp.Eq(J_ba, other * Pi * s_B * Pi, evaluate=False),
        sp.Eq(J_bb, own * Pi * s_B * Pi, evaluate=False),
    )
    below, misaligned, noise = (sp.Symbol(rf"{{J_{{{name}}}}}") for name in (r"e,AB", "ee", r"\xi\xi"))
    p, fading = s.p, ordered(scales_a[s.p] ** 2 / s.N_a**2, scales_b[s.p] ** 2 / s.N_b**2)
    zeros = [{below: J[i, j]} for i in range(2 * r, 3 * r + 2) for j in range(3 * r + 2) if i != j]
    fades = [
        {misaligned: J[2 * r + k, 2 * r + k], scales_a[p]: scales_a[k + 1], scales_b[p]: scales_b[k + 1]}
        for k in range(r)
    ]
    lines = (
        *(Line(equation, (reading,)) for equation in blocks),
        Line(sp.Eq(below, 0), tuple(zeros)),
        Line(sp.Eq(misaligned, -2 * g_bar * fading), tuple(fades)),
        Line(sp.Eq(noise, -2 * s.noise_a**2 * g_bar / s.N_a**2), ({noise: J[3 * r, 3 * r]},)),
    )
    return Step("unequal_rates", "the same rates for modalities that differ", lines)

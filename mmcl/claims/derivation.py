"""Claim: SymPy confirms every line from the definitions to the flow."""

from __future__ import annotations

import numpy as np
import sympy as sp
from numpy import ndarray as Array

from mmcl.claims.claim import Evidence, at_least, claim, zero
from mmcl.objectives import InfoNCE
from mmcl.pair import Pair
from mmcl.symbolic import score_gradient as scores
from mmcl.symbolic import symbols as s
from mmcl.symbolic.chain import derivation
from mmcl.symbolic.derivation import Derivation
from mmcl.symbolic.stable import compiled
from mmcl.training.descent import all_signs
from mmcl.training.initial import Weights, gaussian_weights
from mmcl.worlds import UNEQUAL


@claim(
    id="derivation",
    statement="Every equation from the definition of the loss to the exact flow, its first integrals, its closed form "
    "and its linearisation is confirmed by computer algebra, with sums over coordinates written out up to three.",
    source="ours; the model is that of Ren & Li (2023)",
    chapter="dynamics",
)
def measure(chain: Derivation | None = None) -> Evidence:
    """Ask SymPy to reduce every displayed equation's two sides to one another."""
    steps = tuple(derivation() if chain is None else chain)
    failures = np.array([any(line.failure() for line in step.lines) for step in steps])
    identities = np.array([len(step.residuals) for step in steps])
    point = _one_point()
    gap = max(np.abs(point[f"autograd {letter}"] - point[f"formula {letter}"]).max() for letter in "AB")
    return Evidence(
        (
            zero(
                "steps that SymPy does not confirm",
                failures.sum(),
                tolerance=0.0,
                reason="an identity holds or it does not",
            ),
            at_least(
                "identities checked in the smallest step",
                1,
                identities.min(),
                reason="a step that checks nothing shows nothing",
            ),
            zero(
                "displayed gradient against autograd of the definition",
                gap,
                tolerance=1e-12,
                reason="round-off of sums over 128 sign patterns",
            ),
        ),
        {"identities": identities, "steps": np.array([step.name for step in steps])} | point,
    )


def _one_point() -> dict[str, Array]:
    """The gradient in the weights at one random point of an unequal world, twice: by autograd and by formula."""
    objective, width = InfoNCE(3.0, negatives=2.0), 6
    dims = Pair(*(view.ambient_dim for view in UNEQUAL.views))
    weights = gaussian_weights(dims, width, rng=np.random.default_rng(7))
    pairs = {"autograd": _by_autograd(objective, weights), "formula": _by_formula(objective, weights)}
    return {f"{way} {letter}": g for way, pair in pairs.items() for letter, g in zip("AB", pair, strict=True)}


def _by_autograd(objective: InfoNCE, weights: Weights) -> Weights:
    """Of the loss as the papers write it, every positive pair and every negative listed."""
    import torch  # slow to load: whoever reads stored evidence does without it

    from mmcl.losses import log_expectation_over_rows, loss

    inputs = (torch.from_numpy(e @ view.mixing.T) for e, view in zip(all_signs(UNEQUAL), UNEQUAL.views, strict=True))
    leaves = [torch.tensor(w, requires_grad=True) for w in weights]
    outputs = [x @ w for x, w in zip(inputs, leaves, strict=True)]
    features = Pair(*(f / f.square().sum(dim=1).mean().sqrt() for f in outputs))
    value = loss(objective, features, Pair(*(log_expectation_over_rows(f) for f in features)))
    return Pair(*(g.numpy() for g in torch.autograd.grad(value, leaves)))


def _by_formula(objective: InfoNCE, weights: Weights) -> Weights:
    """The displayed lines of `score_gradient` and `weight_gradient`, evaluated."""
    tau2, K = objective.inverse_temperature, objective.negatives
    e_a, e_b = all_signs(UNEQUAL)
    k_a, k_b = (view.mixing.T @ w for view, w in zip(UNEQUAL.views, weights, strict=True))
    n_a, n_b = np.linalg.norm(k_a), np.linalg.norm(k_b)
    R = k_a @ k_b.T / (n_a * n_b)
    u, v = e_a @ R, e_b @ R.T
    p, q = (1 - 1 / (1 + K * np.exp(-tau2 * (u * e_b).sum(axis=1)) * np.cosh(tau2 * x).prod(axis=1)) for x in (u, v))
    named = dict(zip(_LETTERS, sp.symbols("p q e f u v"), strict=True))
    lines = [line.rhs.xreplace(named) for line in derivation()["score_gradient"].equations[-2:]]
    slopes = compiled([s.tau2, *named.values()], lines)
    rows, columns = (slice(None), slice(None), None), (slice(None), None, slice(None))
    at = p[:, None, None], q[:, None, None], e_a[rows], e_b[columns], u[columns], v[rows]
    X = sum(slopes(tau2, *at)).mean(axis=0)
    values = {scores.X: X, scores.K_A: k_a, scores.K_B: k_b}
    read = {letter: sp.ImmutableMatrix(value) for letter, value in values.items()}
    read |= {s.N_a: sp.Float(n_a), s.N_b: sp.Float(n_b), scores.inner_XR: sp.Float(np.vdot(X, R))}
    in_k = (np.array(slope.xreplace(read).doit(), dtype=float) for slope in scores.weight_gradients())
    return Pair(*(view.mixing @ g for view, g in zip(UNEQUAL.views, in_k, strict=True)))


_LETTERS = (scores.odds_A, scores.odds_B, scores.eps_A[s.i], scores.eps_B[s.j], scores.U[s.j], scores.V[s.i])

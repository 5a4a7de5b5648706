r"""Each objective as a function of θ alone: $L(\theta)=\Phi\big(\sum_p\varphi(\theta_p)\big)$.

The pair $(\varphi,\Phi)$ is scalar, so the number of coordinates r never enters the symbols. The force on coordinate
p is $g_p=-\partial L/\partial\theta_p=-\Phi'(u)\,\varphi'(\theta_p)$ with $u=\sum_p\varphi(\theta_p)$: a clock
common to all coordinates times a pull of their own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache, singledispatch

import numpy as np
import sympy as sp

from mmcl.family import Decoupled, Spectral
from mmcl.objectives import InBatchInfoNCE, InfoNCE, PositiveOnly
from mmcl.symbolic.stable import compiled, softplus
from mmcl.symbolic.symbols import K, tau2, theta

u = sp.Symbol("u", real=True)  # Σ_p φ(θ_p)
log_K = sp.Symbol("log(K)", real=True)  # so that K = 0 is -∞ and K = 10³⁰⁰ no overflow
mu = sp.Symbol("mu", positive=True)  # μ, the squared norm of the features in the spectral loss


@dataclass(frozen=True)
class Potential:
    r"""A separable objective in θ.

    Attributes:
        phi: $\varphi(\theta_p)$, an expression in `symbols.theta`.
        outer: $\Phi(u)$, an expression in `u`.
    """

    phi: sp.Expr
    outer: sp.Expr

    @property
    def pull(self) -> sp.Expr:
        r"""$f(\theta_p)=-\varphi'(\theta_p)$, the force on a coordinate up to the common clock."""
        return -sp.diff(self.phi, theta)

    @property
    def clock(self) -> sp.Expr:
        r"""$\Phi'(u)$, the factor of the force that all coordinates share."""
        return sp.diff(self.outer, u)

    @cached_property
    def numeric(self) -> CompiledPotential:
        """The expressions and the derivatives that a stiff solver needs, as NumPy functions of θ and of u."""
        pull, clock = self.pull, self.clock
        return CompiledPotential(
            phi=compiled([theta], self.phi),
            pull=compiled([theta], [pull, sp.diff(pull, theta)]),
            outer=compiled([u], self.outer),
            clock=compiled([u], [clock, sp.diff(clock, u)]),
        )


@dataclass(frozen=True)
class CompiledPotential:
    """NumPy functions: φ(θ), (f, f′)(θ), Φ(u), (Φ′, Φ″)(u)."""

    phi: Callable
    pull: Callable
    outer: Callable
    clock: Callable


@singledispatch
def general_potential(objective: object) -> Potential:
    r"""The objective's $(\varphi,\Phi)$ with its parameters left as letters.

    Raises:
        TypeError: if the objective is not a function of θ alone.
    """
    known = "InfoNCE, PositiveOnly, Decoupled or Spectral"
    raise TypeError(f"`objective` must have an expression in θ ({known}); got {objective!r}.")


@general_potential.register
def _(objective: InfoNCE) -> Potential:
    return Potential(phi=softplus(-2 * tau2 * theta) - sp.log(2), outer=2 * softplus(log_K + u))


@general_potential.register
def _(objective: PositiveOnly) -> Potential:
    return Potential(phi=-theta, outer=2 * u)


@general_potential.register
def _(objective: Decoupled) -> Potential:
    return Potential(phi=softplus(-2 * tau2 * theta) - sp.log(2), outer=2 * u)


@general_potential.register
def _(objective: Spectral) -> Potential:
    return Potential(phi=mu**2 * theta**2 - 2 * mu * theta, outer=u)


@general_potential.register
def _(objective: InBatchInfoNCE) -> Potential:
    raise TypeError(
        "`objective` must have an expression in θ; the loss on a finite batch has none: take its limit, "
        f"{objective!r}.population(batch_size)."
    )


def thermal(objectives: Sequence[object]) -> CompiledPotential:
    r"""The compiled potential of objectives of one kind: φ and f are functions of (θ, τ²), with slopes in $\log\tau^2$.

    Args:
        objectives: one; or several, and then θ has an axis for them before that of the coordinates, and u one.
    """
    numbers = [_numbers(one) for one in objectives]
    free = _compiled(general_potential(objectives[0]), tuple(numbers[0]))
    each = [np.array([own[letter] for own in numbers]) for letter in numbers[0]]
    each = [column if len(objectives) > 1 else column[0] for column in each]
    along = [np.asarray(column)[..., None] for column in each]
    return CompiledPotential(
        phi=lambda x, heat: free.phi(x, heat, *along),
        pull=lambda x, heat: free.pull(x, heat, *along),
        outer=lambda x: free.outer(x, *each),
        clock=lambda x: free.clock(x, *each),
    )


@lru_cache(maxsize=16)
def _compiled(general: Potential, letters: tuple[sp.Symbol, ...]) -> CompiledPotential:
    """Once for all objectives of a kind: their numbers follow the other arguments."""
    pull, clock = general.pull, general.clock
    return CompiledPotential(
        phi=compiled([theta, tau2, *letters], [general.phi, tau2 * sp.diff(general.phi, tau2)]),
        pull=compiled([theta, tau2, *letters], [pull, sp.diff(pull, theta), tau2 * sp.diff(pull, tau2)]),
        outer=compiled([u, *letters], general.outer),
        clock=compiled([u, *letters], [clock, sp.diff(clock, u)]),
    )


def _numbers(objective: object) -> dict[sp.Symbol, float]:
    """What the letters of its potential stand for, τ² left free."""
    if isinstance(objective, InfoNCE):
        return {log_K: math.log(objective.negatives) if objective.negatives else -math.inf}
    return {mu: objective.square_norm} if isinstance(objective, Spectral) else {}


@lru_cache(maxsize=256)
def potential(objective: object) -> Potential:
    r"""The objective's $(\varphi,\Phi)$ with its parameters filled in."""
    free = potential_in_temperature(objective)
    if not isinstance(objective, InfoNCE | Decoupled):
        return free
    return Potential(phi=free.phi.subs({tau2: sp.Float(objective.inverse_temperature, 17)}), outer=free.outer)


@lru_cache(maxsize=256)
def potential_in_temperature(objective: object) -> Potential:
    r"""The objective's $(\varphi,\Phi)$ with its parameters filled in, but for τ²."""
    general = general_potential(objective)
    if isinstance(objective, Spectral):
        return Potential(phi=general.phi.subs({mu: sp.Float(objective.square_norm, 17)}), outer=general.outer)
    if not isinstance(objective, InfoNCE):
        return general
    weight = sp.log(sp.Float(objective.negatives, 17)) if objective.negatives else -sp.oo
    return Potential(phi=general.phi, outer=general.outer.xreplace({log_K: weight}))


__all__ = [
    "CompiledPotential", "K", "Potential", "general_potential", "log_K", "mu", "potential", "potential_in_temperature",
    "thermal", "u",
]  # fmt: skip

r"""What a step makes of the gradient: plain descent, momentum, or Adam; and weight decay beside each.

An optimizer is a frozen value. Its memory is a value too, handed in and given back, so that NumPy arrays and torch
tensors serve alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mmcl import checks


@dataclass(frozen=True)
class GradientDescent:
    r"""$W\leftarrow W-\eta\nabla L$."""


@dataclass(frozen=True)
class Momentum:
    r"""Heavy-ball momentum, as in PyTorch: $v\leftarrow\beta v+\nabla L$, $W\leftarrow W-\eta v$.

    Source: Polyak (1964).

    Args:
        beta: β, in [0, 1).

    Raises:
        TypeError, ValueError: on any other β.
    """

    beta: float = 0.9

    def __post_init__(self) -> None:
        object.__setattr__(self, "beta", _share(self.beta, "`beta` (β)"))


@dataclass(frozen=True)
class Adam:
    r"""Running means of the gradient and of its squares, entry by entry.

    .. math:: W\leftarrow W-\eta\,\frac{\hat u}{\sqrt{\hat v}+\epsilon},\qquad
              \hat u=\frac{u}{1-\beta_1^k},\quad \hat v=\frac{v}{1-\beta_2^k}

    Source: Kingma & Ba (2015). With `weight_decay` of `train` it is AdamW.

    Args:
        beta: $\beta_1$, in [0, 1).
        beta_squares: $\beta_2$, in [0, 1).
        epsilon: ε, what is added to the denominator.

    Raises:
        TypeError, ValueError: on any other values.
    """

    beta: float = 0.9
    beta_squares: float = 0.999
    epsilon: float = 1e-8

    def __post_init__(self) -> None:
        object.__setattr__(self, "beta", _share(self.beta, "`beta` (β₁)"))
        object.__setattr__(self, "beta_squares", _share(self.beta_squares, "`beta_squares` (β₂)"))
        object.__setattr__(self, "epsilon", checks.positive(self.epsilon, "`epsilon` (ε)"))


Optimizer = GradientDescent | Momentum | Adam


@dataclass(frozen=True)
class Rule:
    """An optimizer with weight decay.

    Attributes:
        optimizer: what turns the gradient into a direction.
        weight_decay: λ.
    """

    optimizer: Optimizer = GradientDescent()
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        checks.kind(self.optimizer, (GradientDescent, Momentum, Adam), "`optimizer`")
        decay = checks.non_negative(self.weight_decay, "`weight_decay` (λ)")
        object.__setattr__(self, "weight_decay", decay)

    @property
    def rotates(self) -> bool:
        """Whether a rotation of the weights rotates the step: not for Adam, which works on single entries."""
        return not isinstance(self.optimizer, Adam)

    def direction(self, gradient: Any, memory: Any) -> tuple[Any, Any]:
        """What the step subtracts, in units of η, and the memory after it; None is an empty memory."""
        rule = self.optimizer
        if isinstance(rule, GradientDescent):
            return gradient, None
        if isinstance(rule, Momentum):
            # Always a new array: the place of `gradient` may be written over in the next step.
            velocity = (0.0 if memory is None else rule.beta * memory) + gradient
            return velocity, velocity
        mean, square, count = (0.0, 0.0, 0) if memory is None else memory
        mean = rule.beta * mean + (1 - rule.beta) * gradient
        square = rule.beta_squares * square + (1 - rule.beta_squares) * gradient**2
        count += 1
        scale = (square / (1 - rule.beta_squares**count)) ** 0.5 + rule.epsilon
        return mean / (1 - rule.beta**count) / scale, (mean, square, count)


DESCENT = Rule()
"""Plain descent without decay."""


def _share(value: Any, name: str) -> float:
    share = checks.non_negative(value, name)
    if not share < 1:
        raise ValueError(f"{name} must be at least 0 and less than 1; got {value!r}.")
    return share

r"""Two ReLU towers with thresholds, trained by autograd of the definition; with a prediction head where wanted.

.. math:: f_{A,j}\propto\mathrm{ReLU}(w_j\cdot x-b_j)-\mathrm{ReLU}(-w_j\cdot x-b_j),\qquad
          b_j=\beta\sqrt{\mathbb E(w_j\cdot x)^2}

The outputs are normalised in mean square over the batch. At β = 0 the towers are linear.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray as Array
from torch import Tensor

from mmcl import checks
from mmcl.losses import loss
from mmcl.objectives import InBatchInfoNCE, PositiveOnly
from mmcl.pair import Pair
from mmcl.sparse import SparsePairs
from mmcl.training.initial import Weights, gaussian_weights
from mmcl.training.loop import RUNAWAY

TESTED = 4000  # pairs on which features are judged


@dataclass(frozen=True)
class Features:
    r"""What the neurons of tower A have learned.

    Attributes:
        theta: $\theta_p=\mathbb E[f_Az_p]\cdot\mathbb E[f_Bz_p]/\mathbb Ez_p^2$, what coordinate p contributes to the
            alignment through its linear response, shape (r,).
        alignment: $\mathbb Ef_A\cdot f_B$.
        on_signal: share of the neurons whose largest weight is on a signal coordinate.
        noise_energy: share of the squared weights that is not on signal coordinates.
    """

    theta: Float[Array, " r"]
    alignment: float
    on_signal: float
    noise_energy: float

    @property
    def effective_rank(self) -> float:
        r"""$(\sum\theta)^2/\sum\theta^2$, what is negative by the error of sampling counted as nothing."""
        theta = np.maximum(self.theta, 0)
        return float(theta.sum() ** 2 / np.sum(theta**2)) if theta.any() else float("nan")


def train_relu(
    data: SparsePairs,
    objective: InBatchInfoNCE | PositiveOnly,
    *,
    rng: np.random.Generator,
    copies: int = 1,
    width: int = 24,
    step_size: float = 1.0,
    steps: int = 300,
    batch_size: int = 128,
    threshold: float = 1.0,
    head: bool = False,
) -> Weights:
    r"""Train from independent $\mathcal N(0,1/m)$ weights on fresh batches by plain gradient descent.

    With a head the loss is that of the positives with a predictor and a stopped gradient,

    .. math:: L=-2\,\mathbb E\Big[\frac{P_Af_A}{\|P_Af_A\|}\cdot\overline{f_B}
              +\frac{P_Bf_B}{\|P_Bf_B\|}\cdot\overline{f_A}\Big],

    norms in mean square, the bar a constant. $P_A,P_B$ start as the identity and only their off-diagonal entries are
    trained, as fast as the weights; frozen, they give the gradient of `PositiveOnly`.

    Source: ours; the encoder after Wen & Li (2021), the head after Wen & Li (2022), both simplified.

    Args:
        data: sparse signal in dense noise.
        objective: InBatchInfoNCE, or PositiveOnly.
        rng: where weights and batches come from.
        copies: B, independent runs side by side, each with weights and batches of its own.
        width: m, neurons of each tower.
        step_size: η.
        steps: how many.
        batch_size: n.
        threshold: β, in units of a neuron's own root mean square; 0: linear towers.
        head: whether a prediction head is trained; for PositiveOnly alone.

    Returns:
        $W_A,W_B$ of every copy, shapes (B, d, m).

    Raises:
        TypeError, ValueError: on arguments that do not fit.
        ArithmeticError: if the step size was too large, or all outputs of a batch are zero.
    """
    data, head = checks.kind(data, SparsePairs, "`data`"), checks.flag(head, "`head`")
    objective = checks.kind(objective, (InBatchInfoNCE, PositiveOnly), "`objective`")
    eta, beta = checks.positive(step_size, "`step_size` (η)"), checks.non_negative(threshold, "`threshold` (β)")
    if head and not isinstance(objective, PositiveOnly):
        raise TypeError(f"`head` must be False with negatives, whose loss has no predictor; got {objective!r}.")
    B, n = checks.whole(copies, "`copies` (B)"), checks.whole(batch_size, "`batch_size` (n)")
    starts = [gaussian_weights((data.ambient_dim,) * 2, width, rng=rng) for _ in range(B)]
    state = [torch.from_numpy(np.stack(parts)) for parts in zip(*starts, strict=True)]
    eye = torch.eye(width, dtype=torch.float64, device="cpu")
    state += [eye.repeat(B, 1, 1) for _ in "AB"] if head else []
    norms = [w.square().sum(dim=(1, 2)) for w in state]
    for step in range(1, checks.whole(steps, "`steps`") + 1):
        batch = data.sample(B * n, rng=rng)
        views = [torch.from_numpy(x.reshape(B, n, -1)) for x in batch[:2]]
        leaves = [w.requires_grad_() for w in state]
        f_a, f_b = (encode(x, w, beta) for x, w in zip(views, leaves[:2], strict=True))
        if head:
            value = predicted_loss(Pair(f_a, f_b), Pair(*leaves[2:]))
        else:
            value = torch.stack([loss(objective, Pair(*f)) for f in zip(f_a, f_b, strict=True)]).sum()
        if not value.isfinite():
            raise ArithmeticError(
                f"All outputs of a batch were zero at step {step}, and cannot be normalised; lower `threshold` (β), "
                f"which was {beta:g}, or raise `batch_size` (n), which was {n}."
            )
        slopes = list(torch.autograd.grad(value, leaves))
        slopes[2:] = [(1 - eye) * g for g in slopes[2:]]
        state = [(w - eta * g).detach() for w, g in zip(leaves, slopes, strict=True)]
        if not all((w.square().sum(dim=(1, 2)) < RUNAWAY * norm).all() for w, norm in zip(state, norms, strict=True)):
            raise ArithmeticError(f"Training diverged at step {step}; lower `step_size` (η), which was {eta:g}.")
    return Pair(*(w.numpy() for w in state[:2]))


def encode(x: Float[Tensor, "... n d"], w: Float[Tensor, "... d m"], threshold: float) -> Float[Tensor, "... n m"]:
    """The normalised outputs of one tower on a batch."""
    raw = x @ w
    b = threshold * raw.square().mean(dim=-2, keepdim=True).sqrt()
    return _normalised(torch.relu(raw - b) - torch.relu(-raw - b))


def predicted_loss(
    features: Pair[Float[Tensor, "... n m"]], heads: Pair[Float[Tensor, "... m m"]]
) -> Float[Tensor, ""]:
    """Each tower, through its head, against the other one held constant; summed over the copies."""
    f_a, f_b = features
    towards_b = (_normalised(f_a @ heads.a) * f_b.detach()).sum(dim=-1).mean(dim=-1)
    towards_a = (_normalised(f_b @ heads.b) * f_a.detach()).sum(dim=-1).mean(dim=-1)
    return -2 * (towards_a + towards_b).sum()


def _normalised(f: Float[Tensor, "... n m"]) -> Float[Tensor, "... n m"]:
    return f / f.square().sum(dim=-1, keepdim=True).mean(dim=-2, keepdim=True).sqrt()


def learned_features(
    data: SparsePairs, weights: Weights, *, rng: np.random.Generator, threshold: float = 1.0
) -> Features:
    """What trained towers respond to, on fresh pairs.

    Args:
        data: where they were trained.
        weights: of one copy from `train_relu`, shapes (d, m).
        rng: where the pairs come from.
        threshold: β, as in training.

    Raises:
        TypeError, ValueError: on arguments that do not fit, or where all outputs are zero.
    """
    beta, d = checks.non_negative(threshold, "`threshold` (β)"), checks.kind(data, SparsePairs, "`data`").ambient_dim
    weights = Pair(*(np.array(checks.real_array(w, "`weights` (W)", ndim=2)) for w in weights))
    if not len(weights.a) == len(weights.b) == d:
        raise ValueError(f"`weights` (W) must have d = {d} rows; got {len(weights.a)} and {len(weights.b)}.")
    a, b, z = data.sample(TESTED, rng=rng)
    assert z is not None
    f_a, f_b = (
        encode(torch.from_numpy(x), torch.from_numpy(w), beta).numpy() for x, w in zip((a, b), weights, strict=True)
    )
    if not (np.isfinite(f_a).all() and np.isfinite(f_b).all()):
        raise ValueError(f"`threshold` (β) must leave some output above zero; got {beta:g}, and nothing but zeros.")
    response_a, response_b = (f.T @ z / len(f) for f in (f_a, f_b))
    squares = weights.a**2
    r = data.signal_dim
    return Features(
        theta=np.sum(response_a * response_b, axis=0) / np.maximum(np.mean(z**2, axis=0), 1 / TESTED),
        alignment=float(np.sum(f_a * f_b) / len(f_a)),
        on_signal=float(np.mean(squares.argmax(axis=0) < r)),
        noise_energy=float(squares[r:].sum() / squares.sum()),
    )

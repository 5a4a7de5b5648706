r"""The landscape of the losses on aligned representations: a flat valley, and what negatives make of it.

An *aligned* representation has $K_A/N_A=K_B/N_B$ and no noise. There the positive-only loss is at its minimum, -2,
whatever the shares θ are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray as Array
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.special import logsumexp

from mmcl import checks
from mmcl.data import PairedData, View
from mmcl.latents import Signs
from mmcl.objectives import InfoNCE
from mmcl.pair import Pair
from mmcl.training.initial import Weights


def aligned_weights(data: PairedData, theta: ArrayLike, width: int, *, rng: np.random.Generator) -> Weights:
    r"""Aligned weights with given shares: $k_{A,p}=k_{B,p}=\sqrt{\theta_p}\,u_p$ with orthonormal $u_p$, and no noise.

    Source: ours. Every θ of the simplex is had, so the positive-only loss has a minimiser for each.

    Args:
        data: the world.
        theta: θ, shares that sum to one, shape (r,).
        width: m, at least r.
        rng: where the frame $u_1,\dots,u_r$ comes from.

    Returns:
        $W_A,W_B$ with $N_A=N_B=1$, shapes (d, m).

    Raises:
        TypeError, ValueError: on shares off the simplex, or a width below r.
    """
    data, shares = checks.kind(data, PairedData, "`data`"), _simplex(theta, data.signal_dim)
    m, r = checks.whole(width, "`width` (m)", least=data.signal_dim), data.signal_dim
    frame, _ = np.linalg.qr(checks.generator(rng).standard_normal((m, r)))
    return Pair(*(_rows(view, np.sqrt(shares) / view.signal, frame) for view in data.views))


def _rows(view: View, lengths: Array, frame: Array) -> Array:
    """Signal rows of given lengths along the frame, noise rows zero, in the axes of the data."""
    rows = np.zeros((view.ambient_dim, len(frame)))
    rows[: len(lengths)] = lengths[:, None] * frame.T
    return rows if view.basis is None else view.basis @ rows


def _simplex(theta: ArrayLike, r: int) -> Float[Array, " r"]:
    shares = np.array(checks.scales(theta, "`theta` (θ)", zero_allowed=True))
    if len(shares) != r or not abs(shares.sum() - 1) <= 1e-12:
        raise ValueError(
            f"`theta` (θ) must hold r = {r} shares that sum to one; got {len(shares)} with the sum {shares.sum():.15g}."
        )
    return shares


def valley_curvatures(data: PairedData, theta: ArrayLike, width: int) -> Float[Array, " D"]:
    r"""All eigenvalues of the Hessian of the positive-only loss at `aligned_weights`, in ascending order.

    .. math:: L=-2+\|\Pi(\delta K_A-\delta K_B)\|^2+\|\delta\Xi_A\|^2+\|\delta\Xi_B\|^2+\dots

    with Π the projector on the complement of K and Ξ the noise part. So $mr+1$ eigenvalues vanish (and those of
    noiseless coordinates); $2\sigma_\xi^2$ comes m times for each noise coordinate, $2(\sigma_{A,p}^2+\sigma_{B,p}^2)$
    m - 1 times for each p, and the rest are those of $2\,\Pi_\theta\,\mathrm{diag}(\sigma_A^2+\sigma_B^2)\,\Pi_\theta$
    with $\Pi_\theta=I-\sqrt\theta\sqrt\theta^\top$, but for its zero.

    Source: ours; derived in the chapter "What neighbouring theories say".

    Raises:
        TypeError, ValueError: as `aligned_weights`.
    """
    data = checks.kind(data, PairedData, "`data`")
    shares, m = _simplex(theta, data.signal_dim), checks.whole(width, "`width` (m)", least=data.signal_dim)
    both = data.views.a.signal**2 + data.views.b.signal**2
    across = np.eye(len(both)) - np.sqrt(np.outer(shares, shares))
    curved = np.linalg.eigvalsh(2 * across @ np.diag(both) @ across)[1:]
    noise = [np.repeat(2 * view.noise**2, m) for view in data.views]
    return np.sort(np.concatenate([np.zeros(m * len(both) + 1), np.repeat(2 * both, m - 1), curved, *noise]))


@dataclass(frozen=True, eq=False)
class Saddle:
    r"""Curvatures of InfoNCE where some coordinates share the alignment equally and the others are empty.

    Attributes:
        index: number of negative eigenvalues of the Hessian in the weights.
        across: for each empty coordinate, the smaller eigenvalue of moves across the kept ones, $m-s$ times each.
        along: for each empty coordinate, the smaller eigenvalue of moves along a kept one, s times each.
    """

    index: int
    across: Float[Array, " r-s"]
    along: Float[Array, " r-s"]


def saddle(data: PairedData, objective: InfoNCE, kept: int, width: int) -> Saddle:
    r"""What InfoNCE makes of a minimiser of the positive-only loss with $\theta_p=1/s$ on the first s coordinates.

    .. math:: \begin{pmatrix}\Lambda&-g_0\\-g_0&\Lambda\end{pmatrix}\quad\text{across},\qquad
              +\,(1-S)\tau^2x\begin{pmatrix}h&k\\k&h\end{pmatrix}\quad\text{along},\qquad
              h=1+\mathrm{sech}^2x+S\big(1+(1-\tanh x)^2\big),\quad k=2S(1-\tanh x)

    is the Hessian in the pair $(k_{A,q},k_{B,q})$ of an empty coordinate, with $x=\tau^2/s$,
    $g_0=2(1-S)\tau^2$ and $\Lambda=g_0(1-\tanh x)$. In the weights it is scaled by $\sigma_{A,q},\sigma_{B,q}$.

    Source: ours; derived in the chapter "What neighbouring theories say".

    Args:
        data: the world, of sign latents.
        objective: InfoNCE.
        kept: s, how many coordinates share the alignment, 1 to r.
        width: m, at least r.

    Raises:
        TypeError, ValueError: on a number of coordinates or a width that does not fit.
    """
    r = checks.kind(data, PairedData, "`data`").signal_dim
    objective = checks.kind(objective, InfoNCE, "`objective`")
    checks.kind(data.latents, Signs, "`data.latents`")
    s, m = checks.whole(kept, "`kept` (s)"), checks.whole(width, "`width` (m)", least=r)
    if s > r:
        raise ValueError(f"`kept` (s) must be at most the number of signal coordinates, r = {r}; got {s}.")
    tau2, x = objective.inverse_temperature, objective.inverse_temperature / s
    odds, t = objective.negatives * ((1 + np.exp(-2 * x)) / 2) ** s, np.tanh(x)
    S, remaining = 1 / (1 + odds), odds / (1 + odds)
    g_0 = 2 * remaining * tau2
    across = np.array([[g_0 * (1 - t), -g_0], [-g_0, g_0 * (1 - t)]])
    h, k = 2 - t**2 + S * (1 + (1 - t) ** 2), 2 * S * (1 - t)
    along = across + remaining * tau2 * x * np.array([[h, k], [k, h]])
    scales = np.column_stack([view.signal[s:] for view in data.views])
    low = [np.linalg.eigvalsh(scales[:, :, None] * form * scales[:, None, :])[:, 0] for form in (across, along)]
    index = (m - s) * int(np.sum(low[0] < 0)) + s * int(np.sum(low[1] < 0))
    return Saddle(index, *low)


def terminal_shares(data: PairedData, lengths: ArrayLike) -> Float[Array, " r"]:
    r"""The shares θ that positives alone end with, from orthogonal rows of given lengths.

    .. math:: \theta_p\propto\ell_p^2\sigma_p^2e^{2\sigma_p^2P_\infty},\qquad
              \sum_{p=1}^r\ell_p^2e^{2\sigma_p^2P_\infty}=2\sum_{j=1}^d\ell_j^2

    Source: ours; with $\ell=1$ it is where `terminal_condition_number` ends.

    Args:
        data: a world with symmetric modalities and noise in every noise coordinate.
        lengths: ℓ, of the rows of $W_A$ and of $W_B$ alike, positive, in the axes of the world, shape (d,).

    Raises:
        TypeError, ValueError: if the modalities differ, a noise scale is zero, or the lengths do not fit.
    """
    view, r = checks.kind(data, PairedData, "`data`").views.a, data.signal_dim
    if not data.symmetric or view.active_dim < view.ambient_dim:
        raise ValueError("`data` must have symmetric modalities and noise in every noise coordinate.")
    squares = np.array(checks.scales(lengths, "`lengths` (ℓ)", zero_allowed=False)) ** 2
    if len(squares) != view.ambient_dim:
        raise ValueError(f"`lengths` (ℓ) must have d = {view.ambient_dim} entries; got {len(squares)}.")
    s, signal = view.signal**2 / np.max(view.signal**2), squares[:r]

    def excess(P: float) -> float:
        return float(logsumexp(2 * s * P, b=signal) - np.log(2 * squares.sum()))

    top = np.log(2 * squares.sum() / signal.min()) / (2 * s.min()) * (1 + 1e-9)
    P = brentq(excess, 0.0, top, xtol=1e-300, rtol=1e-15)
    log = np.log(signal * s) + 2 * s * P
    return np.exp(log - logsumexp(log))

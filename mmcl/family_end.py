r"""Where the losses of the family end, from the optimum of each and the first integrals of the flow.

An optimum with $\sum_p\theta_p<1$ is reached before the noise is gone. There all forces vanish, and the flow stops with
whatever lengths it has; the first integrals say which.
"""

from __future__ import annotations

from functools import singledispatch
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray as Array
from scipy.optimize import brentq

from mmcl import checks
from mmcl.data import PairedData
from mmcl.family import AlignmentUniformity, Decoupled, NTXent, Sigmoid, Spectral
from mmcl.latents import Signs
from mmcl.objectives import InfoNCE
from mmcl.pair import Pair
from mmcl.share_potentials import Shares, slopes


class End(NamedTuple):
    """The state that a run tends to.

    Attributes:
        alignment: $x_*=\\sum_p\\theta_p$, equally from all coordinates.
        condition_number: κ, of both modalities.
        noise_share: of $\\mathbb E\\|f\\|^2$.
    """

    alignment: float
    condition_number: float
    noise_share: float

    def summary(self, signal_dim: int) -> Float[Array, "5"]:
        """The quantities of `mmcl.claims.summary`: alignment, κ, effective rank, noise share; no time."""
        return np.array([self.alignment, self.condition_number, signal_dim, self.noise_share, np.nan])


def end_of(data: PairedData, objective: object) -> End:
    """The end of the flow from an orthogonal start in a world of two equal modalities.

    Args:
        data: a symmetric world, of sign latents.
        objective: InfoNCE, Decoupled, Spectral, Sigmoid, AlignmentUniformity or NTXent, with some weight of negatives.

    Raises:
        TypeError, ValueError: for another objective, or a world that is not symmetric.
    """
    data = checks.kind(data, PairedData, "`data`")
    checks.kind(data.latents, Signs, "`data.latents`")
    for name, symbol in (("negatives", "K"), ("weight", "λ")):
        if hasattr(objective, name):  # without it nothing balances, and the end depends on the start
            checks.positive(getattr(objective, name), f"`{name}` ({symbol})")
    if not data.symmetric:
        raise ValueError("`data` must have two modalities alike for an end in closed form; got two that differ.")
    return _end(objective, data)


@singledispatch
def _end(objective: object, data: PairedData) -> End:
    raise TypeError(f"`objective` must be strictly convex in its shares; got {objective!r}.")


@_end.register(InfoNCE)
@_end.register(Decoupled)
@_end.register(NTXent)
def _(objective: object, data: PairedData) -> End:
    return End(1.0, 1.0, 0.0)


@_end.register
def _(objective: Spectral, data: PairedData) -> End:
    return stopped(data, min(1.0, data.signal_dim / objective.square_norm))


@_end.register
def _(objective: Sigmoid, data: PairedData) -> End:
    return stopped(data, sigmoid_optimum(objective, data.signal_dim))


@_end.register
def _(objective: AlignmentUniformity, data: PairedData) -> End:
    r"""Signal shares $\alpha_s$, noise shares $\alpha_n$ with $\tanh2s\alpha_s-\tanh2s\alpha_n=1/(\lambda s)$."""
    r, weight, s = data.signal_dim, objective.weight, objective.sharpness
    m = data.views.a.active_dim - r
    if m == 0 or weight <= critical_weight(r, s):
        return End(1.0, 1.0, 0.0)

    def surplus(signal: float) -> float:
        noise = (1 - r * signal) / m
        return np.tanh(2 * s * signal) - np.tanh(2 * s * noise) - 1 / (weight * s)

    signal = brentq(surplus, 1 / (r + m), 1 / r, xtol=1e-15)
    return End(r * signal, 1.0, 1 - r * signal)


def critical_weight(signal_dim: int, sharpness: float) -> float:
    r"""$\lambda_c=1/(s\tanh(2s/r))$: beyond it uniformity keeps noise, whatever the noise's number or scale.

    Args:
        signal_dim: r.
        sharpness: s.
    """
    r, s = checks.whole(signal_dim, "`signal_dim` (r)"), checks.positive(sharpness, "`sharpness` (s)")
    with np.errstate(divide="ignore"):  # a potential too soft for the floats keeps noise at no weight
        return float(1 / (s * np.tanh(2 * s / r)))


def sigmoid_optimum(objective: Sigmoid, signal_dim: int) -> float:
    r"""$x_*$, the alignment $\sum_p\theta_p\le1$ at which the sigmoid loss is smallest: all shares are $x_*/r$.

    Args:
        objective: the loss.
        signal_dim: r.
    """

    def force(x: float) -> float:
        theta, none = np.full(signal_dim, x / signal_dim), Pair(np.empty(0), np.empty(0))
        return float(slopes(objective, Shares(theta, theta, theta, none, none)).theta[0])

    return 1.0 if force(1.0) >= 0 else float(brentq(force, 0.0, 1.0, xtol=1e-15, rtol=1e-14))


def stopped(data: PairedData, alignment: float) -> End:
    r"""The state with all shares $x_*/r$ on the first integrals of a symmetric world.

    With $T=\int\Lambda/N^2dt$ the noise is $n_j=\sigma_j^2e^{-2\sigma_j^2T}$ and
    $a_p^2-c_p^2=\sigma_p^4e^{-4\sigma_p^2T}$. Conservation of $\|W\|$ gives $N^2$ at each T, and the norm itself T.

    Args:
        data: a symmetric world.
        alignment: $x_*$; at 1 the noise is gone, $T=\infty$.
    """
    if alignment >= 1:
        return End(1.0, 1.0, 0.0)
    view = data.views.a
    unit = view.scales.max()
    s2, x2 = (view.signal / unit) ** 2, (view.noise[view.noise > 0] / unit) ** 2

    def lengths(N2: float, T: float) -> Array:
        return np.hypot(alignment * N2 / data.signal_dim, s2 * np.exp(-2 * s2 * T))

    def norm(T: float) -> float:
        left = view.active_dim - np.exp(-2 * x2 * T).sum()
        top = left * data.signal_dim / (alignment * np.sum(1 / s2))
        return brentq(lambda N2: (lengths(N2, T) / s2).sum() - left, 0.0, top * (1 + 1e-12) + 1e-300, xtol=1e-15)

    def gap(T: float) -> float:
        N2 = norm(T)
        return float((lengths(N2, T).sum() + x2 @ np.exp(-2 * x2 * T)) / N2 - 1)

    first, last = 1e-9, 1.0
    while gap(last) > 0:
        last *= 2
    while gap(first) < 0:
        first /= 10
        if first < 1e-15:  # it hardly moves at all
            return End(alignment, float(np.sqrt(s2.max() / s2.min())), float(x2.sum() / (s2.sum() + x2.sum())))
    T = brentq(gap, first, last, xtol=1e-15)
    a, N2 = lengths(norm(T), T), norm(T)
    return End(alignment, float(np.sqrt(a.max() / a.min())), float(x2 @ np.exp(-2 * x2 * T) / N2))

"""Where the methods end, in closed form."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mmcl import checks
from mmcl.data import PairedData
from mmcl.methods.values import BYOL, BarlowTwins, SimSiam, VICReg
from mmcl.metrics import effective_rank


class End(NamedTuple):
    """A representation at the end of a run; NaN where nothing is predicted.

    Attributes:
        alignment: E f_A·f_B of outputs normalised to E‖f‖² = 1.
        condition_number: κ of both modalities.
        effective_rank: of the shares θ.
        noise_share: share of E‖f‖² that is noise.
    """

    alignment: float
    condition_number: float
    effective_rank: float
    noise_share: float


def predictor_end(data: PairedData, method: SimSiam | BYOL) -> End:
    r"""Where a learned linear predictor ends, from orthonormal rows and $Q=q_0I$ in a symmetric world.

    If $\beta\le q_0^2$: aligned, no noise, $\|k_p\|^2=\sigma_p^2d/r$. If $\beta>q_0^2$: not aligned at all, and of
    the noise $1-q_0^2/\beta$ is left. Either way $\kappa=\sigma_1/\sigma_r$.

    Source: ours.

    Args:
        data: the world.
        method: SimSiam with its predictor and stopped gradient, or BYOL.

    Raises:
        TypeError, ValueError: on another method, or on modalities that differ.

    >>> world = PairedData(signal_a=(2.0, 1.0), noise_a=0.5, ambient_dim=4)
    >>> round(predictor_end(world, SimSiam(predictor_rate=0.5)).condition_number, 12)
    2.0
    """
    method = checks.kind(method, (SimSiam, BYOL), "`method`")
    if isinstance(method, SimSiam) and not (method.predictor and method.stop_gradient):
        raise ValueError(f"`method` must have a predictor and a stopped gradient to end like this; got {method!r}.")
    if not checks.kind(data, PairedData, "`data`").symmetric:
        raise ValueError("`data` must have symmetric modalities, alike in signal and noise, for this end.")
    view, turned = data.views.a, method.predictor_scale**2 / method.predictor_rate
    squares = view.signal**2
    kappa = float(np.sqrt(squares.max() / squares.min()))
    if turned >= 1:
        return End(1.0, kappa, effective_rank(squares), 0.0)
    d, r = view.active_dim, len(squares)
    noise = (1 - turned) * np.sum(view.noise**2)
    signal = (1 + (d / r - 1) * turned) * squares.sum()
    return End(0.0, kappa, float("nan"), float(noise / (signal + noise)))


def vicreg_end(data: PairedData, method: VICReg, width: int) -> End:
    r"""The optimum of VICReg where the floor holds, every axis of variance 1, and the width m exceeds r.

    .. math:: \frac nm=\max\Big(0,\frac{1/r-\lambda/(2\nu)}{1/r+1/J}\Big),\qquad J=\min(m-r,d-r)

    Source: ours.

    Args:
        data: the world.
        method: its coefficients; that of the variance must be large enough to hold the floor.
        width: m.

    Raises:
        TypeError, ValueError: on another method, if the width does not exceed r, if J differs between the modalities
            while noise is kept, or if all axes would rather shrink, where
            $\mu<2\lambda n+4\nu\big(\frac{(m-n)^2}{rm}+\frac{n^2}{Jm}-1\big)$.
    """
    method = checks.kind(method, VICReg, "`method`")
    r = checks.kind(data, PairedData, "`data`").signal_dim
    m = checks.whole(width, "`width` (m)", least=r + 1)
    room, other = (min(m - r, view.active_dim - r) for view in data.views)
    wanted = max(0.0, 1 / r - method.invariance / (2 * method.covariance))
    if wanted and room != other:
        raise ValueError(
            f"`data` must leave as much room for noise in A as in B where the optimum keeps some; got {room} and "
            f"{other} directions."
        )
    noise = wanted / (1 / r + 1 / room) if room else 0.0
    spread = m * (1 - noise) ** 2 / r + (m * noise**2 / room if room else 0.0) - 1
    pulled = 2 * method.invariance * noise * m + 4 * method.covariance * spread
    if method.variance < pulled:
        raise ValueError(
            f"`method` must have a `variance` (μ) of at least {pulled:.4g} here, or its floor does not hold; "
            f"got {method.variance:g}."
        )
    return End(1 - noise, 1.0, float(r), noise)


def barlow_end(data: PairedData, method: BarlowTwins, width: int) -> End:
    r"""The optimum of Barlow Twins: r equal shares, and the alignment on every axis alike.

    .. math:: C_{ii}=\frac1{1+\lambda(m/r-1)},\qquad\lambda\le1

    (beyond, r axes of full alignment and m - r without any cost less). So much the loss decides. Where $C_{ii}<1$ it
    does not say what misses: noise, or signal in which the towers differ. The runs of the chapter start with more noise
    than that, keep noise, and end balanced: that end is given,
    and without noise in both modalities none.

    Source: ours.

    Args:
        data: the world.
        method: its coefficient λ, at most 1.
        width: m, at least r.

    Raises:
        TypeError, ValueError: on another method, on λ above 1, or if the width is less than r.
    """
    method = checks.kind(method, BarlowTwins, "`method`")
    checks.between(method.off_diagonal, "`method.off_diagonal` (λ)", 0.0, 1.0)
    r = checks.kind(data, PairedData, "`data`").signal_dim
    m = checks.whole(width, "`width` (m)", least=r)
    aligned = 1 / (1 + method.off_diagonal * (m / r - 1))
    if aligned < 1 and any(view.active_dim == r for view in data.views):
        return End(aligned, float("nan"), float(r), float("nan"))
    return End(aligned, 1.0, float(r), 1 - aligned)

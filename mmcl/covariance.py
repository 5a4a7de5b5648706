r"""The spectrum of one representation's covariance, $F_A=\mathbb E f_Af_A^\top$: which of its directions are in use."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray as Array
from numpy.typing import ArrayLike

from mmcl import checks
from mmcl.data import PairedData
from mmcl.extrapolation import integrate
from mmcl.flow_system import FlowSystem
from mmcl.latents import Signs
from mmcl.objectives import InfoNCE, PositiveOnly
from mmcl.training.initial import Weights


@dataclass(frozen=True, eq=False)
class CovarianceSpectrum:
    r"""The eigenvalues of $F_A$ along a flow; they sum to one, and all further ones are zero.

    Attributes:
        time: t, shape (T,).
        signal: $a_p/N_A^2$, in the order of the coordinates, shape (T, r).
        noise: $\sigma_{\xi,j}^2\|w_j\|^2/N_A^2$, one for each noise coordinate, shape (T, d_A - r).
    """

    time: Float[Array, " T"]
    signal: Float[Array, "T r"]
    noise: Float[Array, "T d-r"]


def covariance_flow(data: PairedData, objective: InfoNCE | PositiveOnly, times: ArrayLike) -> CovarianceSpectrum:
    r"""The spectrum of modality A's covariance along the exact flow at infinite width.

    .. math:: F_A=\frac1{N_A^2}\Big(\sum_pk_{A,p}k_{A,p}^\top+\sum_j\sigma_{\xi,j}^2w_jw_j^\top\Big)

    All these vectors stay orthogonal, so its eigenvalues are their squared lengths over $N_A^2$.

    Source: ours; the spectrum is the one by which Jing et al. (2022) define dimensional collapse.

    Args:
        data: the world, of sign latents; for modality B swap the two.
        objective: InfoNCE or PositiveOnly.
        times: increasing, from 0 on, shape (T,).

    Raises:
        TypeError, ValueError: on a world, an objective or times that do not fit.
    """
    data = checks.kind(data, PairedData, "`data`")
    checks.kind(data.latents, Signs, "`data.latents`")
    t = checks.times(times)
    system = FlowSystem.of(data, checks.kind(objective, (InfoNCE, PositiveOnly), "`objective`"))
    squares, counts = system.noises[0][0], np.unique(data.views.a.noise, return_counts=True)[1]
    which = np.unique(data.views.a.noise, return_inverse=True)[1]
    signal, noise = [], []
    for y in integrate(system, system.start, t, 1e-9):
        at = system.point(y)
        signal.append(at.lengths[0] / at.norms[0])
        noise.append((at.noise[0] / counts / at.norms[0])[which] if len(squares) else np.zeros(0))
    return CovarianceSpectrum(t, np.array(signal), np.array(noise))


def covariance_eigenvalues(data: PairedData, weights: Weights) -> Float[Array, " d"]:
    r"""The $\min(d_A,m)$ largest eigenvalues of $F_A=W_A^\top\,\mathbb E[x_Ax_A^\top]\,W_A/N_A^2$, from the largest.

    Args:
        data: the world.
        weights: $W_A,W_B$, shapes (d, m).

    Raises:
        TypeError, ValueError: if $W_A$ is not a finite matrix with one row per coordinate of modality A.
    """
    view = checks.kind(data, PairedData, "`data`").views.a
    w = checks.real_array(weights[0], "`weights` (W_A)", ndim=2)
    if len(w) != view.ambient_dim:
        raise ValueError(f"`weights` (W_A) must have d_A = {view.ambient_dim} rows; got {len(w)}.")
    squares = np.linalg.svd(view.mixing.T @ w, compute_uv=False) ** 2
    return squares / squares.sum()

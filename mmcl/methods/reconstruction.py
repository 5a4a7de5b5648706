"""The exact flow of linear masked reconstruction, in symmetric worlds from an orthogonal start."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray as Array
from numpy.typing import ArrayLike
from scipy.integrate import solve_ivp

from mmcl import checks
from mmcl.data import PairedData
from mmcl.trajectory import Trajectory


def reconstruction_flow(
    data: PairedData, times: ArrayLike, *, start_scale: float = 1.0, tolerance: float = 1e-11
) -> Trajectory:
    r"""Every coordinate by itself: its gain $\gamma_p=w_{A,p}\cdot w_{B,p}$ rises from 0 to 1, and noise never moves.

    .. math:: \dot\gamma_p=8\sigma_p^2(1-\gamma_p)\sqrt{s^4+\gamma_p^2},\qquad
              \|w_{A,p}\|^2=\|w_{B,p}\|^2=\sqrt{s^4+\gamma_p^2}

    The second equation is the first integral of a two-layer linear network; s is the length of a row at the start.

    Source: ours, after Saxe et al. (2014).

    Args:
        data: the world; its modalities must have equal scales, for this loss knows their units.
        times: increasing, from 0 on, shape (T,).
        start_scale: s; the rows start orthogonal, with this length.
        tolerance: relative error allowed in a step.

    Returns:
        The `Trajectory` at `times`, of outputs normalised to $\mathbb E\|f\|^2=1$.

    Raises:
        ValueError: on a world whose modalities differ, or a start or a tolerance that is not positive.
        ArithmeticError: if the flow cannot be followed.
    """
    data = checks.kind(data, PairedData, "`data`")
    a, b = data.views
    if not data.symmetric or not np.allclose(a.scales, b.scales, rtol=1e-12, atol=0):
        raise ValueError("`data` must have modalities of equal scales, in signal and noise, for this closed flow.")
    t, s = checks.times(times), checks.positive(start_scale, "`start_scale` (s)")
    if not 1e-100 < s < 1e100:
        raise ValueError(f"`start_scale` (s) must be between 1e-100 and 1e100; got {s:g}.")
    tolerance = checks.between(tolerance, "`tolerance`", 1e-13, 1e-2)
    squares, noise = a.signal**2, s**2 * float(np.sum(a.noise**2))

    def velocity(_: float, w: Array) -> Array:
        return 8 * squares * (1 - s**2 * np.sinh(w))  # γ = s² sinh w

    w = np.zeros((1, len(squares)))
    if t[-1] > 0:
        solved = solve_ivp(velocity, (0.0, t[-1]), w[0], "LSODA", t, rtol=tolerance, atol=tolerance)
        w = solved.y.T
        if not solved.success or not np.isfinite(w).all():
            raise ArithmeticError(f"The flow could not be followed to t = {t[-1]:g}: {solved.message}")
    gain, length = s**2 * np.sinh(w), s**2 * np.cosh(w)
    lost = 2 * ((1 - gain) ** 2 @ squares + np.sum(a.noise**2))  # noise is never explained
    return _trajectory(t, squares * gain, squares * length, noise, lost)


def _trajectory(
    t: Float[Array, " T"], shared: Float[Array, "T r"], lengths: Float[Array, "T r"], noise: float, loss: Array
) -> Trajectory:
    N2 = lengths.sum(axis=1) + noise
    kappa = np.sqrt(lengths.max(axis=1) / lengths.min(axis=1))
    theta = shared / N2[:, None]
    return Trajectory(
        time=t,
        alignment=theta.sum(axis=1),
        condition_number=kappa,
        condition_number_b=kappa,
        theta=theta,
        noise_share=np.repeat((noise / N2)[:, None], 2, axis=1),
        misalignment=(lengths - shared) / (2 * N2[:, None]),
        loss=loss,
        inverse_temperature=np.full(len(t), np.nan),
    )

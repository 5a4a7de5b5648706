"""What two encoders share, and whether it is aligned: the singular values of their cross-covariance."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float
from numpy import ndarray as Array

from mmcl import checks
from mmcl.data import PairedData
from mmcl.empirical import EmpiricalPairs
from mmcl.metrics import effective_rank


@dataclass(frozen=True, eq=False)
class Spectrum:
    r"""The singular value decomposition $C=\sum_is_iu_iv_i^\top$ of $C=\mathbb E f_Af_B^\top$, as a diagnosis.

    Attributes:
        singular_values: $s_i$, what is shared, in descending order, shape (k,) with k the least of the width and the
            number of samples (or the ambient dimensions); all further ones are zero.
        cosines: $\cos_i=u_i\cdot v_i$, whether it is aligned, shape (k,); 0 where $s_i$ vanishes to round-off, as
            $u_i$ and $v_i$ mean nothing there.
    """

    singular_values: Float[Array, " k"]
    cosines: Float[Array, " k"]

    @property
    def theta(self) -> Float[Array, " k"]:
        r"""$\theta_i=s_i\cos_i$, the share of the alignment that direction i carries."""
        return self.singular_values * self.cosines

    @property
    def alignment(self) -> float:
        r"""$\sum_i\theta_i=\operatorname{tr}C=\mathbb E f_A\cdot f_B$."""
        return float(self.theta.sum())

    @cached_property
    def effective_rank(self) -> float:
        r"""$(\sum_is_i)^2/\sum_is_i^2$: how many directions the modalities share."""
        return effective_rank(self.singular_values)


def spectrum(
    a: Float[Array, "rows_a m"], b: Float[Array, "rows_b m"], *, data: PairedData | EmpiricalPairs | None = None
) -> Spectrum:
    r"""The spectrum of the cross-covariance of two representations, from features or from linear weights.

    .. math:: C=\frac{\sum_i f_{A,i}f_{B,i}^\top}{n\,N_AN_B},\ N_A^2=\frac1n\sum_i\|f_{A,i}\|^2
              \qquad\text{or}\qquad C=\frac{W_A^\top\,\mathbb E[x_Ax_B^\top]\,W_B}{N_AN_B},\
              N_A^2=\operatorname{tr}W_A^\top\,\mathbb E[x_Ax_A^\top]\,W_A

    At infinite width the *eigenvalues* of C are the $\theta_p$ of the flow and the singular values are
    $\sqrt{a_pb_p}/(N_AN_B)\ge\theta_p$; the two meet once the modalities are aligned. Where singular values coincide
    only the sum of their $\theta_i$ is determined. Nothing is centred.

    Args:
        a: without `data` the features of modality A, one row per pair, shape (n, m), at any scale; with `data` the
            weights $W_A$, shape (d_A, m).
        b: likewise for modality B: as many columns, and without `data` as many rows.
        data: the population whose moments the weights meet.

    Returns:
        The `Spectrum`; it is that of *normalised* outputs, so the scale of either representation drops out.

    Raises:
        TypeError, ValueError: on arrays that are not matrices of finite numbers, on shapes that do not match, on a
            representation that is zero on all the data.

    Source: the theory of Ren & Li (2023) in its infinite-width limit, read as a diagnosis.

    >>> features = np.array([[1.0, 0.0], [0.0, 1.0]])
    >>> spectrum(features, features).theta
    array([0.5, 0.5])
    """
    kind = "features (f" if data is None else "weights (W"
    names = f"`a`, {kind}_A)", f"`b`, {kind}_B)"
    left, right = (checks.real_array(x, name, ndim=2) for x, name in zip((a, b), names, strict=True))
    if left.shape[1] != right.shape[1]:
        raise ValueError(
            f"`a` and `b` must be equally wide, with m columns each; got shapes {left.shape} and {right.shape}."
        )
    if data is None:
        if len(left) != len(right):
            raise ValueError(
                f"`a` and `b` must have as many rows as each other (n pairs); got {len(left)} and {len(right)}."
            )
        left, right = (_unit(x, None, name) for x, name in zip((left, right), names, strict=True))
        return _decomposed(left, None, right)
    checks.kind(data, (PairedData, EmpiricalPairs), "`data`")
    cross = data.cross_covariance
    if (len(left), len(right)) != cross.shape:
        raise ValueError(
            f"`a` and `b` must have one row per coordinate of `data`, (d_A, d_B) = {cross.shape}; "
            f"got {(len(left), len(right))}."
        )
    left, right = _unit(left, data.covariance_a, names[0]), _unit(right, data.covariance_b, names[1])
    return _decomposed(left, cross, right)


def _unit(rows: Array, moments: Array | None, name: str) -> Array:
    """`rows` over the square root of their power under the `moments` (None: those of independent columns)."""
    rows = rows / (np.abs(rows).max() or 1.0)  # squares could leave the range of floats
    power = float(np.vdot(rows, rows if moments is None else moments @ rows))
    if not 0 < power < np.inf:
        raise ValueError(f"{name}, must have a positive, finite mean square on the data; got {power:g}.")
    return rows / np.sqrt(power)


def _decomposed(left: Array, middle: Array | None, right: Array) -> Spectrum:
    """The decomposition of leftᵀ · middle · right, m × m, by way of its core."""
    m = left.shape[1]
    # A factor with fewer rows than columns is replaced by its triangle: nothing of size m × m is then decomposed.
    (basis_a, core_a), (basis_b, core_b) = (_core(x) for x in (left, right))
    inner = core_a @ core_b.T if middle is None else core_a @ middle @ core_b.T
    u, s, vt = np.linalg.svd(inner, full_matrices=False)
    u = u if basis_a is None else basis_a @ u
    v = vt.T if basis_b is None else basis_b @ vt.T
    cosines = np.einsum("ji,ji->i", u, v)
    vanished = s <= s[0] * m * np.finfo(float).eps
    return Spectrum(s, np.where(vanished, 0.0, cosines))


def _core(rows: Float[Array, "k m"]) -> tuple[Array | None, Array]:
    """rowsᵀ = basis · core with orthonormal columns of the basis; (None, rowsᵀ) where that saves nothing."""
    k, m = rows.shape
    return np.linalg.qr(rows.T) if k < m else (None, rows.T)

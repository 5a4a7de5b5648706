r"""Control variates: what is known of the signs takes most of the noise out of a batch's gradient.

The gradient of one direction is the mean of $\varepsilon_A\,y^\top$ with $y=p\,(\psi'(u)-\varepsilon_B)$ and
$u=\tau^2R^\top\varepsilon_A$. Most of y is linear: the slope of ψ′ along u, and p along $\varepsilon_B$. The mean of
the linear part is known, so only the rest has to be sampled:

.. math:: \mathbb E\,\varepsilon_Ay^\top=\tau^2R\,\mathrm{diag}\,\alpha+D\,\mathrm{diag}\,\beta
          +\mathbb E\,\varepsilon_A\,(y-\alpha u-\beta\varepsilon_B)^\top,
          \qquad D=\mathbb E\,\varepsilon_A\varepsilon_B^\top

whatever α and β are, as long as they do not come from the same pairs. So either half of a batch takes the coefficients
that fit the other half best: the estimate is unbiased at every batch size.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray as Array

COLLINEAR = 1e-6  # of the determinant of a fit, in units of its diagonal; below, one variate says what two would


def less_linear(
    pull: Float[Array, "n d"], u: Float[Array, "n d"], eps: Float[Array, "n d"]
) -> tuple[Float[Array, " d"], Float[Array, " d"]]:
    r"""Take from `pull` the linear part that the other half of the batch suggests, in place.

    Args:
        pull: y, one row per pair.
        u: its first variate.
        eps: its second variate, $\varepsilon_B$.

    Returns:
        The sums over all pairs of the α and of the β that were used.
    """
    middle = len(pull) // 2
    halves = (slice(0, middle), slice(middle, len(pull)))
    fits = [_fit(pull[half], u[half], eps[half]) for half in halves]
    total = np.zeros((2, pull.shape[1]))
    for half, (alpha, beta) in zip(halves, reversed(fits), strict=True):
        pull[half] -= alpha * u[half]
        pull[half] -= beta * eps[half]
        total += (half.stop - half.start) * np.stack([alpha, beta])
    return total[0], total[1]


def _fit(y: Array, u: Array, eps: Array) -> tuple[Float[Array, " d"], Float[Array, " d"]]:
    """Least squares of every column of y on the same columns of u and ε."""
    uu, ue, ee, uy, ey = (np.einsum("ij,ij->j", a, b) for a, b in ((u, u), (u, eps), (eps, eps), (u, y), (eps, y)))
    determinant = uu * ee - ue**2
    alone = determinant <= COLLINEAR * uu * ee
    safe = np.where(alone, 1, determinant)
    alpha = np.where(alone, 0, (ee * uy - ue * ey) / safe)
    beta = np.where(alone, ey / np.where(ee == 0, 1, ee), (uu * ey - ue * uy) / safe)
    return alpha, beta

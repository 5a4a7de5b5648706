r"""What the noise of batches does to the lengths of images where no force acts: a law, and how forces answer.

Under the sigmoid loss with a large bias every pair of a batch pulls alike while R is small: the gradient in R is
$\tau^2K\,\mathrm{sigmoid}(b)$ times a mean of $\varepsilon_{A,i}\varepsilon_{B,j}^\top$ over pairs $i\ne j$, whose
expectation is zero.
"""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy import ndarray as Array
from scipy.special import expit

from mmcl.data import PairedData
from mmcl.family import Sigmoid
from mmcl.pair import Pair
from mmcl.training.descent import all_signs
from mmcl.training.grams import Grams, gradient


def variances(data: PairedData, objective: Sigmoid, batch_size: int) -> Array:
    r"""$v_{jk}$: the variance over batches of the gradient in $R_{jk}$, where the forces vanish.

    .. math:: v_{jk}=(1+[j=k\le r])\,v,\qquad v=\frac{(\tau^2K\,\mathrm{sigmoid}(b))^2}{n(n-1)}

    A shared sign meets itself: the pairs (i, j) and (j, i) then say the same, and the variance is twice as large.

    Args:
        data: the world.
        objective: the loss, with a bias b large enough that positive pairs hardly pull.
        batch_size: n.
    """
    n, (d_a, d_b) = batch_size, (view.ambient_dim for view in data.views)
    shared = np.eye(d_a, d_b) * (np.arange(d_a) < data.signal_dim)[:, None]
    v = (objective.inverse_temperature * objective.negatives * expit(objective.bias)) ** 2 / (n * (n - 1))
    return v * (1 + shared)


def lengthening(data: PairedData, objective: Sigmoid, batch_size: int) -> Array:
    r"""What a step adds on average to $\|k_{A,j}\|^2$ from an orthogonal start of a symmetric world, over $\eta^2$.

    .. math:: \frac{\sigma_j^4}{N^4}\sum_kv_{jk}\sigma_k^2
              =\frac{v\sigma_j^4}{N^2}\Big(1+[j\le r]\frac{\sigma_j^2}{N^2}\Big)

    Args:
        data: the world.
        objective: the loss.
        batch_size: n.

    Returns:
        Shape (d,), the signal first.
    """
    s = data.views.a.scales**2
    return s**2 * (variances(data, objective, batch_size) @ s) / s.sum() ** 2


def over_all_batches(data: PairedData, objective: Sigmoid, batch_size: int, step_size: float = 1e-2) -> Array:
    r"""The same by taking one step with every batch that there is, from $KK^\top=D^2$."""
    scales = np.concatenate([view.scales for view in data.views])
    k, d = np.diag(scales), data.views.a.ambient_dim
    grams = Grams(k[:d], k[d:])
    signs, longer = all_signs(data), []
    for chosen in product(range(len(signs.a)), repeat=batch_size):
        batch = Pair(*(eps[list(chosen)] for eps in signs))
        slope = gradient(objective, grams, batch, "population", data.signal_dim)[1].at(grams)
        after = k - step_size * scales[:, None] ** 2 * slope
        longer.append((np.sum(after**2, axis=1) - scales**2)[:d])
    return np.mean(longer, axis=0) / step_size**2


def removed(
    data: PairedData, objective: Sigmoid, step_size: float, batch_size: int, steps: int, *, answered: bool = True
) -> float:
    r"""How much of the noise share batches remove in so many steps from an orthogonal start of a symmetric world.

    The means of $a_j=\|k_{A,j}\|^2$ and of $R_{jk}^2$ are followed step by step. Steps push $R_{jk}$ by
    $-\eta\mu_{jk}$ times the gradient, $\mu_{jk}=(\sigma_j^2a_k+\sigma_k^2a_j)/N^4$; the expected loss bends by
    $h=\tau^4K\,\mathrm{sigmoid}'(b)$ and pulls it back; and that force shortens the images that R joins:

    .. math:: \Delta a_j=\eta^2\frac{\sigma_j^4}{N^4}\sum_kv_{jk}a_k
              -2\eta h\sigma_j^2\Big(\sum_kR_{jk}^2-\frac{a_j}{N^2}\|R\|_F^2\Big)

    Args:
        data: the world.
        objective: the loss.
        step_size: η.
        batch_size: n.
        steps: how many.
        answered: whether forces answer; without them h is zero.
    """
    s, r, v = data.views.a.scales**2, data.signal_dim, variances(data, objective, batch_size)
    tau2, eta, slope = objective.inverse_temperature, step_size, expit(objective.bias) * expit(-objective.bias)
    h = tau2**2 * objective.negatives * slope * answered
    a, R2 = s.copy(), np.zeros_like(v)
    for _ in range(steps):
        N2 = a.sum()
        mu = (np.outer(s, a) + np.outer(a, s)) / N2**2
        gained = eta**2 * s**2 * (v @ a) / N2**2
        taken = 2 * eta * h * s * (R2.sum(axis=1) - R2.sum() * a / N2)
        a, R2 = a + gained - taken, R2 * (1 - eta * h * mu) ** 2 + eta**2 * v * mu**2
    return float(s[r:].sum() / s.sum() - a[r:].sum() / a.sum())

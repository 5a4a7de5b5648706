r"""What a representation is worth to whoever uses it next, predicted from its shares alone.

At infinite width a representation is a set of orthogonal directions, one for each sign of the latents, and all that is
left of it is how long they are: the *share* of $\mathbb E\|f\|^2$ that each holds. A probe, a nearest mean and a search
see nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray as Array
from scipy.optimize import brentq, minimize_scalar
from scipy.special import comb

from mmcl import checks
from mmcl.data import PairedData
from mmcl.trajectory import Trajectory

ENUMERABLE = 20  # latent signs whose patterns are still listed one by one
NEAR, FAR = 5000.0, 2e6  # where the series of few shots is cut by itself: at least, and at most
AT_ONCE = 2**22  # cosines of it
EQUAL = 1e-12  # scores this close, relative to the largest, are one score, as in `mmcl.retrieval`


@dataclass(frozen=True, eq=False)
class Shares:
    r"""How a normalised representation divides $\mathbb E\|f\|^2=1$ among the signs that it sees.

    Attributes:
        signal: $s_p=a_p/N^2$, in the order of the coordinates, shape (r,).
        noise: $n_j/N^2$, one for each noise coordinate, shape (d - r,).
    """

    signal: Float[Array, " r"]
    noise: Float[Array, " d-r"]

    def __post_init__(self) -> None:
        for name in ("signal", "noise"):
            given = checks.scales(getattr(self, name), f"`{name}`", zero_allowed=True)
            object.__setattr__(self, name, np.array(given))
        if not (held := float(self.all.sum())) <= 1 + 1e-6:
            raise ValueError(f"`signal` and `noise` must be shares, whose sum is at most 1; got a sum of {held:g}.")

    @property
    def all(self) -> Float[Array, " d"]:
        """The spectrum of the representation's second moment, signal first."""
        return np.concatenate([self.signal, self.noise])

    @property
    def condition_number(self) -> float:
        r"""$\kappa=\sqrt{\max_ps_p/\min_ps_p}$."""
        return float(np.sqrt(self.signal.max() / self.signal.min()))


def shares(path: Trajectory, data: PairedData, *, row: int = -1) -> Shares:
    r"""The shares along the exact flow of a symmetric world whose noise has one scale.

    .. math:: \frac{1+c^2}2s_p=c\,\theta_p+\frac{2\|k_{-,p}\|^2}{N_A^2},\qquad
              \frac2{N_A^2}\sum_p\|k_{-,p}\|^2=\frac{1+c^2}2(1-\text{noise})-c\sum_p\theta_p

    with c the scales of B over those of A: 1 where they are alike.

    Args:
        path: of `gradient_flow`.
        data: its world.
        row: which of its times.

    Raises:
        ValueError: if the modalities differ or the noise has several scales.
    """
    view, count = data.views.a, len(path.time)
    if not -count <= (row := checks.whole(row, "`row`", least=-count)) < count:
        raise ValueError(f"`row` must be one of the {count} of the path; got {row}.")
    if not data.symmetric or len(set(view.noise.tolist())) > 1:
        raise ValueError("`data` must have symmetric modalities and noise of one scale for its shares to follow.")
    theta, gap, noise = path.theta[row], path.misalignment[row], float(path.noise_share[row, 0])
    c = float(data.views.b.scales.max() / view.scales.max())
    mean, together = (1 / c + c) / 2, theta.sum()  # both sides of the equation are divided by c
    total = gap.sum()
    signal = theta + (gap * ((mean * (1 - noise) - together) / total) if total > 0 else 0.0)
    return Shares(signal / mean, np.full(len(view.noise), noise / max(len(view.noise), 1)))


def ridge_error(held: Shares, penalty: float, *, labels: int | None = None, label_noise: float = 0.0) -> float:
    r"""Mean square error of a ridge probe that reads a random direction of the latents, $y=u\cdot z+\text{noise}$.

    .. math:: E=\frac{\frac1r\sum_p\big(\frac{\mu}{s_p+\mu}\big)^2+\omega^2\,\frac{D_2}n}{1-D_2/n},\qquad
              \lambda=\mu\Big(1-\frac{D_1}n\Big),\qquad D_q=\sum_j\Big(\frac{s_j}{s_j+\mu}\Big)^q

    The error is on fresh, noiseless labels, averaged over u on the unit sphere, so 1 is knowing nothing. With all of
    the population labelled μ = λ and $D_q/n=0$, and the formula is exact. For n labels it is the deterministic
    equivalent, exact as n grows with the number of directions.

    Source: the population form is ours and elementary; for n labels, Dobriban & Wager (2018).

    Args:
        held: the shares s of the representation that is probed.
        penalty: λ of $\frac1n\sum_i(y_i-w\cdot f_i)^2+\lambda\|w\|^2$, positive.
        labels: n; None: the population.
        label_noise: ω, standard deviation of the noise on each label; no unit, as labels have variance one.

    Raises:
        TypeError, ValueError: on a penalty, labels or noise out of range.
    """
    s, lam = held.all, checks.positive(penalty, "`penalty` (λ)")
    omega = checks.non_negative(label_noise, "`label_noise` (ω)")
    if labels is None and omega > 0:
        raise ValueError(
            f"`label_noise` (ω) must be left out without `labels` (n), whose mean has none; got {omega:g}."
        )
    if labels is None:
        return float(np.mean((lam / (held.signal + lam)) ** 2))
    n = checks.whole(labels, "`labels` (n)")

    def excess(log_mu: float) -> float:
        mu = np.exp(log_mu)
        return float(mu - np.sum(s * mu / (s + mu)) / n - lam)

    high = np.log(lam + s.sum() / n) + 1e-9  # above it by more than round-off
    return _error_at(held, float(np.exp(brentq(excess, np.log(lam) - 1e-9, high, xtol=1e-14))), n, omega)


def best_ridge_error(held: Shares, labels: int, *, label_noise: float) -> tuple[float, float]:
    """The least `ridge_error` over all penalties, and the penalty that has it."""
    n = checks.whole(labels, "`labels` (n)")
    omega = checks.positive(label_noise, "`label_noise` (ω)")
    s = held.all

    def penalty(log_mu: float) -> float:
        mu = np.exp(log_mu)
        return float(mu - np.sum(s * mu / (s + mu)) / n)

    least = brentq(penalty, -60.0, np.log(1 + s.sum() / n)) if penalty(-60.0) < 0 else -60.0
    most = 10.0 + 2 * max(0.0, float(np.log(omega)))
    found = minimize_scalar(
        lambda x: _error_at(held, float(np.exp(x)), n, omega), bounds=(least, most), method="bounded",
        options={"xatol": 1e-9},
    )  # fmt: skip
    return float(found.fun), penalty(float(found.x))


def _error_at(held: Shares, mu: float, n: int, omega: float) -> float:
    taken = np.sum((held.all / (held.all + mu)) ** 2) / n
    missed = np.mean((mu / (held.signal + mu)) ** 2)
    return float((missed + omega**2 * taken) / (1 - taken))


def few_shot_error(held: Shares, shots: int, *, reach: float | None = None) -> Float[Array, " r"]:
    r"""How often the nearest of two class means, k examples each, mistakes the sign of latent p.

    With $\bar\varepsilon_j^\pm$ the mean of sign j over the examples of a class, the decision has the sign of

    .. math:: 2s_p+\sum_{j\ne p}s_j(\bar\varepsilon_j^+-\bar\varepsilon_j^-)
              \big(\varepsilon_j-\tfrac12(\bar\varepsilon_j^++\bar\varepsilon_j^-)\big),

    a sum of independent terms. The probability that it is negative follows from the characteristic function φ of
    the sum by the Fourier series of the sign: it is
    $\tfrac12-\tfrac2\pi\sum_{i\text{ odd}}\operatorname{Im}\varphi(\pi i/W)/i$ for a sum within (-W, W). A tie counts
    half.

    Source: ours; the classifier is that of Snell et al. (2017) without a trained encoder.

    Args:
        held: the shares s of the representation.
        shots: k, examples of each class.
        reach: where the series is cut, in units of its frequencies: what is closer to zero than one over its reach is
            not told from it; None: at 5,000 or, where that is more, at twenty over the smallest share of the signal.

    Returns:
        One probability for each latent that may be the label, shape (r,); a half where its share is zero.

    Raises:
        TypeError, ValueError: on shots or a reach out of range; without a reach, on a share of the signal that is not
            zero but below 1e-5, for which the series would be too long.
    """
    k, W = checks.whole(shots, "`shots` (k)"), 5.0  # |sum| < 2 + 2
    if reach is None:
        least = min((float(share) for share in held.signal if share), default=1.0)
        reach = max(NEAR, 20 / least)
        if reach > FAR:
            raise ValueError(
                f"`reach` must be given where a share of the signal is below {20 / FAR:g}; got a share of {least:.3g}."
            )
    last = round(checks.positive(reach, "`reach`") * W / np.pi)
    scales, index, counts = np.unique(held.all, return_inverse=True, return_counts=True)
    series = np.zeros(len(held.signal))
    length = 2 * max(1, AT_ONCE // (k + 1) ** 2)
    for first in range(1, last, length):
        odd = np.arange(first, min(first + length, last), 2)
        frequency = np.pi * odd / W
        factors = np.array([_characteristic(scale * frequency, k) for scale in scales])
        for p, share in enumerate(held.signal):
            powers = counts - (np.arange(len(scales)) == index[p])
            phi = np.prod(factors ** powers[:, None], axis=0)
            series[p] += np.sum(phi * np.sin(2 * share * frequency) / odd)
    return np.clip(0.5 - 2 / np.pi * series, 0.0, 1.0)  # where the series is cut, it oscillates


def _characteristic(x: Float[Array, " T"], k: int) -> Array:
    """Of one term at unit share: the mean of exp(ix(p - q)(ε - (p + q)/2)) over ε, p and q."""
    means = 2 * np.arange(k + 1) / k - 1
    weights = comb(k, np.arange(k + 1)) / 2.0**k
    p, q = means[:, None], means[None, :]
    joint = np.outer(weights, weights)
    # The mean over ε is cos x(p - q); what is left, exp(-ix(p² - q²)/2), is even under p ↔ q, hence a cosine too.
    products = np.cos(np.multiply.outer(x, p - q)) * np.cos(np.multiply.outer(x, (p**2 - q**2) / 2))
    return np.einsum("tpq,pq->t", products, joint)


def retrieval_rate(theta: Float[Array, " r"], candidates: int, flip: float) -> float:
    r"""How often a query finds its partner first among n when each of its latent signs is flipped with probability ρ.

    The partner scores $\theta\cdot\eta$ with $\eta_p=-1$ where a sign was flipped, every other candidate
    $\theta\cdot\varepsilon$ with fair signs. Given η, others score less with probability u and the same with
    probability v, so with ties broken at random

    .. math:: P=\mathbb E_\eta\sum_{g}\binom{n-1}g\frac{v^gu^{n-1-g}}{g+1}=\mathbb E_\eta\frac{(u+v)^n-u^n}{nv}.

    Exact, by listing all signs; noise does not enter, as an orthogonal start keeps it out of every score.

    Source: ours.

    Args:
        theta: $\theta_p$, shape (r,), r at most 20.
        candidates: n, the partner among them.
        flip: ρ, between 0 and 1.

    >>> round(retrieval_rate(np.ones(1), 2, 0.0), 9)  # half of the rivals tie
    0.75
    """
    theta = checks.real_array(theta, "`theta` (θ)", ndim=1)
    n, rho = checks.whole(candidates, "`candidates` (n)"), checks.non_negative(flip, "`flip` (ρ)")
    if rho > 1:
        raise ValueError(f"`flip` (ρ) must be at most 1; got {rho:g}.")
    if len(theta) > ENUMERABLE:
        raise ValueError(f"`theta` (θ) must have at most {ENUMERABLE} coordinates to be listed; got {len(theta)}.")
    flipped = (np.arange(2 ** len(theta))[:, None] >> np.arange(len(theta))) & 1
    scores = (1 - 2 * flipped) @ theta
    times = flipped.sum(axis=1)
    weight = rho**times * (1 - rho) ** (len(theta) - times)
    ordered, near = np.sort(scores), EQUAL * np.abs(theta).sum()
    below = np.searchsorted(ordered, scores - near) / len(scores)
    tied = np.searchsorted(ordered, scores + near, side="right") / len(scores) - below
    return float(np.sum(weight * ((below + tied) ** n - below**n) / (n * tied)))

r"""The learner in reduced form: its Gram matrices, and the gradient in them.

With $V=U^\top W$ the weights in the axes of the world and $D$ its scales, $K=DV$ are the latent-space weights. Every
loss here depends on $K_A,K_B$ through $K_AK_A^\top,K_AK_B^\top,K_BK_B^\top$ alone, and a step of descent multiplies
the stacked $V=(V_A;V_B)$ from the left by a symmetric matrix. So the cost of a step does not depend on the width m.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray as Array

from mmcl.family import AlignmentUniformity, Family, NTXent, Spectral
from mmcl.latents import Latents
from mmcl.objectives import Objective
from mmcl.pair import Pair
from mmcl.training.family_scores import gradient_in_grams, in_expectation
from mmcl.training.scores import SIGNS, Signs, gradient_in_r, gradient_in_scores

Moments = Pair[Float[Array, "d d"]] | Pair[float]  # of the signs; a number stands for that multiple of the identity
IDENTITY: Moments = Pair(1.0, 1.0)


@dataclass(frozen=True, eq=False)
class Grams:
    """$K_AK_A^\\top$, $K_AK_B^\\top$, $K_BK_B^\\top$, each formed when it is first asked for.

    Attributes:
        a: $K_A$, or any factor of the same products.
        b: $K_B$.
    """

    a: Float[Array, "d_a k"]
    b: Float[Array, "d_b k"]

    @cached_property
    def aa(self) -> Float[Array, "d_a d_a"]:
        """$K_AK_A^\\top$."""
        return self.a @ self.a.T

    @cached_property
    def ab(self) -> Float[Array, "d_a d_b"]:
        """$K_AK_B^\\top$."""
        return self.a @ self.b.T

    @cached_property
    def bb(self) -> Float[Array, "d_b d_b"]:
        """$K_BK_B^\\top$."""
        return self.b @ self.b.T

    @cached_property
    def norms(self) -> Pair[float]:
        r"""$N_A^2=\mathrm{tr}\,K_AK_A^\top$ and $N_B^2$: the population's mean square of the raw outputs."""
        return Pair(float(np.vdot(self.a, self.a)), float(np.vdot(self.b, self.b)))

    @property
    def scores(self) -> Float[Array, "d_a d_b"]:
        """R, normalised in the population."""
        a, b = self.norms
        return self.ab / (math.sqrt(a) * math.sqrt(b))


class Slopes(NamedTuple):
    """The derivatives of a loss in the three Gram matrices; a number stands for that multiple of the identity."""

    aa: Float[Array, "d_a d_a"] | float
    ab: Float[Array, "d_a d_b"]
    bb: Float[Array, "d_b d_b"] | float

    def at(self, grams: Grams) -> Float[Array, "D k"]:
        r"""$\partial L/\partial K=\begin{pmatrix}2H_{AA}&H_{AB}\\H_{AB}^\top&2H_{BB}\end{pmatrix}K$, stacked."""
        k_a, k_b = grams.a, grams.b
        return np.concatenate([2 * _times(self.aa, k_a) + self.ab @ k_b, self.ab.T @ k_a + 2 * _times(self.bb, k_b)])


def _times(slope: Array | float, k: Array) -> Array:
    return slope @ k if isinstance(slope, np.ndarray) else slope * k


def gradient(
    objective: Objective | Family,
    grams: Grams,
    signs: Signs | None,
    normalization: str,
    signal_dim: int,
    latents: Latents = SIGNS,
    *,
    control_variates: bool = False,
) -> tuple[float, Slopes]:
    """The loss and its slopes in the three Gram matrices.

    Args:
        objective: what is minimised.
        grams: the learner.
        signs: a batch of latent signs; None for the exact population gradient of `PositiveOnly` and `Spectral`.
        normalization: of the outputs, in expectation over the "population" or the "batch", or "sample" by sample.
        signal_dim: r.
        latents: what the signs are drawn from.
        control_variates: whether what is known of the signs takes noise out of InfoNCE's gradient; population norms.
    """
    if signs is None:
        return _by_norm(grams, grams.norms, _population(objective, grams, signal_dim), IDENTITY)
    if isinstance(objective, AlignmentUniformity | NTXent):
        return _by_grams(objective, grams, signs)
    if normalization == "sample":
        return _by_sample(objective, grams, signs)
    if normalization == "population":
        norms: Pair[float] = grams.norms
        moments = IDENTITY
    else:
        second = Pair(*(eps.T @ eps / len(eps) for eps in signs))
        norms = Pair(float(np.vdot(grams.aa, second.a)), float(np.vdot(grams.bb, second.b)))
        moments = second
        for square, letter in zip(norms, "AB", strict=True):
            if not square > 0:
                raise ValueError(
                    '`batch_size` (n) must be large enough that, with `normalization` "batch", the outputs of no batch '
                    f"are all zero; got {len(signs.a)}, and a batch of zeros in modality {letter}."
                )
    R = grams.ab / (math.sqrt(norms.a) * math.sqrt(norms.b))
    more = (np.eye(*R.shape) * (np.arange(len(R)) < signal_dim)[:, None],) if control_variates else ()
    found = gradient_in_r(objective, R.astype(signs.a.dtype, copy=False), signs, latents, *more)  # exact as the batch
    return _by_norm(grams, norms, found, moments)


def _population(objective: Objective | Family, grams: Grams, r: int) -> tuple[float, Array]:
    x = np.zeros((len(grams.a), len(grams.b)))
    x[np.arange(r), np.arange(r)] = -2.0
    if isinstance(objective, Spectral):
        return in_expectation(objective, grams.scores, x / -2)
    return float(np.vdot(x, grams.scores)), x


def _by_grams(objective: Objective | Family, grams: Grams, signs: Signs) -> tuple[float, Slopes]:
    """The chain rule for a loss that sees the Gram matrices of each modality too."""
    norms, R = grams.norms, grams.scores
    own = Pair(grams.aa / norms.a, grams.bb / norms.b)
    loss, pulls, x = gradient_in_grams(objective, own, R, signs)
    across = np.vdot(x, R) / 2
    h_aa, h_bb = (
        (pull - (np.vdot(pull, gram) + across) * np.eye(len(gram))) / norm
        for pull, gram, norm in zip(pulls, own, norms, strict=True)
    )
    return loss, Slopes(h_aa, x / np.sqrt(norms.a * norms.b), h_bb)


def _by_norm(grams: Grams, norms: Pair[float], score: tuple[float, Array], moments: Moments) -> tuple[float, Slopes]:
    r"""The chain rule through a normaliser per modality: $\partial L/\partial N_A^2=-\langle X,R\rangle/2N_A^2$."""
    loss, x = score
    scale = math.sqrt(norms.a) * math.sqrt(norms.b)
    through = -np.vdot(x, grams.ab) / (2 * scale)
    return loss, Slopes(through / norms.a * moments.a, x / scale, through / norms.b * moments.b)


def _by_sample(objective: Objective | Family, grams: Grams, signs: Signs) -> tuple[float, Slopes]:
    """The same through a normaliser per sample, $n_i^2=\\varepsilon_i^\\top K K^\\top\\varepsilon_i$."""
    squares = Pair(
        *(np.einsum("ni,ij,nj->n", e, g, e, optimize=True) for e, g in zip(signs, (grams.aa, grams.bb), strict=True))
    )
    if not all(square.all() for square in squares):
        raise ValueError(
            '`batch_size` (n) must be large enough that, with `normalization` "sample", no output is zero, centred or '
            f"not; got {len(signs.a)}, and an output of zeros."
        )
    unit = Pair(*(e / np.sqrt(s)[:, None] for e, s in zip(signs, squares, strict=True)))
    scores = unit.a @ grams.ab @ unit.b.T
    loss, pull = gradient_in_scores(objective, scores)
    work = pull * scores
    h_aa = -0.5 * (unit.a * work.sum(axis=1)[:, None]).T @ unit.a
    h_bb = -0.5 * (unit.b * work.sum(axis=0)[:, None]).T @ unit.b
    return loss, Slopes(h_aa, unit.a.T @ pull @ unit.b, h_bb)

"""Methods without negatives: each is a frozen value, passed as it is and varied with `dataclasses.replace`.

Two linear towers read one modality each, and a predictor, where there is one, is a matrix that both share. A rate is
relative to the speed of the towers' weights, or per unit of time.
"""

from __future__ import annotations

from dataclasses import dataclass

from mmcl import checks


@dataclass(frozen=True)
class SimSiam:
    r"""A predictor Q and a stopped gradient: each tower's prediction is to point where the other tower does.

    .. math:: L=-\mathbb E\,\hat p_A\cdot\mathrm{sg}(f_B)-\mathbb E\,\hat p_B\cdot\mathrm{sg}(f_A),\qquad p=Qf

    Source: Chen & He (2021), who halve the sum; the normaliser is the population's here, as everywhere in this book.

    Args:
        predictor_rate: β, how fast the predictor learns beside the towers.
        predictor_scale: $q_0$; the predictor starts as $q_0I$.
        stop_gradient: whether the target is held fixed while a step differentiates.
        predictor: whether there is one; without it Q stays the identity.

    Raises:
        TypeError, ValueError: unless β and $q_0$ are positive and finite, and the others True or False.
    """

    predictor_rate: float = 1.0
    predictor_scale: float = 1.0
    stop_gradient: bool = True
    predictor: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "predictor_rate", checks.positive(self.predictor_rate, "`predictor_rate` (β)"))
        object.__setattr__(self, "predictor_scale", checks.positive(self.predictor_scale, "`predictor_scale` (q₀)"))
        object.__setattr__(self, "stop_gradient", checks.flag(self.stop_gradient, "`stop_gradient`"))
        object.__setattr__(self, "predictor", checks.flag(self.predictor, "`predictor`"))


@dataclass(frozen=True)
class BYOL:
    r"""A predictor, and targets from weights that follow the learned ones as a moving average.

    .. math:: L=\mathbb E\|\hat p_A-f'_B\|^2+\mathbb E\|\hat p_B-f'_A\|^2,\qquad \dot W'=\mu(W-W')

    Source: Grill et al. (2020); the targets start as the towers.

    Args:
        target_rate: μ per unit of time; a step of size η keeps $1-\mu\eta$ of the target, their decay rate.
        predictor_rate: β, how fast the predictor learns beside the towers.
        predictor_scale: $q_0$; the predictor starts as $q_0I$.

    Raises:
        TypeError, ValueError: unless all three are positive and finite.
    """

    target_rate: float = 0.05
    predictor_rate: float = 1.0
    predictor_scale: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "target_rate", checks.positive(self.target_rate, "`target_rate` (μ)"))
        object.__setattr__(self, "predictor_rate", checks.positive(self.predictor_rate, "`predictor_rate` (β)"))
        object.__setattr__(self, "predictor_scale", checks.positive(self.predictor_scale, "`predictor_scale` (q₀)"))


@dataclass(frozen=True)
class DirectPred:
    r"""A predictor that is set, not learned: a function of the correlation F of the outputs.

    .. math:: F=U\,\mathrm{diag}(s)\,U^\top,\qquad Q=U\,\mathrm{diag}(\sqrt{s_j}+\epsilon\max_is_i)\,U^\top

    F is the mean of the two towers' $\mathbb E ff^\top$, as a moving average; the loss is BYOL's, with the towers as
    their own targets where the paper keeps BYOL's average of them.

    Source: Tian et al. (2021), equations 18 for the eigenvalues and 19 for the average. Their code,
    facebookresearch/luckmatters, ssl/real-dataset/byol_trainer.py, `compute_w_corr`, divides s by its largest first
    (and floors the eigenvalues at 1e-4): but for a factor that the loss does not see, ε times $1/\sqrt{\max_is_i}$.

    Args:
        memory_rate: μ per unit of time, at which the average forgets.
        epsilon: ε, the part of the predictor that every direction shares.
        relative: whether s is divided by its largest first: eigenvalues $\sqrt{s_j/\max_is_i}+\epsilon$.

    Raises:
        TypeError, ValueError: unless μ is positive and ε at least 0, both finite, and `relative` True or False.
    """

    memory_rate: float = 1.0
    epsilon: float = 0.1
    relative: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "memory_rate", checks.positive(self.memory_rate, "`memory_rate` (μ)"))
        object.__setattr__(self, "epsilon", checks.non_negative(self.epsilon, "`epsilon` (ε)"))
        object.__setattr__(self, "relative", checks.flag(self.relative, "`relative`"))


@dataclass(frozen=True)
class MaskedReconstruction:
    r"""One modality is masked whole and decoded from the other's code; the decoder is the encoder's transpose.

    .. math:: L=\mathbb E\|x_B-W_BW_A^\top x_A\|^2+\mathbb E\|x_A-W_AW_B^\top x_B\|^2

    Source: after He et al. (2022), in the linear form of Saxe et al. (2014). The tie is ours: decoders of their own
    leave the two codes in unrelated directions.
    """


@dataclass(frozen=True)
class VICReg:
    r"""Alignment, a floor under every axis's variance, and a price on the covariance of two axes.

    .. math:: L=\lambda\,\mathbb E\|f_A-f_B\|^2
              +\frac1m\sum_{X=A,B}\Big[\mu\sum_i\max\big(0,1-\sqrt{G^X_{ii}+10^{-4}}\big)
              +\nu\sum_{i\ne j}(G^X_{ij})^2\Big],\qquad G^X=\mathbb E f_Xf_X^\top

    Source: Bardes, Ponce & LeCun (2022). The outputs are not normalised.

    Args:
        invariance: λ.
        variance: μ.
        covariance: ν.

    Raises:
        TypeError, ValueError: unless all three are positive and finite.
    """

    invariance: float = 25.0
    variance: float = 25.0
    covariance: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "invariance", checks.positive(self.invariance, "`invariance` (λ)"))
        object.__setattr__(self, "variance", checks.positive(self.variance, "`variance` (μ)"))
        object.__setattr__(self, "covariance", checks.positive(self.covariance, "`covariance` (ν)"))


@dataclass(frozen=True)
class BarlowTwins:
    r"""The cross-correlation of the two outputs is to be the identity, axis by axis.

    .. math:: L=\sum_i(1-C_{ii})^2+\lambda\sum_{i\ne j}C_{ij}^2,\qquad
              C_{ij}=\frac{\mathbb E f_{A,i}f_{B,j}}{\sqrt{\mathbb E f_{A,i}^2\,\mathbb E f_{B,j}^2}}

    Source: Zbontar et al. (2021). Every axis is normalised by itself.

    Args:
        off_diagonal: λ.

    Raises:
        TypeError, ValueError: unless λ is positive and finite.
    """

    off_diagonal: float = 0.005

    def __post_init__(self) -> None:
        object.__setattr__(self, "off_diagonal", checks.positive(self.off_diagonal, "`off_diagonal` (λ)"))


Method = SimSiam | BYOL | DirectPred | MaskedReconstruction | VICReg | BarlowTwins
METHODS = (SimSiam, BYOL, DirectPred, MaskedReconstruction, VICReg, BarlowTwins)

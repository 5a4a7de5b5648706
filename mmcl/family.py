"""The other contrastive losses: decoupled, spectral, sigmoid, alignment with uniformity, and one encoder's NT-Xent.

Each is a frozen value like those of `mmcl.objectives`. Its faces are in `mmcl.family_losses` (torch, as its paper
writes it), in `mmcl.symbolic.potentials` where it is separable in θ, and in `mmcl.share_potentials` where it is not.
"""

from __future__ import annotations

from dataclasses import dataclass

from mmcl import checks


@dataclass(frozen=True)
class Decoupled:
    r"""InfoNCE whose positive pair has left the denominator.

    .. math:: L_A = \mathbb E\big[-\tau^2 f_A\cdot f_B + \log\mathbb E_{x_B^-} e^{\tau^2 f_A\cdot f_B^-}\big],
              \qquad L = L_A + L_B

    Source: Yeh et al. (2022). The weight of the negatives would add a constant and is left out.

    Args:
        inverse_temperature: τ²; no unit.

    Raises:
        TypeError, ValueError: unless τ² is positive and finite.
    """

    inverse_temperature: float

    def __post_init__(self) -> None:
        object.__setattr__(
            self, "inverse_temperature", checks.positive(self.inverse_temperature, "`inverse_temperature` (τ²)")
        )


@dataclass(frozen=True)
class Spectral:
    r"""The spectral contrastive loss, on features of squared norm μ.

    .. math:: L = -2\mu\,\mathbb E[f_A\cdot f_B] + \mu^2\,\mathbb E\big[(f_A\cdot f_B^-)^2\big]

    Source: HaoChen et al. (2021), who bound the features to a ball of radius $\sqrt\mu$. It has no temperature.

    Args:
        square_norm: μ, $\mathbb E\|f\|^2$; no unit.

    Raises:
        TypeError, ValueError: unless μ is positive and finite.
    """

    square_norm: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "square_norm", checks.positive(self.square_norm, "`square_norm` (μ)"))


@dataclass(frozen=True)
class Sigmoid:
    r"""SigLIP's loss: every pair is a yes or no of its own.

    .. math:: L = \mathbb E\,\mathrm{softplus}(-\tau^2 f_A\cdot f_B-b)
              + K\,\mathbb E\,\mathrm{softplus}(\tau^2 f_A\cdot f_B^-+b)

    Source: Zhai et al. (2023). A batch of n pairs samples it with ``K = n - 1``, without bias.

    Args:
        inverse_temperature: τ²; no unit.
        bias: b, added to every score.
        negatives: K, the weight of the negatives.

    Raises:
        TypeError, ValueError: unless τ² is positive, b finite and K at least 0.
    """

    inverse_temperature: float
    bias: float = -10.0
    negatives: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(
            self, "inverse_temperature", checks.positive(self.inverse_temperature, "`inverse_temperature` (τ²)")
        )
        object.__setattr__(self, "bias", checks.number(self.bias, "`bias` (b)"))
        object.__setattr__(self, "negatives", checks.non_negative(self.negatives, "`negatives` (K)"))


@dataclass(frozen=True)
class AlignmentUniformity:
    r"""Positive pairs close, and each modality spread over the sphere by itself.

    .. math:: L = \mathbb E\|f_A-f_B\|^2 + \frac\lambda2\big(U_A+U_B\big),\qquad
              U_A = \log\mathbb E\,e^{-s\|f_A-f_A'\|^2}

    Source: Wang & Isola (2020), with their exponent 2 of the alignment; their t is s here, since t is time.

    Args:
        weight: λ of the uniformity; no unit.
        sharpness: s, the inverse width of the Gaussian potential.

    Raises:
        TypeError, ValueError: unless λ is at least 0 and s positive.
    """

    weight: float = 1.0
    sharpness: float = 2.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "weight", checks.non_negative(self.weight, "`weight` (λ)"))
        object.__setattr__(self, "sharpness", checks.positive(self.sharpness, "`sharpness` (s)"))


@dataclass(frozen=True)
class NTXent:
    r"""SimCLR's loss: one encoder, two augmentations of one image, and negatives from both.

    .. math:: L = 2\,\mathbb E\Big[-\log\frac{e^{\tau^2 f\cdot f^+}}
              {e^{\tau^2 f\cdot f^+}+K\,\mathbb E_{x^-}e^{\tau^2 f\cdot f^-}}\Big]

    Source: Chen et al. (2020), who average over the 2n outputs of a batch where this sums the two directions. A batch
    of n images has ``K = 2 n - 2``, up to the bias of Jensen's inequality.

    Args:
        inverse_temperature: τ²; no unit.
        negatives: K, the weight of the negatives.

    Raises:
        TypeError, ValueError: unless τ² is positive and K at least 0, both finite.
    """

    inverse_temperature: float
    negatives: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(
            self, "inverse_temperature", checks.positive(self.inverse_temperature, "`inverse_temperature` (τ²)")
        )
        object.__setattr__(self, "negatives", checks.non_negative(self.negatives, "`negatives` (K)"))


Family = Decoupled | Spectral | Sigmoid | AlignmentUniformity | NTXent
Separable = Decoupled | Spectral
Coupled = Sigmoid | AlignmentUniformity | NTXent

r"""What the latent coordinates of a world are drawn from: independent, symmetric, of unit variance.

Symmetry is all that the closure of the flow needs. The law decides what negatives weigh, through
$\psi(x)=\log\mathbb E\,e^{xz}$, and how much the score of a positive pair varies, through the law of $z^2$.

ψ and its slope are written once for NumPy and for torch: `xp` is the one whose arrays are given.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray as Array
from numpy.typing import DTypeLike

from mmcl import checks

Points = tuple[Float[Array, " q"], Float[Array, " q"]]
WORDS = (np.random.PCG64, np.random.PCG64DXSM, np.random.SFC64, np.random.Philox)  # whose raw numbers have 64 bits


@dataclass(frozen=True)
class Signs:
    r"""Fair signs, $z=\pm1$: the latents of Ren & Li (2023), and of this book unless a page says otherwise."""

    def draw(self, shape: tuple[int, ...], *, rng: np.random.Generator, dtype: DTypeLike = float) -> Array:
        """Independent latents, one random bit each."""
        count = math.prod(shape)
        return _unpacked(np.dtype(dtype)).take(random_bits(count, rng), axis=0).ravel()[:count].reshape(shape)

    def log_moment(self, x: Any, xp: Any = np) -> tuple[Any, Any]:
        r"""$\psi'(x)=\tanh x$ and $\psi(x)=\log\cosh x$."""
        return tanh_log_cosh(x, xp)

    def quadrature(self, points: int) -> Points:
        """Values of z and their weights that give means of even functions: exactly, here."""
        return np.ones(1), np.ones(1)


@dataclass(frozen=True)
class GaussianLatents:
    r"""Standard normal latents, $\psi(x)=x^2/2$: the score of a positive pair, $\sum_p\theta_pz_p^2$, varies."""

    def draw(self, shape: tuple[int, ...], *, rng: np.random.Generator, dtype: DTypeLike = float) -> Array:
        """Independent latents."""
        return rng.standard_normal(shape).astype(dtype, copy=False)

    def log_moment(self, x: Any, xp: Any = np) -> tuple[Any, Any]:
        r"""$\psi'(x)=x$ and $\psi(x)=x^2/2$."""
        return x, x**2 / 2

    def quadrature(self, points: int) -> Points:
        """Gauss–Hermite: values of z and their weights that give means of even functions."""
        z, weight = np.polynomial.hermite_e.hermegauss(2 * points)
        return z[points:], 2 * weight[points:] / np.sqrt(2 * np.pi)


@dataclass(frozen=True)
class UniformLatents:
    r"""Latents uniform on $[-\sqrt3,\sqrt3]$, $\psi(x)=\log\frac{\sinh\sqrt3x}{\sqrt3x}$."""

    def draw(self, shape: tuple[int, ...], *, rng: np.random.Generator, dtype: DTypeLike = float) -> Array:
        """Independent latents."""
        return rng.uniform(-np.sqrt(3), np.sqrt(3), shape).astype(dtype, copy=False)

    def log_moment(self, x: Any, xp: Any = np) -> tuple[Any, Any]:
        r"""$\psi'$ and ψ; by their series where the closed form cancels."""
        y = math.sqrt(3) * xp.abs(x)
        tiny = y < 1e-2
        safe = xp.where(tiny, 1.0, y)
        value = xp.where(tiny, y**2 / 6 - y**4 / 180, safe + xp.log1p(-xp.exp(-2 * safe)) - xp.log(2 * safe))
        slope = xp.where(tiny, y / 3 - y**3 / 45, 1 / xp.tanh(safe) - 1 / safe)
        return math.sqrt(3) * xp.copysign(slope, x), value

    def quadrature(self, points: int) -> Points:
        """Gauss–Legendre: values of z and their weights that give means of even functions."""
        z, weight = np.polynomial.legendre.leggauss(2 * points)
        return np.sqrt(3) * z[points:], weight[points:]


@dataclass(frozen=True)
class SparseLatents:
    r"""Latents that are mostly zero: $z=\pm1/\sqrt q$, with the probability q in all, else 0.

    Args:
        rate: q, how often a coordinate is present; 1 gives `Signs`.

    Raises:
        TypeError, ValueError: unless $0<q\le1$.
    """

    rate: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "rate", checks.positive(self.rate, "`rate` (q)"))
        if self.rate > 1:
            raise ValueError(f"`rate` (q) must be at most 1, a probability; got {self.rate!r}.")

    def draw(self, shape: tuple[int, ...], *, rng: np.random.Generator, dtype: DTypeLike = float) -> Array:
        """Independent latents."""
        present = rng.random(shape) < self.rate
        return (np.where(present, Signs().draw(shape, rng=rng), 0.0) / np.sqrt(self.rate)).astype(dtype, copy=False)

    def log_moment(self, x: Any, xp: Any = np) -> tuple[Any, Any]:
        r"""$\psi(x)=\log(1-q+q\cosh\frac x{\sqrt q})$ and its slope."""
        q, (slope, value) = self.rate, tanh_log_cosh(x / math.sqrt(self.rate), xp)
        rest = xp.full_like(value, math.log1p(-q) if q < 1 else -math.inf)
        total = xp.logaddexp(rest, math.log(q) + value)
        return math.sqrt(q) * xp.exp(value - total) * slope, total

    def quadrature(self, points: int) -> Points:
        """Values of z and their weights that give means of even functions: exactly, here."""
        return np.array([0.0, 1 / np.sqrt(self.rate)]), np.array([1 - self.rate, self.rate])


def random_bits(count: int, rng: np.random.Generator) -> UInt8[Array, " B"]:
    """Bytes that hold so many fair random bits, in whole words of 64."""
    size = -(-count // 64)
    if isinstance(rng.bit_generator, WORDS):  # the same numbers, three times as fast
        words = rng.bit_generator.random_raw(size)
    else:
        words = rng.integers(0, 2**64 - 1, size, np.uint64, endpoint=True)
    return words.astype("<u8", copy=False).view(np.uint8)


@cache
def _unpacked(dtype: np.dtype) -> Float[Array, "256 8"]:
    """The eight signs of every byte."""
    return (1.0 - 2.0 * np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1)).astype(dtype)


def pair_moment(
    latents: Latents, u: Float[Array, "n d"], eps: Float[Array, "n d"]
) -> tuple[Float[Array, "n d"], Float[Array, " n"]]:
    r"""What a positive pair is pulled by, and how far the negatives outweigh it.

    Returns:
        $\psi'(u_{ij})-\varepsilon_{ij}$ and $\sum_j[\psi(u_{ij})-u_{ij}\varepsilon_{ij}]$.
    """
    if isinstance(latents, Signs):
        # tanh u - ε = -2ε e/(1+e) and log cosh u - uε = log(1+e) - log 2 with e = exp(-2uε): nothing cancels.
        with np.errstate(over="ignore", invalid="ignore"):
            twice = -2 * eps
            decay = u * twice
            np.exp(decay, out=decay)
            grown = decay + 1
            excess = np.einsum("ij->i", np.log(grown)) - u.shape[1] * np.log(2)
            if np.isfinite(excess).all():
                decay /= grown
                decay *= twice
                return decay, excess
    slope, value = latents.log_moment(u)
    return slope - eps, (value - u * eps).sum(axis=1)


def tanh_log_cosh(x: Any, xp: Any = np) -> tuple[Any, Any]:
    r"""$\tanh x$ and $\log\cosh x$ from one exponential, without overflow."""
    size = xp.abs(x)
    decay = xp.exp(-2 * size)
    return xp.copysign((1 - decay) / (1 + decay), x), size + xp.log1p(decay) - math.log(2)


Latents = Signs | GaussianLatents | UniformLatents | SparseLatents

"""The world of the theory: two views of one hidden signal, each with noise of its own."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray as Array
from numpy.typing import ArrayLike, DTypeLike

from mmcl import checks
from mmcl.latents import GaussianLatents, Latents, Signs, SparseLatents, UniformLatents
from mmcl.pair import Pair


class Batch(NamedTuple):
    """Paired samples: row i of `a` and row i of `b` share the latent signal `z[i]`.

    `z` is None for real pairs, whose latents nobody knows.
    """

    a: Float[Array, "n d_a"]
    b: Float[Array, "n d_b"]
    z: Float[Array, "n r"] | None


@dataclass(frozen=True, eq=False)
class View:
    r"""One modality of a world: its scales and the axes that they belong to.

    Attributes:
        signal: $\sigma_p$, shape (r,).
        noise: $\sigma_{\xi,j}$, shape (d - r,).
        basis: orthogonal axes as columns, shape (d, d); None for the axes of the coordinates.
    """

    signal: Float[Array, " r"]
    noise: Float[Array, " d-r"]
    basis: Float[Array, "d d"] | None

    @property
    def ambient_dim(self) -> int:
        """d, the number of coordinates."""
        return len(self.signal) + len(self.noise)

    @cached_property
    def scales(self) -> Float[Array, " d"]:
        r"""All scales, signal first: the lengths of the columns of $M = [A, A_\xi]$."""
        return np.concatenate([self.signal, self.noise])

    @cached_property
    def mixing(self) -> Float[Array, "d d"]:
        r"""$M = [A, A_\xi]$, so that $x = M\varepsilon$ with $\varepsilon = (z, \xi)$."""
        return np.diag(self.scales) if self.basis is None else self.basis * self.scales

    @property
    def active_dim(self) -> int:
        """Number of coordinates of non-zero scale: those whose weights a gradient ever moves."""
        return int(np.count_nonzero(self.scales))


@dataclass(frozen=True)
class PairedData:
    r"""Two views of one hidden signal, the data of the theory.

    .. math:: x_A = A z + A_\xi\,\xi_A, \qquad x_B = B z + B_\xi\,\xi_B

    $z\in\{\pm1\}^r$ is shared by a positive pair, $\xi_A,\xi_B$ are private; all signs are independent and fair. The
    columns of $[A, A_\xi]$ are orthogonal with lengths `signal_a`, `noise_a`, and likewise for B.

    Source: the data model of Ren & Li (2023), without their common factor $1/\sqrt d$: the outputs are normalised,
    so a scale common to a whole modality changes nothing.

    Args:
        signal_a: $\sigma_{A,p}$, one positive scale per signal coordinate, shape (r,).
        signal_b: $\sigma_{B,p}$; None: as modality A.
        noise_a: $\sigma_{\xi,A}\ge0$, one scale or one per noise coordinate, shape (d_A - r,).
        noise_b: $\sigma_{\xi,B}$; None: as modality A.
        ambient_dim: d, or $(d_A, d_B)$.
        basis_a: orthogonal matrix whose columns are the axes of modality A, shape (d_A, d_A); None: the coordinates.
        basis_b: likewise for modality B; None: the coordinates.
        latents: what z and ξ are drawn from; fair signs unless told otherwise.

    Raises:
        TypeError, ValueError: on a scale that is negative or not finite, on r > d, on sizes that do not match, on a
            basis that is not orthogonal, on latents of another kind.

    >>> world = PairedData(signal_a=(2.0, 1.0), noise_a=0.5, ambient_dim=4)
    >>> world.covariance_a.diagonal()
    array([4.  , 1.  , 0.25, 0.25])
    """

    signal_a: ArrayLike
    signal_b: ArrayLike | None = None
    noise_a: ArrayLike = 0.5
    noise_b: ArrayLike | None = None
    ambient_dim: int | tuple[int, int] = 64
    basis_a: ArrayLike | None = None
    basis_b: ArrayLike | None = None
    latents: Latents = Signs()  # noqa: RUF009 a frozen value
    views: Pair[View] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        checks.kind(self.latents, (Signs, GaussianLatents, UniformLatents, SparseLatents), "`latents`")
        dims = _ambient_dims(self.ambient_dim)
        signal_a = checks.scales(self.signal_a, "`signal_a` (σ_A)", zero_allowed=False)
        signal_b = (
            signal_a if self.signal_b is None else checks.scales(self.signal_b, "`signal_b` (σ_B)", zero_allowed=False)
        )
        if len(signal_a) != len(signal_b):
            raise ValueError(
                f"`signal_b` (σ_B) must have as many coordinates as `signal_a`, r = {len(signal_a)}; "
                f"got {len(signal_b)}."
            )
        noise_b = self.noise_a if self.noise_b is None else self.noise_b
        if self.noise_b is None and _several(self.noise_a, "`noise_a` (σ_ξ,A)") and dims.a != dims.b:
            raise ValueError(
                f"`noise_b` (σ_ξ,B) must be given when `noise_a` has one scale per coordinate and the modalities "
                f"differ in size; got `ambient_dim` = {tuple(dims)}."
            )
        views = Pair(
            _view(signal_a, self.noise_a, dims.a, self.basis_a, "a", "A"),
            _view(signal_b, noise_b, dims.b, self.basis_b, "b", "B"),
        )
        freeze = object.__setattr__
        freeze(self, "views", views)
        # Stored as tuples, so that worlds compare, hash and print by value.
        freeze(self, "signal_a", signal_a)
        freeze(self, "signal_b", None if self.signal_b is None else signal_b)
        freeze(self, "noise_a", _plain(self.noise_a))
        freeze(self, "noise_b", None if self.noise_b is None else _plain(self.noise_b))
        freeze(self, "ambient_dim", dims.a if dims.a == dims.b else tuple(dims))
        freeze(self, "basis_a", _plain(self.basis_a))
        freeze(self, "basis_b", _plain(self.basis_b))

    @property
    def signal_dim(self) -> int:
        """r, the number of signal coordinates that the modalities share."""
        return len(self.views.a.signal)

    @property
    def covariance_a(self) -> Float[Array, "d_a d_a"]:
        r"""$\mathbb E\,x_Ax_A^\top$, exactly."""
        return self.views.a.mixing @ self.views.a.mixing.T

    @property
    def covariance_b(self) -> Float[Array, "d_b d_b"]:
        r"""$\mathbb E\,x_Bx_B^\top$, exactly."""
        return self.views.b.mixing @ self.views.b.mixing.T

    @property
    def cross_covariance(self) -> Float[Array, "d_a d_b"]:
        r"""$\mathbb E\,x_Ax_B^\top = AB^\top$, exactly: only the signal is shared."""
        r = self.signal_dim
        return self.views.a.mixing[:, :r] @ self.views.b.mixing[:, :r].T

    @property
    def symmetric(self) -> bool:
        """Whether B's scales are a common multiple of A's, noise included: then the two modalities move alike."""
        a, b = self.views
        if a.ambient_dim != b.ambient_dim:
            return False
        return bool(np.allclose(a.scales / a.scales.max(), b.scales / b.scales.max(), rtol=1e-12, atol=0))

    def signs(
        self,
        size: int,
        *,
        rng: np.random.Generator,
        dtype: DTypeLike = float,
        out: Pair[Float[Array, "n d"]] | None = None,
    ) -> Pair[Float[Array, "n d"]]:
        r"""`size` draws of the latents $\varepsilon_A = (z, \xi_A)$, $\varepsilon_B = (z, \xi_B)$; signs by default.

        Drawn into `out`, of shapes (n, d_A) and (n, d_B), where it is given; a ValueError where it does not fit.
        """
        n = checks.whole(size, "`size` (n)")
        rng = checks.generator(rng)
        r, (d_a, d_b) = self.signal_dim, (view.ambient_dim for view in self.views)
        if out is not None and (shapes := tuple(map(np.shape, checks.kind(out, Pair, "`out`")))) != (
            (n, d_a),
            (n, d_b),
        ):
            raise ValueError(f"`out` must have the shapes {(n, d_a)} and {(n, d_b)}; got {shapes[0]} and {shapes[1]}.")
        drawn = self.latents.draw((n, d_a + d_b - r), rng=rng, dtype=dtype)
        place = Pair(np.empty((n, d_a), dtype), np.empty((n, d_b), dtype)) if out is None else out
        place.a[:], place.b[:, :r], place.b[:, r:] = drawn[:, :d_a], drawn[:, :r], drawn[:, d_a:]
        return place

    def sample(self, size: int, *, rng: np.random.Generator) -> Batch:
        """`size` independent positive pairs.

        Args:
            size: n, at least 1.
            rng: where the signs come from.

        Returns:
            A `Batch` with `a` (n, d_A), `b` (n, d_B) and the shared signal `z` (n, r).
        """
        signs = self.signs(size, rng=rng)
        a, b = (eps @ view.mixing.T for eps, view in zip(signs, self.views, strict=True))
        return Batch(a, b, signs.a[:, : self.signal_dim])


def _ambient_dims(value: int | tuple[int, int]) -> Pair[int]:
    if isinstance(value, tuple | list):
        if len(value) != 2:
            raise ValueError(f"`ambient_dim` (d) must be one whole number or a pair of them; got {value!r}.")
        return Pair(*(checks.whole(d, "`ambient_dim` (d)") for d in value))
    return Pair(*2 * [checks.whole(value, "`ambient_dim` (d)")])


def _several(noise: ArrayLike, label: str) -> bool:
    """Whether there is one scale per coordinate, and not one for all."""
    try:
        return np.ndim(noise) > 0
    except ValueError:
        raise TypeError(f"{label} must be one scale or one per noise coordinate; got rows of unequal length.") from None


def _view(signal: tuple[float, ...], noise: ArrayLike, d: int, basis: ArrayLike | None, name: str, letter: str) -> View:
    r = len(signal)
    if r > d:
        raise ValueError(f"`signal_{name}` (σ_{letter}) must have at most d = {d} coordinates; got r = {r}.")
    label = f"`noise_{name}` (σ_ξ,{letter})"
    if not _several(noise, label):
        values: tuple[float, ...] = (checks.non_negative(noise, label),) * (d - r)
    else:
        values = checks.scales(noise, label, zero_allowed=True)
        if len(values) != d - r:
            raise ValueError(
                f"{label} must be one scale or one per noise coordinate, d - r = {d - r}; got {len(values)}."
            )
    return View(np.array(signal), np.array(values), _orthogonal(basis, d, f"`basis_{name}`"))


def _orthogonal(basis: ArrayLike | None, d: int, label: str) -> Float[Array, "d d"] | None:
    if basis is None:
        return None
    matrix = checks.real_array(basis, label, ndim=2)
    if matrix.shape != (d, d):
        raise ValueError(f"{label} must have shape {(d, d)}; got {matrix.shape}.")
    error = float(np.abs(matrix.T @ matrix - np.eye(d)).max())
    if error > 1e-8:
        raise ValueError(f"{label} must be orthogonal, its columns of unit length; BᵀB differs from I by {error:.2g}.")
    return matrix.copy()  # not the caller's


def _plain(value: ArrayLike | None) -> object:
    if value is None or np.ndim(value) == 0:
        return None if value is None else float(value)  # type: ignore[arg-type]
    return tuple(_plain(row) for row in np.asarray(value))

r"""Which coordinates a flow is solved on: the distinct ones, each with its multiplicity, or samples of them.

Coordinates of the same two scales run alike, so one equation stands for all of them. And coordinates meet in sums only:
where $(v_p,\delta_p)$ is a smooth function of $\sigma_p^2$, its values at a few Chebyshev points give these sums (those
of polynomials of their degree exactly) and the function everywhere else.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray as Array
from numpy.polynomial.chebyshev import chebpts1, chebvander

from mmcl.data import PairedData
from mmcl.pair import Pair

FIRST = 17  # Chebyshev points to begin with
SPARSE = 16  # coordinates to a point at least; below, samples save nothing
TAIL = 3  # last coefficients of a series, of either parity
BLOCK = 2**14  # coordinates at a time: their polynomials stay in the cache


class Unresolved(Exception):
    """The samples are too few for the functions that the flow has made of them."""


@dataclass(frozen=True, eq=False)
class Coordinates:
    r"""Coordinates of a world, and how many of its coordinates each stands for.

    Attributes:
        squares: $\sigma_{A,p}^2,\sigma_{B,p}^2$, in units of the largest of their modality.
        weights: multiplicities.
        place: of every coordinate of the world, among these.
    """

    squares: Pair[Float[Array, " r"]]
    weights: Float[Array, " r"]
    place: Int[Array, " all"]

    @classmethod
    def every(cls, data: PairedData) -> Coordinates:
        """Each coordinate of the world by itself.

        Raises:
            ArithmeticError: if the square of a scale vanishes beside that of the largest.
        """
        squares = Pair(*((view.signal / view.scales.max()) ** 2 for view in data.views))
        if not all(square.all() for square in squares):
            raise ArithmeticError(
                "The flow could not be followed beyond t = 0: a signal scale lies so far below the largest scale of "
                "its modality that the square of their ratio vanishes."
            )
        return cls(squares, np.ones(data.signal_dim), np.arange(data.signal_dim))

    @classmethod
    def distinct(cls, data: PairedData) -> Coordinates:
        """One for all that have the same two scales; raises as `every`."""
        a, b = cls.every(data).squares
        together = a if np.array_equal(a, b) else a + 1j * b
        _, first, place, count = np.unique(together, return_index=True, return_inverse=True, return_counts=True)
        return cls(Pair(a[first], b[first]), count.astype(float), place)

    def everywhere(self, values: Float[Array, " r"]) -> Float[Array, " all"]:
        """The values of all coordinates of the world, in its order."""
        return values[self.place]

    @property
    def alike(self) -> bool:
        """Whether the scales of B are those of A, up to round-off and a common factor."""
        a, b = self.squares
        return bool(np.all(np.abs(a - b) <= 8 * np.finfo(float).eps * a))


@dataclass(frozen=True, eq=False)
class Samples:
    r"""Chebyshev points in $\sigma^2$, with weights that give the sum of every polynomial of their degree exactly.

    .. math:: w_j=\sum_p\ell_j(\sigma_p^2)=\sum_{k<n}\frac{2-\delta_{k0}}nT_k(x_j)\sum_pT_k(x_p)

    Attributes:
        squares: the points, for either modality.
        weights: $w_j$.
        world: the distinct coordinates that they stand for.
    """

    squares: Pair[Float[Array, " n"]]
    weights: Float[Array, " n"]
    world: Coordinates

    @classmethod
    def of(cls, world: Coordinates, count: int) -> Samples:
        """So many of them, for a world whose modalities are alike."""
        square = world.squares.a
        middle, half = (square.max() + square.min()) / 2, (square.max() - square.min()) / 2
        moments = np.zeros(count)
        for part, weights in zip(_parts(square), _parts(world.weights), strict=True):
            moments += weights @ chebvander((part - middle) / half, count - 1)
        points = chebpts1(count)
        places = middle + half * points
        return cls(Pair(places, places), _to_series(points).T @ moments, world)

    @cached_property
    def to_series(self) -> Float[Array, "n n"]:
        """From values at the points to the coefficients of their Chebyshev series."""
        return _to_series(chebpts1(len(self.weights)))

    def at_all(self, values: Float[Array, "k n"]) -> Float[Array, "k r"]:
        """The functions with these values, at the distinct coordinates."""
        square, series = self.world.squares.a, (self.to_series @ values.T)
        middle, half = (square.max() + square.min()) / 2, (square.max() - square.min()) / 2
        parts = [chebvander((part - middle) / half, len(series) - 1) @ series for part in _parts(square)]
        return np.concatenate(parts).T

    def tails(self, values: Float[Array, "k n"]) -> Float[Array, " k"]:
        """The largest of the last coefficients of every function: what a longer series would still bring."""
        return np.abs(self.to_series[-TAIL:] @ values.T).max(axis=0)


def choices(world: Coordinates) -> Iterator[Coordinates | Samples]:
    """What to solve the flow on, the cheapest first; the last one, the distinct coordinates, needs no resolution."""
    count = FIRST
    while world.alike and SPARSE * count <= len(world.weights):
        yield Samples.of(world, count)
        count = 2 * count - 1
    yield world


def _to_series(points: Float[Array, " n"]) -> Float[Array, "n n"]:
    n = len(points)
    return chebvander(points, n - 1).T * np.where(np.arange(n) == 0, 1, 2)[:, None] / n


def _parts(values: Float[Array, " r"]) -> list[Float[Array, " part"]]:
    return np.array_split(values, -(-len(values) // BLOCK))

"""What several tests hold the package against: the theory's equations, written out once more by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from mmcl import InfoNCE, PairedData, PositiveOnly


@dataclass(frozen=True)
class PlainFlow:
    """The flow on lengths, inner products and noise masses, with nothing solved or transformed."""

    start: np.ndarray
    velocity: Callable[[float, np.ndarray], np.ndarray]
    unpack: Callable[[np.ndarray], tuple[np.ndarray, ...]]


def _plain_flow(data: PairedData, objective: InfoNCE | PositiveOnly) -> PlainFlow:
    view_a, view_b = data.views
    r, s_a, s_b = data.signal_dim, view_a.signal**2, view_b.signal**2
    x_a, x_b = view_a.noise**2, view_b.noise**2
    cuts = np.cumsum([r, r, r, len(x_a)])

    def force(theta):
        if isinstance(objective, PositiveOnly):
            return 2 + 0 * theta
        tau2 = objective.inverse_temperature
        odds = objective.negatives * np.prod((1 + np.exp(-2 * tau2 * theta)) / 2)
        return 2 * odds / (1 + odds) * tau2 * (1 - np.tanh(tau2 * theta))

    def unpack(y):
        a, b, c, n_a, n_b = np.split(y, cuts)
        return a, b, c, n_a, n_b, a.sum() + n_a.sum(), b.sum() + n_b.sum()

    def velocity(_, y):
        a, b, c, n_a, n_b, N2_a, N2_b = unpack(y)
        both = np.sqrt(N2_a * N2_b)
        g = force(c / both)
        total = np.sum(g * c) / both
        return np.concatenate([
            2 * s_a * (g * c / both - total * a / N2_a),
            2 * s_b * (g * c / both - total * b / N2_b),
            g * (s_a * b + s_b * a) / both - total * c * (s_a / N2_a + s_b / N2_b),
            -2 * x_a * total * n_a / N2_a,
            -2 * x_b * total * n_b / N2_b,
        ])  # fmt: skip

    return PlainFlow(np.concatenate([s_a, s_b, 0 * s_a, x_a, x_b]), velocity, unpack)


@pytest.fixture(scope="session")
def plain_flow() -> Callable[[PairedData, InfoNCE | PositiveOnly], PlainFlow]:
    """(data, objective) ↦ the 3r + 2 equations (one noise mass per noise coordinate)."""
    return _plain_flow

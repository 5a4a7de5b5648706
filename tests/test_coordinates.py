"""A flow on distinct coordinates, or on samples of them, is the flow of all of them."""

from __future__ import annotations

import numpy as np
import pytest

import mmcl.coordinates
from mmcl import InfoNCE, PairedData, PositiveOnly, gradient_flow
from mmcl.coordinates import FIRST, SPARSE, Coordinates, Samples, choices
from mmcl.temperature import LearnedTemperature
from mmcl.trajectory import Trajectory

MANY = np.geomspace(2.0, 1.0, 700)
TIMES = np.array([0.0, 1.0, 30.0, 1000.0, 1e5])


def _world(signal: np.ndarray, **settings: object) -> PairedData:
    return PairedData(**{"signal_a": signal, "noise_a": 0.5, "ambient_dim": len(signal) + 56} | settings)


def _apart(one: Trajectory, other: Trajectory) -> float:
    """The largest difference, in units of each series' largest entry."""
    pairs = [(one.columns()[name], column) for name, column in other.columns().items()]
    return max(float(np.max(np.abs(a - b)) / np.max(np.abs(b), initial=1e-300)) for a, b in pairs if not np.isnan(b[0]))


def _without_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mmcl.coordinates, "SPARSE", 10**9)


def test_equal_scales_share_one_equation_in_any_order():
    world = _world([2.0, 1.0, 2.0, 1.5, 1.0, 1.0], signal_b=[1.0, 3.0, 1.0, 0.5, 3.0, 2.0])
    found = Coordinates.distinct(world)
    assert len(found.weights) == 4 and sorted(found.weights) == [1, 1, 2, 2]
    np.testing.assert_array_equal(found.everywhere(found.squares.a) * 4, np.array(world.signal_a) ** 2)
    np.testing.assert_array_equal(found.everywhere(found.squares.b) * 9, np.array(world.signal_b) ** 2)


def test_the_flow_of_equal_scales_is_that_of_scales_next_to_equal():
    equal = np.array([1.0, 2.0, 1.0, 1.5, 2.0, 1.0])
    near = equal * (1 + 1e-13 * np.arange(6))
    world, other = (_world(signal, signal_b=signal[::-1].copy()) for signal in (equal, near))
    assert len(Coordinates.distinct(world).weights) < 6 == len(Coordinates.distinct(other).weights)
    assert _apart(*(gradient_flow(one, InfoNCE(4.0, 3.0), TIMES) for one in (world, other))) < 1e-8


def test_a_million_coordinates_of_eight_scales_follow_one_of_each():
    """N² and Σθ grow by the multiplicity m, so time and temperature do: θ shrinks by it, and κ stays."""
    m = 125_000
    small, large = np.geomspace(2.0, 1.0, 8), np.tile(np.geomspace(2.0, 1.0, 8), m)
    one = gradient_flow(PairedData(signal_a=small, noise_a=0.5, ambient_dim=64), PositiveOnly(), [0.0, 5.0, 50.0])
    data = PairedData(signal_a=large, noise_a=0.5, ambient_dim=64 * m)
    many = gradient_flow(data, PositiveOnly(), np.array([0.0, 5.0, 50.0]) * m)
    np.testing.assert_allclose(many.condition_number, one.condition_number, rtol=1e-8)
    np.testing.assert_allclose(many.theta[:, :8] * m, one.theta, rtol=1e-7, atol=1e-12)
    assert many.theta.shape == (3, 8 * m)


@pytest.mark.parametrize("count", [5, 12, FIRST])
def test_samples_give_the_sum_of_every_polynomial_of_their_degree(count):
    world = Coordinates.distinct(_world(np.repeat(MANY, 1 + np.arange(700) % 3)))
    samples, square = Samples.of(world, count), world.squares.a
    for power in range(count):
        due = world.weights @ square**power
        assert samples.weights @ samples.squares.a**power == pytest.approx(due, rel=1e-12)
    values = np.array([samples.squares.a ** (count - 1), np.ones(count)])
    np.testing.assert_allclose(samples.at_all(values), [square ** (count - 1), np.ones(len(square))], atol=1e-13)


def test_the_tail_of_a_series_tells_what_is_missing():
    samples = Samples.of(Coordinates.distinct(_world(MANY)), FIRST)
    smooth, rough = samples.squares.a**2, np.abs(samples.squares.a - 0.5)
    tails = samples.tails(np.array([smooth, rough]))
    assert tails[0] < 1e-14 and tails[1] > 1e-4


def test_few_coordinates_or_unlike_modalities_are_not_sampled():
    few, many = _world(MANY[: SPARSE * FIRST - 1]), _world(MANY)
    unlike = _world(MANY, signal_b=MANY[::-1].copy())
    assert [len(list(choices(Coordinates.distinct(world)))) for world in (few, many, unlike)] == [1, 3, 1]
    scaled = _world(MANY, signal_b=3 * MANY, noise_b=1.5)
    assert len(list(choices(Coordinates.distinct(scaled)))) == 3


@pytest.mark.parametrize(
    ("signal", "objective", "temperature"),
    [
        (MANY, InfoNCE(4.0), None),
        (MANY, PositiveOnly(), None),
        (MANY, InfoNCE(300.0, negatives=511.0), None),
        (MANY[::-1].copy(), InfoNCE(30_000.0, negatives=511.0), None),
        (MANY, InfoNCE(4.0), LearnedTemperature(1.0, cap=100.0)),
        (np.geomspace(100.0, 1.0, 700), InfoNCE(4.0), None),
        (np.concatenate([np.linspace(1.0, 1.1, 600), np.linspace(1.9, 2.0, 100)]), InfoNCE(40.0), None),
    ],
    ids=["canonical", "positives", "warm", "frozen", "learned", "wide", "clusters"],
)
def test_a_sampled_flow_is_that_of_the_coordinates_themselves(signal, objective, temperature, monkeypatch):
    world = _world(signal)
    settings = {"temperature": temperature, "tolerance": 1e-11}
    sampled = gradient_flow(world, objective, TIMES, **settings)
    _without_samples(monkeypatch)
    # The two take steps of their own. Frozen, θ comes from a small difference of logarithms, and has some hundred times
    # their error.
    assert _apart(sampled, gradient_flow(world, objective, TIMES, **settings)) < 1e-8


def test_too_few_samples_are_noticed(monkeypatch):
    """A watch that sees nothing would let five samples through, and be wrong by far more than the tolerance."""
    world, used = _world(np.geomspace(20.0, 1.0, 700)), []
    due = gradient_flow(world, PositiveOnly(), TIMES)
    monkeypatch.setattr(mmcl.coordinates, "FIRST", 5)

    def listed(one: Coordinates):
        for choice in choices(one):
            used.append(len(choice.weights))
            yield choice

    monkeypatch.setattr("mmcl.flow.choices", listed)
    assert _apart(gradient_flow(world, PositiveOnly(), TIMES), due) < 1e-8
    assert used[0] == 5 and len(used) > 2
    monkeypatch.setattr("mmcl.flow._watch", lambda *arguments: None)
    assert _apart(gradient_flow(world, PositiveOnly(), TIMES), due) > 1e-6

"""Momentum, Adam and weight decay: against PyTorch's own, and against their symmetries."""

from __future__ import annotations

import pickle
import re
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
import torch

from mmcl import EmpiricalPairs, InBatchInfoNCE, InfoNCE, PositiveOnly, train
from mmcl.training import Adam, GradientDescent, Momentum, gaussian_weights
from mmcl.training.optimizer import Rule
from mmcl.worlds import SMALL, UNEQUAL

RNG = np.random.default_rng


def _by_torch(make, steps, step_size):
    """Positives only in the world UNEQUAL, by autograd and an optimizer of PyTorch."""
    moments = [torch.from_numpy(x) for x in (UNEQUAL.covariance_a, UNEQUAL.covariance_b, UNEQUAL.cross_covariance)]
    a, b = (torch.from_numpy(w.copy()).requires_grad_() for w in gaussian_weights((4, 5), 6, rng=RNG(0)))
    optimizer = make([a, b])
    for _ in range(steps):
        optimizer.zero_grad()
        norms = [torch.trace(w.T @ m @ w).sqrt() for w, m in zip((a, b), moments[:2], strict=True)]
        (-2 * torch.trace(a.T @ moments[2] @ b) / (norms[0] * norms[1])).backward()
        optimizer.step()
    return a.detach().numpy(), b.detach().numpy()


@pytest.mark.parametrize(
    ("ours", "decay", "theirs"),
    [
        (None, 0.0, lambda w: torch.optim.SGD(w, lr=0.1)),
        (None, 0.3, lambda w: torch.optim.SGD(w, lr=0.1, weight_decay=0.3)),
        (Momentum(0.8), 0.0, lambda w: torch.optim.SGD(w, lr=0.1, momentum=0.8)),
        (Adam(), 0.0, lambda w: torch.optim.Adam(w, lr=0.1)),
        (Adam(0.7, 0.9, 1e-3), 0.2, lambda w: torch.optim.AdamW(w, 0.1, (0.7, 0.9), 1e-3, weight_decay=0.2)),
    ],
)
def test_a_run_is_that_of_pytorch(ours, decay, theirs):
    run = train(
        UNEQUAL, PositiveOnly(), weights=gaussian_weights((4, 5), 6, rng=RNG(0)), step_size=0.1, steps=25,
        optimizer=ours, weight_decay=decay,
    )  # fmt: skip
    for mine, torchs in zip(run.weights, _by_torch(theirs, 25, 0.1), strict=True):
        np.testing.assert_allclose(mine, torchs, atol=1e-11)


def test_a_memory_of_real_towers_goes_on_only_with_the_weights_that_it_belongs_to():
    rng = np.random.default_rng(5)
    pairs = EmpiricalPairs(rng.standard_normal((40, 4)), rng.standard_normal((40, 5)))
    settings = {"step_size": 0.1, "steps": 5, "batch_size": 8, "optimizer": Momentum()}
    first = train(pairs, InBatchInfoNCE(4.0), width=6, rng=np.random.default_rng(0), **settings)
    for width in (6, 3):
        new = gaussian_weights((4, 5), width, rng=rng)
        fresh = train(pairs, InBatchInfoNCE(4.0), weights=new, rng=np.random.default_rng(1), **settings)
        start = replace(first, weights=new)
        again = train(pairs, InBatchInfoNCE(4.0), start=start, rng=np.random.default_rng(1), **settings)
        np.testing.assert_array_equal(again.weights.a, fresh.weights.a)


@pytest.mark.parametrize("optimizer", [GradientDescent(), Momentum(0.9), Adam()], ids=repr)
def test_real_towers_step_as_the_reduced_form_does(optimizer):
    sample = UNEQUAL.sample(40, rng=RNG(1))
    pairs = EmpiricalPairs(sample.a, sample.b)
    settings = {"step_size": 0.05, "steps": 10, "weight_decay": 0.1, "optimizer": optimizer}
    run = train(pairs, PositiveOnly(), weights=gaussian_weights((4, 5), 6, rng=RNG(0)), **settings)
    assert np.isfinite(run.weights.a).all() and run.alignment[-1] > run.alignment[0]


@pytest.mark.parametrize("world", [SMALL, UNEQUAL, "pairs"], ids=["small", "unequal", "pairs"])
@pytest.mark.parametrize("optimizer", [None, Momentum(0.9), Adam()], ids=repr)
def test_twice_fifty_steps_are_a_hundred_bit_for_bit(optimizer, world):
    data, objective = (world, InfoNCE(2.0)) if world != "pairs" else (_pairs(), PositiveOnly())
    settings = {"step_size": 0.05, "weight_decay": 0.1, "optimizer": optimizer, "batch_size": 8, "record_every": 10}
    dims = (6, 6) if world == SMALL else (4, 5)
    whole = train(data, objective, weights=gaussian_weights(dims, 6, rng=RNG(0)), steps=100, rng=RNG(1), **settings)
    half = train(data, objective, weights=gaussian_weights(dims, 6, rng=RNG(0)), steps=50, rng=RNG(1), **settings)
    both = train(data, objective, start=pickle.loads(pickle.dumps(half)), steps=50, **settings).after(half)
    for one, other in zip((*whole.weights, whole.theta), (*both.weights, both.theta), strict=True):
        np.testing.assert_array_equal(one, other)


def _pairs() -> EmpiricalPairs:
    sample = UNEQUAL.sample(40, rng=RNG(1))
    return EmpiricalPairs(sample.a, sample.b)


def test_a_memory_goes_on_only_with_the_weights_and_the_optimizer_that_it_belongs_to():
    settings = {"step_size": 0.05, "steps": 10}
    first = train(SMALL, InfoNCE(2.0), width=6, rng=RNG(0), optimizer=Momentum(0.9), **settings)
    fresh = {"optimizer": Momentum(0.9), **settings}
    kept, empty = (train(SMALL, InfoNCE(2.0), optimizer=Momentum(0.9), **settings, **how).weights.a for how in (
        {"start": first}, {"weights": first.weights},
    ))  # fmt: skip
    assert np.abs(kept - empty).max() > 1e-3
    other = replace(first, weights=gaussian_weights((6, 6), 6, rng=RNG(5)))
    one, two = (train(SMALL, InfoNCE(2.0), **fresh, **how) for how in ({"start": other}, {"weights": other.weights}))
    np.testing.assert_array_equal(one.theta, two.theta)
    one, two = (train(SMALL, InfoNCE(2.0), optimizer=Adam(), **settings, **how) for how in (
        {"start": first}, {"weights": first.weights},
    ))  # fmt: skip
    np.testing.assert_array_equal(one.theta, two.theta)


@pytest.mark.parametrize("optimizer", [None, Momentum(0.9)], ids=repr)
def test_a_rotation_of_the_outputs_changes_nothing_but_for_adam(optimizer):
    weights, turn = gaussian_weights((6, 6), 8, rng=RNG(0)), np.linalg.qr(RNG(1).standard_normal((8, 8)))[0]
    turned = [w @ turn for w in weights]
    settings = {"step_size": 0.2, "steps": 20}
    one, two = (train(SMALL, InfoNCE(2.0), weights=w, optimizer=optimizer, **settings) for w in (weights, turned))
    np.testing.assert_allclose(one.theta, two.theta, atol=1e-12)
    one, two = (train(SMALL, InfoNCE(2.0), weights=w, optimizer=Adam(), **settings) for w in (weights, turned))
    assert np.abs(one.theta - two.theta).max() > 1e-3


@pytest.mark.parametrize(
    ("make", "error", "sentence"),
    [
        (lambda: Momentum(1.0), ValueError, "`beta` (β) must be at least 0 and less than 1; got 1.0."),
        (lambda: Adam(beta=-0.1), ValueError, "`beta` (β₁) must be at least 0 and finite; got -0.1."),
        (
            lambda: Adam(beta_squares=1.5), ValueError,
            "`beta_squares` (β₂) must be at least 0 and less than 1; got 1.5.",
        ),
        (lambda: Adam(epsilon=0), ValueError, "`epsilon` (ε) must be positive and finite; got 0."),
        (
            lambda: train(SMALL, PositiveOnly(), width=4, step_size=1, steps=1, rng=RNG(0), weight_decay=-1),
            ValueError,
            "`weight_decay` (λ) must be at least 0 and finite; got -1.",
        ),
        (
            lambda: train(SMALL, PositiveOnly(), width=4, step_size=1, steps=1, rng=RNG(0), optimizer="adam"),
            TypeError,
            "`optimizer` must be GradientDescent or Momentum or Adam; got 'adam'.",
        ),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_in_a_sentence(make, error, sentence):
    with pytest.raises(error, match=f"^{re.escape(sentence)}$"):
        make()


def test_optimizers_are_values():
    assert replace(Momentum(), beta=0.5) == Momentum(0.5) != Momentum()


@pytest.mark.parametrize("number", [np.float32(0.1), Fraction(1, 10), Decimal("0.1")], ids=repr)
def test_an_optimizer_keeps_the_floats_that_it_checked(number):
    adam, rule = Adam(number, number, number), Rule(Momentum(number), number)
    for value in (adam.beta, adam.beta_squares, adam.epsilon, rule.optimizer.beta, rule.weight_decay):
        assert type(value) is float and value == float(number)

"""The gradients of the family by hand, against autograd of the torch definitions on the same batch."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mmcl.family import AlignmentUniformity, Decoupled, NTXent, Sigmoid, Spectral
from mmcl.family_losses import loss
from mmcl.losses import log_expectation_over_signs
from mmcl.pair import Pair
from mmcl.training.grams import Grams, gradient

FAMILY = [Decoupled(3.0), Sigmoid(4.0, -1.0, 3.0), AlignmentUniformity(2.0, 1.5), NTXent(3.0, 2.0)]


@pytest.mark.parametrize("objective", FAMILY, ids=lambda x: type(x).__name__)
def test_the_gradient_by_hand_is_autograds_of_the_definition(objective):
    rng, d = np.random.default_rng(1), 5
    k_a, k_b = (rng.standard_normal((d, 7)) for _ in range(2))
    tied = isinstance(objective, NTXent)
    k_b = k_a if tied else k_b
    signs = Pair(*(rng.choice([-1.0, 1.0], size=(20, d)) for _ in range(2)))
    value, h = gradient(objective, Grams(k_a, k_b), signs, "population", 2)
    by_hand = h.at(Grams(k_a, k_b))

    leaf_a = torch.from_numpy(k_a).requires_grad_()
    leaf_b = leaf_a if tied else torch.from_numpy(k_b).requires_grad_()
    images = Pair(*(k / k.square().sum().sqrt() for k in (leaf_a, leaf_b)))
    features = Pair(*(torch.from_numpy(e) @ k for e, k in zip(signs, images, strict=True)))
    due = loss(objective, features, Pair(*(log_expectation_over_signs(k) for k in images)))
    due.backward()
    np.testing.assert_allclose(value, due.item(), rtol=1e-12)
    np.testing.assert_allclose(by_hand[:d], leaf_a.grad.numpy(), atol=1e-12)
    if not tied:
        np.testing.assert_allclose(by_hand[d:], leaf_b.grad.numpy(), atol=1e-12)


def test_the_spectral_gradient_in_expectation_is_autograds():
    rng, d, r = np.random.default_rng(2), 5, 2
    k_a, k_b = (torch.from_numpy(rng.standard_normal((d, 7))).requires_grad_() for _ in range(2))
    R = (k_a / k_a.square().sum().sqrt()) @ (k_b / k_b.square().sum().sqrt()).T
    due = -2 * 2.5 * R.diagonal()[:r].sum() + 2.5**2 * R.square().sum()
    due.backward()
    a, b = (k.detach().numpy() for k in (k_a, k_b))
    value, h = gradient(Spectral(2.5), Grams(a, b), None, "population", r)
    np.testing.assert_allclose(value, due.item(), rtol=1e-12)
    np.testing.assert_allclose(h.at(Grams(a, b))[:d], k_a.grad.numpy(), atol=1e-12)

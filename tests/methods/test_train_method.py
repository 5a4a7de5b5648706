"""Training by a method without negatives: descent follows the exact flow, and bad arguments get a sentence."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mmcl import EmpiricalPairs, PairedData, PositiveOnly, gradient_flow
from mmcl.methods import BYOL, BarlowTwins, DirectPred, MaskedReconstruction, SimSiam, VICReg, train_method
from mmcl.methods.ends import barlow_end, predictor_end, vicreg_end
from mmcl.methods.predictor_flow import PredictorFlow, predictor_flow
from mmcl.methods.reconstruction import reconstruction_flow
from mmcl.training import orthonormal_weights
from mmcl.worlds import CANONICAL, NOISELESS, SMALL, UNEQUAL

RNG = np.random.default_rng
PREDICTIVE = {
    "SimSiam": SimSiam(0.3, 1.2),
    "no stop": SimSiam(0.3, stop_gradient=False),
    "no predictor": SimSiam(predictor=False),
    "BYOL": BYOL(0.3, 0.3, 0.8),
    "DirectPred": DirectPred(0.5),
    "DirectPred, relative": DirectPred(0.5, relative=True),
}


def _rows(world=SMALL):
    dims = tuple(view.ambient_dim for view in world.views)
    return orthonormal_weights(dims, sum(dims), rng=RNG(1))


@pytest.mark.parametrize("method", PREDICTIVE.values(), ids=PREDICTIVE)
def test_halving_the_step_halves_the_distance_to_the_flow(method):
    end = predictor_flow(SMALL, method, [0.0, 2.0]).theta[-1]
    runs = [train_method(SMALL, method, weights=_rows(), step_size=h, steps=round(2 / h)) for h in (0.02, 0.01, 0.005)]
    errors = [np.abs(run.theta[-1] - end).max() for run in runs]
    assert np.log2(np.array(errors[:-1]) / errors[1:]) == pytest.approx(1.0, abs=0.1)


def test_reconstruction_descends_along_its_flow_too():
    end = reconstruction_flow(SMALL, [0.0, 0.3]).theta[-1]
    runs = [
        train_method(SMALL, MaskedReconstruction(), weights=_rows(), step_size=h, steps=round(0.3 / h))
        for h in (0.002, 0.001)
    ]
    errors = [np.abs(run.theta[-1] - end).max() for run in runs]
    assert np.log2(errors[0] / errors[1]) == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize("method", PREDICTIVE.values(), ids=PREDICTIVE)
def test_the_flow_does_not_depend_on_where_it_is_watched(method):
    long, short = (predictor_flow(CANONICAL, method, times) for times in ([0.0, 3.0, 50.0], [0.0, 50.0]))
    np.testing.assert_allclose(long.theta[-1], short.theta[-1], atol=1e-8)


def test_without_a_predictor_and_with_the_full_gradient_it_is_positives_only():
    times = np.array([0.0, 1.0, 30.0])
    method = SimSiam(predictor=False, stop_gradient=False)
    expected = gradient_flow(CANONICAL, PositiveOnly(), times)
    np.testing.assert_allclose(predictor_flow(CANONICAL, method, times).theta, expected.theta, atol=1e-7)


def test_norms_of_towers_and_predictor_stand_still():
    system = PredictorFlow(CANONICAL, SimSiam(0.4, 1.3))
    speed, sign, copies = system.directions
    x, q, _ = system.parts(system.along(np.array([0.0, 10.0, 1000.0])))
    towers, predictor = copies @ (x**2 / speed[:, None]), (copies * np.where(sign == 0, 2, 1)) @ q**2
    np.testing.assert_allclose(towers, 64, rtol=1e-8)
    np.testing.assert_allclose(predictor, 2 * 64 * 1.3**2, rtol=1e-8)


@pytest.mark.parametrize("world", [SMALL, NOISELESS], ids=["small", "noiseless"])
@pytest.mark.parametrize("rate", [0.3, 3.0])
def test_the_end_is_where_the_flow_arrives(world, rate):
    method = SimSiam(predictor_rate=rate)
    path, end = predictor_flow(world, method, [0.0, 1e5]), predictor_end(world, method)
    assert path.alignment[-1] == pytest.approx(end.alignment, abs=1e-6)
    assert path.condition_number[-1] == pytest.approx(end.condition_number, rel=1e-6)
    assert path.noise_share[-1, 0] == pytest.approx(end.noise_share, abs=1e-6)


def test_only_the_ratio_of_rate_and_squared_start_decides():
    ends = [predictor_end(CANONICAL, BYOL(predictor_rate=4 * c**2, predictor_scale=c)) for c in (0.5, 1.0, 2.0)]
    assert len({round(end.noise_share, 12) for end in ends}) == 1


def test_beyond_one_an_even_diagonal_of_barlow_twins_is_not_the_best():
    with pytest.raises(ValueError, match=r"^`method.off_diagonal` \(λ\) must be between 0 and 1; got 2\.0\.$"):
        barlow_end(CANONICAL, BarlowTwins(2.0), 16)
    m, r, lam = 8, 2, 2.0
    uneven, even = m - r, m * (1 - 1 / (1 + lam * (m / r - 1)))  # r perfect axes; all alike
    assert uneven < even


def test_noise_is_kept_where_removing_it_costs_more():
    assert vicreg_end(CANONICAL, VICReg(), 16).noise_share == 0
    assert vicreg_end(CANONICAL, VICReg(0.1, 25.0, 1.0), 16).noise_share == pytest.approx(0.3)
    assert vicreg_end(CANONICAL, VICReg(0.25, 25.0, 1.0), 16).noise_share == 0
    assert barlow_end(CANONICAL, BarlowTwins(), 8).noise_share == 0
    assert barlow_end(CANONICAL, BarlowTwins(), 128).alignment == pytest.approx(1 / 1.075)


@pytest.mark.parametrize("method", [*PREDICTIVE.values(), VICReg(), BarlowTwins()], ids=repr)
def test_real_pairs_have_shares_and_no_condition_number(method):
    rng = RNG(3)
    pairs = EmpiricalPairs(rng.normal(size=(30, 4)), rng.normal(size=(30, 5)))
    run = train_method(pairs, method, width=3, step_size=1e-3, steps=3, rng=rng)
    assert run.theta.shape == (4, 3) and np.isnan(run.condition_number).all() and np.isfinite(run.alignment).all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SimSiam(predictor_rate=0), r"`predictor_rate` (β) must be positive and finite; got 0."),
        (lambda: BYOL(predictor_scale=-1.0), r"`predictor_scale` (q₀) must be positive and finite; got -1.0."),
        (lambda: BYOL(target_rate=0.0), r"`target_rate` (μ) must be positive and finite; got 0.0."),
        (lambda: DirectPred(memory_rate=0.0), r"`memory_rate` (μ) must be positive and finite; got 0.0."),
        (lambda: DirectPred(epsilon=-0.1), r"`epsilon` (ε) must be at least 0 and finite; got -0.1."),
        (lambda: VICReg(covariance=0.0), r"`covariance` (ν) must be positive and finite; got 0.0."),
        (lambda: BarlowTwins(-1.0), r"`off_diagonal` (λ) must be positive and finite; got -1.0."),
        (
            lambda: vicreg_end(SMALL, VICReg(1.0, 0.01, 10.0), 4),
            r"`method` must have a `variance` (μ) of at least 4 here, or its floor does not hold; got 0.01.",
        ),
        (
            lambda: vicreg_end(PairedData((2.0, 1.0), ambient_dim=4, signal_b=(2.0, 1.0), noise_b=0.0), VICReg(0.1), 4),
            r"`data` must leave as much room for noise in A as in B where the optimum keeps some; "
            r"got 2 and 0 directions.",
        ),
        (
            lambda: train_method(
                SMALL, BYOL(), predictor=np.zeros((4, 4)), width=4, step_size=0.1, steps=1, rng=RNG(0)
            ),
            r"`predictor` (Q) must not be all zero, for what it gives is normalised.",
        ),
        (
            lambda: train_method(
                EmpiricalPairs(np.zeros((5, 3)), np.ones((5, 3))), BYOL(), width=4, step_size=0.1, steps=1, rng=RNG(0)
            ),
            r"`data` must not be all zero in a modality; got mean squares of [0.0, 3.0].",
        ),
        (
            lambda: predictor_flow(SMALL, SimSiam(), [0.0, 1.0], tolerance=10.0),
            r"`tolerance` must be between 1e-13 and 0.01; got 10.0.",
        ),
        (lambda: vicreg_end(CANONICAL, VICReg(), 8), r"`width` (m) must be a whole number of at least 9; got 8."),
        (
            lambda: reconstruction_flow(SMALL, [0.0, 1.0], start_scale=0.0),
            r"`start_scale` (s) must be positive and finite; got 0.0.",
        ),
        (
            lambda: predictor_flow(UNEQUAL, SimSiam(), [0.0, 1.0]),
            r"`data` must have symmetric modalities, alike in signal and noise, for the predictor's flow.",
        ),
    ],
    ids=lambda x: x if isinstance(x, str) else "",
)
def test_a_bad_value_gets_a_sentence(make, message):
    with pytest.raises(ValueError) as caught:
        make()
    assert str(caught.value) == message


def test_a_flag_is_true_or_false():
    with pytest.raises(TypeError, match=r"^`relative` must be True or False; got 'yes'\.$"):
        DirectPred(relative="yes")


def test_training_says_what_it_misses():
    settings = {"step_size": 0.1, "steps": 2}
    with pytest.raises(TypeError, match=r"^`width` \(m\) must be given where `weights` are not\.$"):
        train_method(SMALL, SimSiam(), **settings)
    with pytest.raises(
        ValueError, match=r"^`weights` \(W\) must have shape \(6, 12\) for modality B; got \(5, 12\)\.$"
    ):
        train_method(SMALL, SimSiam(), weights=(_rows().a, _rows().b[:5]), **settings)
    with pytest.raises(ValueError, match=r"^`predictor` \(Q\) must have shape \(12, 12\); got \(3, 3\)\.$"):
        train_method(SMALL, SimSiam(), weights=_rows(), predictor=np.eye(3), **settings)
    with pytest.raises(
        TypeError, match=r"^`predictor` \(Q\) must be left out for a method that learns none; got VICReg"
    ):
        train_method(SMALL, VICReg(), weights=_rows(), predictor=np.eye(12), **settings)
    with pytest.raises(ValueError, match="must have a predictor and a stopped gradient to end like this"):
        predictor_end(SMALL, replace(SimSiam(), predictor=False))


def test_a_reconstruction_knows_the_units_of_its_data():
    """B twice as large as A is symmetric for every loss that is scale free; this one is not."""
    twice = PairedData((2.0, 1.0), signal_b=(4.0, 2.0), noise_a=0.5, noise_b=1.0, ambient_dim=4)
    with pytest.raises(ValueError, match=r"^`data` must have modalities of equal scales, in signal and noise"):
        reconstruction_flow(twice, [0.0, 1.0])
    with pytest.raises(ValueError, match=r"^`start_scale` \(s\) must be between 1e-100 and 1e100; got 1e-200\.$"):
        reconstruction_flow(SMALL, [0.0, 1.0], start_scale=1e-200)
    assert len(reconstruction_flow(SMALL, [0.0])) == 1


def test_without_noise_nothing_is_kept_and_what_misses_is_not_foretold():
    assert vicreg_end(NOISELESS, VICReg(), NOISELESS.signal_dim + 2) == (1.0, 1.0, NOISELESS.signal_dim, 0.0)
    world = PairedData(signal_a=(2.0, 1.0), noise_a=0.0, ambient_dim=4)
    end = barlow_end(world, BarlowTwins(0.5), 4)
    assert end.alignment == pytest.approx(2 / 3) and np.isnan([end.condition_number, end.noise_share]).all()
    run = train_method(world, BarlowTwins(0.5), step_size=0.05, steps=1000, width=4, rng=RNG(2))
    assert run.alignment[-1] == pytest.approx(2 / 3, abs=1e-3) and run.noise_share[-1].max() == 0


def test_a_predictor_s_flow_can_be_asked_for_its_start_alone():
    start = predictor_flow(SMALL, SimSiam(), [0.0])
    np.testing.assert_allclose(start.theta, predictor_flow(SMALL, SimSiam(), [0.0, 1.0]).theta[:1], atol=1e-15)

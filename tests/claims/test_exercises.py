"""The numbers that stand in solutions of exercises, where no cell of the page works them out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mmcl import InfoNCE, PairedData
from mmcl.claims.balancing import balancing_time
from mmcl.worlds import CANONICAL

SIXTEEN = PairedData(signal_a=np.geomspace(2, 1, 16), noise_a=0.5, ambient_dim=64)


@pytest.mark.parametrize(
    ("data", "K", "best"),
    [(CANONICAL, 1.0, 16.0), (SIXTEEN, 1.0, 3.0), (CANONICAL, 1e8, 22.0), (SIXTEEN, 1e8, 37.0)],
    ids=["8, one", "16, one", "8, many", "16, many"],
)
def test_the_fastest_temperature_of_stage_two(data, K, best):
    below, at, above = (balancing_time(InfoNCE(factor * best, K), data=data) for factor in (2 / 3, 1.0, 1.5))
    assert at < min(below, above)  # so that the best lies between


def test_a_tenth_of_the_noise_is_balanced_nine_times_sooner():
    quiet = replace(CANONICAL, noise_a=CANONICAL.noise_a / 10)
    before, after = (balancing_time(InfoNCE(1.0), data=data) for data in (CANONICAL, quiet))
    assert before / after == pytest.approx(9, rel=0.05)

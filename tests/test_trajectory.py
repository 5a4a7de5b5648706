"""One record of a run: appended, tabulated, saved."""

from __future__ import annotations

import csv
import re
from dataclasses import fields, replace

import numpy as np
import pytest

from mmcl import InfoNCE, PositiveOnly, Trajectory, gradient_flow, train
from mmcl.worlds import CANONICAL, SMALL

SERIES = [f.name for f in fields(Trajectory)][:9]
TIMES = np.array([0.0, 0.5, 1.0, 4.0])


@pytest.fixture(scope="module")
def path() -> Trajectory:
    return gradient_flow(SMALL, InfoNCE(2.0), TIMES)


def _part(path: Trajectory, rows: slice) -> Trajectory:
    return replace(path, **{name: getattr(path, name)[rows] for name in SERIES})


def test_the_shapes_are_those_that_the_record_promises(path):
    T, r = len(TIMES), SMALL.signal_dim
    shapes = [getattr(path, name).shape for name in SERIES]
    assert shapes == [(T,), (T,), (T,), (T,), (T, r), (T, 2), (T, r), (T,), (T,)]
    assert len(path) == T
    assert path.weights is path.rng_state is path.learner_state is None and path.steps == 0


def test_two_parts_that_meet_make_the_whole(path):
    whole = _part(path, slice(2, None)).after(_part(path, slice(0, 3)))
    for name in SERIES:
        np.testing.assert_array_equal(getattr(whole, name), getattr(path, name))


def test_the_later_part_brings_its_weights_and_its_count_of_steps(path):
    late = replace(_part(path, slice(2, None)), steps=8)
    assert late.after(_part(path, slice(0, 3))).steps == 8


def test_parts_that_do_not_meet_are_refused(path):
    with pytest.raises(ValueError, match=r"^`earlier` must end at the time this record begins, 1; it ends at 0\.5\.$"):
        _part(path, slice(2, None)).after(_part(path, slice(0, 2)))


def test_the_effective_rank_runs_from_unknown_through_one_to_r(path):
    squares = replace(path, theta=np.array([[0.0, 0.0], [0.5, 0.0], [0.3, 0.3], [0.1, 0.3]])).effective_rank
    assert np.isnan(squares[0])
    np.testing.assert_allclose(squares[1:], [1, 2, 1.6], rtol=1e-12)


def test_columns_name_every_series_once(path):
    table = path.columns()
    assert list(table) == [
        "time", "alignment", "condition_number", "condition_number_b", "theta_1", "theta_2", "noise_share_a",
        "noise_share_b", "misalignment_1", "misalignment_2", "loss", "inverse_temperature",
    ]  # fmt: skip
    np.testing.assert_array_equal(table["theta_2"], path.theta[:, 1])
    np.testing.assert_array_equal(table["noise_share_b"], path.noise_share[:, 1])


def test_a_csv_reads_back_as_the_columns(path, tmp_path):
    saved = path.save(tmp_path / "run.csv")
    with saved.open(newline="") as handle:
        header, *rows = csv.reader(handle)
    assert header == list(path.columns())
    np.testing.assert_array_equal(np.array(rows, dtype=float), np.column_stack(list(path.columns().values())))


def test_an_archive_reads_back_as_the_arrays_with_the_weights_of_training(tmp_path):
    run = train(SMALL, InfoNCE(2.0), width=3, step_size=0.1, steps=4, rng=np.random.default_rng(0))
    with np.load(run.save(str(tmp_path / "run.npz"))) as stored:
        assert set(stored.files) == {*SERIES, "weights_a", "weights_b"}
        for name in SERIES:
            np.testing.assert_array_equal(stored[name], getattr(run, name))
        np.testing.assert_array_equal(stored["weights_b"], run.weights.b)


def test_theory_saves_no_weights(path, tmp_path):
    with np.load(path.save(tmp_path / "theory.npz")) as stored:
        assert set(stored.files) == set(SERIES)


def test_another_ending_is_refused(path, tmp_path):
    with pytest.raises(ValueError, match=r"^`path` must end in \.csv or \.npz; got 'run\.txt'\.$"):
        path.save(tmp_path / "run.txt")


def test_a_record_is_appended_to_a_record_and_saved_in_a_folder_that_exists(path, tmp_path):
    with pytest.raises(TypeError, match=r"^`earlier` must be Trajectory; got 3\.$"):
        path.after(3)
    with pytest.raises(TypeError, match=r"^`path` must be str or Path; got 3\.$"):
        path.save(3)
    target = tmp_path / "none" / "run.csv"
    sentence = f"`path` must lie in a folder that exists; got {str(target)!r}."
    with pytest.raises(FileNotFoundError, match=f"^{re.escape(sentence)}$"):
        path.save(target)


def test_records_are_told_apart_by_identity_and_joined_only_if_they_fit():
    one, other = (gradient_flow(world, PositiveOnly(), [0.0, 1.0]) for world in (SMALL, CANONICAL))
    assert one == one and one != other and len({one, other}) == 2
    with pytest.raises(ValueError, match=r"^`earlier` must be a record of as many coordinates, "):
        replace(one, time=np.array([1.0, 2.0])).after(other)

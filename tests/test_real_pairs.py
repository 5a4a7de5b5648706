"""The glyphs: real pairs, fairly split, the same on every supported Python."""

from __future__ import annotations

import unicodedata

import numpy as np
import pytest

from mmcl.real_pairs import RARE, glyphs
from mmcl.spectra import spectrum


def _texts(names: tuple[str, ...], vocabulary: tuple[str, ...]) -> list[frozenset[str]]:
    return [frozenset(name.lower().replace("-", " ").split()) & set(vocabulary) for name in names]


def test_the_counts_are_the_same_everywhere():
    data = glyphs()
    assert (len(data.train), len(data.held_out), len(data.vocabulary)) == (4248, 923, 431)
    assert data.train.ambient_dim == data.held_out.ambient_dim == (1024, 431)


def test_the_second_call_costs_nothing():
    assert glyphs() is glyphs()


def test_no_text_is_in_both_parts_and_none_is_empty():
    data = glyphs()
    train, held_out = _texts(data.train_names, data.vocabulary), _texts(data.held_out_names, data.vocabulary)
    assert not set(train) & set(held_out)
    assert all(train) and all(held_out)
    assert 0.15 < len(set(held_out)) / len(set(train) | set(held_out)) < 0.25


def test_no_picture_occurs_twice_and_none_is_blank():
    data = glyphs()
    pictures = np.concatenate([data.train_pictures, data.held_out_pictures]).reshape(-1, 1024)
    assert len({picture.tobytes() for picture in pictures}) == len(pictures)
    assert pictures.any(axis=1).all()


def test_every_name_is_that_of_a_character():
    data = glyphs()
    for name in data.train_names + data.held_out_names:
        assert unicodedata.name(unicodedata.lookup(name)) == name


def test_columns_of_modality_b_are_the_words_of_the_names():
    data = glyphs()
    texts = _texts(data.train_names, data.vocabulary) + _texts(data.held_out_names, data.vocabulary)
    b = np.concatenate([data.train.b, data.held_out.b])
    for column in (0, 100, 430):
        holds = np.array([data.vocabulary[column] in text for text in texts])
        assert holds.sum() >= RARE
        high, low = b[holds, column], b[~holds, column]
        assert np.ptp(high) < 1e-12 and np.ptp(low) < 1e-12 and high[0] > low[0]


def test_rarer_words_weigh_more():
    data = glyphs()
    jumps = np.ptp(np.concatenate([data.train.b, data.held_out.b]), axis=0)
    position = {word: i for i, word in enumerate(data.vocabulary)}
    assert jumps[position["omega"]] > jumps[position["greek"]] > jumps[position["letter"]] > 0


def test_modality_a_is_the_picture_centred_and_scaled():
    data = glyphs()
    pixels = data.train_pictures.reshape(-1, 1024) / 255
    centred = pixels - pixels.mean(axis=0)
    np.testing.assert_allclose(data.train.a, centred / np.sqrt(np.mean((centred**2).sum(axis=1))), atol=1e-12)


def test_held_out_pairs_are_standardised_like_the_training_pairs():
    data = glyphs()
    pixels = (data.train_pictures.reshape(-1, 1024) / 255, data.held_out_pictures.reshape(-1, 1024) / 255)
    scale = np.linalg.norm(data.train.a[0]) / np.linalg.norm(pixels[0][0] - pixels[0].mean(axis=0))
    np.testing.assert_allclose(data.held_out.a, (pixels[1] - pixels[0].mean(axis=0)) * scale, atol=1e-12)


def test_a_picture_shows_its_character():
    data = glyphs()
    pictures = dict(
        zip(data.train_names + data.held_out_names, [*data.train_pictures, *data.held_out_pictures], strict=True)
    )
    stop, one = pictures["FULL STOP"], pictures["DIGIT ONE"]
    assert stop.shape == (32, 32) and stop.dtype == np.uint8
    assert 0 < np.count_nonzero(stop) < np.count_nonzero(one) < 300
    assert np.flatnonzero(stop.any(axis=1)).max() == np.flatnonzero(one.any(axis=1)).max() == 23, "the baseline"


def test_the_pictures_cannot_be_changed_by_accident():
    with pytest.raises(ValueError, match="read-only"):
        glyphs().train_pictures[0] = 0


def test_pictures_and_names_share_a_linear_signal_that_shuffled_pairs_lack():
    train = glyphs().train
    true, broken = (
        np.linalg.norm(pairs.cross_covariance) for pairs in (train, train.shuffled(rng=np.random.default_rng(0)))
    )
    assert true > 3 * broken
    assert spectrum(np.eye(1024, 431), np.eye(431), data=train).singular_values[0] > 0

"""Real pairs that ship inside packages: the picture of a character and its Unicode name."""

from __future__ import annotations

import hashlib
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from jaxtyping import Bool, UInt8
from numpy import ndarray as Array

from mmcl.empirical import EmpiricalPairs

SIDE = 32  # pixels
EM = 24  # pixels per em: capitals with accents just fit
BASELINE = 24  # the row on which letters stand
RARE = 5  # a word of the vocabulary occurs in at least so many names
PART = 5  # one text in so many is held out


@dataclass(frozen=True, eq=False)
class Glyphs:
    r"""Pictures of characters (modality A) paired with the words of their names (modality B).

    Attributes:
        train: the training pairs, each modality centred and scaled to $\mathbb E\|x\|^2=1$; A has 32² columns, B one
            per word.
        held_out: the pairs held out, standardised like the training pairs. No picture and no text is in both parts.
        train_names: the Unicode name of each training pair's character.
        held_out_names: likewise for the held-out pairs.
        train_pictures: the training pictures as drawn, 0 for paper and 255 for ink, shape (n, 32, 32), read-only.
        held_out_pictures: likewise for the held-out pairs.
        vocabulary: the words that the columns of B stand for, in alphabetical order.
    """

    train: EmpiricalPairs
    held_out: EmpiricalPairs
    train_names: tuple[str, ...]
    held_out_names: tuple[str, ...]
    train_pictures: UInt8[Array, "n 32 32"]
    held_out_pictures: UInt8[Array, "n 32 32"]
    vocabulary: tuple[str, ...]


@lru_cache(maxsize=1)
def glyphs() -> Glyphs:
    r"""Every character of DejaVu Sans that has a name and a picture of its own.

    A picture is the character drawn at 24 pixels per em, centred across, its baseline on row 24; what is wider than
    32 pixels is cut. A text is the set of words in the name, weighted by their rarity,

    .. math:: x_{B,w}\propto\log\frac n{n_w}\ \text{ for the words } w \text{ of the name, 0 for all others},

    where $n_w$ of the n names, held out or not, hold the word. Both modalities are then standardised.

    Of characters that look alike only the first in code order stays. A name without a word of the vocabulary (words of
    at least 5 names) is left out. Names that share their text are kept, and are told apart by nobody: ranks count them
    as ties. Of the distinct texts one in five is held out together with all of its pictures, namely those whose
    SHA-256 is divisible by 5. Nothing is random, and every name in this font is older than Unicode 14, so Python 3.11
    to 3.13 make the same pairs.

    Source: DejaVu Sans 2.37 as matplotlib ships it, names from the standard library; the weights are the tf-idf of
    Salton & Buckley (1988) as smoothed by scikit-learn, a word being in a name or not.
    """
    names, pictures = _distinct_pictures()
    texts = [frozenset(name.lower().replace("-", " ").split()) for name in names]
    uses = Counter(word for text in texts for word in text)
    vocabulary = tuple(sorted(word for word, count in uses.items() if count >= RARE))
    present = np.array([[word in text for word in vocabulary] for text in texts])

    known = present.any(axis=1)
    names, pictures, present = names[known], pictures[known], present[known]
    aside = np.array([_held_out(row, vocabulary) for row in present])
    pixels = pictures.reshape(len(pictures), -1) / 255.0
    text = present * np.log(len(present) / present.sum(axis=0))
    train, held_out = (EmpiricalPairs(pixels[part], text[part]) for part in (~aside, aside))
    return Glyphs(
        train=train.standardized(),
        held_out=held_out.standardized(like=train),
        train_names=tuple(names[~aside].tolist()),
        held_out_names=tuple(names[aside].tolist()),
        train_pictures=_read_only(pictures[~aside]),
        held_out_pictures=_read_only(pictures[aside]),
        vocabulary=vocabulary,
    )


def _distinct_pictures() -> tuple[Array, UInt8[Array, "n 32 32"]]:
    """The names and the pictures of all characters that show something no earlier one shows."""
    first: dict[bytes, str] = {}
    for name, picture in _drawn():
        if any(picture):
            first.setdefault(picture, name)
    pictures = np.frombuffer(b"".join(first), dtype=np.uint8).reshape(-1, SIDE, SIDE)
    return np.array(list(first.values())), pictures


def _drawn() -> Iterator[tuple[str, bytes]]:
    """Every named character of the font, in code order: its name and its grey values."""
    # Drawing libraries load with the first drawing, not with the package.
    import matplotlib
    from fontTools.ttLib import TTFont
    from PIL import Image, ImageDraw, ImageFont

    path = Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")
    with TTFont(path, lazy=True) as font_file:
        codes = sorted(font_file.getBestCmap())
    # The basic layout is the one that every build of pillow has.
    font = ImageFont.truetype(str(path), EM, layout_engine=ImageFont.Layout.BASIC)
    for character in map(chr, codes):
        name = unicodedata.name(character, None)
        if name is not None:
            canvas = Image.new("L", (SIDE, SIDE))
            ImageDraw.Draw(canvas).text((SIDE // 2, BASELINE), character, fill=255, font=font, anchor="ms")
            yield name, canvas.tobytes()


def _held_out(present: Bool[Array, " words"], vocabulary: tuple[str, ...]) -> bool:
    text = " ".join(word for word, there in zip(vocabulary, present, strict=True) if there)
    return int.from_bytes(hashlib.sha256(text.encode()).digest(), "big") % PART == 0


def _read_only(array: Array) -> Array:
    array.flags.writeable = False
    return array

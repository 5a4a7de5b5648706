"""Claim: on real pairs positives alone collapse, negatives keep the spectrum, and broken pairs teach nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy import ndarray as Array

from mmcl.claims.claim import Check, Evidence, at_least, at_most, claim
from mmcl.claims.glyph_study import glyph_study

SEED = 11


@claim(
    id="real-pairs",
    statement="On pictures of characters and their names, positives alone align and collapse towards rank "
    "one while retrieval falls towards chance; with negatives the spectrum ends wide and retrieval works, on pairs "
    "never seen; on shuffled pairs it stays at chance.",
    source="ours",
    chapter="real-pairs",
)
def measure(study: Callable[..., dict[str, Array]] = glyph_study) -> Evidence:
    """Two linear towers on the glyphs: positives only, CLIP's loss, and CLIP's loss on shuffled pairs."""
    table = study(seed=SEED)
    chance = 1 / float(table["pairs"])
    lone, both, broken = (_End(table, name) for name in ("positives", "contrastive", "shuffled"))
    checks = [
        at_least(
            "positives only: held-out alignment", 0.95, lone["alignment"], reason="the bar of near-perfect alignment"
        ),
        at_most(
            "positives only: effective rank",
            2.0,
            lone["effective_rank"],
            reason="closer to one direction than to two equal ones",
        ),
        at_most(
            "positives only: recall@1 over its best along the way",
            0.25,
            lone["recall_1"].max() / table["positives.recall_1"].max(),
            reason="it falls by a factor of four or more, towards chance",
        ),
        at_least("with negatives: effective rank", 20.0, both["effective_rank"], reason="a third of the width of 64"),
    ]
    for i, way in enumerate(("picture to name", "name to picture")):
        checks.append(
            at_least(
                f"with negatives: recall@1 over chance, {way}",
                200.0,
                both["recall_1"][i] / chance,
                reason="one in five found among a thousand",
            )
        )
        expected, deviation = broken["chance_1"][i], broken["deviation_1"][i]
        checks.append(
            Check(
                f"shuffled pairs: recall@1, {way}",
                expected,
                broken["recall_1"][i],
                4 * deviation,
                "chance, and four standard deviations of it over all ways to match the held-out pairs",
            )
        )
    return Evidence(tuple(checks), table | {"chance": np.array(chance)})


class _End:
    """The last row of one run's series."""

    def __init__(self, table: dict[str, Array], run: str) -> None:
        self.table, self.run = table, run

    def __getitem__(self, quantity: str) -> Any:
        values = self.table[f"{self.run}.{quantity}"]
        return values[-1] if len(values) == len(self.table["steps"]) else values

"""The ledger as a reader sees it: claims, their numbers, their verdicts."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from mmcl.claims import Check, Claim, Evidence, all_claims
from mmcl.claims.store import evidence

SIGNS = {"equals": "±", "at least": "≥", "at most": "≤"}
#: The claims in the order of the pages, which number them.
ORDER = (
    "exact-negatives", "derivation", "conservation", "flow-is-descent", "width", "universal-curve", "two-stages",
    "balance", "clock", "three-rates", "terminal-condition", "power-law", "optimal-temperatures", "wait-map",
    "schedules", "learned-temperature", "spent-force", "glyph-temperature", "decoupled", "spectral", "sigmoid",
    "uniformity", "nt-xent", "at-rest", "batch-overlaps", "predictor-flow", "predictors-keep-kappa", "stop-gradient",
    "direct-pred", "masked-reconstruction", "variance-floor", "cross-correlation", "dimensional-collapse",
    "augmentation-threshold", "flat-landscape", "saddles", "many-ends", "relu-features", "prediction-head",
    "enough-width", "batch-bias", "normalisation", "centring", "offset", "step-limit", "momentum", "weight-decay",
    "adam", "latents", "unequal", "missing-overlap", "balance-buys-labels", "balance-buys-shots",
    "retrieval-under-noise", "glyph-probe", "real-pairs",
)  # fmt: skip


class ClaimFailed(AssertionError):
    """A claim of the book does not hold in this run."""


@dataclass(frozen=True)
class Ledger:
    """Claims with their evidence.

    Attributes:
        entries: each claim beside what measuring it gave.
        reasons: whether to show every claim in full, with the reason of every tolerance.
    """

    entries: tuple[tuple[Claim, Evidence], ...]
    reasons: bool = False

    @property
    def failed(self) -> tuple[Claim, ...]:
        """The claims that do not hold."""
        return tuple(claim for claim, found in self.entries if not found.holds)

    def require(self) -> Ledger:
        """The ledger itself, if every claim holds.

        Raises:
            ClaimFailed: naming the claims that do not, and the first number that is off.
        """
        for claim, found in self.entries:
            for check in found.checks:
                if not check.holds:
                    raise ClaimFailed(f"claim `{claim.id}` fails at {check.label!r}: {sentence(check)}.")
            if not found.holds:
                raise ClaimFailed(f"claim `{claim.id}` has no check, so it has shown nothing.")
        return self

    def records(self) -> list[dict[str, object]]:
        """One flat record per check, for machines."""
        return [
            {
                "claim": claim.id,
                "chapter": claim.chapter,
                "check": check.label,
                "relation": check.relation,
                "predicted": check.predicted,
                "measured": check.measured,
                "tolerance": check.tolerance,
                "reason": check.reason,
                "holds": check.holds,
            }
            for claim, found in self.entries
            for check in found.checks
        ]

    def __str__(self) -> str:
        """A table of plain text, one row per check."""
        head = ("claim", "what is compared", "predicted", "measured", "verdict")
        rows = [
            (claim.id if i == 0 else "", check.label, allowed(check), measured(check), verdict(check))
            for claim, found in self.entries
            for i, check in enumerate(found.checks)
        ]
        sizes = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
        lines = [
            "  ".join(
                cell.rjust(size) if 2 <= i <= 3 else cell.ljust(size)
                for i, (cell, size) in enumerate(zip(row, sizes, strict=True))
            ).rstrip()
            for row in (head, *rows)
        ]
        return "\n".join([lines[0], "-" * (sum(sizes) + 2 * (len(sizes) - 1)), *lines[1:]])

    def _repr_markdown_(self) -> str:
        if self.reasons:
            # A rule after the last entry would leave its cell: docutils moves rules out of the end of a block.
            return "\n\n---\n\n".join(_entry(claim, found) for claim, found in self.entries)
        rows = [row for claim, found in self.entries for row in _rows(found, first=_reference(claim))]
        return "\n".join(
            ["| claim | what is compared | predicted | measured | verdict |", "|:--|:--|--:|--:|:--|", *rows]
        )


def _entry(claim: Claim, found: Evidence) -> str:
    """One claim in full: its sentence, its numbers, and why each may differ by as much as it may."""
    marks = {
        reason: f"{{sup}}`{chr(97 + i)}`" for i, reason in enumerate(dict.fromkeys(c.reason for c in found.checks))
    }
    verdict = "holds" if found.holds else "**fails**"
    why = " ".join(f"{mark} {reason}." for reason, mark in marks.items())
    return "\n".join(
        [
            f"**{_reference(claim)}** · `{claim.id}` · {verdict} · {{doc}}`{claim.chapter}`",
            "",
            f"{claim.statement} *Source: {claim.source}.*",
            "",
            "| what is compared | predicted | measured | verdict |",
            "|:--|--:|--:|:--|",
            *_rows(found, marks=marks),
            "",
            why,
        ]
    )


def _reference(claim: Claim) -> str:
    return f"{{prf:ref}}`claim-{claim.id}`"


def _rows(found: Evidence, *, first: str | None = None, marks: dict[str, str] | None = None) -> Iterable[str]:
    """One row per check; the claim's name, if wanted, in the first row only."""
    for i, check in enumerate(found.checks):
        predicted = allowed(check) + (f" {marks[check.reason]}" if marks else "")
        label = check.label.replace("|", r"\|") if found.ended_in else check.label  # an error may say anything
        cells = [label, predicted, measured(check), "holds" if check.holds else "**fails**"]
        name = [] if first is None else [first if i == 0 else ""]
        yield "| " + " | ".join([*name, *cells]) + " |"


def ledger(chapter: str | None = None, *, reasons: bool = False) -> Ledger:
    """The claims of one chapter, or all of them, by number, each with its evidence; measured now if no run is stored.

    Raises:
        ValueError: if the chapter makes no claim.
    """
    claims = [claim for claim in sorted(all_claims(), key=_place) if chapter in (None, claim.chapter)]
    if not claims:
        chapters = sorted({claim.chapter for claim in all_claims()})
        raise ValueError(f"`chapter` must be one that makes a claim, {', '.join(chapters)}; got {chapter!r}.")
    return Ledger(tuple((claim, evidence(claim)) for claim in claims), reasons)


def _place(claim: Claim) -> int:
    """Where the pages have the claim; behind all others where they do not have it yet."""
    return ORDER.index(claim.id) if claim.id in ORDER else len(ORDER)


def number(value: float, digits: int | None = None) -> str:
    """A number as the table shows it: four digits unless told otherwise, of a tiny or a huge one two."""
    if value != 0 and (abs(value) < 1e-3 or abs(value) >= 1e6):
        return f"{value:.{(digits or 2) - 1}e}".replace("e-0", "e-").replace("e+0", "e")
    digits = digits or 4
    return f"{value:.{digits}g}" if abs(value) < 10**digits else f"{value:.0f}"


def measured(check: Check) -> str:
    """The measured number, with as many digits as its tolerance can tell apart; all of them where it fails."""
    return number(check.measured, _digits(check.measured, check) if check.holds else 8)


def _digits(value: float, check: Check) -> int | None:
    """Down to a tenth of the tolerance, and six at most; beside a bound as many as are usual."""
    if check.relation != "equals":
        return None
    if not (value and check.tolerance and math.isfinite(value)):
        return 6
    return min(max(math.floor(math.log10(abs(value))) - math.floor(math.log10(check.tolerance)) + 2, 2), 6)


def verdict(check: Check) -> str:
    """The verdict as plain text says it; a failure cannot be overlooked."""
    return "holds" if check.holds else "FAILS"


def allowed(check: Check) -> str:
    """What the check allows: the prediction and how far from it, or the bound."""
    if check.relation != "equals":
        return f"{SIGNS[check.relation]} {number(check.predicted)}"
    predicted = number(check.predicted, _digits(check.predicted, check))
    return f"{predicted} ± {check.tolerance:.2g}".replace("e-0", "e-")


def sentence(check: Check) -> str:
    """The check in words."""
    if check.relation == "equals":
        return f"predicted {check.predicted:.8g}, measured {check.measured:.8g}, allowed ± {check.tolerance:.2g}"
    return f"it must be {check.relation} {check.predicted:.8g}; measured {check.measured:.8g}"

"""Each claim is measured once; its evidence is kept under a hash of everything that it depends on.

So chapters, tests and the command line share one run; `mmcl.provenance` says what the hash covers.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from mmcl.claims.claim import Check, Claim, Evidence, ended_by
from mmcl.provenance import code_key, folder


def evidence(claim: Claim) -> Evidence:
    """The claim's evidence: from the store, or measured now and stored.

    A measurement that ends in an error has not shown the claim: that is its evidence, and it is not stored.
    """
    path = place(claim)
    if path.exists():
        return _load(path)
    begun = time.perf_counter()
    try:
        found = replace(claim.measure(), seconds=time.perf_counter() - begun)
    except MemoryError:  # says nothing of the claim
        raise
    except Exception as error:
        return ended_by(error)
    _save(path, found)
    return found


def measure_missing(claims: Sequence[Claim], *, jobs: int | None = None) -> Iterator[tuple[Claim, Evidence]]:
    """Measure the claims that have no stored evidence, several at once, and yield each as it is done.

    Args:
        claims: which ones.
        jobs: processes at once; None: one per core.
    """
    waiting = [claim for claim in claims if not place(claim).exists()]
    if len(waiting) < 2:
        for claim in waiting:
            yield claim, evidence(claim)
        return
    context = get_context("spawn")  # torch and BLAS threads do not survive a fork
    with ProcessPoolExecutor(jobs or os.cpu_count(), mp_context=context, initializer=_alone) as pool:
        # The longest runs were registered last: they start first.
        running = {pool.submit(_measure, claim.id): claim for claim in reversed(waiting)}
        for done in as_completed(running):
            yield running[done], done.result()


def _alone() -> None:
    """One thread in each process: together they fill the machine."""
    import torch

    os.environ["OMP_NUM_THREADS"] = "1"  # read by libraries that are loaded later
    torch.set_num_threads(1)
    threadpool_limits(limits=1)


def _measure(id: str) -> Evidence:
    from mmcl.claims import claim

    return evidence(claim(id))


def place(claim: Claim) -> Path:
    """The file of the claim's evidence, whether it is there or not."""
    return folder() / f"{claim.id}-{key(claim)}.npz"


def key(claim: Claim) -> str:
    """The hash of what the claim's measurement depends on."""
    return code_key(claim.measure.__module__)


def _save(path: Path, found: Evidence) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    head = json.dumps({"checks": [asdict(check) for check in found.checks], "seconds": found.seconds})
    # Written beside its place and moved there, so that a reader never meets half a file.
    beside = path.with_suffix(f".{os.getpid()}.tmp")
    arrays: dict[str, Any] = {"__head__": np.array(head), **found.curves}
    try:
        with beside.open("wb") as handle:
            np.savez_compressed(handle, **arrays)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def _load(path: Path) -> Evidence:
    with np.load(path, allow_pickle=False) as stored:
        head = json.loads(str(stored["__head__"]))
        curves = {name: stored[name] for name in stored.files if name != "__head__"}
    return Evidence(tuple(Check(**check) for check in head["checks"]), curves, head["seconds"])

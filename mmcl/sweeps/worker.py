"""What a worker of a cluster does with cells, and why it may refuse them."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from typing import Any

from mmcl.sweeps.cells import Outcome
from mmcl.sweeps.executors import Task, compute, settle
from mmcl.sweeps.fitness import Unfit, missing

Batch = tuple[Task, ...]


def packed(batch: Batch) -> bytes:
    """A batch that only a worker takes apart: the scheduler, and who watches a worker, need not have its modules."""
    import cloudpickle

    return cloudpickle.dumps(batch)


def on_worker(batch: bytes, expected: Mapping[str, str]) -> list[Outcome]:
    """What a worker does with a batch: make sure that it is fit, then compute the cells."""
    from distributed import get_worker

    worker = get_worker()
    reason = unfit(expected, worker)
    if reason is not None:
        raise Unfit(reason)
    try:
        tasks: Batch = pickle.loads(batch)
    except (ImportError, AttributeError) as error:
        raise Unfit(f"The worker {worker.address} cannot load the cells of this driver ({error}).") from None
    settle()
    return [compute(task) for task in tasks]


def unfit(expected: Mapping[str, str], dask_worker: Any) -> str | None:
    """On a worker: why it would not compute what the driver would; None if it would."""
    if reason := missing(expected, f"worker {dask_worker.address}"):
        return reason
    threads = dask_worker.state.nthreads
    if threads != 1:
        return (
            f"The worker {dask_worker.address} must have one thread, as the math libraries are held to one; it has "
            f"{threads}: start it with --nthreads 1, and as many workers as cores."
        )
    return None


def refuse_unfit(answers: Mapping[str, Any] | None) -> None:
    """Raise the first reason that a worker gave."""
    for address, answer in (answers or {}).items():
        if isinstance(answer, OSError):  # gone meanwhile
            continue
        if isinstance(answer, BaseException):
            raise Unfit(f"The worker {address} cannot load this driver's mmcl ({answer}); install the same there.")
        if answer is not None:
            raise Unfit(answer)

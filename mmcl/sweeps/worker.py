"""What a worker of a cluster does with cells, and why it may refuse them."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from typing import Any

from mmcl.provenance import PACKAGE, code_key, fingerprint
from mmcl.sweeps.cells import Outcome
from mmcl.sweeps.executors import Task, compute, settle

CODE = "code of "
Batch = tuple[Task, ...]


class Unfit(RuntimeError):
    """A worker would not compute what the driver would; the message says why."""


def required(cell: Callable[..., Any]) -> dict[str, str]:
    """What a worker must have: versions by name, the code of the whole package, and that of the cell's own module.

    A cell of the script that is running travels with its code.
    """
    module = cell.__module__
    own = module.split(".")[0] != PACKAGE.name and module != "__main__"
    return fingerprint(PACKAGE.name) | ({CODE + module: code_key(module)} if own else {})


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
    for name, wanted in expected.items():
        try:
            found = _own().get(name) or _code(name.removeprefix(CODE))
        except Exception as error:  # importing a user's module may do anything
            module, said = name.removeprefix(CODE), " ".join(str(error).split())
            return (
                f"The worker {dask_worker.address} must have the module {module} of the cells on its path; it cannot "
                f"import it ({type(error).__name__}: {said})."
            )
        if found != wanted:
            return (
                f"The worker {dask_worker.address} must have the same {name} as the driver, {wanted}; it has {found}."
            )
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


@cache
def _own() -> dict[str, str]:
    """Of the code as this process first met it: an edit on a shared disk does not change what is loaded."""
    return fingerprint(PACKAGE.name)


@cache
def _code(module: str) -> str:
    """Likewise, of a module of the user's."""
    import_module(module)
    return code_key(module)

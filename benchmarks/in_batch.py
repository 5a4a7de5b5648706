"""One in-batch loss, forward and backward, on real features: time and memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from benchmarks import competitors
from benchmarks.timing import Contender, compete, cores
from mmcl.benchmark import AT_LEAST, AT_MOST, Cost, Price, Race
from mmcl.pair import Pair
from mmcl.training.in_batch import in_batch

PAIRS, LARGEST, WIDTH, TAU2 = 4096, 65536, 512, 4.0
LONGEST = 60.0  # seconds that a competitor may take for one call
# What the C library frees goes back to the system at once, else a call may live on what was freed before it.
RETURNED = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
ROOM = 0.8  # share of the machine's memory that it may take
NT_XENT = "2n × 2n scores, negatives within a view too"


def features(n: int = PAIRS, m: int = WIDTH, dtype: torch.dtype = torch.float32) -> Pair[Tensor]:
    """Rows of unit length."""
    generator = torch.Generator().manual_seed(0)
    drawn = (torch.randn(n, m, generator=generator, dtype=torch.float64) for _ in "ab")
    return Pair(*((f / f.norm(dim=1, keepdim=True)).to(dtype) for f in drawn))


def _by_autograd(loss: Callable[[Pair[Tensor]], Tensor], inputs: Pair[Tensor]) -> tuple[Tensor, Pair[Tensor]]:
    leaves = Pair(*(f.detach().clone().requires_grad_() for f in inputs))
    value = loss(leaves)
    return value.detach(), Pair(*torch.autograd.grad(value, leaves))


@cache
def _losses() -> dict[str, tuple[str, Callable[[Pair[Tensor]], Tensor]]]:
    clip, one = competitors.open_clip(), competitors.info_nce(TAU2)
    light, metric = competitors.lightly(TAU2), competitors.metric_learning(TAU2)
    return {
        "open_clip": ("open_clip ClipLoss, both directions", lambda f: clip(f.a, f.b, TAU2)),
        "info_nce": ("info-nce-pytorch InfoNCE, one direction", lambda f: one(f.a, f.b)),
        "lightly": (f"lightly NTXentLoss, {NT_XENT}", lambda f: light(f.a, f.b)),
        "metric_learning": (
            f"pytorch-metric-learning NTXentLoss, {NT_XENT}", lambda f: competitors.stacked(metric, f)
        ),
    }  # fmt: skip


def ours(inputs: Pair[Tensor]) -> object:
    """The loss and its gradient, by hand."""
    return in_batch(inputs, TAU2)


def assert_same_work(n: int = PAIRS) -> None:
    """open_clip's loss, doubled, is ours, and so is its gradient: to 1e-6 in float32 and to 1e-12 in float64."""
    for dtype, allowed in ((torch.float32, 1e-6), (torch.float64, 1e-12)):
        inputs = features(n, dtype=dtype)
        value, gradient, _ = in_batch(inputs, TAU2)
        half, slopes = _by_autograd(_losses()["open_clip"][1], inputs)
        pairs = [
            (torch.tensor(value, dtype=torch.float64), 2 * half.double()),
            *((a, 2 * b) for a, b in zip(gradient, slopes, strict=True)),
        ]
        for mine, due in pairs:
            error = float((mine.double() - due.double()).norm() / due.double().norm())
            assert error < allowed, f"in_batch and open_clip differ by {error:.1e} in {dtype}; {allowed} is allowed"
    small = features(64, 16, torch.float64)  # the others: what they compute, on a few pairs
    assert abs(float(_by_autograd(_losses()["info_nce"][1], small)[0]) - _one_direction(small)) < 1e-10
    light, metric = (float(_by_autograd(_losses()[name][1], small)[0]) for name in ("lightly", "metric_learning"))
    assert abs(light - _nt_xent(small)) < 1e-6 and abs(metric - _nt_xent(small)) < 1e-6


def _one_direction(f: Pair[Tensor]) -> float:
    scores = TAU2 * f.a @ f.b.T
    return float((scores.logsumexp(dim=1) - scores.diagonal()).mean())


def _nt_xent(f: Pair[Tensor]) -> float:
    """The definition of NT-Xent: for each of 2n items its partner against all others of both views."""
    rows = torch.cat(f)
    scores = TAU2 * rows @ rows.T
    positive = torch.cat([scores.diagonal(len(f.a)), scores.diagonal(-len(f.a))])
    return float((scores.fill_diagonal_(-torch.inf).logsumexp(dim=1) - positive).mean())


def times(rounds: int, n: int = PAIRS) -> Iterator[Race | str]:
    """Our time against each competitor's, and against four bare products."""
    assert_same_work(n)
    inputs, losses = features(n), _losses()
    scores, outs = torch.empty(n, n), Pair(torch.empty(n, WIDTH), torch.empty(n, WIDTH))

    def products() -> None:
        torch.mm(inputs.a, inputs.b.T, out=scores)
        torch.mm(inputs.a, inputs.b.T, out=scores)
        torch.mm(scores, inputs.b, out=outs.a)
        torch.mm(scores.T, inputs.a, out=outs.b)

    taking_part = {name: losses[name] for name in ("open_clip", "info_nce", "lightly")}
    contenders = {"ours": Contender("mmcl in_batch", lambda: ours(inputs), managed=True),
                  "products": Contender("4 products", products)}  # fmt: skip
    for name, (title, loss) in taking_part.items():
        contenders[name] = Contender(title, lambda loss=loss: _by_autograd(loss, inputs))
    costs = compete(contenders, rounds)
    work = f"in-batch loss and gradient, n = {n:,}, m = {WIDTH}, float32"
    mine = costs["ours"]
    yield Race("in-batch-open-clip", work, mine, costs["open_clip"], AT_LEAST, 1.4,
               note="Twice open_clip's loss and gradient are ours to 1e-6 (asserted before).")  # fmt: skip
    yield Race("in-batch-products", work, mine, costs["products"], AT_MOST, 1.3,
               note="The scores twice, and the two products that carry their gradient back.")  # fmt: skip
    for name in ("info_nce", "lightly"):
        yield Race(f"in-batch-{name}", work, mine, costs[name], note=_fairness(name))
    double = features(n, dtype=torch.float64)
    clip = losses["open_clip"]
    costs = compete({"ours": Contender("mmcl in_batch", lambda: ours(double), managed=True),
                     "theirs": Contender(clip[0], lambda: _by_autograd(clip[1], double))}, rounds)  # fmt: skip
    yield Race("in-batch-open-clip-float64", work.replace("32", "64"), **costs)
    yield from _metric_learning(rounds, n)


def _fairness(name: str) -> str:
    return {
        "info_nce": "It computes one direction where ours computes both.",
        "lightly": "It computes four times as many scores: those within a view are negatives too.",
    }[name]


def _metric_learning(rounds: int, n: int) -> Iterator[Race | str]:
    """pytorch-metric-learning holds a row of all negative pairs for each positive one, (2n)² (2n - 2) numbers."""

    def bytes_needed(n: int) -> int:
        return 4 * (2 * n) ** 2 * (2 * n - 2)

    copies = 6  # of that matrix at once, in its forward and backward passes
    largest = n
    while copies * bytes_needed(largest) > ROOM * memory_of_the_machine():
        largest //= 2
    if largest < n:
        yield (
            f"pytorch-metric-learning NTXentLoss at n = {n:,}: it holds a matrix of (2n)² × (2n − 2) numbers, "
            f"{bytes_needed(n) / 1e9:,.0f} GB. It is shown at n = {largest}, the largest power of two that fits."
        )
    inputs = features(largest)
    title, loss = _losses()["metric_learning"]
    costs = compete({"ours": Contender("mmcl in_batch", lambda: ours(inputs), managed=True),
                     "theirs": Contender(title, lambda: _by_autograd(loss, inputs))}, rounds)  # fmt: skip
    yield Race("in-batch-metric-learning", f"in-batch loss and gradient, n = {largest:,}, m = {WIDTH}, float32",
               **costs, note=f"{_fairness('lightly')} It forms a matrix of (2n)² × (2n − 2) numbers.")  # fmt: skip


def memory_of_the_machine() -> int:
    """Bytes that are free now, where the system tells; else all that there are."""
    try:
        lines = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
        return int(lines["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def memory(rounds: int, n: int = PAIRS) -> Iterator[Race | str]:
    """Peak memory, each contender in a process of its own."""
    names = ("ours", "open_clip", "info_nce", "lightly")
    values: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    for _ in range(rounds):
        for name in names:
            found = _elsewhere(name, n)
            if found is None:
                yield "Peak memory: this system does not tell the peak of a process (only Linux does)."
                return
            values[name].append((found["extra"], found["extra"] - found["gradients"]))
    titles = {"ours": "mmcl in_batch"} | {name: title for name, (title, _) in _losses().items()}

    def cost(name: str, which: int) -> Cost:
        return Cost(titles[name], tuple(max(pair[which], 1.0) for pair in values[name]))

    for name in names[1:]:
        clip = name == "open_clip"
        yield Race(f"memory-{name}", f"memory beyond features and gradients, n = {n:,}, m = {WIDTH}, float32",
                   cost("ours", 1), cost(name, 1), AT_LEAST, 30.0 if clip else None, unit="B",
                   note="Peak of the resident memory of a process of its own, less what it held before the call and "
                   "less the two gradients that every contender returns." if clip else "")  # fmt: skip
    yield Race("memory-all", f"memory with the gradients, n = {n:,}, m = {WIDTH}, float32", cost("ours", 0),
               cost("open_clip", 0), AT_LEAST, None, unit="B",
               note="The same without taking the gradients off.")  # fmt: skip


def largest(n: int = LARGEST) -> Iterator[Race | Price | str]:
    """A batch of CLIP's size, once: its time, and its memory beside that of the scores it never holds."""
    found = _elsewhere("ours", n)
    if found is None:
        yield f"A batch of {n:,}: this system does not tell the peak of a process (only Linux does)."
        return
    work, scores = f"n = {n:,}, m = {WIDTH}, float32", 4.0 * n**2
    yield Price("in-batch-largest", f"the in-batch loss and gradient, {work}", (found["seconds"],))
    yield Race("memory-largest", f"memory with the gradients, {work}", Cost("mmcl in_batch", (found["extra"],)),
               Cost("one matrix of scores", (scores,)), AT_LEAST, None, unit="B",
               note="The matrix is reckoned. A loss that forms its scores holds two or more of it.")  # fmt: skip


def _elsewhere(name: str, n: int) -> dict[str, float] | None:
    """`_peak` in a process of its own."""
    call = [sys.executable, "-m", "benchmarks.in_batch", name, str(n)]
    done = subprocess.run(
        call, capture_output=True, text=True, check=True, timeout=10 * LONGEST, env=os.environ | RETURNED
    )
    return json.loads(done.stdout)


def _peak(name: str, n: int) -> dict[str, float] | None:
    """What one call takes at most, beyond what the process held before it; None where the system does not tell."""
    inputs, small = features(n), features(64)
    work: Callable[[Pair[Tensor]], object] = ours
    if name != "ours":
        loss = _losses()[name][1]

        def work(f: Pair[Tensor]) -> object:
            return _by_value(loss, f)

    torch.set_num_threads(cores())
    work(small)  # so that libraries are loaded and threads have started
    before = _status("VmRSS")
    if before is None:
        return None
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts from here
    begun = time.perf_counter()
    kept = work(inputs)
    spent, peak = time.perf_counter() - begun, _status("VmHWM")
    assert kept is not None and peak is not None
    return {"extra": peak - before, "gradients": sum(f.nbytes for f in inputs), "seconds": spent}


def _by_value(loss: Callable[[Pair[Tensor]], Tensor], inputs: Pair[Tensor]) -> object:
    """As `_by_autograd`, without a copy of the features, which would count against the competitor."""
    leaves = Pair(*(f.requires_grad_() for f in inputs))
    value = loss(leaves)
    return value.detach(), torch.autograd.grad(value, leaves)


def _status(field: str) -> int | None:
    """A field of this process's status, in bytes."""
    try:
        lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
        return int(lines[field].split()[0]) * 1024
    except (OSError, KeyError):
        return None


if __name__ == "__main__":
    print(json.dumps(_peak(sys.argv[1], int(sys.argv[2]))))

"""The command line: ``python -m mmcl verify``, ``flow``, ``train`` and ``sweep``."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mmcl import __version__
from mmcl.trajectory import Trajectory


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0 if all is well, 1 if a claim fails, 2 with one sentence if the arguments do not fit."""
    options = parser().parse_args(arguments)
    try:
        return options.run(options)
    except BrokenPipeError:  # the reader of a pipe, `head` say, has seen enough
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - nothing is left to flush
        return 0
    except KeyboardInterrupt:
        print(f"mmcl {options.command}: interrupted.", file=sys.stderr)
        return 130
    except MemoryError:
        print(f"mmcl {options.command}: the arrays asked for do not fit into memory; ask for less.", file=sys.stderr)
        return 2
    except (ValueError, TypeError, KeyError, OSError, ArithmeticError) as error:
        message = error.args[0] if isinstance(error, KeyError) else error
        print(f"mmcl {options.command}: {message}", file=sys.stderr)
        return 2


def parser() -> argparse.ArgumentParser:
    """The commands and their options."""
    top = argparse.ArgumentParser(prog="python -m mmcl", description="Align, then balance: theory, training, claims.")
    top.add_argument("--version", action="version", version=f"mmcl {__version__}")
    commands = top.add_subparsers(dest="command", required=True, metavar="verify | flow | train | sweep")

    verify = commands.add_parser("verify", help="check the claims of the book; exit 1 if one fails")
    verify.add_argument("claims", nargs="*", metavar="ID", help="claims to check; all of them if none is named")
    verify.add_argument("--brief", action="store_true", help="print the numbers of failing claims only")
    verify.add_argument("--json", action="store_true", help="print records for machines")
    verify.set_defaults(run=_verify)

    flow = commands.add_parser("flow", help="follow the exact infinite-width flow")
    _add_world(flow)
    flow.add_argument("--until", type=float, default=400.0, metavar="T", help="end of gradient-flow time (default 400)")
    flow.add_argument(
        "--points", type=int, default=41, help="recorded times, from 0 and then evenly in log t (default 41)"
    )
    flow.set_defaults(run=_flow)

    train = commands.add_parser("train", help="train two linear towers of finite width")
    _add_world(train)
    train.add_argument("--width", type=int, default=512, help="m (default 512)")
    train.add_argument("--step-size", type=float, default=0.5, help="η (default 0.5)")
    train.add_argument("--steps", type=int, default=800, help="how many (default 800)")
    train.add_argument("--batch-size", type=int, default=512, help="n, fresh pairs a step (default 512)")
    train.add_argument(
        "--in-batch", action="store_true", help="negatives from the batch, as CLIP, instead of exact ones"
    )
    train.add_argument("--seed", type=int, default=0, help="of the random numbers (default 0)")
    train.set_defaults(run=_train)

    sweep = commands.add_parser("sweep", help="run a long sweep, or finish one, on all cores or on a cluster")
    sweep.add_argument("study", nargs="?", metavar="study.toml | NAME", help="a file, or a study of the book")
    sweep.add_argument("--list", action="store_true", help="name the studies of the book")
    sweep.add_argument("--scheduler", metavar="tcp://HOST:PORT", help="of a Dask cluster; without it, this machine")
    sweep.add_argument("--jobs", type=int, metavar="N", help="processes on this machine (default: one per core)")
    sweep.add_argument(
        "--store", type=_folder, metavar="DIR", help="where finished cells are kept (default: MMCL_STORE)"
    )
    sweep.add_argument("--out", type=_netcdf, metavar="FILE.nc", help="save as NetCDF instead of describing it")
    sweep.set_defaults(run=_sweep)
    return top


def _add_world(command: argparse.ArgumentParser) -> None:
    def scales(text: str) -> list[float]:
        try:
            return [float(part) for part in text.split(",")]
        except ValueError:
            raise argparse.ArgumentTypeError(f"must be numbers separated by commas; got {text!r}") from None

    world = command.add_argument_group("world (default: the canonical one of the book)")
    world.add_argument("--signal", type=scales, metavar="σ,σ,…", help="signal scales, separated by commas")
    world.add_argument("--noise", type=float, default=0.5, metavar="σ", help="noise scale (default 0.5)")
    world.add_argument("--ambient-dim", type=int, default=64, metavar="D", help="ambient dimension (default 64)")
    loss = command.add_argument_group("objective")
    loss.add_argument("--inverse-temperature", type=float, metavar="τ²", help="default 4")
    loss.add_argument("--negatives", type=float, metavar="K", help="weight of the negatives (default 1)")
    loss.add_argument("--positives-only", action="store_true", help="no negatives, no temperature")
    command.add_argument("--out", type=_target, metavar="FILE", help="save as .csv or .npz instead of printing CSV")


def _folder(text: str) -> Path:
    """A folder, which an empty text (a variable that is not set) is not."""
    if not text:
        raise argparse.ArgumentTypeError("must be a folder; got an empty text")
    return Path(text)


def _target(text: str, endings: tuple[str, ...] = (".csv", ".npz")) -> Path:
    """A file that can be written, known before the work begins and not after it."""
    path = Path(text)
    if path.suffix not in endings:
        raise argparse.ArgumentTypeError(f"the file must end in {' or '.join(endings)}; got {text!r}")
    if not path.absolute().parent.is_dir():
        raise argparse.ArgumentTypeError(f"the folder {path.parent} must exist")
    if path.is_dir() or not os.access(path if path.exists() else path.absolute().parent, os.W_OK):
        raise argparse.ArgumentTypeError(f"{text!r} must be a file that can be written")
    return path


def _netcdf(text: str) -> Path:
    return _target(text, (".nc",))


def _verify(options: argparse.Namespace) -> int:
    from mmcl.claims import all_claims, claim
    from mmcl.claims.store import evidence, measure_missing
    from mmcl.ledger import Ledger

    wanted = [claim(name) for name in options.claims] or list(all_claims())
    fresh = {}
    for one, shown in measure_missing(wanted):
        fresh[one.id] = shown
        print(f"{'could not measure' if shown.ended_in else 'measured'} {one.id}", file=sys.stderr, flush=True)
    found = [(one, fresh.get(one.id) or evidence(one)) for one in wanted]
    book = Ledger(tuple(found))
    if options.json:
        print(json.dumps({"holds": not book.failed, "checks": book.records()}, indent=2, ensure_ascii=False))
        return 1 if book.failed else 0
    table = Ledger(tuple(entry for entry in found if not (options.brief and entry[1].holds)))
    if table.entries:
        print(table)
    print(f"{len(found) - len(book.failed)} of {len(found)} claims hold.")
    return 1 if book.failed else 0


def _world_and_objective(options: argparse.Namespace) -> tuple:
    from mmcl.data import PairedData
    from mmcl.objectives import InBatchInfoNCE, InfoNCE, PositiveOnly
    from mmcl.worlds import CANONICAL

    signal = CANONICAL.signal_a if options.signal is None else options.signal
    data = PairedData(signal_a=signal, noise_a=options.noise, ambient_dim=options.ambient_dim)
    tau2, K, in_batch = options.inverse_temperature, options.negatives, getattr(options, "in_batch", False)
    if options.positives_only:
        if tau2 is not None or K is not None or in_batch:
            raise ValueError("`--positives-only` has no temperature and no negatives: leave their options out.")
        return data, PositiveOnly()
    tau2 = 4.0 if tau2 is None else tau2
    if in_batch:
        if K is not None:
            raise ValueError("`--negatives` (K) must be left out with `--in-batch`, where the batch gives them.")
        return data, InBatchInfoNCE(tau2)
    return data, InfoNCE(tau2, negatives=1.0 if K is None else K)


def _flow(options: argparse.Namespace) -> int:
    from mmcl import checks
    from mmcl.flow import gradient_flow

    data, objective = _world_and_objective(options)
    until, points = checks.positive(options.until, "`--until` (t)"), checks.whole(options.points, "`--points`", least=2)
    times = (
        np.concatenate([[0.0], until * np.geomspace(1e-4, 1.0, points - 1)]) if points > 2 else np.array([0.0, until])
    )
    return _deliver(gradient_flow(data, objective, times), options)


def _train(options: argparse.Namespace) -> int:
    from mmcl import checks
    from mmcl.training import TrainingDiverged, TrainingInterrupted, train

    data, objective = _world_and_objective(options)
    seed = checks.whole(options.seed, "`--seed`", least=0, most=np.inf)
    try:
        run = train(
            data,
            objective,
            width=options.width,
            step_size=options.step_size,
            steps=options.steps,
            batch_size=options.batch_size,
            rng=np.random.default_rng(seed),
        )
    except (TrainingInterrupted, TrainingDiverged) as stop:
        print(f"mmcl train: {stop}", file=sys.stderr)
        _deliver(stop.trajectory, options)
        return 130 if isinstance(stop, TrainingInterrupted) else 2
    return _deliver(run, options)


def _sweep(options: argparse.Namespace) -> int:
    from mmcl import sweeps

    if options.list:
        from mmcl.studies import STUDIES

        for one in STUDIES.values():
            print(f"{one.name}  ({one.size} cells)  {one.title}")
        return 0
    if options.study is None:
        raise ValueError("`study.toml | NAME` must be a file or a study of the book (see --list); got none.")
    if options.scheduler is not None and options.jobs is not None:
        raise ValueError("`--jobs` must be left out with `--scheduler`, whose workers are as many as they are.")
    wanted = _study(options.study)
    executor = sweeps.Processes(options.jobs) if options.scheduler is None else sweeps.Cluster(options.scheduler)
    try:
        table = sweeps.run(wanted, executor=executor, store=options.store, progress=True)
    except sweeps.SweepInterrupted as stop:
        print(f"mmcl sweep: {stop}", file=sys.stderr)
        return 130
    except (sweeps.CellFailed, sweeps.Unfit) as failed:
        print(f"mmcl sweep: {failed}", file=sys.stderr)
        return 2
    try:
        print(sweeps.save(table, options.out) if options.out else table)
    except OSError as error:
        raise OSError(f"The table cannot go to {options.out or 'stdout'} ({error.strerror}); it is kept.") from None
    return 0


def _study(name: str) -> Any:
    """The study in a file, or the one of the book that has this name."""
    if name.endswith(".toml"):
        from mmcl.sweeps import read

        return read(Path(name))
    from mmcl.studies import study

    return study(name)


def _deliver(run: Trajectory, options: argparse.Namespace) -> int:
    code = 0
    if options.out:
        try:
            print(run.save(options.out))
            return 0
        except OSError as error:  # a full disk, say: the record is not lost with it
            print(f"mmcl {options.command}: could not save ({error}); the record follows.", file=sys.stderr)
            code = 2
    table = run.columns()
    print(",".join(table))
    for row in zip(*table.values(), strict=True):
        print(",".join(f"{value:.9g}" for value in row))
    return code


if __name__ == "__main__":
    sys.exit(main())

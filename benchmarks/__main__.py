"""One command: `python -m benchmarks` measures everything and writes results.json, results.md and pictures.

    python -m benchmarks                        # the whole grid, most of an hour on two cores
    python -m benchmarks --quick                # everything small, a few minutes: does it run?
    python -m benchmarks --only sparse          # a group, a section or a case; may be repeated
    python -m benchmarks --data FOLDER          # real files too: a9a, w8a, adult-train.csv, UCI_Credit_Card.csv

What an earlier run on this machine has left in the folder is kept, and what is measured again replaces it.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks import adversarial, figure, processes, profiled, report, scaling
from benchmarks.cases import CASES
from benchmarks.machine import machine
from benchmarks.measure import measured

SECTIONS = ("grid", "scaling", "adversarial", "processes", "profile")


@dataclass(frozen=True)
class Item:
    """One thing to measure; `run` returns what goes into the document, or None where its data are absent."""

    section: str
    group: str
    name: str
    run: Callable[[], Any]


def items(quick: bool, data: Path | None, rounds: int, budget: float) -> list[Item]:
    """All there is, in order."""

    def cell(case: Any) -> Any:
        problem = case.make(quick, data)
        return None if problem is None else measured(case, problem, rounds, budget).document()

    found = [Item("grid", case.group, case.name, lambda case=case: cell(case)) for case in CASES]
    found += [
        Item(
            "scaling",
            grows,
            f"{grows}: {n:,} x {p}",
            lambda at=(grows, n, p): scaling.scaled(*at, rounds, budget),
        )
        for grows, n, p in scaling.sizes(quick)
    ]
    found += [
        Item("adversarial", "trap", trap.name, lambda trap=trap: adversarial.shown(trap, quick))
        for trap in adversarial.TRAPS
    ]
    found += [
        Item("processes", "process", name, lambda story=story: story(quick, rounds))
        for name, story in processes.STORIES.items()
    ]
    found += [
        Item("profile", "profile", f"profile of {name}", lambda name=name: profiled.profiled(name, quick))
        for name in profiled.PROFILED
    ]
    return found


def chosen(every: list[Item], patterns: list[str]) -> list[Item]:
    """Those that a pattern names: exactly, by section or group, as a glob, or as a part of the name."""
    if not patterns:
        return [item for item in every if item.name not in processes.ON_DEMAND]
    exact = {item.name for item in every} | {item.group for item in every} | set(SECTIONS)

    def named(item: Item, pattern: str) -> bool:
        if pattern in exact:
            return pattern in (item.name, item.group, item.section)
        return fnmatch(item.name, pattern) or pattern in item.name

    return [item for item in every if any(named(item, pattern) for pattern in patterns)]


def said(item: Item, result: Any) -> str:
    """A line for the terminal."""
    if result is None:
        return "left out: its file is not in the folder of --data"
    if item.section in ("grid", "scaling"):
        ours = result["figures"][0]
        told = ours["note"] or (
            f"{report.seconds(ours['median'])}, {ours['median'] / result['product']:.0f} X@w, "
            f"suboptimality {report.short(ours['suboptimality'])}"
        )
        return f"oddsmith {told}; fastest correct peer {result['fastest']}, ratio {report.times(result['ratio'])}"
    if item.section == "processes":
        return "; ".join(f"{row['name']} {report.seconds(row['seconds'])}" for row in result)
    if item.section == "adversarial":
        outcome = "right" if result["passed"] else "WRONG"
        return f"{outcome}: {result.get('status', result.get('note'))}, {report.short(result.get('suboptimality'))}"
    return report.seconds(result.get("seconds"))


def as_json(value: Any) -> Any:
    """With null for what is no number."""
    if isinstance(value, dict):
        return {key: as_json(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def earlier(path: Path, fresh: dict[str, Any]) -> dict[str, Any]:
    """The document to go on with: that of the folder where it is of this machine and size, else a new one."""
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return fresh
    alike = found.get("quick") == fresh["quick"] and all(
        found.get("machine", {}).get(key) == fresh["machine"][key]
        for key in ("processor", "cores", "python", "versions")
    )
    return found | {"machine": fresh["machine"]} if alike else fresh


def main() -> None:
    """Measure, print a line for each item, and write the results after each."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="small sizes: to see that everything runs")
    parser.add_argument(
        "--only", action="append", default=[], metavar="PATTERN", help="a section, group or case"
    )
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="[default: results, or results/quick]")
    parser.add_argument("--data", type=Path, default=os.environ.get("ODDSMITH_DATA"), metavar="FOLDER")
    parser.add_argument("--rounds", type=int, help="rounds at most [default: 7, quick 3]")
    parser.add_argument(
        "--budget", type=float, help="seconds a participant, case and phase [default: 10, quick 1]"
    )
    parser.add_argument("--list", action="store_true", help="name all items and stop")
    told = parser.parse_args()
    logging.disable(logging.INFO)
    rounds, budget = told.rounds or (3 if told.quick else 7), told.budget or (1.0 if told.quick else 10.0)
    data = None if told.data is None else Path(told.data)
    todo = chosen(items(told.quick, data, rounds, budget), told.only)
    if told.list or not todo:
        for item in todo or items(told.quick, data, rounds, budget):
            print(f"{item.section:12s} {item.group:8s} {item.name}")
        return
    folder = told.out or Path(__file__).parent / "results" / ("quick" if told.quick else "")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "results.json"
    document = earlier(path, {"quick": told.quick, "machine": machine(), **{name: {} for name in SECTIONS}})
    for package in document["machine"]["not_installed"]:
        print(f"not installed, left out: {package}")
    for item in todo:
        start = perf_counter()
        result = as_json(item.run())
        print(f"{item.name:32s} {said(item, result)}  [{perf_counter() - start:.0f} s]", flush=True)
        if result is not None:
            document[item.section][item.name] = result
            write(folder, document)
    print(
        f"written: {', '.join(sorted(file.name for file in folder.iterdir() if file.is_file()))} in {folder}"
    )


def write(folder: Path, document: dict[str, Any]) -> None:
    """All files of a run, from its document, in the order of `items` whatever the order of the runs."""
    order = [item.name for item in items(document["quick"], None, 1, 1.0)]
    for section in SECTIONS:
        document[section] = dict(sorted(document[section].items(), key=lambda pair: order.index(pair[0])))
    (folder / "results.json").write_text(json.dumps(document, indent=1, allow_nan=False) + "\n")
    (folder / "results.md").write_text(report.markdown(document))
    figure.draw(folder, document)


if __name__ == "__main__":
    main()

"""The document of a run, drawn as Markdown. Nothing is computed here that is not in the JSON."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

Document = dict[str, Any]


def markdown(document: Document) -> str:
    """All that a run has measured."""
    parts = [_head(document)]
    if document["grid"]:
        parts += [_summary(document["grid"]), _grid(document["grid"]), _everyone(document["grid"])]
    if document["scaling"]:
        parts.append(_scaling(document["scaling"]))
    if document["adversarial"]:
        parts.append(_adversarial(document["adversarial"]))
    if document["processes"]:
        parts.append(_processes(document["processes"]))
    if document["profile"]:
        parts.append(_profile(document["profile"]))
    return "\n\n".join(parts) + "\n"


def seconds(value: float | None) -> str:
    """Three digits, in a unit that fits."""
    if value is None or not math.isfinite(value):
        return "-"
    return f"{value:.3g} s" if value >= 1.0 else f"{1e3 * value:.3g} ms"


def short(value: float | None) -> str:
    """A relative suboptimality; what is below rounding is 0."""
    if value is None or math.isnan(value):
        return "-"
    return "0" if value < 1e-17 else f"{value:.0e}"


def times(value: float | None) -> str:
    """A ratio."""
    return "-" if value is None or math.isnan(value) else f"{value:.2g}" if value < 10 else f"{value:.0f}"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Text left, figures right."""
    line = lambda cells: f"| {' | '.join(cells)} |"  # noqa: E731
    rule = ["---" if k == 0 else "---:" for k in range(len(heads))]
    return "\n".join([line(heads), line(rule), *(line(row) for row in rows)])


def geometric_mean(ratios: Sequence[float]) -> float:
    """Of ratios, the mean that is the same upside down."""
    return math.exp(sum(map(math.log, ratios)) / len(ratios))


def _head(document: Document) -> str:
    machine = document["machine"]
    speed = machine["memory_gb_per_s"]
    packages = ", ".join(f"{name} {number}" for name, number in machine["versions"].items())
    absent = machine["not_installed"]
    lines = [
        f"# {'A quick run: sizes too small to judge by' if document['quick'] else 'Results'}",
        "",
        "Made by `python -m benchmarks`, not by hand; [how it is made fair](../README.md).",
        "",
        f"{machine['processor']}, {machine['cores']} cores, reading {speed['one core']:.0f} GB/s from memory on one "
        f"and {speed['all cores']:.0f} on all. Python {machine['python']}, {', '.join(machine['blas'])}; {packages}.",
    ]
    if absent:
        lines += ["", f"Not installed, and so left out: {', '.join(absent)}."]
    return "\n".join(lines)


def _summary(grid: dict[str, Any]) -> str:
    lines = ["## Speed at equal objective", ""]
    groups = list(dict.fromkeys(cell["group"] for cell in grid.values()))
    rows = []
    for group in groups:
        cells = [cell for cell in grid.values() if cell["group"] == group]
        ratios = {cell["name"]: cell["ratio"] for cell in cells if cell["ratio"] is not None}
        without = [cell["name"] for cell in cells if cell["ratio"] is None]
        if ratios:
            least = min(ratios, key=lambda name: ratios[name])
            figures = [times(geometric_mean(list(ratios.values()))), f"{times(ratios[least])} ({least})"]
        else:
            figures = ["-", "-"]
        rows.append([group, str(len(cells)), *figures, ", ".join(without) or "-"])
    heads = ["Group", "cases", "geometric mean", "least", "without a ratio"]
    lines += [
        "Seconds of the fastest correct peer over oddsmith's: above 1, oddsmith is faster. No ratio is given where "
        "oddsmith has no correct fit, or no peer has.",
        "",
        table(heads, rows),
    ]
    return "\n".join(lines)


def _grid(grid: dict[str, Any]) -> str:
    rows = []
    for cell in grid.values():
        ours, fastest = cell["figures"][0], _figure(cell, cell["fastest"])
        inside = ours["solver_median"]
        rows.append(
            [
                cell["name"],
                cell["shape"],
                seconds(ours["median"]),
                seconds(inside),
                times(ours["median"] / cell["product"]) if ours["median"] else "-",
                f"{ours['facts']['passes']:.1f}" if ours["facts"] else "-",
                short(ours["suboptimality"]) if ours["facts"] else ours["note"].partition(":")[0],
                fastest["name"] if fastest else "none correct",
                seconds(fastest["median"]) if fastest else "-",
                f"**{times(cell['ratio'])}**",
                f"{cell['load']:.1f}",
            ]
        )
    heads = ["Case", "rows x columns", "oddsmith", "its solver", "in `X @ w`", "passes", "suboptimality"]
    heads += ["fastest correct peer", "seconds", "ratio", "load"]
    return table(heads, rows)


def _everyone(grid: dict[str, Any]) -> str:
    rows = []
    for cell in grid.values():
        for figure in cell["figures"]:
            tolerance = figure["tolerance"]
            rows.append(
                [
                    cell["name"],
                    figure["name"],
                    seconds(figure["median"]),
                    times(figure["median"] / cell["product"]) if figure["median"] else "-",
                    f"{tolerance:.0e}" if tolerance else "-",
                    short(figure["suboptimality"]),
                    f"{'correct' if figure['correct'] else ''}{_visible(figure['note'])}",
                ]
            )
    heads = ["Case", "participant", "seconds", "in `X @ w`", "tolerance", "suboptimality", "outcome"]
    bars = [f"{bar:.0e}" for bar in sorted({cell["bar"] for cell in grid.values()})]
    return "\n".join(
        [
            "### Everyone",
            "",
            f"Correct: relative suboptimality of at most {' or, in single precision, '.join(bars)}.",
            "",
            table(heads, rows),
            "",
            "References: "
            + "; ".join(
                f"{cell['name']}: {cell['reference']}, gap {short(cell['gap'])}" for cell in grid.values()
            )
            + ".",
        ]
    )


def _scaling(scaling: dict[str, Any]) -> str:
    names = list(dict.fromkeys(one["name"] for cell in scaling.values() for one in cell["figures"]))
    rows = []
    for cell in scaling.values():
        figures = {one["name"]: one for one in cell["figures"]}
        shown = []
        for name in names:
            one = figures.get(name)
            mark = "" if one is None or one["correct"] else " (not correct)"
            shown.append("-" if one is None else seconds(one["median"]) + mark)
        rows.append([cell["name"].partition(": ")[2], *shown, times(cell["ratio"])])
    return "## Growth with rows and columns\n\n" + table(["Size", *names, "ratio"], rows)


def _adversarial(traps: dict[str, Any]) -> str:
    rows = []
    for row in traps.values():
        status = row.get("status", row.get("note", ""))
        rows.append(
            [
                row["name"],
                row["shape"],
                _visible(status),
                short(row.get("suboptimality")),
                f"{row['passes']:.1f}" if "passes" in row else "-",
                seconds(row.get("seconds")),
                "yes" if row["passed"] else "**no**",
            ]
        )
    passed = sum(row["passed"] for row in traps.values())
    return "\n".join(
        [
            "## Data that break solvers",
            "",
            f"{passed} of {len(rows)}: the right status, and a relative suboptimality of at most 1e-9.",
            "",
            table(["Data", "size", "status", "suboptimality", "passes", "seconds", "right"], rows),
        ]
    )


def _processes(stories: dict[str, Any]) -> str:
    rows = []
    for story, members in stories.items():
        first = members[0]["seconds"]
        for row in members:
            peak = f"{row['peak_mb']:,.0f} MB" if "peak_mb" in row else "-"
            what = row.get("shape", row.get("note", ""))
            rows.append(
                [story, row["name"], what, seconds(row["seconds"]), times(row["seconds"] / first), peak]
            )
    heads = ["Story", "process", "", "seconds", "of the first", "peak memory"]
    return "## Whole processes\n\n" + table(heads, rows)


def _profile(profile: dict[str, Any]) -> str:
    parts = [
        "## Where the remaining time goes",
        "",
        "`limit`: reading the rows from memory as often as the fit did, at the speed of all cores.",
        "",
    ]
    rows = []
    for row in profile.values():
        if "note" in row:
            rows.append([row["name"], *"-----", _visible(row["note"])])
            continue
        shares = ", ".join(
            f"{name.replace('_', chr(92) + '_')} {share:.0%}" for name, share in row["functions"]
        )
        rows.append(
            [
                row["name"],
                seconds(row["seconds"]),
                seconds(row["one_thread_seconds"]),
                f"{row['passes']:.1f}",
                seconds(row["limit_seconds"]),
                seconds(row["product_seconds"]),
                shares,
            ]
        )
    heads = [
        "Case",
        "all cores",
        "one thread",
        "passes",
        "limit",
        "one `X @ w`",
        "own time by function, one thread",
    ]
    return "\n".join([*parts, table(heads, rows)])


def _figure(cell: dict[str, Any], name: str | None) -> dict[str, Any] | None:
    return next((one for one in cell["figures"] if one["name"] == name), None)


def _visible(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")[:120]

"""Two pictures: how many times as long the peers take, and how seconds grow with the rows.

One message each, labels at the marks, no legend; filled and hollow marks tell correct fits from others, so
that nothing hangs on colour.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from benchmarks.report import times

INK, OURS, PEER = "#222222", "#0072b2", "#8a8a8a"


def draw(folder: Path, document: dict[str, Any]) -> None:
    """Every picture there are figures for, as PNG; none without Matplotlib."""
    try:
        import matplotlib
    except ImportError:
        return
    with matplotlib.rc_context({"font.size": 9.0, "axes.spines.top": False, "axes.spines.right": False}):
        cells = [cell for cell in document["grid"].values() if cell["figures"][0]["median"]]
        if cells:
            _grid(folder / "grid.png", cells, " (quick run: small sizes)" if document["quick"] else "")
        for grows in ("rows", "columns"):
            sizes = [cell for cell in document["scaling"].values() if cell["grows"] == grows]
            if len(sizes) > 1:
                _scaling(folder / f"{grows}.png", sizes, grows)


def _figure(width: float, height: float) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=150, layout="constrained")
    return figure, figure.add_subplot()


def _grid(path: Path, cells: list[dict[str, Any]], remark: str) -> None:
    figure, axes = _figure(8.0, 1.3 + 0.3 * len(cells))
    axes.axvline(1.0, color=OURS, linewidth=2.0)
    far = 1.0
    for row, cell in enumerate(cells):
        ours = cell["figures"][0]["median"]
        for one in cell["figures"][1:]:
            if not one["median"]:
                continue
            ratio = one["median"] / ours
            far = max(far, ratio)
            is_fastest = one["name"] == cell["fastest"]
            axes.plot(
                ratio,
                row,
                marker="o",
                markersize=7.0 if is_fastest else 4.0,
                color=INK if is_fastest else PEER,
                markerfacecolor=(INK if is_fastest else PEER) if one["correct"] else "white",
                zorder=3 if is_fastest else 2,
            )
            if is_fastest:
                axes.annotate(
                    f"{times(ratio)}x {one['name'].removeprefix('sklearn ')}",
                    (ratio, row),
                    (0, 6),
                    textcoords="offset points",
                    ha="center",
                    fontsize=7.0,
                    color=INK,
                    bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5},
                )
    axes.set_xscale("log")
    # A quick run's sizes are not those that its cases are named after.
    names = [f"{cell['name']}\n(here {cell['shape']})" if remark else cell["name"] for cell in cells]
    axes.set_yticks(range(len(cells)), names, fontsize=7.0 if remark else 9.0)
    axes.set_ylim(len(cells) - 0.4, -1.6)
    axes.annotate("oddsmith", (1.0, -1.1), color=OURS, ha="center", weight="bold", backgroundcolor="white")
    axes.set_xlim(left=axes.get_xlim()[0] / 2.0)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}x")
    axes.set_xlabel(
        "time to the same optimum, in multiples of oddsmith's (log scale)\n"
        "black: fastest correct peer; grey: other peers; hollow: stopped short of the optimum"
    )
    axes.grid(axis="x", color="#e6e6e6")
    axes.tick_params(axis="y", length=0)
    figure.suptitle(f"Right of the blue line, oddsmith is faster{remark}", x=0.02, ha="left", weight="bold")
    figure.savefig(path)


def _scaling(path: Path, cells: list[dict[str, Any]], grows: str) -> None:
    figure, axes = _figure(6.4, 4.2)
    names = [one["name"] for one in cells[0]["figures"]]
    ends = []
    for name in names:
        points = [
            (cell[grows], one["median"], one["correct"])
            for cell in cells
            for one in cell["figures"]
            if one["name"] == name and one["median"]
        ]
        if not points:
            continue
        is_ours = name == "oddsmith"
        colour = OURS if is_ours else PEER
        axes.plot(
            [x for x, _, _ in points],
            [y for _, y, _ in points],
            color=colour,
            linewidth=2.5 if is_ours else 1.2,
        )
        for x, y, correct in points:
            axes.plot(
                x, y, marker="o", markersize=4.0, color=colour, markerfacecolor=colour if correct else "white"
            )
        ends.append((points[-1][1], points[-1][0], name, colour))
    axes.set_xscale("log")
    axes.set_yscale("log")
    _label_ends(axes, ends)
    fixed = f"{cells[0]['columns']} columns" if grows == "rows" else f"{cells[0]['rows']:,} rows"
    axes.set_xlabel(f"{grows} (log scale), {fixed}")
    axes.set_ylabel("seconds to the optimum (log scale)")
    axes.grid(color="#eeeeee")
    axes.set_title(f"Seconds as the {grows} grow; hollow: stopped short", loc="left", weight="bold")
    figure.savefig(path)


def _label_ends(axes: Any, ends: list[tuple[float, float, str, str]]) -> None:
    """Names at the lines' ends, moved apart where they would overlap."""
    low, high = (math.log10(limit) for limit in axes.get_ylim())
    apart = 0.06 * (high - low)
    place = -math.inf
    for y, x, name, colour in sorted(ends):
        place = max(math.log10(y), place + apart)
        axes.annotate(
            f" {name}",
            (x, 10.0**place),
            (6, 0),
            textcoords="offset points",
            va="center",
            color=INK if colour == PEER else colour,
            weight="bold" if colour == OURS else "normal",
            annotation_clip=False,
        )
    axes.set_ylim(top=10.0 ** max(high, place + apart))
    left, right = axes.get_xlim()
    axes.set_xlim(left, right * (right / left) ** 0.4)

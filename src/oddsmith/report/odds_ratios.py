"""Odds ratios as a small HTML table: exp(coef), what one unit more of a column multiplies the odds by."""

import html
from collections.abc import Collection, Sequence

import numpy as np

from oddsmith.data.block import Floats
from oddsmith.errors import visible

SHOWN = 20
"""Columns that are shown, the strongest first."""


def odds_ratio_table(
    names: Sequence[str],
    labels: Sequence[str],
    coef: Floats,
    scale: Floats,
    note: str,
    held: Collection[str] = (),
) -> str:
    """A table of the columns' `names` (p,) by the equations' `labels` (k,), with `note` in its caption.

    `coef` (k, p) are ordered by their size for one sigma, `scale` (p,), of their column. The columns `held` at 0,
    for others explain them, have no odds ratio.
    """
    strongest = np.argsort(-np.abs(coef * scale).max(axis=0), kind="stable")
    with np.errstate(over="ignore"):
        ratios = np.exp(coef)
    head = "".join(f"<th>{_escaped(text)}</th>" for text in ("column", *labels))
    body = "".join(
        f"<tr><td>{_escaped(names[j])}</td>"
        + "".join(
            "<td>held at 0</td>" if names[j] in held else f"<td>{ratio:.4g}</td>"
            for ratio in ratios[:, j].tolist()
        )
        + "</tr>"
        for j in strongest[:SHOWN].tolist()
    )
    some = f", the strongest {SHOWN} of {len(strongest):,} columns" if len(strongest) > SHOWN else ""
    return (
        f"<table><caption>Odds ratios for one unit more{some}: {html.escape(note)}.</caption>"
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )


def _escaped(text: str) -> str:
    return html.escape(visible(text))

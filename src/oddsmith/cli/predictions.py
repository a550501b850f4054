"""What is written about each row that a model has scored: by `predict`, of files and of a stream."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

    from oddsmith.cli.options import Voice
    from oddsmith.data.table import Table
    from oddsmith.decision.costs import Actions
    from oddsmith.model import Model
    from oddsmith.model.model import Scores

_COLUMN, _ROW = 16, 80
"""Bytes of memory for each number of a row and for the row."""


class Shown:
    """What is written about each row beside its label, and the model that says it."""

    def __init__(self, model: Model, *, proba: bool, explain: bool, action: bool) -> None:
        from oddsmith.errors import InputError

        self.model, self.proba, self.explain = model, proba, explain
        self.policy = model.policy if action else None
        if action and self.policy is None:
            raise InputError(
                "--action: this model has no policy. Choose one: oddsmith decide MODEL DATA --cost fn=120,fp=18."
            )

    def of_policy(self, table: Table, scores: Scores, actions: Actions | None = None) -> list[pl.Series]:
        """The action of each row, and what each action is expected to cost where reasons are wanted."""
        import polars as pl

        from oddsmith.decision.actions import act, expected

        policy = self.policy
        if policy is None:
            return []
        inputs = self.model.policy_inputs(table, scores)
        taken = act(policy, *inputs) if actions is None else actions
        columns = [pl.Series("action", policy.actions, dtype=pl.String).gather(taken)]
        costs = expected(policy, *inputs) if self.explain else None
        if costs is not None:
            columns += [
                pl.Series(f"expected_cost_{name}", column)
                for name, column in zip(policy.actions, costs.T, strict=True)
            ]
        return columns


def predictions(
    shown: Shown, table: Table, scores: Scores, *, first: int = 1, actions: Actions | None = None
) -> pl.DataFrame:
    """The rows to write: id, label, and what was asked for. Without an id they are numbered from `first` on.

    `actions` (n,) are those of the rows, where they were looked at together with others.
    """
    import numpy as np
    import polars as pl

    from oddsmith.data.cells import as_written, refuse_nested
    from oddsmith.data.memory import require
    from oddsmith.errors import InputError, counted, visible

    model = shown.model
    record = model.record
    n = table.frame.height
    width = shown.proba * len(record.target.classes) + shown.explain * (2 + len(record.columns))
    require(n * (_COLUMN * width + _ROW), f"a table of {counted(n, 'prediction')}")
    if record.id is None:
        ids = pl.Series("row", np.arange(first, first + n))
    else:
        if record.id not in table.frame.columns:
            raise InputError(
                f"{visible(table.name)}: no column called '{visible(record.id)}', which predictions echo as id. "
                f"Add it, or train with another --id."
            )
        refuse_nested(table, record.id)
        ids = table.frame[record.id]
        ids = as_written(ids) if ids.dtype.is_temporal() else ids
    columns = [
        ids,
        pl.Series(record.target.name, record.target.classes, dtype=pl.String).gather(scores.codes),
    ]
    columns += shown.of_policy(table, scores, actions)
    if shown.proba:
        columns += [
            pl.Series(f"proba_{label}", column)
            for label, column in zip(record.target.classes, scores.proba.T, strict=True)
        ]
    if shown.explain:
        why = model.explain_scores(scores)
        columns += [pl.Series("log_odds", why.log_odds), pl.Series("average_log_odds", why.average)]
        columns += [
            pl.Series(f"contribution_{name}", column)
            for name, column in zip(why.columns, why.contributions.T, strict=True)
        ]
    names = [column.name for column in columns]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(
            f"two columns of the output would be called '{visible(twice)}'. Rename one in the data."
        )
    return pl.DataFrame(columns)


def written(frame: pl.DataFrame, *, as_json: bool, header: bool = True) -> bytes:
    """The rows as CSV, or as one JSON object a line."""
    import io

    buffer = io.BytesIO()
    if as_json:
        frame.write_ndjson(buffer)
    else:
        frame.write_csv(buffer, include_header=header, line_terminator="\n")
    return buffer.getvalue()


def mention_unused(model: Model, columns: Sequence[str], voice: Voice) -> None:
    """Name columns that training did not know, once."""
    from oddsmith.errors import visible

    known = model.known_columns()
    unknown = [name for name in columns if name not in known]
    if unknown:
        names = ", ".join(f"'{visible(name)}'" for name in unknown[:5])
        more = f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""
        voice.aside(f"not used by the model: {names}{more}")

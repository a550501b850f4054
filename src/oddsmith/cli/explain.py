"""oddsmith explain: why one row has its action, and what alone would have changed it.

A row is one of a file, or typed as pairs with commas between them; in double quotes a comma belongs to the column or
the value.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from oddsmith.cli.options import Voice, examples, load, pieces_of, reading_from, reading_options, voiced
from oddsmith.cli.predictions import mention_unused

if TYPE_CHECKING:
    from oddsmith.model import Model
    from oddsmith.model.changes import Cell

EXAMPLES = examples(
    """
    oddsmith explain model.json requests.csv --id R00042
    oddsmith explain model.json requests.csv --id request=R00042 --json
    oddsmith explain model.json --row "ambiguity=3.1,support=4"
    oddsmith explain model.json --row ambiguity=3.1 --row 'department="finance"' --json
    """
)
_QUOTED = r'"(?:[^"]|"")*"'
_PARTS = re.compile(rf'(?:{_QUOTED}|[^",])+')
_NAMED = 5


@click.command(epilog=EXAMPLES)
@click.argument("model")
@click.argument("data", nargs=-1)
@click.option(
    "--id",
    "named",
    metavar="VALUE|COLUMN=VALUE",
    help="The row of DATA that has this as its id, or in another column: its whole text there. One row alone may have it.",
)
@click.option(
    "--row",
    "rows",
    multiple=True,
    metavar="COLUMN=VALUE,..",
    help="Cells of the row, without DATA; say it again for more of them. A column or value that holds a comma goes in "
    "double quotes. A column that is left out is missing.",
)
@reading_options
@voiced
def explain(
    model: str,
    data: tuple[str, ...],
    named: str | None,
    rows: tuple[str, ...],
    voice: Voice,
    chosen: dict[str, Any],
) -> None:
    """Explain what MODEL makes of one row: of DATA, by its id, or as it is typed with --row.

    Shows the action, or the label where MODEL has no policy, with what each action is expected to cost; the
    probability; what each column adds to the log-odds; and for each column the nearest cell that would have changed
    the action if nothing else had changed. The strongest of them are shown, and all with --json. DATA is one file or
    several, of any format and of any size, read as the training data was, unless options say otherwise.
    """
    from oddsmith.report.reasons_report import draw_reasons

    if rows and (data or named is not None or chosen):
        raise click.UsageError("--row is the whole row: leave out DATA, --id and how to read.")
    if not rows and not data:
        raise click.UsageError(
            "There is no row to explain: name it by DATA --id VALUE, or type it with --row."
        )
    if data and named is None:
        raise click.UsageError(
            "DATA has many rows: name the one to explain by --id VALUE or --id COLUMN=VALUE."
        )
    trained = load(model, voice)
    cells = _cells(trained, rows, voice) if named is None else _row_of(trained, data, named, voice, chosen)
    with voice.hearing():
        found = trained.reasons(cells)
    if voice.json:
        voice.write_json(found)
    else:
        draw_reasons(found, voice.console())


def _row_of(
    model: Model, data: Sequence[str], named: str, voice: Voice, chosen: dict[str, Any]
) -> Mapping[str, Cell]:
    """The cells of a row of files."""
    from oddsmith.cli.row_by_id import row_by_id

    reading = reading_from(chosen, model.record.reading)
    with pieces_of(data, reading, None, voice) as pieces, voice.reading("looking for the row") as advance:
        cells = row_by_id(model, pieces, named, advance)
    mention_unused(model, pieces.columns, voice)
    return cells


def _cells(model: Model, rows: Sequence[str], voice: Voice) -> Mapping[str, Cell]:
    """The cells that were given, and None for each feature that was not; what else the model knows is set aside."""
    from oddsmith.cli.row_by_id import some
    from oddsmith.errors import InputError, visible

    features = [column.name for column in model.design.columns]
    costs = None if model.policy is None else model.policy.row_costs
    read = {*features, *([] if costs is None else costs.columns)} | {model.record.offset or ""} - {""}
    known = read | model.known_columns()
    given: dict[str, str | None] = {}
    for name, value in (_pair(part, known) for text in rows for part in _parts(text)):
        if name not in known:
            raise InputError(
                f"--row: the model has no column '{visible(name)}'.{_near(name, features, read)}"
            )
        if name in given:
            raise InputError(f"--row: '{visible(name)}' is given twice. Give it once.")
        given[name] = value
    absent = [name for name in features if name not in given]
    if features and len(absent) == len(features):
        raise InputError(
            f"--row: none of these is a column that the model predicts from. It reads {some(features)}. "
            "For a row of a file, say oddsmith explain MODEL DATA --id VALUE."
        )
    if absent:
        voice.aside(f"taken as missing: {_listed(absent, voice)}")
    unused = [name for name in given if name not in read]
    if unused:
        voice.aside(f"not used by the model: {_listed(unused, voice)}")
    return dict.fromkeys(absent) | {name: value for name, value in given.items() if name in read}


def _parts(text: str) -> list[str]:
    """What stands between commas that are not in quotes."""
    from oddsmith.errors import InputError, visible

    if text.count('"') % 2:
        raise InputError(
            f"--row '{visible(text, 200)}': a quote is not closed. Inside quotes, a quote is written twice."
        )
    return [part for part in _PARTS.findall(text) if part.strip()]


def _pair(part: str, known: Iterable[str]) -> tuple[str, str]:
    """A column and its value: where there are several equals signs, the first after a column that is known."""
    from oddsmith.errors import InputError, visible

    outside = re.sub(_QUOTED, lambda quoted: " " * len(quoted[0]), part)
    splits = [(_bare(part[:at]), _bare(part[at + 1 :])) for at, sign in enumerate(outside) if sign == "="]
    if not splits:
        raise InputError(
            f"--row: '{visible(part.strip())}' is no COLUMN=VALUE. Put a value that holds a comma in double quotes, "
            "as in 'department=\"sales, north\"'."
        )
    return next((split for split in splits if split[0] in known), splits[0])


def _bare(text: str) -> str:
    """A text without blanks around it, and without its quotes."""
    text = text.strip()
    return text[1:-1].replace('""', '"') if re.fullmatch(_QUOTED, text) else text


def _near(name: str, features: Sequence[str], read: Iterable[str]) -> str:
    """The column that was meant, or else what there is."""
    import difflib

    from oddsmith.cli.row_by_id import some
    from oddsmith.errors import visible

    by_lower_case = {column.lower(): column for column in read}
    near = difflib.get_close_matches(name[:200].lower(), by_lower_case, n=1)
    if near:
        return f" Did you mean '{visible(by_lower_case[near[0]])}'?"
    return f" It reads {some(features)}."


def _listed(names: Sequence[str], voice: Voice) -> str:
    from oddsmith.errors import visible

    shown = names if voice.verbose else names[:_NAMED]
    more = f" and {len(names) - len(shown)} more" if len(names) > len(shown) else ""
    return ", ".join(f"'{visible(name)}'" for name in shown) + more

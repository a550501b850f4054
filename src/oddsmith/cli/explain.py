"""oddsmith explain: why one row has its action, and what alone would have changed it.

A row is typed as pairs with commas between them; in double quotes a comma belongs to the column or the value.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import click

from oddsmith.cli.options import Voice, examples, load, voiced

if TYPE_CHECKING:
    from oddsmith.model import Model

EXAMPLES = examples(
    """
    oddsmith explain model.json --row "ambiguity=3.1,support=4"
    oddsmith explain model.json --row ambiguity=3.1 --row 'department="finance"' --json
    """
)
_QUOTED = r'"(?:[^"]|"")*"'
_PARTS = re.compile(rf'(?:{_QUOTED}|[^",])+')
_NAMED = 5


@click.command(epilog=EXAMPLES)
@click.argument("model")
@click.option(
    "--row",
    "rows",
    multiple=True,
    required=True,
    metavar="COLUMN=VALUE,..",
    help="Cells of the row; say it again for more of them. A column or value that holds a comma goes in double quotes. "
    "A column that is left out is missing.",
)
@voiced
def explain(model: str, rows: tuple[str, ...], voice: Voice) -> None:
    """Explain what MODEL makes of one row.

    Shows the action, or the label where MODEL has no policy, with what each action is expected to cost; the
    probability; what each column adds to the log-odds; and for each column the nearest cell that would have changed
    the action if nothing else had changed.
    """
    from oddsmith.report.reasons_report import draw_reasons

    trained = load(model, voice)
    cells = _cells(trained, rows, voice)
    with voice.hearing():
        found = trained.reasons(cells)
    if voice.json:
        voice.write_json(found)
    else:
        draw_reasons(found, voice.console())


def _cells(model: Model, rows: Sequence[str], voice: Voice) -> dict[str, str | None]:
    """The cells that were given, and None for each feature that was not; what else the model knows is set aside."""
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

    from oddsmith.errors import visible

    by_lower_case = {column.lower(): column for column in read}
    near = difflib.get_close_matches(name[:200].lower(), by_lower_case, n=1)
    if near:
        return f" Did you mean '{visible(by_lower_case[near[0]])}'?"
    some = ", ".join(f"'{visible(column)}'" for column in features[:_NAMED])
    return f" It reads {some}{' and others' if len(features) > _NAMED else ''}."


def _listed(names: Sequence[str], voice: Voice) -> str:
    from oddsmith.errors import visible

    shown = names if voice.verbose else names[:_NAMED]
    more = f" and {len(names) - len(shown)} more" if len(names) > len(shown) else ""
    return ", ".join(f"'{visible(name)}'" for name in shown) + more

"""Why one row has its action, drawn: the lines of the reasons themselves, the first of them bold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oddsmith.model.reason_lines import reason_lines

if TYPE_CHECKING:
    from rich.console import Console

    from oddsmith.model.reasons import Reasons


def draw_reasons(found: Reasons, console: Console) -> None:
    """The action, and under it why."""
    from rich.text import Text

    first, *others = reason_lines(found)
    console.print(Text(first, style="bold"), soft_wrap=True)
    for line in others:
        console.print(Text(line), soft_wrap=True)

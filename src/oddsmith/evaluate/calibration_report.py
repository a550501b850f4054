"""What can be said about calibration, given how many events there are: rows of the smaller class.

    below 20            observed / expected with an exact interval, log loss; nothing can be certified
    20 to 200           and calibration intercept and slope, the CORP curve with its band, Spiegelhalter's z
    200 to 10,000       and miscalibration, discrimination and uncertainty, smooth ECE with its interval
    above 10,000        the same without the test: it would reject differences that matter to nobody

What is left out has a sentence in its place. Few events make every figure look bad: of perfectly calibrated scores
the mean error of ten bins is .24 on 8 rows and .027 on 1,000. Where there are many, the question is not whether
there is an error but whether the interval of its size lies below what can be tolerated.
"""

import math
from typing import Literal

import msgspec

from oddsmith.evaluate.bootstrap import require_resamples
from oddsmith.evaluate.corp import Decomposition, ReliabilityCurve, decomposition, reliability_curve
from oddsmith.evaluate.expected import ObservedExpected, Spiegelhalter, observed_expected, spiegelhalter
from oddsmith.evaluate.intervals import effective_number, require_level
from oddsmith.evaluate.metrics import Count, log_loss
from oddsmith.evaluate.recalibration import Recalibration, recalibration
from oddsmith.evaluate.score_table import Floats, Integers, ScoreTable, require_rows
from oddsmith.evaluate.smooth import SmoothEce, smooth_ece

SMALL, MEDIUM, LARGE = 20, 200, 10_000
"""Events from which, from which, and above which more can be said."""

Size = Literal["insufficient", "small", "medium", "large"]
SAID: dict[Size, str] = {
    "insufficient": f"Below {SMALL} events nothing can be certified.",
    "small": f"Below {MEDIUM} events the error itself is mostly noise: slope and intercept tell more.",
    "medium": "Enough events for the error and its parts.",
    "large": "So many events tell any error from none: judge whether its interval lies below a tolerance.",
}


class CalibrationReport(msgspec.Struct, frozen=True, kw_only=True):
    """Calibration of the scores of two classes; figures that so few events, or so many, do not bear are None."""

    n_rows: int
    events: Count
    """Rows of the smaller class, or their effective number where weights differ."""
    size: Size
    sentence: str
    """What so many events are good for."""
    log_loss: float
    """Mean, in nats."""
    observed_expected: ObservedExpected
    recalibration: Recalibration | None = None
    spiegelhalter: Spiegelhalter | None = None
    curve: ReliabilityCurve | None = None
    brier_parts: Decomposition | None = None
    log_loss_parts: Decomposition | None = None
    smooth_ece: SmoothEce | None = None
    left_out: dict[str, str]
    """Why a figure is None, by its name."""


def calibration_report(
    table: ScoreTable, *, level: float = 0.95, n_resamples: int = 200, seed: int = 0
) -> CalibrationReport:
    """What the events of a table bear; intervals and bands at `level`, seeded.

    Raises:
        InputError: the table is empty, `level` is not between 0 and 1, or `n_resamples` is below 1.
    """
    require_rows(table)
    require_level(level)
    require_resamples(n_resamples)
    n_events = events(table)
    size = size_of(n_events)
    small, medium = n_events >= SMALL, n_events >= MEDIUM
    test = spiegelhalter(table) if small and size != "large" else None
    left_out: dict[str, str] = {}
    if not small:
        left_out |= dict.fromkeys(("recalibration", "spiegelhalter", "curve"), _needs(SMALL))
    elif size == "large":
        left_out["spiegelhalter"] = f"Above {LARGE:,} events a test of exact calibration rejects trifles."
    elif test is None:
        left_out["spiegelhalter"] = (
            "The probabilities are 0, 1/2 or 1: no label is nearer or further than they say."
        )
    if not medium:
        left_out |= dict.fromkeys(("brier_parts", "log_loss_parts", "smooth_ece"), _needs(MEDIUM))
    return CalibrationReport(
        n_rows=table.n_rows,
        events=n_events,
        size=size,
        sentence=SAID[size],
        log_loss=log_loss(table),
        observed_expected=observed_expected(table, level),
        recalibration=recalibration(table, level) if small else None,
        spiegelhalter=test,
        curve=reliability_curve(table, level=level, n_resamples=n_resamples, seed=seed) if small else None,
        brier_parts=decomposition(table, "brier") if medium else None,
        log_loss_parts=decomposition(table, "log_loss") if medium else None,
        smooth_ece=smooth_ece(table, level=level, n_resamples=n_resamples, seed=seed) if medium else None,
        left_out=left_out,
    )


def events(table: ScoreTable) -> Count:
    """Rows of the smaller class; their effective number, (sum w)^2 / sum w^2, where weights within it differ."""
    return min(
        _number(table.count_positive, table.weight_positive, table.squared_weight_positive),
        _number(table.count_negative, table.weight_negative, table.squared_weight_negative),
    )


def size_of(n_events: Count) -> Size:
    """How much so many events are good for."""
    if n_events < SMALL:
        return "insufficient"
    if n_events < MEDIUM:
        return "small"
    return "medium" if n_events <= LARGE else "large"


def _number(count: Integers, weight: Floats, squared: Floats) -> Count:
    n_rows = int(count.sum())
    number = effective_number(float(weight.sum()), float(squared.sum()))
    return n_rows if math.isclose(number, n_rows, rel_tol=1e-12) else number


def _needs(least: int) -> str:
    return f"It takes {least} rows of each class."

"""Do the probabilities mean what they say? Equal-width bins, and the error that is read from them.

    bin b of B:   [b/B, (b+1)/B)        the last one closed, so that 1 belongs to it
    ECE       =   sum over bins of  weight share of the bin * |mean probability - observed share|

Empty bins are skipped. Bin edges are compared as thresholds are, on the log-odds. The error depends on
the number of bins, and on few rows it is mostly noise: it is shown with its binning, and decides nothing.

Source: the estimator of Naeini, Cooper and Hauskrecht (2015), of the positive class's probability.
"""

import msgspec
import numpy as np

from oddsmith.errors import InputError
from oddsmith.evaluate.metrics import Count
from oddsmith.evaluate.score_table import ScoreTable, log_odds, require_rows


class ReliabilityBin(msgspec.Struct, frozen=True):
    """The rows whose probability lies in [lower, upper), or in [lower, 1] for the last bin."""

    lower: float
    upper: float
    count: Count
    mean_proba: float
    observed_share: float


class Reliability(msgspec.Struct, frozen=True):
    """Expected calibration error, and the bins that it was computed with."""

    ece: float
    n_bins: int
    """How many equal-width bins there were, empty ones included."""
    of: str
    """Which probability was binned."""
    bins: tuple[ReliabilityBin, ...]
    """The bins that hold rows, in rising order."""

    @property
    def binning(self) -> str:
        """The binning in words."""
        return f"{self.n_bins} equal-width bin{'s' if self.n_bins > 1 else ''} of {self.of}"


def reliability(
    table: ScoreTable, n_bins: int, of: str = "the probability of the positive class"
) -> Reliability:
    """Mean probability against observed share in `n_bins` equal-width bins; `of` says what was binned.

    Raises:
        InputError: `n_bins` is below 1, or the table is empty.
    """
    if n_bins < 1:
        raise InputError(f"{n_bins} bins: there must be at least one. Give a whole number from 1.")
    require_rows(table)
    total = table.weight
    edges = [b / n_bins for b in range(n_bins + 1)]
    inner = np.searchsorted(table.eta, [log_odds(edge) for edge in edges[1:-1]], side="left")
    starts = [0, *inner.tolist(), len(table.eta)]
    weight, proba, unweighted = table.weight_positive + table.weight_negative, table.proba, table.unweighted
    bins = []
    error = 0.0
    for b in range(n_bins):
        inside = slice(starts[b], starts[b + 1])
        of_bin = float(weight[inside].sum())
        if of_bin == 0:
            continue
        row = ReliabilityBin(
            lower=edges[b],
            upper=edges[b + 1],
            count=round(of_bin) if unweighted else of_bin,
            mean_proba=float(weight[inside] @ proba[inside]) / of_bin,
            observed_share=float(table.weight_positive[inside].sum()) / of_bin,
        )
        bins.append(row)
        error += of_bin / total * abs(row.mean_proba - row.observed_share)
    return Reliability(ece=error, n_bins=n_bins, of=of, bins=tuple(bins))

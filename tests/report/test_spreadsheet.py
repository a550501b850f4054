"""What is written for a spreadsheet is read by it, and never run."""

import polars as pl
import pytest

from oddsmith.errors import InputError
from oddsmith.report.spreadsheet import defused, without_formulas


@pytest.mark.parametrize("dtype", [pl.String, pl.Categorical])
@pytest.mark.parametrize(
    "text", ["=1+1", "+cmd", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "-", "=", "+1 555 0100"]
)
def test_texts_that_a_spreadsheet_would_run_get_an_apostrophe(text, dtype):
    frame = pl.DataFrame({"id": pl.Series([text, "plain", None], dtype=dtype), "p": [-0.5, 0.5, 1.0]})
    safe, changed = without_formulas(frame)
    assert safe["id"].to_list() == ["'" + text, "plain", None]
    assert safe["p"].to_list() == [-0.5, 0.5, 1.0]
    assert changed == 1
    assert defused(changed) == (
        "1 text that a spreadsheet would run as a formula now begins with an apostrophe. "
        "To write texts as they are, say --raw."
    )


@pytest.mark.parametrize(
    "text", ["-5", "+1", "-1.5e-3", "+.5", "a=1", " =1", "'=1", "", "00003", "9007199254740993"]
)
def test_numbers_and_other_texts_stay_byte_for_byte(text):
    safe, changed = without_formulas(pl.DataFrame({"id": [text, None]}))
    assert safe["id"].to_list() == [text, None]
    assert changed == 0


def test_names_of_columns_are_texts_too():
    safe, changed = without_formulas(pl.DataFrame({"=id": [1], "proba_-1": [0.5]}))
    assert safe.columns == ["'=id", "proba_-1"]
    assert changed == 1
    assert without_formulas(pl.DataFrame({"=id": ["="]}), header=False)[1] == 1


def test_two_names_never_become_one():
    with pytest.raises(InputError, match=r"two columns of the output would be called ''=x'\."):
        without_formulas(pl.DataFrame({"=x": [1], "'=x": [2]}))

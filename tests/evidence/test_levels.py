import numpy as np
import pytest

from oddsmith.evidence.levels import MOST_LEVELS, levels


def sizes(column):
    return {name: int(inside.sum()) for name, inside in levels(column)}


def test_text_and_truth_values_and_few_numbers_are_levels():
    assert sizes(["b", "a", "b", None]) == {"a": 1, "b": 2, "missing": 1}
    assert sizes([True, False, True]) == {"False": 1, "True": 2}
    assert sizes([1, 2, 2]) == {"1": 1, "2": 2}
    assert sizes([0.5, np.nan, 0.5]) == {"0.5": 2, "missing": 1}


def test_many_numbers_are_quarters_of_the_rows_with_equal_ones_together():
    assert sizes(np.arange(1.0, 21.0)) == {"1 to 5": 5, "6 to 10": 5, "11 to 15": 5, "16 to 20": 5}
    skewed = np.append(np.zeros(15), np.arange(1.0, 11.0))
    assert sizes(skewed) == {"0 to 0": 15, "1 to 4": 4, "5 to 10": 6}


def test_many_levels_are_the_largest_and_all_others():
    column = [f"{k:02d}" for k in range(30) for _ in range(3 if k < 10 else 1)]
    found = sizes(column)
    assert len(found) == MOST_LEVELS + 1
    assert found["10 other levels"] == 10
    assert all(found[f"{k:02d}"] == 3 for k in range(10))
    assert sizes(column[::-1]) == found


@pytest.mark.parametrize("column", [["x", None, "y"], np.arange(40.0) % 13, [None, None], [np.nan, 1.0]])
def test_every_row_is_in_one_part(column):
    assert (np.sum([inside for _, inside in levels(column)], axis=0) == 1).all()

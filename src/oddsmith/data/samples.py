"""Sample tables, generated from a seed: students to be sorted into houses, and access-change requests.

Nothing here is anybody's data. Both tables have what real ones have - missing cells, columns that are no
features, labels that are sometimes wrong - and a known truth: log-odds that are linear in the features.
"""

import csv
import io
from collections.abc import Sequence

import numpy as np

HOUSES = ("Gryffindor", "Hufflepuff", "Ravenclaw", "Slytherin")
COURSES = (
    "Arithmancy",
    "Astronomy",
    "Herbology",
    "Defense Against the Dark Arts",
    "Divination",
    "Muggle Studies",
    "Ancient Runes",
    "History of Magic",
    "Transfiguration",
    "Potions",
    "Care of Magical Creatures",
    "Charms",
    "Flying",
)
NAME_BEGINS = ("Al", "Bor", "Cla", "Dor", "Ed", "Fen", "Gri", "Hel", "Is", "Jor", "Kes", "Lin", "Mor", "Nev")
NAME_MIDDLES = ("a", "e", "i", "o", "an", "er", "is", "or", "u")
NAME_ENDS = ("beth", "da", "fred", "gan", "la", "mir", "na", "rick", "ston", "ton", "vin", "wyn")
DEPARTMENTS = ("engineering", "finance", "operations", "research", "sales")


def students(n_rows: int, seed: int, *, labelled: bool = True) -> str:
    """CSV of `n_rows` students: marks in 13 courses about their house's mean, 2% of the marks missing.

    The houses' means are the same for every seed; one label in fifty is some other house.
    """
    truth = np.random.default_rng(1)
    level = truth.uniform(-200.0, 200.0, len(COURSES))
    spread = 10.0 ** truth.uniform(0.0, 3.0, len(COURSES))
    means = truth.normal(0.0, 1.1, (len(HOUSES), len(COURSES)))
    means[:, [0, 10]] = 0.0
    rng = np.random.default_rng(seed)
    house = rng.choice(len(HOUSES), n_rows, p=[0.2, 0.33, 0.28, 0.19])
    marks = level + spread * (means[house] + rng.normal(0.0, 0.8, (n_rows, len(COURSES))))
    absent = rng.random(marks.shape) < 0.02
    label = np.where(rng.random(n_rows) < 0.02, rng.integers(0, len(HOUSES), n_rows), house)
    days = np.datetime64("1996-01-01") + rng.integers(0, 2000, n_rows)
    rows = [
        [
            i,
            HOUSES[label[i]] if labelled else "",
            _name(rng),
            _name(rng),
            days[i],
            rng.choice(["Left", "Right"]),
            *("" if gone else f"{mark:.3f}" for mark, gone in zip(marks[i], absent[i], strict=True)),
        ]
        for i in range(n_rows)
    ]
    names = ["Index", "Hogwarts House", "First Name", "Last Name", "Birthday", "Best Hand", *COURSES]
    return _csv(names, rows)


def access_requests(n_rows: int, seed: int, first: int = 1) -> str:
    """CSV of `n_rows` access-change requests, numbered from `first`; `needs_review` is 1 for a quarter.

    log-odds = -1.5 + 1.1 ambiguity - 0.6 support + 1.2 privileged + 0.8 finance
    """
    rng = np.random.default_rng(seed)
    ambiguity = rng.uniform(0.5, 5.0, n_rows).round(1)
    support = rng.uniform(0.0, 10.0, n_rows).round(1)
    privileged = rng.random(n_rows) < 0.3
    department = rng.choice(DEPARTMENTS, n_rows)
    eta = -1.5 + 1.1 * ambiguity - 0.6 * support + 1.2 * privileged + 0.8 * (department == "finance")
    needs_review = rng.random(n_rows) < 1.0 / (1.0 + np.exp(-eta))
    unknown = rng.random(n_rows) < 0.03
    days = np.datetime64("2025-01-01") + np.sort(rng.integers(0, 300, n_rows))
    rows = [
        [
            f"R{first + i:05d}",
            days[i],
            department[i],
            "true" if privileged[i] else "false",
            f"{ambiguity[i]:.1f}",
            "" if unknown[i] else f"{support[i]:.1f}",
            int(needs_review[i]),
        ]
        for i in range(n_rows)
    ]
    names = ["request", "opened", "department", "privileged", "ambiguity", "support", "needs_review"]
    return _csv(names, rows)


def _name(rng: np.random.Generator) -> str:
    return "".join(str(rng.choice(part)) for part in (NAME_BEGINS, NAME_MIDDLES, NAME_ENDS))


def _csv(names: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(rows)
    return text.getvalue()

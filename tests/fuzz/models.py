"""Model files to attack: one of each kind, small, with every record in use; and rows to predict."""

import json
import random
import warnings
from itertools import pairwise

import oddsmith
from oddsmith.errors import FitWarning, InputError

from .mutations import at, edited, neighbours, places, sealed
from .oracles import predictions


def _table():
    chance = random.Random(5)
    n = 60
    x = [round(chance.gauss(3, 2), 2) for _ in range(n)]
    rows = {
        "x": [None if k % 9 == 0 else value for k, value in enumerate(x)],
        "twice": [2 * value for value in x],
        "copy": [2 * value for value in x],
        "flag": [None if k % 11 == 0 else chance.random() < 0.4 for k in range(n)],
        "level": [chance.choice(["a", "b", "b", "c", None]) for _ in range(n)],
        "name": [f"person {k}" for k in range(n)],
        "constant": ["same"] * n,
        "unwanted": [chance.random() for _ in range(n)],
        "w": [chance.choice([1.0, 2.0, 0.5]) for _ in range(n)],
    }
    rows["two"] = [
        "yes." if value + chance.gauss(0, 2) > 3 else chance.choice(["no", "no", None]) for value in x
    ]
    rows["three"] = [str(min(2, max(0, round(value / 2 + chance.gauss(0, 1))))) for value in x]
    return rows


ROWS = _table()
_SHARED = {
    "drop": ["unwanted"],
    "missing": ["?", "x=-9", "level=none"],
    "id": "name",
    "missing_indicator": True,
}
KINDS = {
    "binary": {"target": "two", "map_label": ["x.=x"], "weight": "w", "alpha": 0.1, **_SHARED},
    "softmax": {"target": "three", "alpha": 0.05, "standardize": False, **_SHARED},
    "ovr": {"target": "three", "alpha": 0.05, "multi_class": "ovr", **_SHARED},
    "descent": {"target": "x > 3", "solver": "mini-batch", "epochs": 4, "seed": 3, **_SHARED},
    "unpenalised": {"target": "two", "map_label": ["yes.=yes"], **_SHARED},
}


def saved_models(folder):
    """The bytes of a model file of each kind, and of a flat one."""
    contents = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FitWarning)
        for kind, options in KINDS.items():
            other = "three" if options["target"] == "two" else "two"
            rows = {name: cells for name, cells in ROWS.items() if name != other}
            oddsmith.train(rows, **options).save(folder / kind)
            contents[kind] = (folder / kind).read_bytes()
        numbers = {name: ROWS[name] for name in ("x", "twice", "three")}
        oddsmith.train(numbers, "three", alpha=0.1, multi_class="ovr").save(folder / "flat", flat=True)
        contents["flat"] = (folder / "flat").read_bytes()
    return contents


def survivors(content, folder, every=1):
    """Each single-value edit of a model file, its digest made anew: (path, whether it loads, predictions change).

    `every` takes one edit of so many. In the path, `*` stands for a place in a list and for a key that is a name from the data. Another order of
    an object's keys is no edit, and must predict the same.
    """
    document = json.loads(content)
    chance = random.Random(0)
    path = folder / "edited"
    path.write_bytes(content)
    original = predictions(oddsmith.load(path), ROWS)
    for place in places(document):
        if not place or place == ("digest",):
            continue
        for other in neighbours(at(document, place), chance)[chance.randrange(every) :: every]:
            edit = edited(document, place, other)
            path.write_text(json.dumps(sealed(edit)))
            try:
                model = oddsmith.load(path)
            except InputError:
                yield general(place), False, False
            else:
                yield general(place), edit != document, predictions(model, ROWS) != original


def general(place):
    """A path without what is particular to one file."""
    named = [
        ("*" if isinstance(key, int) or before in _MAPPINGS else key)
        for before, key in pairwise((None, *place))
    ]
    return ".".join(named)


_MAPPINGS = ("coef", "proba", "row", "settings")

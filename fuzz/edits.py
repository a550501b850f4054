"""Which single values of a model file can be edited, with the digest made anew, so that the file still loads?"""

# ruff: noqa: T201

from collections import Counter


def report_edits(folder):
    """A table: path, edits tried, those that load, those that change a prediction."""
    from tests.fuzz.models import saved_models, survivors

    tried, loaded, predicting = Counter(), Counter(), Counter()
    for content in saved_models(folder).values():
        if b"thetas_dict" not in content:
            for path, loads, changes in survivors(content, folder):
                tried[path] += 1
                loaded[path] += loads
                predicting[path] += changes
    print(f"{'path':<44}{'edits':>8}{'load':>8}{'predict otherwise':>20}")
    for path in tried:
        if loaded[path]:
            print(f"{path:<44}{tried[path]:>8}{loaded[path]:>8}{predicting[path]:>20}")
    print(f"{'all':<44}{tried.total():>8}{loaded.total():>8}{predicting.total():>20}")
    return 0

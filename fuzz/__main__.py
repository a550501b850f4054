"""Fuzz a part of oddsmith for some minutes, or replay what was found.

python -m fuzz scan --minutes 5
python -m fuzz scan --replay fuzz/found/scan-0123456789ab
python -m fuzz edits

Coverage-guided by Atheris where it is installed, else by plain random changes: the same inputs to begin with,
the same changes, the same oracles (`tests/fuzz/oracles.py`), the same report.
"""

# ruff: noqa: T201

import argparse
import sys
import tempfile
from pathlib import Path

from fuzz.edits import report_edits
from fuzz.engines import Hunt, atheris_engine, random_engine
from fuzz.targets import TARGETS

FOUND = Path(__file__).parent / "found"


def main(arguments=None):
    """Run one target; exit code 1 if a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__.splitlines()[0])
    parser.add_argument("target", choices=[*TARGETS, "edits"])
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--replay", type=Path, metavar="FILE", help="run one input and show what it breaks")
    parser.add_argument("--found", type=Path, default=FOUND, help="folder for inputs that break a promise")
    parser.add_argument("--engine", choices=["atheris", "random"], help="by itself Atheris where installed")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="oddsmith-fuzz-") as folder:
        if options.target == "edits":
            return report_edits(Path(folder))
        engine = random_engine
        if options.engine == "atheris" or (
            options.engine is None and options.replay is None and _has_atheris()
        ):
            engine = atheris_engine
        target = TARGETS[options.target]
        hunt = Hunt(options.target, target, Path(folder), options.found, 60.0 * options.minutes, options.seed)
        if options.replay is not None:
            hunt.prepare()
            hunt.check(options.replay.read_bytes())
            print(f"{options.replay}: every promise holds")
            return 0
        return engine(hunt)


def _has_atheris():
    from importlib.util import find_spec

    return find_spec("atheris") is not None


if __name__ == "__main__":
    sys.exit(main())

"""Two ways to hunt with one target: changes guided by coverage (Atheris), or at random.

    corpus + change -> input -> oracle -> nothing, or a promise broken: saved once for each place that broke

A hunt goes on after a find, until its time is over.
"""

# ruff: noqa: T201

import hashlib
import os
import random
import sys
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path

from fuzz.targets import Target


@dataclass
class Hunt:
    """A target at work: what was tried, and what was found."""

    name: str
    target: Target
    folder: Path
    found: Path
    seconds: float
    seed: int
    tried: int = 0
    finds: dict[str, Path] = field(default_factory=dict)
    """Where a promise broke -> the first input that did it."""
    began: float = 0.0

    def prepare(self):
        """Import what is to be tested, and make the inputs to begin with."""
        self.corpus, self.check = self.target.prepare(self.folder)
        self.began = time.monotonic()

    @property
    def is_over(self):
        """Whether the time is up."""
        return time.monotonic() - self.began > self.seconds

    def change(self, content, seed):
        """An input that comes from another."""
        return self.target.change(content, random.Random(seed))

    def try_one(self, content):
        """Check one input; save it if it breaks a promise in a place where none broke before."""
        self.tried += 1
        try:
            self.check(content)
        except BaseException as error:  # a panic in a library derives from BaseException
            if isinstance(error, KeyboardInterrupt | SystemExit):
                raise
            where = _place(error)
            if where not in self.finds:
                self.found.mkdir(parents=True, exist_ok=True)
                path = self.found / f"{self.name}-{hashlib.sha256(content).hexdigest()[:12]}"
                path.write_bytes(content)
                self.finds[where] = path
                print(f"\n{path}\n  {type(error).__name__}: {str(error)[:500]!r}\n  {where}", flush=True)

    def report(self, how):
        """What came of it, as an exit code."""
        seconds = time.monotonic() - self.began
        print(
            f"{self.name}: {self.tried:,} inputs in {seconds:.0f} s ({how}), {len(self.finds)} broken promises",
            flush=True,
        )
        return 1 if self.finds else 0


def random_engine(hunt):
    """Changes at random, of the inputs to begin with and of what came of them."""
    hunt.prepare()
    chance = random.Random(hunt.seed)
    pool = list(hunt.corpus)
    for content in hunt.corpus:
        hunt.try_one(content)
    while not hunt.is_over:
        content = hunt.change(chance.choice(pool), chance.getrandbits(64))
        hunt.try_one(content)
        if len(content) < 20_000 and chance.random() < 0.05:
            pool.append(content)
            if len(pool) > 500:
                pool.pop(chance.randrange(len(hunt.corpus), len(pool)))
    return hunt.report("random changes")


def atheris_engine(hunt):
    """Changes that reach new branches are kept, and changed again; libFuzzer's own ones come between."""
    import atheris

    with atheris.instrument_imports(include=hunt.target.modules):
        hunt.prepare()
    corpus = hunt.folder / "corpus"
    corpus.mkdir()
    for number, content in enumerate(hunt.corpus):
        (corpus / str(number)).write_bytes(content)

    def try_one(content):
        hunt.try_one(content)
        if hunt.is_over:
            # libFuzzer ends the process itself and would not come back here.
            code = hunt.report("Atheris")
            sys.stdout.flush()
            os._exit(code)

    def change(content, max_size, seed):
        changed = atheris.Mutate(content, max_size) if seed % 4 == 0 else hunt.change(content, seed)
        return changed[:max_size]

    hunt.found.mkdir(parents=True, exist_ok=True)
    arguments = [
        sys.argv[0],
        str(corpus),
        f"-seed={hunt.seed + 1}",
        "-max_len=30000",
        "-timeout=60",
        "-verbosity=0",
        f"-artifact_prefix={hunt.found}/{hunt.name}-",
    ]
    atheris.Setup(arguments, try_one, custom_mutator=change)
    atheris.Fuzz()
    return hunt.report("Atheris")


def _place(error):
    """The kind of an error and the lines of this project that led to it."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [
        f"{Path(frame.filename).name}:{frame.lineno}"
        for frame in frames
        if "site-packages" not in frame.filename
    ]
    return f"{type(error).__name__} at {' > '.join(ours[-3:])}"

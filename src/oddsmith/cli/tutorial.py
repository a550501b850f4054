"""oddsmith tutorial: the real verbs at work on sample data, offline, in a minute."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path

import click

from oddsmith.cli.options import Voice, examples, voiced

EXAMPLES = examples(
    """
    oddsmith tutorial
    oddsmith tutorial somewhere/else
    """
)

MODELS = {"houses.json": "students.csv", "review.json": "requests.csv"}
"""What the story writes, and from which sample."""

STORY: tuple[tuple[str, str], ...] = (
    (
        "1. Students: what is in the file? Missing marks, names, a birthday - and 13 courses.",
        "describe students.csv",
    ),
    (
        "2. Train one model for each house, each against the rest. Columns that are no features are left out.",
        "train students.csv --target 'Hogwarts House' --multi-class ovr -o houses.json",
    ),
    ("3. What did it learn? Everything is in one JSON file, and can be read.", "show houses.json"),
    (
        "4. Is it right? Ask about students that it has not seen, but whose house is known.",
        "evaluate houses.json later-students.csv",
    ),
    ("5. Sort new students.", "predict houses.json new-students.csv"),
    (
        "6. Access requests: label 1 needs human review. One command trains, calibrates, decides and audits, each on rows "
        "of its own: a missed review costs 120, a needless one 18.",
        "build requests.csv --target needs_review --id request --cost fn=120,fp=18 -o review.json",
    ),
    (
        "7. What is done about a new request? Its probability, the action, and what each action would be expected to cost.",
        "predict review.json one-request.csv --proba --action --explain --json",
    ),
    (
        "8. Why? And what would have changed it?",
        "explain review.json --row department=sales,privileged=True,ambiguity=3.1,support=4",
    ),
    (
        "9. Does it hold in every department? On the rows that were kept for the audit.",
        "audit review.json requests.csv --slice department",
    ),
)


@click.command(epilog=EXAMPLES)
@click.argument("folder", default="oddsmith-tutorial")
@voiced
def tutorial(folder: str, voice: Voice) -> None:
    """Try the verbs on sample data written into FOLDER.

    The samples are generated, not anybody's data. Nothing is fetched from anywhere; files that are in
    FOLDER already and are not the tutorial's own are left alone. --json, -q and -v are passed on to every verb;
    with --json the story goes to standard error.
    """
    from rich.text import Text

    from oddsmith.cli.verbs import oddsmith
    from oddsmith.errors import visible
    from oddsmith.report.terminal import console_for

    console = console_for(sys.stderr if voice.json else sys.stdout, quiet=voice.quiet)
    passed_on = {"--json": voice.json, "--quiet": voice.quiet, "--verbose": voice.verbose}
    flags = [flag for flag, given in passed_on.items() if given]
    back = _current_folder()
    place = _written(Path(folder))
    console.print(
        f"The sample files are in {visible(str(place), 400)}, where each command below can be typed.",
        soft_wrap=True,
    )
    if shutil.which("oddsmith") is None:
        program = Path(sys.argv[0]).resolve()
        console.print(
            f"(oddsmith is {program}; activate its environment to call it by name.)", soft_wrap=True
        )
    try:
        os.chdir(place)
        for says, command in STORY:
            console.print(Text(f"\n{says}", style="bold"))
            console.print(Text(f"$ oddsmith {command}"), soft_wrap=True)
            sys.stdout.flush()
            oddsmith.main([*shlex.split(command), *flags], prog_name="oddsmith", standalone_mode=False)
            sys.stdout.flush()
    finally:
        os.chdir(back)
    console.print(
        Text(
            f"\nNext: open {visible(str(place / 'review.json'), 400)} and read it, or train on a file of your own:\n"
            f"  oddsmith train YOUR.csv --target COLUMN -o model.json"
        ),
        soft_wrap=True,
    )


def _current_folder() -> Path:
    from oddsmith.errors import InputError

    try:
        return Path.cwd()
    except OSError as error:
        raise InputError("the current folder is no longer there. Change into another one.") from error


def _written(folder: Path) -> Path:
    """Write the sample files; a file of the same name with other content is never overwritten."""
    from oddsmith.data.samples import access_requests, students
    from oddsmith.errors import InputError, visible
    from oddsmith.files import write_atomically

    later = access_requests(400, seed=4, first=1201)
    samples = {
        "students.csv": students(1600, seed=1),
        "later-students.csv": students(400, seed=2),
        "new-students.csv": students(6, seed=5, labelled=False),
        "requests.csv": access_requests(1200, seed=3),
        "later-requests.csv": later,
        "one-request.csv": "".join(later.splitlines(keepends=True)[:2]),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{visible(str(folder), 200)}: cannot be made a folder: "
            f"{(error.strerror or str(error)).lower()}. Name another one."
        ) from None
    for name in (*samples, *MODELS):
        path = folder / name
        if path.exists() and not _is_ours(path, samples.get(name), samples.get(MODELS.get(name, ""))):
            raise InputError(
                f"{visible(str(path), 200)}: exists and is not the tutorial's. "
                f"Name another folder: oddsmith tutorial FOLDER"
            )
    for name, text in samples.items():
        write_atomically(folder / name, text.encode("utf-8"))
    return folder.resolve()


def _is_ours(path: Path, sample: str | None, trained_on: str | None) -> bool:
    """Whether a file is what the tutorial writes: the very sample, or a model trained on it."""
    import hashlib

    from oddsmith.errors import InputError
    from oddsmith.model import load as load_model

    if not path.is_file():
        return False
    if sample is not None:
        return path.read_bytes() == sample.encode("utf-8")
    try:
        digests = load_model(path).record.training.digests
    except InputError:
        return False
    return trained_on is not None and digests == [hashlib.sha256(trained_on.encode("utf-8")).hexdigest()]

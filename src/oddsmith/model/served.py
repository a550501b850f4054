"""Which files a model, its calibration and its policy rest on: none of them may serve twice.

Where a model tells roles apart, each row has one role in every file, and nothing has to be refused. Where it was trained
on whole files, a file is told by the SHA-256 of its bytes: what was learned from it would flatter itself on it.
"""

from __future__ import annotations

from collections.abc import Sequence

from oddsmith.errors import InputError, visible
from oddsmith.model.records import ModelRecord

TRAINED = "the model was trained on"
CALIBRATED = "its calibration was learned from"
DECIDED = "its policy was chosen on"
AUDITED = "it was audited on"


def served(record: ModelRecord) -> dict[str, str]:
    """What each file, by its digest, was for; the earliest of purposes."""
    steps = [(record.training.digests, TRAINED)]
    if record.calibration is not None:
        steps.append((record.calibration.rows.digests, CALIBRATED))
    if record.decision is not None and record.decision.rows is not None:
        steps.append((record.decision.rows.digests, DECIDED))
    if record.audit is not None:
        steps.append((record.audit.rows.digests, AUDITED))
    return {digest: purpose for digests, purpose in reversed(steps) for digest in digests}


def refuse_served(record: ModelRecord, files: Sequence[tuple[str, str]], own: str) -> None:
    """Raise InputError where a file (name, digest) served another purpose than `own`; with roles, nothing is refused."""
    if record.training.roles is not None:
        return
    purposes = served(record)
    for name, digest in files:
        purpose = purposes.get(digest, own)
        if purpose != own:
            raise InputError(
                f"{visible(name, 200)}: these are the rows that {purpose}. What was learned from rows flatters itself on "
                f"them. Give other rows, or train with --split 60/20/20, which keeps rows of one file apart."
            )

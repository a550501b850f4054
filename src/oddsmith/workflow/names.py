"""Names that a fit of arrays takes into a model file, where columns and labels are told apart by them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from numpy.typing import NDArray

from oddsmith.data.cells import DEFAULT_MISSING
from oddsmith.errors import InputError, counted, visible


@dataclass(frozen=True)
class FileNames:
    """What columns of files to come are called: `features` in order, the `target` and its `labels`, the `offset`."""

    features: list[str]
    labels: list[str]
    target: str
    offset: str | None

    @classmethod
    def of(
        cls,
        features: Sequence[str],
        labels: Sequence[str],
        target: str,
        offset: str | None,
        *,
        n_features: int,
        n_classes: int,
    ) -> Self:
        """Names that a file can hold, none of them twice.

        Raises:
            InputError: they are not, or there are more or fewer than `n_features` and `n_classes`.
        """
        names, texts = _named("feature_names", features), _named("class_names", labels)
        for option, given, needed in (
            ("feature_names", names, n_features),
            ("class_names", texts, n_classes),
        ):
            if len(given) != needed:
                raise InputError(f"{option}: {counted(len(given), 'name')}, where {needed:,} are needed.")
        missing = next((label for label in texts if label.strip() in DEFAULT_MISSING), None)
        if missing is not None:
            raise InputError(
                f"class_names: '{visible(missing)}' in a file says that there is no label. Give class_names another."
            )
        padded = next((label for label in texts if label != label.strip()), None)
        if padded is not None:
            raise InputError(
                f"class_names: '{visible(padded)}' has blanks at its ends, which do not count in a file. Give "
                f"class_names another."
            )
        [target] = _named("target_name", [target])
        if target in names:
            raise InputError(
                f"target_name: '{visible(target)}' is the name of a feature too. Give target_name another."
            )
        if offset is not None:
            [offset] = _named("offset_name", [offset])
        if offset is not None and offset in {*names, target}:
            raise InputError(
                f"offset_name: '{visible(offset)}' is the name of another column too. Give offset_name another."
            )
        return cls(names, texts, target, offset)


def _named(option: str, given: Sequence[str]) -> list[str]:
    """Names as a file can hold them: texts of Unicode, none of them empty, each once."""
    if isinstance(given, str):
        raise InputError(f"{option} is one text. Give a list of names.")
    if isinstance(given, Mapping) or not isinstance(given, Iterable):
        raise InputError(f"{option} is of type {type(given).__name__}. Give a list of names, in order.")
    names = [str(name) for name in given]
    for name, count in Counter(names).items():
        if count > 1:
            raise InputError(f"{option}: '{visible(name)}' is there twice. Give each a name of its own.")
        if not name.strip() or not _is_unicode(name):
            raise InputError(
                f"{option}: '{visible(name)}' is no name that a file can hold. Give {option} another."
            )
    return names


def _is_unicode(text: str) -> bool:
    """Whether a text can be written: half a surrogate pair cannot."""
    return not any("\ud800" <= sign <= "\udfff" for sign in text)


def texts_of(classes: NDArray[Any]) -> list[str]:
    """Labels as the texts that a file shows: a whole number has no decimal point."""
    return [
        str(int(label)) if isinstance(label, float) and label.is_integer() else str(label)
        for label in classes.tolist()
    ]

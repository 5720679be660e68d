"""The settings of a training in a TOML file."""

import difflib
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def read_settings(path: Path, names: Sequence[str]) -> dict[str, Any]:
    """Reads a TOML file of settings.

    Args:
        path: The file.
        names: The keys it may have.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no TOML, or has another key; the message tells the nearest names.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"--config {str(path)!r} must be a TOML file of lines name = value, but: {error}.") from error
    for name in values:
        if name not in names:
            nearest = difflib.get_close_matches(name.replace("-", "_"), names) or sorted(names)
            raise ValueError(
                f"--config {str(path)!r} has the key {name!r}, which is no setting. Near it: {', '.join(nearest)}."
            )
    corpus = values.get("corpus", "")
    if not isinstance(corpus, str) and not (isinstance(corpus, list) and all(isinstance(name, str) for name in corpus)):
        raise ValueError(f"--config {str(path)!r}: corpus must be a name, or a list of names, but is {corpus!r}.")
    return values

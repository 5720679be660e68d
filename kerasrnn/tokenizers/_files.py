"""A tokenizer's JSON file: written whole or not at all."""

import json
import os
import pathlib
import uuid
from typing import Any


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    temporary = f"{os.fspath(path)}.{uuid.uuid4().hex}"
    try:
        with open(temporary, "x", encoding="utf-8") as file:
            json.dump(value, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        pathlib.Path(temporary).unlink(missing_ok=True)


def read_json(path: str | os.PathLike[str]) -> Any:
    with open(path, encoding="utf-8") as file:
        return json.load(file)

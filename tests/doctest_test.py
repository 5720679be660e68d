"""Every example in a docstring runs.

Not pytest's --doctest-modules: it would import export/ as a second copy, under the name `export`.
"""

import doctest
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def module_names() -> list[str]:
    paths = [
        path.relative_to(ROOT).with_suffix("") for folder in ("kerasrnn", "export") for path in (ROOT / folder).rglob("*.py")
    ]
    parts = [path.parts if path.parts[0] == "kerasrnn" else ("kerasrnn", *path.parts) for path in paths]
    return sorted(".".join(p).removesuffix(".__init__") for p in parts if p[-1] != "__main__")


@pytest.mark.parametrize("name", module_names())
def test_examples(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # an example may write files
    result = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
    assert result.failed == 0, f"{result.failed} of {result.attempted} examples failed; see the captured output"

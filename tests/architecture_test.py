"""Who may import whom (DESIGN.md), and the house rules that a syntax tree can show.

Every rule is a function from the modules of a source tree to the violations it finds, as "file:line: rule" strings.
"""

import ast
import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# What each package may import directly; what those may import, it may too. Nothing else in kerasrnn, but what is for all.
MAY_IMPORT = {
    "tokenizers": [],
    "metrics": [],
    "samplers": [],
    "cells": [],
    "scan": [],
    "statistics": [],
    "data": ["tokenizers"],
    "ngram": ["tokenizers", "_text_quality"],
    "layers": ["cells", "scan"],
    "models": ["tokenizers", "metrics", "samplers", "layers"],
    "training": ["models", "data", "_text_quality"],
    "diagnostics": ["models"],
    "testing": ["cells", "layers"],
    "cli": ["ngram", "statistics", "training", "diagnostics", "testing"],
    "export": [],
    "_backend": [],
    "_files": [],
    "_folder_lock": [],
    "_portable": [],
    "_text_quality": [],
}
FOR_ALL = {"_backend", "_files", "_folder_lock", "_portable"}
LIGHT = {"export/_manifest.py", "export/_manifest_fields.py", "kerasrnn/_files.py", "kerasrnn/_folder_lock.py", "kerasrnn/_text_quality.py", "kerasrnn/_portable/arguments.py"}
MAY_EXPORT_LAZILY = ("kerasrnn/cli/", "kerasrnn/models/text_methods.py")

PRIVATE = re.compile(r"(keras\.src|(tensorflow|tf)\.python)(\.[\w.]*)?")
MAY_USE_PRIVATE = {
    "kerasrnn/cells/_keras.py": "RNN calls dropout-mask hooks only on subclasses of DropoutRNNCell, which Keras does not export",
    "kerasrnn/layers/_tape.py": "TensorFlow says nowhere in public whether a tape is open",
    "export/writers/_model_io.py": "what Keras recorded of a subclassed model's inputs",
    "export/writers/_tf2onnx.py": "tf2onnx needs Keras's numpy 2 patch",
}

RUNTIME_LIBRARIES = {"numpy", "onnxruntime"}
RUNTIME_LAZY_LIBRARIES = {"sentencepiece"}  # only where a model's tokenizer is made with it
LAZY_INITS = ("kerasrnn/__init__.py", "export/__init__.py")


@dataclass(frozen=True)
class Use:
    """One dotted name that a module mentions: imported, reached through attributes, or written as a string."""

    line: int
    name: str
    lazy: bool  # inside a function, or for type checkers only
    kind: str  # "import", "attribute" or "string"


@dataclass(frozen=True)
class Module:
    path: str  # from the root, as in "export/runtime/session.py"
    name: str  # as imported: "kerasrnn.export.runtime.session"
    tree: ast.Module
    uses: tuple[Use, ...]

    @property
    def package(self) -> str:
        return part(self.name)


def part(name: str) -> str:
    """The package that a dotted name lies in: "cells" for "kerasrnn.cells.LSTMCell", "" for kerasrnn itself."""
    second = name.split(".")[1:2]
    return "" if not second or second[0].startswith("__") else second[0]


def inside(name: str, *packages: str) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


class _Uses(ast.NodeVisitor):
    def __init__(self, package: str):
        self.package, self.lazy, self.found = package, False, []

    def add(self, node, name, kind):
        self.found.append(Use(node.lineno, name, self.lazy, kind))

    def visit_lazily(self, nodes):
        before, self.lazy = self.lazy, True
        for node in nodes:
            self.visit(node)
        self.lazy = before

    def visit_FunctionDef(self, node):
        self.visit_lazily(ast.iter_child_nodes(node))

    visit_AsyncFunctionDef = visit_Lambda = visit_FunctionDef

    def visit_If(self, node):
        if ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            self.visit_lazily(node.body)
            for child in node.orelse:
                self.visit(child)
        else:
            self.generic_visit(node)

    def visit_Import(self, node):
        for alias in node.names:
            self.add(node, alias.name, "import")

    def visit_ImportFrom(self, node):
        base = node.module or ""
        if node.level:
            parents = self.package.split(".")[: len(self.package.split(".")) - node.level + 1]
            base = ".".join([*parents, *filter(None, [node.module])])
        for alias in node.names:
            self.add(node, base if alias.name == "*" else f"{base}.{alias.name}", "import")

    def visit_Attribute(self, node):
        dotted = ast.unparse(node)
        if re.fullmatch(r"[\w.]+", dotted):
            self.add(node, dotted, "attribute")
        else:
            self.generic_visit(node)

    def visit_Constant(self, node):
        if isinstance(node.value, str):
            self.add(node, node.value, "string")


def read_modules(root: Path) -> list[Module]:
    modules = []
    for path in sorted([*root.glob("kerasrnn/**/*.py"), *root.glob("export/**/*.py")]):
        relative = path.relative_to(root)
        parts = relative.with_suffix("").parts
        parts = ("kerasrnn", *parts) if parts[0] == "export" else parts
        package = ".".join(parts[:-1])
        tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(relative))
        uses = _Uses(package)
        uses.visit(tree)
        name = package if parts[-1] == "__init__" else ".".join(parts)
        modules.append(Module(relative.as_posix(), name, tree, tuple(uses.found)))
    return modules


def packages_import_what_they_may(modules: list[Module]) -> Iterator[str]:
    allowed: dict[str, set[str]] = {}
    for package in TopologicalSorter(MAY_IMPORT).static_order():
        direct = MAY_IMPORT[package]
        allowed[package] = {package, "", *FOR_ALL, *direct}.union(*(allowed[below] for below in direct))
    for module in modules:
        if module.package and module.package not in MAY_IMPORT:
            yield f"{module.path}:1: {module.name} has no place in the import table; give it one in DESIGN.md and MAY_IMPORT"
            continue
        for use in module.uses:
            where, target = f"{module.path}:{use.line}", part(use.name)
            if use.kind == "import" and inside(use.name, "export"):
                yield f"{where}: export is imported as kerasrnn.export, never as a second copy named export"
            if use.kind == "string" or not inside(use.name, "kerasrnn") or target == module.package:
                continue
            if not module.package:
                if not use.lazy and target:
                    yield f"{where}: kerasrnn/__init__.py loads its submodules lazily; it imports {use.name}"
            elif target == "export" and module.path.startswith(MAY_EXPORT_LAZILY):
                if not use.lazy:
                    yield f"{where}: {use.name} must be imported lazily, inside a function"
            elif target not in allowed[module.package]:
                yield f"{where}: {module.package} may not import {use.name}"


def no_import_cycles(modules: list[Module]) -> Iterator[str]:
    names = {module.name: module.path for module in modules}
    graph: dict[str, dict[str, int]] = {name: {} for name in names}
    for module in modules:
        for use in module.uses:
            if use.kind != "import" or use.lazy:
                continue
            target = use.name
            while target and target not in names:
                target = target.rpartition(".")[0]
            if target != module.name and inside(module.name, target):  # a name taken from the package that the importer lies in
                graph[module.name].setdefault(target, use.line)
            # Importing a.b.c also runs a and a.b, unless they are running already because the importer lies in them.
            while target and not inside(module.name, target):
                graph[module.name].setdefault(target, use.line)
                target = target.rpartition(".")[0]
    while cycle := find_cycle(graph):
        line = graph[cycle[0]].pop(cycle[1])
        yield f"{names[cycle[0]]}:{line}: import cycle: {' imports '.join(cycle)}"


def find_cycle(graph: dict[str, dict[str, int]]) -> list[str]:
    """The modules of one cycle, the first by name at both ends; empty if there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        cycle = error.args[1][:0:-1]
        first = cycle.index(min(cycle))
        return [*cycle[first:], *cycle[: first + 1]]
    return []


def runtime_is_light(modules: list[Module]) -> Iterator[str]:
    for module in modules:
        runtime = inside(module.name, "kerasrnn.export.runtime")
        for use in module.uses:
            where, top = f"{module.path}:{use.line}", use.name.partition(".")[0]
            if use.kind != "import":
                continue
            if runtime and not (
                top in sys.stdlib_module_names | RUNTIME_LIBRARIES
                or (use.lazy and top in RUNTIME_LAZY_LIBRARIES)
                or inside(use.name, "kerasrnn._portable", "kerasrnn.export._manifest", "kerasrnn.export._manifest_fields", "kerasrnn.export.runtime")
            ):
                yield f"{where}: export.runtime imports numpy, onnxruntime, the standard library and _manifest, not {use.name}"
            if module.path in LIGHT and inside(use.name, "tensorflow", "keras", "kerasrnn._backend"):
                yield f"{where}: {module.path} imports neither TensorFlow nor Keras; it imports {use.name}"


def private_modules_stay_private(modules: list[Module]) -> Iterator[str]:
    for module in modules:
        private = [use for use in module.uses if PRIVATE.fullmatch(use.name)]
        if module.path not in MAY_USE_PRIVATE:
            for use in private:
                yield f"{module.path}:{use.line}: {use.name} is private to Keras or TensorFlow; see MAY_USE_PRIVATE"
        elif not private:
            yield f"{module.path}:1: uses nothing private any more; take it off MAY_USE_PRIVATE"
        elif not ast.get_docstring(module.tree):
            yield f"{module.path}:1: a module that uses private parts needs a docstring that says why"


def inits_list_public_names(modules: list[Module]) -> Iterator[str]:
    for module in modules:
        if not module.path.endswith("/__init__.py"):
            continue
        body = module.tree.body[1:] if ast.get_docstring(module.tree) is not None else module.tree.body
        for node in body:
            lazy_table = (
                (isinstance(node, ast.FunctionDef) and node.name in ("__getattr__", "__dir__"))
                or (isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"))
                or assigned(node).startswith("_")
            )
            if not (
                isinstance(node, (ast.Import, ast.ImportFrom))
                or assigned(node) == "__all__"
                or (lazy_table and module.path in LAZY_INITS)
            ):
                yield f"{module.path}:{node.lineno}: an __init__.py holds a docstring, imports and __all__, nothing else"
        if body and "__all__" not in map(assigned, body):
            yield f"{module.path}:1: a package lists its public names in __all__"


def assigned(node: ast.stmt) -> str:
    """The name that a statement gives a value to, or ""."""
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return ast.unparse(targets[0]) if len(targets) == 1 else ""


def no_file_shadows_onnx(modules: list[Module]) -> Iterator[str]:
    for module in modules:
        if module.path.startswith("export/") and module.path.endswith("/onnx.py"):
            yield f"{module.path}:1: no file in export/ is named onnx.py"


def errors_are_explicit(modules: list[Module]) -> Iterator[str]:
    for module in modules:
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Assert):
                yield f"{module.path}:{node.lineno}: no assert: raise an error that names what was expected"
            if isinstance(node, ast.ExceptHandler) and node.type is None:
                yield f"{module.path}:{node.lineno}: no bare except: name the exception"


RULES = [
    packages_import_what_they_may,
    no_import_cycles,
    runtime_is_light,
    private_modules_stay_private,
    inits_list_public_names,
    no_file_shadows_onnx,
    errors_are_explicit,
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_source_tree(rule):
    assert [*rule(read_modules(ROOT))] == []


# One module a row: its path, its source, and the violations expected of it as "line: words of the message".
BAD_TREE = [
    ("kerasrnn/cells/lstm.py", "from kerasrnn import layers", ["1: cells may not import kerasrnn.layers"]),
    ("kerasrnn/cells/gru.py", "import kerasrnn\nx = kerasrnn.models.LanguageModel", ["2: cells may not import kerasrnn.models"]),
    ("kerasrnn/layers/rnn.py", "def f():\n    from ..models import x", ["2: layers may not import kerasrnn.models.x"]),
    ("kerasrnn/models/tagger.py", "import kerasrnn.data", ["1: models may not import kerasrnn.data"]),
    ("kerasrnn/models/text_methods.py", "import kerasrnn.export", ["1: kerasrnn.export must be imported lazily"]),
    ("kerasrnn/training/evaluate.py", "def f():\n    import kerasrnn.export", ["2: training may not import kerasrnn.export"]),
    ("kerasrnn/utils.py", "", ["1: kerasrnn.utils has no place in the import table"]),
    ("kerasrnn/data/a.py", "from kerasrnn.data import b", ["1: import cycle: kerasrnn.data.a imports kerasrnn.data.b imports"]),
    ("kerasrnn/data/b.py", "from kerasrnn.data.a import A", []),
    ("kerasrnn/ngram/__init__.py", "from .model import A\n__all__ = ['A']", ["1: import cycle: kerasrnn.ngram imports"]),
    ("kerasrnn/ngram/model.py", "from kerasrnn.ngram import B", []),
    ("kerasrnn/data/c.py", "try:\n    pass\nexcept:\n    pass", ["3: no bare except"]),
    ("kerasrnn/data/d.py", "import export.runtime", ["1: export is imported as kerasrnn.export"]),
    ("kerasrnn/scan/fused.py", "assert True", ["1: no assert"]),
    ("kerasrnn/scan/linear.py", "from tensorflow import python", ["1: tensorflow.python is private"]),
    ("kerasrnn/scan/loop.py", "from kerasrnn._backend import tf\ntf.python.x()", ["2: tf.python.x is private"]),
    ("kerasrnn/scan/mask.py", "load('keras.src.layers')", ["1: keras.src.layers is private"]),
    ("kerasrnn/cells/_keras.py", "import keras.src.layers", ["1: a module that uses private parts needs a docstring"]),
    ("export/writers/_tf2onnx.py", "'''Why.'''", ["1: uses nothing private any more"]),
    ("kerasrnn/__init__.py", "from kerasrnn import cells\n__all__ = []", ["1: kerasrnn/__init__.py loads its submodules lazily"]),
    ("kerasrnn/scan/__init__.py", "_cache = {}", ["1: an __init__.py holds", "1: a package lists its public names"]),
    ("export/writers/onnx.py", "from kerasrnn.layers import RNN", ["1: no file in export/", "1: export may not import"]),
    ("export/_manifest.py", "from kerasrnn._backend import tf", ["1: export/_manifest.py imports neither"]),
    ("kerasrnn/_files.py", "def f():\n    import tensorflow", ["2: kerasrnn/_files.py imports neither"]),
    ("export/runtime/load.py", "import onnx", ["1: export.runtime imports numpy"]),
    ("export/runtime/text.py", "def f():\n    from kerasrnn.export import writers", ["2: export.runtime imports numpy"]),
]  # fmt: skip

GOOD_TREE = [
    ("kerasrnn/__init__.py", "'''Doc.'''\n_LAZY = ()\n__all__ = [*_LAZY]\ndef __getattr__(name): raise AttributeError(name)"),
    ("kerasrnn/_backend.py", "import keras"),
    ("kerasrnn/cells/__init__.py", "from kerasrnn.cells.lstm import LSTMCell\n__all__ = ['LSTMCell']"),
    ("kerasrnn/cells/lstm.py", "'''Unlike keras.src.'''\nfrom kerasrnn.cells.cell import Cell\nfrom kerasrnn.cells import gru"),
    ("kerasrnn/cells/cell.py", "from kerasrnn import __version__"),
    ("kerasrnn/cells/gru.py", "from kerasrnn import _backend, _files"),
    ("kerasrnn/_files.py", "import json"),
    ("kerasrnn/cells/_keras.py", "'''Why.'''\nfrom keras.src.layers import x"),
    ("kerasrnn/training/fit.py", "from kerasrnn import data, samplers, tokenizers\nfrom ..scan import fused"),
    ("kerasrnn/models/text_methods.py", "def export():\n    from kerasrnn.export import export_onnx"),
    ("kerasrnn/cli/train.py", "import kerasrnn\ndef f(): kerasrnn.export.runtime"),
    ("export/writers/graph.py", "from kerasrnn._backend import keras\nfrom kerasrnn.export import _manifest, runtime"),
    ("export/runtime/load.py", "import json\nimport numpy as np\nfrom kerasrnn.export._manifest import read"),
]


def write_tree(root: Path, files) -> list[Module]:
    for path, source in files:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(source)
    return read_modules(root)


def test_bad_tree_breaks_every_rule_where_it_should(tmp_path):
    modules = write_tree(tmp_path, [(path, source) for path, source, _ in BAD_TREE])
    by_rule = [[*rule(modules)] for rule in RULES]
    found = sorted(violation for violations in by_rule for violation in violations)
    expected = sorted(f"{path}:{words}" for path, _, violations in BAD_TREE for words in violations)
    assert all(by_rule)
    assert len(found) == len(expected), found
    assert all(violation.startswith(words) for violation, words in zip(found, expected)), found


def test_good_tree_breaks_no_rule(tmp_path):
    modules = write_tree(tmp_path, GOOD_TREE)
    assert [violation for rule in RULES for violation in rule(modules)] == []


def test_package_and_runtime_load_no_framework():
    program = (
        "import sys, kerasrnn; first = {*sys.modules}; import kerasrnn.export.runtime;"
        "print(sorted(first & {'tensorflow', 'keras', 'onnx', 'onnxruntime', 'numpy'}),"
        "sorted(sys.modules.keys() & {'tensorflow', 'keras', 'onnx', 'kerasrnn._backend'}))"
    )
    run = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True)
    assert (run.stdout, run.returncode) == ("[] []\n", 0), run.stderr


def test_every_subpackage_is_reachable_from_kerasrnn():
    packages = {module.package for module in read_modules(ROOT) if module.path.endswith("/__init__.py")}
    assert {*importlib.import_module("kerasrnn").__all__} == packages - {"", "_portable", "cli"}


@pytest.mark.parametrize("name", [m.name for m in read_modules(ROOT) if not any(p.startswith("_") for p in m.name.split("."))])
def test_public_names_exist(name):
    module = importlib.import_module(name)
    assert [public for public in getattr(module, "__all__", ()) if not hasattr(module, public)] == []

"""The packages that kerasrnn needs or can use: which are installed, which are missing, too old or broken."""

import importlib
import importlib.metadata
from collections.abc import Iterator
from dataclasses import dataclass

from packaging.requirements import Requirement

from kerasrnn.cli._tensorflow import discarded

_EXTRAS = {
    "subword": "SubwordTokenizer, and a CharTokenizer's normalization",
    "torch": "the tests of from_torch, and the PyTorch peers of benchmarks",
}
_BASELINES = ("statsmodels", "its baselines beside forecasts")  # in no extra: whoever has it is shown more
# Built against another package's exact version, or in C++: that they are installed does not tell that they load.
_TO_LOAD = {name: name.replace("-", "_") for name in ("onnx", "onnxruntime", "tensorflow-text", "sentencepiece")}


@dataclass(frozen=True)
class Package:
    """One package.

    Attributes:
        name, version: as installed; the version is None if it is not.
        wanted: which versions will do, as in ">=2.21"; "" for any.
        use: what it is for; "" for one that kerasrnn cannot be without.
        problem: what is wrong with it; "" where all is well, or nothing needs it.
        remedy: the command that mends it; or that installs what nothing needs, but is not there.
    """

    name: str
    version: str | None
    wanted: str
    use: str
    problem: str
    remedy: str


def packages() -> list[Package]:
    """What kerasrnn needs, and then what its extras need, as its own metadata says."""
    return [_examined(requirement, use) for requirement, use in _requirements()]


def _requirements() -> Iterator[tuple[Requirement, str]]:
    try:
        stated = [Requirement(line) for line in importlib.metadata.requires("kerasrnn") or []]
    except importlib.metadata.PackageNotFoundError:  # a checkout on the path, not installed
        stated = [Requirement(name) for name in ("tensorflow", "keras", "numpy", "onnx", "onnxruntime", "tf2onnx", "spox")]
    yield from ((requirement, "") for requirement in stated if _applies(requirement, ""))
    for extra, use in _EXTRAS.items():
        yield from ((r, use) for r in stated if _applies(r, extra) and not _applies(r, ""))
    yield Requirement(_BASELINES[0]), _BASELINES[1]


def _applies(requirement: Requirement, extra: str) -> bool:
    return requirement.marker is None or requirement.marker.evaluate({"extra": extra})


def _examined(requirement: Requirement, use: str) -> Package:
    name, wanted = requirement.name, str(requirement.specifier)
    install = f"pip install '{name}{wanted}'"
    try:
        version = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return Package(name, None, wanted, use, "" if use else "missing", install)
    problem, remedy = "", ""
    if not requirement.specifier.contains(version, prereleases=True):
        problem, remedy = f"{version} is not {wanted}", install
    elif name == "tensorflow-text" and _minor(version) != _minor(beside := importlib.metadata.version("tensorflow")):
        problem = f"built for TensorFlow {_minor(version)}, and {beside} is here"
        remedy = f"pip install '{name}=={_minor(beside)}.*'"
    elif name in _TO_LOAD and (failure := _failure(_TO_LOAD[name])):
        problem, remedy = failure, f"pip install --force-reinstall '{name}{wanted}'"
    return Package(name, version, wanted, use, problem, remedy)


def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2])


def _failure(module: str) -> str:
    try:
        with discarded(2):
            importlib.import_module(module)
    except Exception as error:  # a broken library fails in any way, and telling how is what this is for
        return f"does not load: {(str(error).strip() or type(error).__name__).splitlines()[0]}"
    return ""

"""The wheel holds everything, works away from the checkout, and the tree holds nothing that belongs to one machine."""

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import kerasrnn

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def run(*command: str | Path, **kwargs) -> str:
    process = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False, **kwargs)
    assert process.returncode == 0, f"{command} failed:\n{process.stdout}{process.stderr}"
    return process.stdout


@pytest.fixture(scope="module")
def files() -> list[str]:
    """What a clone would hold: the tracked files, and the new ones that are not ignored."""
    listed = run("git", "-c", "safe.directory=*", "ls-files", "-z", "-co", "--exclude-standard", cwd=ROOT)
    return sorted({name for name in listed.split("\0") if (ROOT / name).is_file()})


@pytest.fixture(scope="module")
def wheel(files, tmp_path_factory) -> Path:
    """Built from a copy of those files alone: a build in the checkout leaves folders that the next one would pick up."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in files:
        if name.startswith(("kerasrnn/", "export/")) or "/" not in name:
            (folder / "source" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / "source" / name)
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check")
    run(*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", folder, folder / "source")
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel) -> Path:
    """The wheel installed into a folder of its own."""
    site = wheel.parent / "site"
    run(sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--no-deps", "--target", site, wheel)
    return site


def run_installed(site: Path, *arguments: str | Path) -> str:
    """Python with that folder before the dependencies; -S keeps the editable install's finder out."""
    path = os.pathsep.join([str(site), *dict.fromkeys(map(sysconfig.get_path, ("purelib", "platlib")))])
    return run(sys.executable, "-S", *arguments, cwd=site.parent, env={**os.environ, "PYTHONPATH": path})


def test_packages_lists_every_folder_with_python_files():
    folders = {path.parent.relative_to(ROOT).parts for name in ("kerasrnn", "export") for path in (ROOT / name).rglob("*.py")}
    names = {".".join(parts if parts[0] == "kerasrnn" else ("kerasrnn", *parts)) for parts in folders}
    assert sorted(PYPROJECT["tool"]["setuptools"]["packages"]) == sorted(names)


def test_wheel_holds_every_file_of_the_package(wheel, files):
    expected = {name for name in files if name.startswith("kerasrnn/")}
    expected |= {f"kerasrnn/{name}" for name in files if name.startswith("export/")}
    held = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert held == expected
    assert "kerasrnn/py.typed" in held
    assert any(name.startswith("kerasrnn/data/moby_dick/") for name in held)
    assert wheel.name.startswith(f"kerasrnn-{kerasrnn.__version__}-")


def test_installed_wheel_works_away_from_the_checkout(installed):
    program = (
        "import kerasrnn, kerasrnn.export.runtime; print(kerasrnn.__file__, kerasrnn.export.runtime.__file__, sep='\\n');"
        "kerasrnn.data.load_corpus('moby_dick')"
    )
    loaded_from = run_installed(installed, "-c", program).splitlines()
    assert [Path(file).relative_to(installed).as_posix() for file in loaded_from] == [
        "kerasrnn/__init__.py",
        "kerasrnn/export/runtime/__init__.py",
    ]


def test_installed_command_says_how_to_use_it(installed):
    assert "train" in run_installed(installed, installed / "bin" / "kerasrnn", "--help")


def test_constraints_pin_every_package_that_an_installation_needs():
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    assert [line for line in lines if not re.fullmatch(r"[a-z0-9-]+==[\w.]+", line)] == []
    project = PYPROJECT["project"]
    extras = [name for names in project["optional-dependencies"].values() for name in names]
    missing = needed_packages([*PYPROJECT["build-system"]["requires"], *project["dependencies"], *extras])
    missing -= {line.partition("==")[0] for line in lines}
    assert not missing


def needed_packages(requirements: list[str]) -> set[str]:
    """The packages that requirements lead to, as far as they are installed here."""
    seen, waiting = set(), [Requirement(text) for text in requirements]
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        new = {(name, extra) for extra in ("", *requirement.extras)} - seen
        seen |= new
        try:
            further = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:
            continue  # of an extra that is not installed
        for needed in map(Requirement, further if new else []):
            if not needed.marker or any(needed.marker.evaluate({"extra": extra}) for _, extra in new):
                waiting.append(needed)
    return {name for name, _ in seen}


def test_no_large_file(files):
    sizes = {name: (ROOT / name).stat().st_size for name in files}
    assert {name: size for name, size in sizes.items() if size > 2_000_000} == {}


def test_nothing_names_one_machine(files):
    machine = re.compile(
        r"(?<![\w.-])/(?:work|root|tmp|(?:home|Users)/\w+)/"  # absolute paths
        r"|index[-_]url|find[-_]links|pypi\S*/[s]imple",  # where packages come from
    )
    found = []
    for name in files:
        try:
            lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError:
            continue  # not a text file
        found += [f"{name}:{number}: {line.strip()}" for number, line in enumerate(lines, 1) if machine.search(line)]
    assert found == []


def test_ci_command_is_executable():
    assert os.access(ROOT / ".ci" / "run", os.X_OK)

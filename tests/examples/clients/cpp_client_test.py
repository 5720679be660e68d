"""The C++ client, compiled as it says itself, against TensorFlow's library: the texts of the runtime, and its refusals."""

import importlib.util
import shutil
import subprocess
from functools import partial
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[3] / "examples/clients/cpp/generate.cc"
pytestmark = pytest.mark.slow  # TensorFlow's headers take a compiler longer than all that is tested here


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    """Runs the compiled client and gives the finished process."""
    if not shutil.which("g++"):
        pytest.skip("g++ is not installed")
    program = tmp_path_factory.mktemp("cpp") / "generate"
    tensorflow = str(Path(importlib.util.find_spec("tensorflow").origin).parent)
    command = next(line for line in SOURCE.read_text().replace("\\\n//", "").splitlines() if line.startswith("//   g++"))
    command = command[2:].replace("$TF", tensorflow).replace("generate.cc -o generate", f"{SOURCE} -o {program}")
    subprocess.run(command, shell=True, check=True, timeout=600)
    return partial(_run, program)


def _run(program, *arguments):
    return subprocess.run([str(program), *map(str, arguments)], capture_output=True, encoding="utf-8", check=False)


@pytest.mark.parametrize(
    "settings",
    [{"prompt": "the cat", "temperature": 0}, {"prompt": "", "seed": -(2**63)}, {"prompt": "Ω“未🐋\n", "seed": 3, "stop": "the "},
     {"prompt": "a dog", "seed": 4, "temperature": 1.3, "top_k": 9, "top_p": 0.95, "min_p": 0.05, "repetition_penalty": 1.1}],
    ids=["greedy", "no prompt", "stop", "all settings"],
)  # fmt: skip
def test_it_writes_what_the_runtime_writes(client, saved_model_folder, session, settings):
    settings = {"max_new_tokens": 60, "seed": 0, **settings}
    process = client(saved_model_folder, *(f"{name}={value}" for name, value in settings.items()))
    assert process.stdout == session.generate(**settings) + "\n", process.stderr


@pytest.mark.parametrize(
    ("option", "message"),
    [("temperature=-1", "temperature"), ("top_k=many", 'top_k: expected a number in range; received "many"'),
     ("seed=7x", 'seed: expected a number in range; received "7x"'), ("colour=red", "colour=red: expected NAME=VALUE")],
    ids=["out of range", "no number", "half a number", "unknown"],
)  # fmt: skip
def test_it_refuses_what_is_wrong(client, saved_model_folder, option, message):
    process = client(saved_model_folder, option)
    assert (process.returncode, process.stdout) == (1, "")
    assert message in process.stderr

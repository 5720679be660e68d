"""The Python client: the runtime's text from generate.onnx, without kerasrnn."""

import subprocess
import sys

import pytest

CLIENT = "examples/clients/python/generate.py"


@pytest.fixture(scope="module")
def run(request):
    def run(*arguments):
        without = "import runpy, sys; sys.modules['kerasrnn'] = None; del sys.argv[0]; "
        program = f"{without}runpy.run_path(sys.argv[0], run_name='__main__')"
        command = [sys.executable, "-c", program, request.config.rootpath / CLIENT, *arguments]
        return subprocess.run([*map(str, command)], capture_output=True, encoding="utf-8", check=False)

    return run


def test_it_writes_what_the_runtime_writes(run, session, onnx_folder, case):
    options = [f"--{name.replace('_', '-')}={value}" for name, value in case.items()]
    process = run(onnx_folder, *options)
    assert process.stdout == session.generate(**case) + "\n", process.stderr


def test_no_seed_is_a_new_seed(run, onnx_folder):
    assert run(onnx_folder).stdout != run(onnx_folder).stdout


def test_help_names_every_input(run, onnx_folder, session):
    text = run("--help").stdout
    for spec in session.manifest["signatures"]["generate"]["inputs"]:
        assert f"--{spec['name'].replace('_', '-')} " in text


@pytest.mark.parametrize(
    ("option", "message"),
    [("--top-p=0", "top_p: expected"), ("--temperature=nan", "temperature: expected"),
     ("--max-new-tokens=0", "max_new_tokens: expected"), ("--seed=x", "argument --seed: invalid int64"),
     ("--max-new-tokens=99999999999", "argument --max-new-tokens: invalid int32")],
)  # fmt: skip
def test_bad_arguments_are_refused_by_name(run, onnx_folder, option, message):
    process = run(onnx_folder, option)
    assert process.returncode > 0
    assert message in process.stderr and "Traceback" not in process.stderr


def test_a_folder_without_a_model_is_an_error_that_says_so(run, tmp_path):
    process = run(tmp_path)
    assert process.returncode == 1
    assert process.stderr.startswith("Error: ") and "generate.onnx: not there; expected the folder that" in process.stderr

"""The tiny model of the export's tests, what its runtime writes, and the ways to run a client."""

import json
import runpy
import shutil
import subprocess
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from kerasrnn.export.runtime import load

TESTS = Path(__file__).parents[2]
CLIENTS = TESTS.parent / "examples" / "clients"
NODE, CHROMIUM = shutil.which("node"), shutil.which("chromium")

_export = runpy.run_path(str(TESTS / "export" / "conftest.py"))
model, onnx_folder, saved_model_folder = (_export[name] for name in ("model", "onnx_folder", "saved_model_folder"))

SETTINGS = [
    {"temperature": 0}, {}, {"temperature": 0.7}, {"top_k": 4}, {"top_p": 0.8}, {"top_k": 6, "top_p": 0.9}, {"min_p": 0.2},
    {"repetition_penalty": 1.4}, {"temperature": 0, "repetition_penalty": 1.4}, {"stop": "at"}, {"stop": "the "},
    {"stop": "ttt"},
    {"temperature": 1.3, "top_k": 9, "top_p": 0.95, "min_p": 0.05, "repetition_penalty": 1.1, "stop": "; "},
]  # fmt: skip
PROMPTS = ["the cat", "", "Ω“未🐋\n", "a longer prompt; the dog"]
CASES = [
    {"prompt": PROMPTS[(i + seed) % len(PROMPTS)], "max_new_tokens": 60, "seed": seed, **settings}
    for i, settings in enumerate(SETTINGS)
    for seed in (3, -(2**63) + 1)
]


@pytest.fixture(params=CASES, ids=str)
def case(request):
    return request.param


@pytest.fixture(scope="session")
def session(onnx_folder):
    return load(onnx_folder)


@pytest.fixture(scope="session")
def javascript():
    """The folder of the JavaScript clients, once its packages are there."""
    folder = CLIENTS / "javascript"
    if not NODE:
        pytest.skip("node is not installed")
    if not (folder / "node_modules" / "onnxruntime-web").is_dir():
        pytest.skip("the packages of examples/clients/javascript are not installed: run npm install there")
    return folder


@pytest.fixture(scope="session")
def node(javascript):
    """Runs the Node client and gives the finished process."""
    return partial(_run, NODE, javascript / "node.mjs")


@pytest.fixture(scope="session")
def in_node(javascript):
    """The value of a JavaScript expression in which `client` is the module language_model.mjs."""

    def evaluate(expression):
        program = (
            f"const client = await import({json.dumps((javascript / 'language_model.mjs').as_uri())});"
            f"process.stdout.write(JSON.stringify(await ({expression})));"
        )
        return json.loads(_run(NODE, "--input-type=module", input=program).stdout)

    return evaluate


@pytest.fixture(scope="session")
def chromium():
    """The browser's program."""
    if not CHROMIUM:
        pytest.skip("chromium is not installed")
    return CHROMIUM


@pytest.fixture(scope="session")
def site_folder(javascript, onnx_folder, tmp_path_factory):
    """What `site` serves: the page in client/, the model in model/."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "client").symlink_to(javascript)
    (folder / "model").symlink_to(onnx_folder)
    return folder


@pytest.fixture(scope="session")
def site(site_folder):
    """A server's address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=site_folder)) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def _run(*command, **options):
    return subprocess.run([*map(str, command)], capture_output=True, encoding="utf-8", check=False, **options)

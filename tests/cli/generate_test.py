"""`kerasrnn generate`: several samples, and the search for the likeliest text. (Exports: see cli_test.py.)"""

import keras
import pytest
from cli.commands import invoke, succeed

from kerasrnn.samplers import BeamSearch
from kerasrnn.training import RunFolder

TINY = "--cell gru --units 8 --layers 1 --epochs 1 --batch-size 8 --num-steps 16".split()
LINE = "-" * 20 + "\n"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("generate")
    (folder / "corpus.txt").write_text("call me ishmael — some years ago " * 200)
    keras.utils.set_random_seed(0)
    succeed("train", folder / "corpus.txt", "--out", folder / "run", *TINY)
    return folder / "run"


@pytest.fixture(scope="module")
def model(run):
    return RunFolder(run).load_model(full_precision=True)


def test_samples_have_the_seeds_that_follow(run, model):
    arguments = "--prompt call --max-new-tokens 30 --top-p 0.9 --seed 3 --num-samples 3".split()
    written = succeed("generate", run, *arguments)
    assert written == LINE.join(f"call{model.generate('call', 30, top_p=0.9, seed=3 + i)}\n" for i in range(3))


def test_search(run, model):
    arguments = "--prompt call --max-new-tokens 12 --num-beams 3 --length-penalty 0.6 --stop a --num-samples 2".split()
    found = model.generate("call", 12, stop="a", sampler=BeamSearch(3, 0.6), num_samples=2)
    assert succeed("generate", run, *arguments) == LINE.join(f"call{text}\n" for text in found)


@pytest.mark.parametrize(
    ("where", "arguments", "words"),
    [("run", "--length-penalty 0.5", ["--length-penalty", "--num-beams"]),
     ("tmp_path", "--num-beams 2", ["RUN: expected a folder", "Name the folder"]),
     ("run", "--num-beams 2 --num-samples 3", ["num_samples", "at most"]),
     ("run", "--num-beams 2 --temperature 0.5", ["temperature", "nothing beside sampler=BeamSearch"]),
     ("run", "--num-samples 0", ["--num-samples"])],
)  # fmt: skip
def test_bad_options_are_named(request, where, arguments, words):
    result = invoke("generate", request.getfixturevalue(where), *arguments.split())
    assert result.exit_code == 2 and all(word in result.stderr for word in words), result.stderr

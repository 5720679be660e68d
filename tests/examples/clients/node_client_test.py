"""The JavaScript client in Node: the runtime's draws, texts and scores, and its refusals."""

import json
import re
import shutil

import numpy as np
import pytest

from kerasrnn.export.runtime.sampling import next_token, uniform


def options(settings):
    return [f"--{name.replace('_', '-')}={value}" for name, value in settings.items()]


@pytest.mark.one_in(3)
def test_it_streams_what_the_runtime_writes(node, session, onnx_folder, case):
    process = node(onnx_folder, "--stream", *options(case))
    assert process.stdout == session.generate(**case) + "\n", process.stderr


def test_it_generates_what_the_runtime_writes(node, session, onnx_folder, case):
    process = node(onnx_folder, *options(case))
    assert process.stdout == session.generate(**case) + "\n", process.stderr


@pytest.mark.parametrize("text", ["the cat sat", "", "Ω“未🐋\n"])
def test_it_scores_what_the_runtime_scores(node, session, onnx_folder, text):
    log_likelihood, num_tokens = session.score(text)
    printed = re.fullmatch(r"log-likelihood (\S+) over (\d+) tokens\n", node(onnx_folder, f"--score={text}").stdout)
    assert float(printed[1]) == pytest.approx(log_likelihood, rel=1e-5, abs=1e-4)
    assert int(printed[2]) == num_tokens


def test_no_seed_is_a_new_seed(node, onnx_folder):
    assert node(onnx_folder, "--stream").stdout != node(onnx_folder, "--stream").stdout


@pytest.mark.parametrize("seed", [0, 1, -1, 2**53 + 1, -(2**63), 2**63 - 1])
def test_random_numbers_are_the_runtime_s_bit_for_bit(in_node, seed):
    steps = [*range(50), 2**31 - 1]
    drawn = in_node(f"{steps}.map((step) => client.uniform({seed}n, step))")
    assert drawn == [float(uniform(np.array([seed]), step)[0]) for step in steps]


def test_draws_are_the_runtime_s_from_any_logits(in_node):
    """Ties, a token that is never drawn, and settings that cut at a tie are among them."""
    rng = np.random.default_rng(0)
    draws = []
    for i in range(600):
        logits = (rng.standard_normal(30) * 3).astype(np.float32)
        if i % 3 == 0:
            logits = np.round(logits)
        logits[0] = -np.inf
        settings = {
            "temperature": rng.choice([0, 0.5, 1, 1.7]), "top_k": rng.choice([0, 1, 5, 100]),
            "top_p": rng.choice([0.3, 0.9, 1]), "min_p": rng.choice([0, 0.1, 1]),
            "repetition_penalty": rng.choice([1, 1.3, 0.8]),
        }  # fmt: skip
        seen = rng.choice(30, 6)
        draws.append((logits, seen.tolist(), {name: np.float32(value) for name, value in settings.items()}))
    expected = [
        int(next_token(
            logits[None], seen=np.isin(np.arange(30), seen)[None], seed=np.array([i]), step=i,
            **{name: np.array([value], np.int32 if name == "top_k" else np.float32) for name, value in settings.items()},
        )[0])
        for i, (logits, seen, settings) in enumerate(draws)
    ]  # fmt: skip
    cases = [
        [logits[1:].tolist(), seen, {name: float(value) for name, value in settings.items()}]
        for logits, seen, settings in draws
    ]
    drawn = in_node(
        f"{json.dumps(cases)}.map(([logits, seen, settings], i) => "
        "client.nextToken(Float32Array.of(-Infinity, ...logits), new Set(seen), { ...settings, seed: i }, i))"
    )
    assert drawn == expected


@pytest.mark.parametrize(
    ("option", "message"),
    [("--temperature=-1", "temperature: expected a number from 0 to 1e10"), ("--temperature=x", "temperature: expected"),
     ("--temperature=1e39", "temperature: expected"), ("--top-k=1.5", "top_k: expected an integer ≥ 0"),
     ("--top-p=0", r"top_p: expected a number in (0, 1], at least 1e-10 (1 keeps all); received 0"), ("--min-p=1.1", "min_p: expected"),
     ("--repetition-penalty=0", "repetition_penalty: expected"), ("--max-new-tokens=0", "max_new_tokens: expected"),
     ("--max-new-tokens=", "max_new_tokens: expected"), ("--seed=x", "seed: expected an integer"),
     ("--seed=9223372036854775808", "seed: expected"), ("--top=3", "--top")],
)  # fmt: skip
def test_bad_arguments_are_refused_by_name(node, onnx_folder, option, message):
    for how in ([], ["--stream"]):
        process = node(onnx_folder, *how, option)
        assert process.returncode == 1
        assert process.stdout == ""
        assert message in process.stderr and process.stderr.startswith("Error: ")


def test_an_unknown_setting_is_refused(in_node):
    message = in_node("new client.LanguageModel({}, null, {}).generate('', { topK: 3 }).catch((error) => error.message)")
    assert message.startswith("topK: expected one of max_new_tokens,temperature,top_k,")


def test_without_a_folder_it_tells_what_it_takes(node):
    process = node()
    assert process.returncode == 2
    assert "node node.mjs FOLDER" in process.stdout == node("--help").stdout


def test_a_folder_without_a_model_is_an_error_that_says_so(node, tmp_path):
    process = node(tmp_path)
    assert process.returncode == 1
    assert process.stderr.startswith(f"Error: {tmp_path}: expected the folder that model.export")


def test_the_model_s_own_limit_is_an_error_that_names_it(node, onnx_folder):
    process = node(onnx_folder, "--max-new-tokens=2000000000")
    assert process.returncode == 1
    assert process.stderr.startswith("Error: ") and "max_new_tokens: expected 1 to 65536" in process.stderr


def test_an_altered_file_is_refused(node, onnx_folder, tmp_path):
    folder = shutil.copytree(onnx_folder, tmp_path / "onnx")
    contents = bytearray((folder / "step.onnx").read_bytes())
    contents[len(contents) // 2] ^= 1
    (folder / "step.onnx").write_bytes(contents)
    process = node(folder, "--stream")
    assert process.returncode == 1
    assert "step.onnx: its size or SHA-256 differs" in process.stderr

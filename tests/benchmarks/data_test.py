import importlib.util
import sys
from pathlib import Path

import pytest

from kerasrnn._backend import tf


@pytest.fixture(scope="module")
def benchmark():
    path = Path(__file__).parents[2] / "benchmarks/data.py"
    specification = importlib.util.spec_from_file_location("benchmarks_data", path)
    module = importlib.util.module_from_spec(specification)
    sys.modules[specification.name] = module  # where AutoGraph looks for the sources of functions
    specification.loader.exec_module(module)
    return module


def test_peers_of_the_same_words_make_as_many_tokens_in_each_line_as_ours(benchmark):
    lines = ["Call me Ishmael.", "", "Some years ago--never mind", "how long (precisely), “having” it — so…", "a_b's 3.5%"]
    counts = [benchmark.ours("WordTokenizer")(lines)(tf.constant(lines)).row_lengths().numpy().tolist()]
    counts.append(benchmark.text_vectorization_of_the_same_words(lines)(tf.constant(lines)).row_lengths().numpy().tolist())
    assert counts[0] == counts[1] == [4, 0, 7, 13, 9]


def test_rows_name_each_way_and_compare_with_ours(benchmark):
    rows = benchmark.tokenizing_rows(["a b.", "c"] * 4, ["words"], lines_per_batch=3, copies=2, repeats=1)
    assert {row["group"] for row in rows} == {"words"}
    assert [row["name"] for row in rows[:3]] == ["WordTokenizer", "TextVectorization", "TextVectorization, same words"]
    assert rows[0]["ours ÷"] is None
    for row in rows:
        assert row["MB/s a core"] > 0
    for row in rows[1:]:
        assert row["ours ÷"] == pytest.approx(rows[0]["MB/s a core"] / row["MB/s a core"])
    assert [row["million tokens"] for row in rows[:3]] == pytest.approx([32e-6, 24e-6, 32e-6])

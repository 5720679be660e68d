"""Where two texts may part: the margin of a draw, and what the comparison makes of it."""

import numpy as np
import pytest

from kerasrnn.export.runtime.tokenizer import tokenizer_from_specification
from kerasrnn.export.writers._texts import compare, margin, request

TOKENIZER = tokenizer_from_specification({
    "class_name": "CharTokenizer", "version": 1, "vocabulary": ["\ufffd", "\n", "a", "b"], "start_token": "\n",
    "unknown_token": "\ufffd",
})  # fmt: skip
OFF = {"temperature": 1.0, "top_k": 0, "top_p": 1.0, "min_p": 0.0, "repetition_penalty": 1.0, "seed": 0}
UNSEEN = np.zeros(3, bool)


@pytest.mark.parametrize(
    ("logits", "settings", "expected"),
    [
        ([1.0, 3.0, 2.5], {"temperature": 0}, 0.5),  # the two best scores
        ([1.0, 3.0, 2.99999], {"temperature": 0.5, "top_k": 1}, 2e-5),  # what top-k keeps
        (np.log([0.5, 0.3, 0.2]), {"top_p": 0.50001}, 1e-5),  # what top-p keeps
        (np.log([0.5, 0.3, 0.2]), {"min_p": 0.60001}, 1e-5),  # what min-p keeps
    ],
)
def test_margins(logits, settings, expected):
    assert margin(np.array(logits), {**OFF, **settings}, UNSEEN, 0) == pytest.approx(expected, rel=0.01)


def test_margin_of_the_draw_itself():
    from kerasrnn.export.runtime.sampling import uniform

    u = float(uniform(np.array([0]), 5)[0])
    logits = np.log(np.array([u + 2e-5, 1 - u - 2e-5]))
    assert margin(logits, OFF, np.zeros(2, bool), 5) == pytest.approx(2e-5, rel=0.01)


def compared(one, other, logits, **settings):
    inputs = request(["a"], [settings], 4)
    return compare(inputs, [one], [other], lambda token_ids: np.array(logits[len(token_ids) - 2]), TOKENIZER)


def test_texts_may_part_at_a_boundary_and_nowhere_else():
    sure, close = [0.0, 0.0, 9.0, 1.0], [0.0, 0.0, 1.0, 1.00001]
    assert compared("aaba", "aaba", []).equal == [0]
    found = compared("aaba", "aabb", [sure, sure, sure, close], temperature=0.0)
    assert found.at_boundary == [(0, 3, pytest.approx(1e-5, rel=0.01))] and not found.unexplained
    found = compared("aaba", "abba", [sure, sure, sure, close], temperature=0.0)
    assert found.unexplained == [(0, 1, 8.0)] and not found.at_boundary


def test_a_text_cut_at_its_stop_string_parts_within_it():
    sure, close = [0.0, 0.0, 9.0, 1.0], [0.0, 0.0, 1.0, 1.00001]
    # One went on with the stop string "bb" after "a", the other with "ab…"
    found = compared("a", "aaab", [sure, close, sure, sure], temperature=0.0, stop="bb")
    assert found.at_boundary == [(0, 1, pytest.approx(1e-5, rel=0.01))]

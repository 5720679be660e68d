"""Bundles that earlier commits wrote: today's reader loads them, and they give what they gave then."""

from pathlib import Path

import numpy as np
import pytest

from kerasrnn.export.runtime import load

FOLDERS = sorted(path.parent for path in (Path(__file__).parent / "bundles").glob("*/recorded.npz"))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_bundle_of_an_earlier_commit_gives_what_it_gave_then(folder):
    session, recorded = load(folder), np.load(folder / "recorded.npz")
    name, inputs = str(recorded["name"]), recorded["inputs"]
    expected = {key.removeprefix("output_"): value for key, value in recorded.items() if key.startswith("output_")}
    whole = session.forward(**{name: inputs})
    first, states = session.feed(**{name: inputs[:, :3]})
    second, _ = session.feed(states, **{name: inputs[:, 3:]})
    assert whole.keys() == expected.keys()
    for output, value in expected.items():
        np.testing.assert_allclose(whole[output], value, atol=1e-6)
        np.testing.assert_allclose(np.concatenate([first[output], second[output]], axis=1), value, atol=1e-6)
    if session.tokenizer is not None:
        assert session.generate("the ", max_new_tokens=30, seed=7) == str(recorded["text"])
        assert "".join(session.stream("the ", max_new_tokens=30, seed=7)) == str(recorded["text"])
        np.testing.assert_allclose(session.score("the cat")[0], recorded["score"], atol=1e-5)


def test_bundles_of_every_kind_are_here():
    assert {folder.name for folder in FOLDERS} >= {"causal", "forecast", "masked", "text"}

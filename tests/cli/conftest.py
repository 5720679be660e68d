import numpy as np
import pytest


@pytest.fixture(scope="module")
def ptb(tmp_path_factory):
    """A folder in the layout of Penn Treebank."""
    folder = tmp_path_factory.mktemp("treebank")
    random = np.random.default_rng(0)
    for part, lines in (("train", 300), ("valid", 40), ("test", 40)):
        words = random.choice("no it was n't black monday <unk> N".split(), (lines, 6))
        (folder / f"ptb.{part}.txt").write_text("".join(f" {' '.join(line)} \n" for line in words))
    return folder

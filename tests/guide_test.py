"""The guide keeps its word: each page's code runs, prints what the page says, and draws the page's pictures.

A block ```text that follows a block ```python is what that block printed. Words must be the same, and numbers within one
per cent. A comment before the block may say otherwise: `<!-- within 10% -->` or `<!-- not compared -->`.
"""

import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from matplotlib.image import imread

GUIDE = Path(__file__).parents[1] / "docs/guide"
PAGES = sorted(path.name for path in GUIDE.glob("*.md"))
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
REMARK = re.compile(r"\s*(?:<!-- (?:within (\d+)%|(not compared)) -->\s*)?")
NUMBER = re.compile(r"(?<![\w.])[-−+]?\d[\d,_]*(?:\.\d+)?(?:e[-+]?\d+)?")
PICTURE = re.compile(r"!\[[^]]*\]\(pictures/([\w.]+)\)")


class Step(NamedTuple):
    """A block of code, what the page says that it prints (None: nothing said), and how far its numbers may be off."""

    code: str
    printed: str | None
    tolerance: float


def steps_of(text):
    blocks, steps = list(BLOCK.finditer(text)), []
    for block, following in zip(blocks, [*blocks[1:], None]):
        if block[1] != "python":
            continue
        code = "\n" * text[: block.start()].count("\n") + "\n" + block[2]  # so that an error names the page's line
        printed, tolerance = None, 0.01
        if following and following[1] == "text" and (remark := REMARK.fullmatch(text[block.end() : following.start()])):
            printed = None if remark[2] else following[2]
            tolerance = int(remark[1]) / 100 if remark[1] else tolerance
        steps.append(Step(code, printed, tolerance))
    return steps


def numbers_in(text):
    return [float(re.sub("[,_]", "", number).replace("−", "-")) for number in NUMBER.findall(text)]


def assert_same(printed, said, tolerance):
    assert NUMBER.sub("#", printed).split() == NUMBER.sub("#", said).split(), f"printed:\n{printed}"
    np.testing.assert_allclose(numbers_in(printed), numbers_in(said), rtol=tolerance, atol=1e-6, err_msg=printed)


@pytest.mark.parametrize("page", [page for page in PAGES if page != "README.md"])
def test_the_code_of_a_page_runs(page, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names: dict = {"__name__": "guide"}
    text = (GUIDE / page).read_text("utf-8")
    steps = steps_of(text)
    assert steps
    for step in steps:
        exec(compile(step.code, page, "exec"), names)
        printed = capsys.readouterr().out
        if step.printed is not None:
            assert_same(printed, step.printed, step.tolerance)
    drawn = {picture.name for picture in tmp_path.glob("*.png")}
    assert drawn <= set(PICTURE.findall(text)), "a page shows what its code draws"
    for name in drawn:
        now, shown = imread(tmp_path / name), imread(GUIDE / "pictures" / name)
        assert now.shape == shown.shape
        assert np.mean(np.abs(now - shown)) < 0.03, f"{name} is no longer what the code draws"


@pytest.mark.parametrize("page", PAGES)
def test_links_and_pictures_are_there(page):
    text = BLOCK.sub("", (GUIDE / page).read_text("utf-8"))
    links = re.findall(r"\]\(([^)#]+)", text)
    assert links
    missing = [link for link in links if not link.startswith("https://") and not (GUIDE / link).exists()]
    assert not missing
    for name in PICTURE.findall(text):
        assert (GUIDE / "pictures" / name).stat().st_size <= 100_000


def test_the_table_of_contents_has_every_page():
    linked = re.findall(r"\]\((\w+\.md)\)", (GUIDE / "README.md").read_text("utf-8"))
    assert sorted({*linked, "README.md"}) == PAGES


@pytest.mark.parametrize(
    ("printed", "same"),
    [("loss 2.00, 1,000 steps", True), ("loss 2.01, 1,001 steps", True), ("loss 2.2, 1,000 steps", False),
     ("cost 2.00, 1,000 steps", False), ("loss 2.00", False)],
)  # fmt: skip
def test_what_was_printed_is_compared(printed, same):
    if same:
        assert_same(printed, "loss 2.00, 1,000 steps", 0.01)
    else:
        with pytest.raises(AssertionError):
            assert_same(printed, "loss 2.00, 1,000 steps", 0.01)


def test_how_a_page_is_read():
    page = "```python\na\n```\n\n<!-- within 10% -->\n```text\nb\n```\n```python\nc\n```\nProse.\n```text\nd\n```\n"
    page += "```python\ne\n```\n<!-- not compared -->\n```text\nf\n```\n"
    steps = steps_of(page)
    assert [step.code.strip() for step in steps] == ["a", "c", "e"]
    assert [step.printed for step in steps] == ["b\n", None, None]
    assert [step.tolerance for step in steps] == [0.1, 0.01, 0.01]

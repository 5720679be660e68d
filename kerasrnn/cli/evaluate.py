"""kerasrnn evaluate"""

import contextlib
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from kerasrnn._files import write_json
from kerasrnn.cli._folders import find_artefact, is_run
from kerasrnn.cli._tensorflow import load_tensorflow
from kerasrnn.cli._text_files import read_pieces

if TYPE_CHECKING:
    from kerasrnn.data import Corpus


class Split(StrEnum):
    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


def evaluate(
    folder: Annotated[
        Path, typer.Argument(metavar="RUN", help="A run's folder, or an exported model's (without TensorFlow).")
    ],
    text: Annotated[Path | None, typer.Option(help="A text file to measure on instead of the run's corpus.")] = None,
    corpus: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CORPUS", help="Another corpus to measure on, as in train: a name, folder or file.", show_default=False
        ),
    ] = None,
    split: Annotated[Split, typer.Option(help="Which part of the corpus.")] = Split.VALIDATION,
    batch_size: Annotated[int, typer.Option(min=1, help="Texts at once; the result does not depend on it.")] = 32,
    num_steps: Annotated[
        int, typer.Option(min=1, help="Tokens in a window, states carried; less memory, the same result.")
    ] = 1024,
    json: Annotated[Path | None, typer.Option(metavar="FILE", help="Where to write the figures as JSON.")] = None,
) -> None:
    """Measure how well a model predicts a text: exact perplexity, bits per token, character and byte.

    Every token counts, predicted from all those before it: the states are carried over the whole text. Unknown tokens
    count as any other; a model is spared what they stand for, so compare only where their share is about the same.

    Example:  kerasrnn evaluate runs/moby --split test --json test.json
    """
    from kerasrnn._text_quality import evaluate_text

    if text and corpus:
        raise ValueError("what to measure on must be named once, but --text and --corpus both name it. Leave one out.")
    console = Console(highlight=False)
    content = "".join(read_pieces(text)) if text else ""
    name = f"text {text}" if text else f"{split.value} split"
    model: Any
    if is_run(folder):
        load_tensorflow()
        from kerasrnn.training import RunFolder

        run = RunFolder(folder)
        if not text:
            chosen = _read_corpus(corpus) if corpus else run.load_corpus()
            content, name = getattr(chosen, split.value), f"{name} of {chosen.name}"
        model = run.load_model(full_precision=True)
    else:
        from kerasrnn.export import runtime

        # What is measured comes from the one who asks, so that no limit is needed.
        model = runtime.load(find_artefact(folder), limits=runtime.Limits(prompt_characters=None, seconds=None))
        if corpus:
            load_tensorflow()
            chosen = _read_corpus(corpus)
            content, name = getattr(chosen, split.value), f"{name} of {chosen.name}"
        elif not text:
            raise ValueError(
                f"{str(folder)!r} is an exported model, which knows no corpus. Give --text FILE or --corpus CORPUS."
            )
    if not content:
        raise ValueError(f"The {name} is empty: there is nothing to measure on. Give another --text or --split.")
    # A run's model shows how far it is by itself.
    with contextlib.nullcontext() if is_run(folder) else console.status("Measuring …"):
        quality = evaluate_text(model, content, batch_size, num_steps, verbose=console.is_terminal)
    table = Table("figure")
    table.add_column("value", justify="right")
    for figure, value in {
        "perplexity of a token": f"{quality.perplexity:,.4f}",
        "bits per token": f"{quality.bits_per_token:.4f}",
        "bits per character": f"{quality.bits_per_character:.4f}",
        "bits per byte": f"{quality.bits_per_byte:.4f}",
        "log-likelihood, nats": f"{quality.log_likelihood:,.2f}",
        "tokens": f"{quality.tokens:,}",
        "unknown tokens": f"{quality.unknown_tokens or 0:,}",
        "share of unknown tokens": f"{quality.unknown_share or 0:.2%}",
    }.items():
        table.add_row(figure, value)
    console.print(Text(f"{folder} on the {name}, {len(content):,} characters"), table, sep="\n", soft_wrap=True)
    if json:
        write_json(json, {"model": str(folder), "measured_on": name, **quality.figures()}, indent=1)
        console.print(Text(f"The figures are in {json}."), soft_wrap=True)


def _read_corpus(names: list[str]) -> "Corpus":
    from kerasrnn.training import read_corpus

    return read_corpus(names)

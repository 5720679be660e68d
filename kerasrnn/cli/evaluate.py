"""kerasrnn evaluate"""

import contextlib
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from kerasrnn._files import write_json, write_whole
from kerasrnn.cli import _plots
from kerasrnn.cli._folders import find_artefact, is_run, require_corpus, require_file, require_run_or_artefact
from kerasrnn.cli._tensorflow import load_tensorflow
from kerasrnn.cli._text_files import read_pieces

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from kerasrnn._text_quality import TextQuality
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
    out: Annotated[
        Path | None,
        typer.Option(metavar="PLOT", help="Where to draw the perplexity by position: a .png, .svg or .pdf."),
    ] = None,
) -> None:
    """Measure how well a model predicts a text: exact perplexity, bits per token, character and byte.

    Every token counts, predicted from all those before it: the states are carried over the whole text. Where the
    perplexity rises with the position, the states go where the windows of training never led them. Unknown tokens
    count as any other; a model is spared what they stand for, so compare only where their share is about the same.

    Example:  kerasrnn evaluate runs/moby --split test --json test.json
    """
    from kerasrnn._text_quality import evaluate_text

    if text and corpus:
        raise ValueError("what to measure on must be named once, but --text and --corpus both name it. Leave one out.")
    _plots.check_format(out)
    require_run_or_artefact(folder)
    require_file(text, "--text")
    require_corpus(corpus or [], "--corpus")
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
    console.print(Text(f"{folder} on the {name}, {len(content):,} characters"), soft_wrap=True)
    console.print(_figures(quality))
    if quality.keeps_text is False:
        console.print("No bits per character or byte: the tokens do not keep the whole text.", style="yellow")
    if len(quality.by_position) > 1:
        console.print(_by_position(quality))
    if out:
        write_whole(out, lambda beside: _draw(quality).savefig(beside, dpi=150))
        console.print(Text(f"The perplexity by position is drawn in {out}."), soft_wrap=True)
    if json:
        write_json(json, {"model": str(folder), "measured_on": name, **quality.figures()}, indent=1)
        console.print(Text(f"The figures are in {json}."), soft_wrap=True)


def _figures(quality: "TextQuality") -> Table:
    table = Table("figure")
    table.add_column("value", justify="right")
    for figure, value, form in (
        ("perplexity of a token", quality.perplexity, ",.4f"),
        ("bits per token", quality.bits_per_token, ".4f"),
        ("bits per character", quality.bits_per_character, ".4f"),
        ("bits per byte", quality.bits_per_byte, ".4f"),
        ("log-likelihood, nats", quality.log_likelihood, ",.2f"),
        ("tokens", quality.tokens, ","),
        ("unknown tokens", quality.unknown_tokens or 0, ","),
        ("share of unknown tokens", quality.unknown_share or 0.0, ".2%"),
    ):
        if value is not None:
            table.add_row(figure, format(value, form))
    return table


def _by_position(quality: "TextQuality") -> Table:
    table = Table("tokens of the text")
    table.add_column("perplexity", justify="right")
    for band in quality.by_position:
        table.add_row(f"{band.begin:,} to {band.end - 1:,}", f"{band.perplexity:,.4f}")
    return table


def _draw(quality: "TextQuality") -> "Figure":
    from matplotlib.figure import Figure

    if not quality.by_position:
        raise ValueError("--out: expected a model that tells each token's probability; received one that tells sums. Leave it out.")
    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.add_subplot(xlabel="token of the text", ylabel="perplexity of a token", xscale="log")
    edges = [max(quality.by_position[0].begin, 1), *(band.end for band in quality.by_position)]
    axes.stairs([band.perplexity for band in quality.by_position], edges, baseline=None)
    axes.axhline(quality.perplexity, color="grey", linewidth=0.8, linestyle=":", label="of all tokens")
    axes.grid(alpha=0.3)
    axes.legend()
    return figure


def _read_corpus(names: list[str]) -> "Corpus":
    from kerasrnn.training import read_corpus

    return read_corpus(names)

"""kerasrnn evaluate"""

import math
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from kerasrnn.cli._folders import find_artefact, is_run
from kerasrnn.cli._tensorflow import load_tensorflow


class Split(StrEnum):
    VALIDATION = "validation"
    TEST = "test"


def evaluate(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="A run's folder, or an exported model's (without TensorFlow).")],
    text: Annotated[Path | None, typer.Option(help="A text file to measure on instead of the run's corpus.")] = None,
    split: Annotated[Split, typer.Option(help="Which part of the run's corpus.")] = Split.VALIDATION,
) -> None:
    """Measure how well a model predicts a text: exact perplexity, bits per character and bits per byte.

    Every character counts, predicted from all those before it: the states are carried over the whole text.

    Example:  kerasrnn evaluate runs/moby --split test
    """
    import numpy as np

    console = Console(highlight=False)
    name, content = _read(text) if text else (f"{split} split", "")
    if is_run(folder):
        load_tensorflow()
        from kerasrnn.training import RunFolder

        run = RunFolder(folder)
        content = content if text else getattr(run.load_corpus(), split)
        _require(content, name)
        model = run.load_model()
        tokenizer = model.tokenizer
        log_likelihood, num_tokens = model.score(content, verbose=console.is_terminal)
    else:
        from kerasrnn.export import runtime

        session = runtime.load(find_artefact(folder))
        if not text:
            raise ValueError(f"{str(folder)!r} is an exported model, which knows no corpus. Give --text FILE.")
        _require(content, name)
        tokenizer = session.tokenizer
        with console.status("Measuring …"):
            log_likelihood, num_tokens = session.score(content)
    bits = -log_likelihood / math.log(2)
    unknown = int(np.sum(np.asarray(tokenizer.tokenize(content)) == tokenizer.unknown_token_id))
    figures = {
        "perplexity of a token": f"{math.exp(-log_likelihood / num_tokens):.4f}",
        "bits per character": f"{bits / len(content):.4f}",
        "bits per byte": f"{bits / len(content.encode()):.4f}",
        "log-likelihood, nats": f"{log_likelihood:,.2f}",
        "tokens": f"{num_tokens:,}",
        "unknown tokens": f"{unknown:,}",
    }
    table = Table("figure")
    table.add_column("value", justify="right")
    for figure, value in figures.items():
        table.add_row(figure, value)
    console.print(f"{folder} on the {name}, {len(content):,} characters", table, sep="\n")


def _read(path: Path) -> tuple[str, str]:
    try:
        return f"text {path}", path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"--text {str(path)!r} must be UTF-8, but its byte 0x{error.object[error.start]:02X} at offset {error.start} "
            "is not. Convert it: iconv -f LATIN1 -t UTF-8."
        ) from error


def _require(content: str, name: str) -> None:
    if not content:
        raise ValueError(f"The {name} is empty: there is nothing to measure on. Give another --text or --split.")

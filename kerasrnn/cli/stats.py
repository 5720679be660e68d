"""kerasrnn stats"""

import math
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from kerasrnn._files import write_whole
from kerasrnn.cli import _corpora, _plots
from kerasrnn.cli._folders import require_corpus
from kerasrnn.cli._tensorflow import load_tensorflow
from kerasrnn.cli._text_files import read_pieces

if TYPE_CHECKING:
    from kerasrnn.statistics import TextStatistics

_ORDERS = {1: "unigrams", 2: "bigrams", 3: "trigrams"}


class Tokens(StrEnum):
    WORD = "word"
    CHAR = "char"


class Normalization(StrEnum):
    LETTERS = "letters"
    NONE = "none"


def stats(
    arguments: _corpora.Arguments = None,
    corpus: _corpora.Option = None,
    encoding: _corpora.Encoding = None,
    tokens: Annotated[Tokens, typer.Option(help="What to count.")] = Tokens.WORD,
    normalization: Annotated[
        Normalization,
        typer.Option(help="letters: A to Z in lower case, all else a space. none: as it is; white space separates words."),
    ] = Normalization.LETTERS,
    top: Annotated[int, typer.Option(min=0, help="How many of the most frequent n-grams to list.")] = 10,
    oov: Annotated[
        list[str] | None, typer.Option(metavar="OTHER", help="Another corpus or file: what each has that the other lacks.")
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="PLOT", help="Where to draw the frequencies: a .png, .svg or .pdf.")] = None,
) -> None:
    """Count a text's words or characters: types, coverage, Zipf's law and entropy of its unigrams, bigrams and trigrams.

    Files of any size are read piece by piece, those compressed by gzip too. Each file is a document: no n-gram reaches into the next.
    Bits are what an n-gram's last token costs, given the others: at least, as the counts have it; with that estimate's
    bias corrected, which helps where few types occur once; and by a code that learns the counts on the way.

    Example:  kerasrnn stats moby_dick --oov time_machine --out plot.png
    """
    _plots.check_format(out)
    corpus = _corpora.required_corpus(arguments, corpus)
    require_corpus(corpus)
    require_corpus(oov or [], "--oov")
    counted = _count(corpus, tokens, normalization, encoding or "utf-8")
    console = Console(highlight=False)
    console.print(Text(f"{', '.join(corpus)}, by {tokens}"), _figures(counted), sep="\n")
    if top:
        console.print(_most_frequent(counted, top))
    if oov:
        other = _count(oov, tokens, normalization, encoding or "utf-8")
        console.print(_unknown(", ".join(oov), other, ", ".join(corpus), counted), soft_wrap=True)
        console.print(_unknown(", ".join(corpus), counted, ", ".join(oov), other), soft_wrap=True)
    if out:
        _draw(counted, out)
        console.print(Text(f"The plot is in {out}."), soft_wrap=True)


def _count(names: list[str], tokens: Tokens, normalization: Normalization, encoding: str) -> "TextStatistics":
    from kerasrnn.statistics import TextStatistics

    counted = TextStatistics(tokens.value, None if normalization == Normalization.NONE else normalization.value)
    for name in names:
        if Path(name).is_dir() or (name.isidentifier() and not Path(name).exists()):
            load_tensorflow()
            from kerasrnn.training import read_corpus

            corpus = read_corpus(name, encoding)
            for part in (corpus.train, corpus.validation, corpus.test):
                counted.update(part)
        else:
            _count_file(Path(name), counted, encoding)
        counted.end_document()
    if not counted.ngrams(1).num_types:
        hint = " Try --normalization none." if normalization == Normalization.LETTERS else ""
        raise ValueError(f"{', '.join(names)!r} must hold at least one {tokens}, but holds none.{hint}")
    return counted


def _count_file(path: Path, counted: "TextStatistics", encoding: str) -> None:
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(f"Counting {path.name}", total=path.stat().st_size if path.exists() else None)
        for piece in read_pieces(path, lambda position: progress.update(task, completed=position), encoding):
            counted.update(piece)


def _figures(counted: "TextStatistics") -> Table:
    table = Table("figure")
    for title in _ORDERS.values():
        table.add_column(title, justify="right")
    ngrams = [counted.ngrams(order) for order in _ORDERS]
    table.add_row("tokens", *(f"{n.num_tokens:,}" for n in ngrams))
    table.add_row("types", *(f"{n.num_types:,}" for n in ngrams))
    table.add_row("types that occur once", *(f"{n.num_hapaxes:,}" for n in ngrams))
    for number in (10, 100, 1_000, 10_000):
        if number < ngrams[-1].num_types:
            shares = (f"{n.coverage(number):.1%}" if number <= n.num_types else "" for n in ngrams)
            table.add_row(f"the {number:,} most frequent types cover", *shares)
    table.add_row("exponent of Zipf's law", *(_number(n.zipf_exponent()) for n in ngrams))
    entropies = [counted.entropy(order) for order in _ORDERS]
    table.add_row("bits a token, lower bound", *(_number(e.lower) for e in entropies))
    table.add_row("bits a token, bias corrected", *(_number(e.corrected) for e in entropies))
    table.add_row("bits a token, adaptive code", *(_number(e.upper) for e in entropies))
    return table


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.3f}"


def _most_frequent(counted: "TextStatistics", top: int) -> Table:
    table = Table()
    columns = []
    for order, title in _ORDERS.items():
        table.add_column(f"most frequent {title}")
        table.add_column("times", justify="right")
        columns.append(counted.most_frequent(top, order))
    for row in range(max(map(len, columns))):
        cells = []
        for column in columns:
            text, times = column[row] if row < len(column) else ("", None)
            # A space at the end of characters would not show.
            shown = repr(text) if text and counted.tokens == "char" else text
            cells += [Text(shown), "" if times is None else f"{times:,}"]
        table.add_row(*cells)
    return table


def _unknown(name: str, counted: "TextStatistics", known_name: str, known: "TextStatistics") -> Text:
    rate = counted.out_of_vocabulary_rate(known.get_vocabulary())
    return Text(f"{rate:.2%} of the tokens of {name} are unknown to the vocabulary of {known_name}.")


def _draw(counted: "TextStatistics", out: Path) -> None:
    from kerasrnn.statistics import draw_frequencies

    write_whole(out, lambda beside: draw_frequencies(counted).savefig(beside, dpi=150))

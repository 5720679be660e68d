"""kerasrnn prepare"""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.table import Table
from rich.text import Text

from kerasrnn.cli import _corpora
from kerasrnn.cli._folders import require_corpus, require_file
from kerasrnn.cli._tensorflow import load_tensorflow
from kerasrnn.cli._text_files import is_utf8

if TYPE_CHECKING:
    from kerasrnn.data import Corpus
    from kerasrnn.tokenizers import Tokenizer

_WORTH_A_PROCESS = 2**27


def prepare(
    out: Annotated[Path, typer.Option(help="The folder for the shards: a new one, or one to go on with.")],
    arguments: _corpora.Arguments = None,
    corpus: _corpora.Option = None,
    encoding: _corpora.Encoding = None,
    tokenizer: Annotated[
        str, typer.Option(metavar="NAME|FILE", help="char, byte, word, or another kind; or a saved tokenizer's JSON file.")
    ] = "char",
    option: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="An option of the tokenizer, as min_frequency=5; may be repeated."),
    ] = None,
    splits: Annotated[
        tuple[float, float, float] | None,
        typer.Option(metavar="A B C", help="Shares of train, validation and test; 0.9 0.05 0.05 by default."),
    ] = None,
    shard_size: Annotated[int, typer.Option(min=1, help="Megabytes of text in a shard.")] = 64,
    processes: Annotated[
        int | None,
        typer.Option(
            min=1, help="Processes that write shards; by default one for each CPU, 8 at most, but for small corpora fewer."
        ),
    ] = None,
) -> None:
    """Write a corpus of any size as shards of token ids, which training reads straight from disk.

    Files are packed by gzip or not, and those in another encoding than UTF-8 are read into memory. They are read in the
    order given; a folder that is laid out as no known corpus may hold any text files, which are read by name. The vocabulary is that of the part to train on. After an
    interruption the same command goes on: finished shards are verified and kept. Read them with kerasrnn.data.TokenShards.

    Example:  kerasrnn prepare texts/ --out shards --tokenizer word --option min_frequency=5
    """
    names = _corpora.required_corpus(arguments, corpus)
    require_corpus(names)
    require_file(Path(tokenizer) if Path(tokenizer).suffix == ".json" else None, "--tokenizer")
    load_tensorflow()
    from kerasrnn.data import TokenShards, prepare_shards

    source = _source(names, splits, encoding)
    chosen = _tokenizer(tokenizer, option or [], None if isinstance(source, list) else source.name)
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn()
    )  # fmt: skip
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        tasks: dict[str, Any] = {}

        def show(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = progress.add_task(what)
            progress.update(tasks[what], completed=done, total=total)

        given = {} if splits is None else {"splits": splits}
        prepare_shards(
            source,
            out,
            chosen,
            shard_bytes=shard_size * 2**20,
            processes=processes or _processes(source),
            progress=show,
            **given,
        )
    table = Table("part")
    for title in ("tokens", "shards", "documents"):
        table.add_column(title, justify="right")
    for part in ("train", "validation", "test"):
        try:
            shards = TokenShards(out, part, verify=False)
        except ValueError as error:
            if "has none for" not in str(error):
                raise
            table.add_row(part, "0", "0", "0")
        else:
            table.add_row(part, f"{shards.num_tokens:,}", f"{shards.num_shards:,}", f"{len(shards.documents):,}")
    output = Console(highlight=False)
    output.print(table)
    output.print(
        Text(f"{out}: {chosen.vocabulary_size():,} tokens in the vocabulary of {type(chosen).__name__}."), soft_wrap=True
    )


def _source(names: list[str], splits: tuple[float, float, float] | None, encoding: str | None) -> "list[Path] | Corpus":
    from kerasrnn.data import Corpus
    from kerasrnn.training.corpus_files import files_in, is_corpus_folder, looks_like_a_name, read_folder, read_name, with_unix_line_ends

    if len(names) == 1 and looks_like_a_name(names[0]):
        return read_name(names[0], splits)
    if len(names) == 1 and is_corpus_folder(Path(names[0])):
        return read_folder(Path(names[0]), splits, encoding or "utf-8")
    files = [file for name in names for file in files_in(Path(name))]
    if all(is_utf8(file, encoding or "utf-8") for file in files if file.is_file()):
        return files
    given = {} if splits is None else {"splits": splits}
    corpus = Corpus.from_files(files, name=", ".join(names), encoding=encoding or "utf-8", **given)
    return with_unix_line_ends(corpus)


def _tokenizer(name: str, options: list[str], corpus_name: str | None) -> "Tokenizer":
    from kerasrnn import tokenizers
    from kerasrnn.training.new_tokenizer import as_published

    if Path(name).suffix == ".json":
        if options:
            raise ValueError(f"--option is for a new tokenizer, but --tokenizer {name!r} is a saved one. Leave it out.")
        try:
            return tokenizers.tokenizer_from_specification(json.loads(Path(name).read_bytes()))
        except ValueError as error:
            raise ValueError(f"--tokenizer {name!r} must be a file that a tokenizer's save() wrote: {error}") from error
    kinds = {kind.removesuffix("Tokenizer").lower(): kind for kind in tokenizers.__all__ if kind.endswith("Tokenizer")}
    kinds.pop("", None)
    if name not in kinds:
        raise ValueError(f"--tokenizer must be one of {', '.join(sorted(kinds))}, or a .json file, but is {name!r}.")
    given: dict[str, Any] = as_published(corpus_name) if name == "word" else {}
    for option in options:
        key, equals, value = option.partition("=")
        if not equals:
            raise ValueError(f"--option must be NAME=VALUE, but is {option!r}.")
        try:
            given[key] = json.loads(value)
        except json.JSONDecodeError:
            given[key] = value
    try:
        return getattr(tokenizers, kinds[name])(**given)
    except TypeError as error:
        raise ValueError(f"--option is not one that --tokenizer {name} takes: {error}.") from error


def _processes(source: "list[Path] | Corpus") -> int:
    """One for each CPU, but no more than work for longer than it takes them to load TensorFlow."""
    if isinstance(source, list):
        num_bytes = sum(path.stat().st_size for path in source if path.is_file())
    else:
        num_bytes = sum(map(len, (source.train, source.validation, source.test)))
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(8, usable, num_bytes // _WORTH_A_PROCESS))

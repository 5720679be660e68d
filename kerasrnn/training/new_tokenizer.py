"""The tokenizer of a run, by a few settings, and the token ids of a corpus."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from kerasrnn.data import published
from kerasrnn.tokenizers import ByteTokenizer, CharTokenizer, SubwordTokenizer, Tokenizer, WordTokenizer
from kerasrnn.tokenizers.patterns import NON_SPACES, WORDS_AND_SPACES, WORDS_AND_SYMBOLS

# Of published corpora: what lies between spaces, and each line's end, which papers write as <eos> and predict.
NON_SPACES_AND_LINE_ENDS = f"{NON_SPACES}|\n"

PATTERNS = {
    "words_and_symbols": WORDS_AND_SYMBOLS,
    "words_and_spaces": WORDS_AND_SPACES,
    "non_spaces": NON_SPACES,
    "non_spaces_and_line_ends": NON_SPACES_AND_LINE_ENDS,
}

# The arguments of each tokenizer, by the names of the settings they come from.
_ARGUMENTS = {
    "char": {
        "vocabulary_size": "max_vocabulary_size",
        "minimum_frequency": "min_frequency",
        "lowercase": "lowercase",
        "normalization": "normalization",
        "standardize": "standardize",
    },
    "byte": {},
    "word": {
        "vocabulary_size": "max_vocabulary_size",
        "minimum_frequency": "min_frequency",
        "lowercase": "lowercase",
        "pattern": "pattern",
    },
    "subword": {"vocabulary_size": "vocabulary_size", "normalization": "normalization", "subword_model": "model_type"},
}
TOKENIZERS = (*_ARGUMENTS,)
_CLASSES: dict[str, Callable[..., Tokenizer]] = {
    "char": CharTokenizer,
    "byte": ByteTokenizer,
    "word": WordTokenizer,
    "subword": SubwordTokenizer,
}
_PIECE = 1 << 20
_COLUMNS = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())


def new_tokenizer(kind: str, options: dict[str, Any], corpus_name: str | None = None) -> Tokenizer:
    r"""Creates a tokenizer that is yet to be adapted.

    The words of ptb, wikitext2, text8 and enwik8, which are published split by spaces, are what lies between spaces, and
    each line's end: a newline is the token that papers write as `<eos>`, the start token too, and `<unk>` in the text is
    the unknown token. Penn Treebank thus has its usual 929,589 training tokens of 10,000 types.

    Args:
        kind: "char", "byte", "word" or "subword".
        options: Settings by their names in `Settings`, those that differ from the defaults.
        corpus_name: The corpus's name, by which words are split if no pattern is given.

    Raises:
        ValueError: If this kind has no such option, or its value is outside its range.

    Example:

    >>> tokenizer = new_tokenizer("word", {}, "ptb")
    >>> tokenizer.adapt(" no it was n't <unk> \n but it was \n")
    >>> tokenizer.get_vocabulary()
    ['<unk>', '\n', 'it', 'was', 'but', "n't", 'no']
    >>> tokenizer(" it was <unk> \n").numpy().tolist()
    [2, 3, 0, 1]
    """
    names = _ARGUMENTS[kind]
    for name in options:
        if name not in names:
            takers = [other for other, arguments in _ARGUMENTS.items() if name in arguments]
            raise ValueError(
                f"{name} must be left out with the tokenizer {kind!r}, but is {options[name]!r}: "
                f"it is an option of {', '.join(map(repr, takers))}."
            )
    arguments = {names[name]: value for name, value in options.items()}
    if kind == "word":
        arguments["pattern"] = PATTERNS.get(arguments.get("pattern", ""), arguments.get("pattern", WORDS_AND_SYMBOLS))
        if "pattern" not in options:
            arguments |= as_published(corpus_name)
        elif arguments["pattern"] == NON_SPACES_AND_LINE_ENDS:
            arguments["start_token"] = "\n"
        if arguments["pattern"] == WORDS_AND_SPACES:
            arguments["separator"] = ""
    return _CLASSES[kind](**arguments)


def as_published(corpus_name: str | None) -> dict[str, Any]:
    """The arguments of a WordTokenizer that make it split a published corpus as it is published; none for another corpus."""
    if corpus_name not in published.NAMES:
        return {}
    return {"pattern": NON_SPACES_AND_LINE_ENDS, "start_token": "\n"}


def adapt(tokenizer: Tokenizer, text: str, console: Console) -> None:
    """Adapts a tokenizer to a text, with a progress bar where there is a terminal."""
    with _progress(console) as progress:
        tokenizer.adapt(_counted(_pieces(text, tokenizer), progress, len(text), "Learning the vocabulary"))


def token_ids_of(tokenizer: Tokenizer, text: str, console: Console) -> np.ndarray:
    """The token ids of a text, int32 of shape (length,), piece by piece, with a progress bar where there is a terminal."""
    with _progress(console) as progress:
        pieces = _counted(_pieces(text, tokenizer), progress, len(text), "Tokenizing")
        return np.concatenate([tokenizer.tokenize(piece).numpy() for piece in pieces])


def _progress(console: Console) -> Progress:
    return Progress(*_COLUMNS, console=console, transient=True, disable=not console.is_terminal)


def _counted(pieces: Iterator[str], progress: Progress, total: int, title: str) -> Iterator[str]:
    task = progress.add_task(title, total=total)
    for piece in pieces:
        yield piece
        progress.advance(task, len(piece))


def _pieces(text: str, tokenizer: Tokenizer) -> Iterator[str]:
    """The text in pieces that have the same tokens as the whole: whole, if the tokenizer may make a token across lines."""
    is_own_pattern = getattr(tokenizer, "pattern", NON_SPACES) not in PATTERNS.values()
    if is_own_pattern or getattr(tokenizer, "standardize", None) or getattr(tokenizer, "normalization", None):
        yield text
        return
    # A subword may hold several spaces; of the other tokens none has one but at its beginning.
    ends = "\n" if isinstance(tokenizer, SubwordTokenizer) else "\n "
    begin = 0
    while len(text) - begin > _PIECE:
        end = text.rfind("\n", begin, begin + _PIECE) + 1 or begin
        if end == begin and " " in ends:
            end = text.rfind(" ", begin, begin + _PIECE)
        if end <= begin:
            found = re.compile(f"[{ends}]").search(text, begin + _PIECE)
            end = found.start() if found else len(text)
        yield text[begin:end]
        begin = end
    if begin < len(text) or not text:
        yield text[begin:]

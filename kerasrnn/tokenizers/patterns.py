r"""Regular expressions for words, in the part of the syntax that RE2, onnxruntime and Python read alike.

A pattern describes one token; tokens are its successive matches, and what lies between them is no token. `\s` is
space, tab, line feed, form feed and carriage return, `\d` and `\w` are ASCII, as in RE2.

Attributes:
    SPACES: ASCII's, for a class in a pattern of your own.
    UNICODE_SPACES: The others, such as the no-break and the ideographic space.
    SYMBOLS: Punctuation and symbols of all scripts, by Unicode's categories P and S; emoji too.
    WORDS_AND_SYMBOLS: Each run of characters between spaces and symbols, and each symbol by itself. No space is a token.
    WORDS_AND_SPACES: The same, but a word holds the space before it, and every other space is a token too:
        with `separator=""` nothing of a text is lost but unknown words.
    NON_SPACES: What lies between spaces, as the corpora ptb, wikitext2 and text8 are split.

Example:

>>> import re
>>> re.findall(WORDS_AND_SYMBOLS, "Don't — go!")
['Don', "'", 't', '—', 'go', '!']
>>> re.findall(WORDS_AND_SYMBOLS, "你好，世界。 سلام،")
['你好', '，', '世界', '。', 'سلام', '،']
>>> re.findall(WORDS_AND_SPACES, "a bc  d.")
['a', ' bc', ' ', ' d', '.']
"""

import re

from kerasrnn._backend import tf
from kerasrnn.tokenizers._symbols import SYMBOLS

SPACES = " \t\n\v\f\r"
UNICODE_SPACES = "\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
_BETWEEN_WORDS = f"{SPACES}{UNICODE_SPACES}{SYMBOLS}"
WORDS_AND_SYMBOLS = f"[^{_BETWEEN_WORDS}]+|[{SYMBOLS}]"
WORDS_AND_SPACES = f" ?[^{_BETWEEN_WORDS}]+|[{_BETWEEN_WORDS}]"
NON_SPACES = f"[^{SPACES}]+"

_PIECE = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\(\?.?|\{,|[*+?}]\+|[*+?}]\?|.", re.DOTALL)
_SPACE_ESCAPE = r"\t\n\f\r "


def portable_pattern(pattern: str) -> str:
    r"""Returns a pattern with its `\s` written out, so that all implementations read it alike.

    Raises:
        ValueError: If it is no regular expression, matches the empty string, or uses what some implementation lacks.
        TypeError: If it is not a string.

    Example:

    >>> portable_pattern(r"\w+|[^\w\s]") == r"\w+|[^\w\t\n\f\r ]"
    True
    """
    if not isinstance(pattern, str):
        raise TypeError(f"pattern must be a regular expression, a string, but is {pattern!r}.")
    portable = "".join(_portable(match.group(), pattern) for match in _PIECE.finditer(pattern))
    try:
        matches_nothing = re.compile(portable, re.ASCII).match("") is not None
        tf.strings.regex_full_match("", portable)
    except (re.error, UnicodeEncodeError, tf.errors.InvalidArgumentError) as error:
        raise ValueError(f"pattern must be a regular expression, but {pattern!r} is none: {error}") from error
    if matches_nothing:
        raise ValueError(f"pattern must not match the empty string, but {pattern!r} does. Replace * by +.")
    return portable


def _portable(piece: str, pattern: str) -> str:
    if piece.startswith("[") and len(piece) > 1:
        if "[:" in piece:
            raise _unportable(piece, pattern)
        return re.sub(r"\\(.)", lambda match: _escape(match.group(1), pattern, inside=True), piece, flags=re.DOTALL)
    if piece.startswith("\\"):
        return _escape(piece[1:], pattern, inside=False)
    unportable = piece in ("^", "$", "{,") or (piece.startswith("(?") and piece != "(?:")
    if unportable or (len(piece) == 2 and piece[1] in "+?" and piece[0] in "*+?}"):
        raise _unportable(piece, pattern)
    return piece


def _escape(letter: str, pattern: str, inside: bool) -> str:
    if letter == "s":
        return _SPACE_ESCAPE if inside else f"[{_SPACE_ESCAPE}]"
    if letter == "S" and not inside:
        return f"[^{_SPACE_ESCAPE}]"
    if not (letter in "dwDWtnrfv" or (letter.isascii() and not letter.isalnum())):
        raise _unportable(f"\\{letter}", pattern)
    return f"\\{letter}"


def _unportable(piece: str, pattern: str) -> ValueError:
    return ValueError(
        f"pattern must be made of characters, classes [...], escapes such as \\w and \\s, groups (...), | and the greedy "
        f"* + ? {{m,n}}, which all implementations read alike, but {pattern!r} has {piece!r}. Write it without."
    )

"""The text of tokens one after the other, up to a stop string.

The same two classes as the runtime's, `export/runtime/pieces.py` and `stop.py`: neither of the two packages may import the
other. A test holds them alike.
"""

from collections.abc import Callable

_OPEN = 3  # U+FFFD at the end that may yet become one character: of at most four bytes, three are not all
_LONG = 64


class Pieces:
    """What each token adds to a text, as far as the tokens to come cannot change it.

    What stands between two words belongs to the second, and half a character to the token that completes it: a token's
    text is what it adds to that of the tokens before it. Two lists of tokens are looked at, so that a long text takes no
    longer a token than a short one.

    Args:
        detokenize: a list of token ids to its text.
    """

    def __init__(self, detokenize: Callable[[list[int]], str]) -> None:
        self._detokenize = detokenize
        self._before: list[int] = []  # the last tokens whose text is all given out
        self._pending: list[int] = []  # those after them
        self._given = 0  # characters of the latter's text that are given out

    def add(self, token: int) -> str:
        """The characters that are certain now."""
        self._pending.append(token)
        text = self._text(self._pending)
        certain = max(len(text.rstrip("\ufffd")), len(text) - _OPEN)
        piece, self._given = text[self._given : certain], max(self._given, certain)
        if certain == len(text):
            self._begin(len(self._pending), text)
        elif len(self._pending) > _LONG:  # damaged characters only
            self._begin(len(self._pending) - 4 * _OPEN, text)
        return piece

    def rest(self) -> str:
        """What was kept back and is never completed."""
        return self._text(self._pending)[self._given :] if self._pending else ""

    def _text(self, pending: list[int]) -> str:
        return self._detokenize([*self._before, *pending])[len(self._detokenize(self._before)) :]

    def _begin(self, count: int, text: str) -> None:
        """Leaves the first `count` of the pending tokens behind, if later ones have not changed their text."""
        settled = self._text(self._pending[:count])
        if text.startswith(settled) and self._given >= len(settled):
            self._given -= len(settled)
            self._before, self._pending = self._pending[:count], self._pending[count:]


class UntilStop:
    """A text up to the first occurrence of its stop string, each part given out once it cannot belong to that string.

    Args:
        stop: the stop string; "" for none. One with U+FFFD never occurs, since that stands for what is no text.
    """

    def __init__(self, stop: str) -> None:
        self._stop, self.stopped = "" if "\ufffd" in stop else stop, False
        self._kept = ""

    def add(self, piece: str) -> str:
        """What is certain now; nothing once the string is complete."""
        if self.stopped:
            return ""
        text, stop = self._kept + piece, self._stop
        place = text.find(stop) if stop else -1
        if place >= 0:
            self.stopped, self._kept = True, ""
            return text[:place]
        length = max(min(len(text), len(stop) - 1), 0)
        while not text.endswith(stop[:length]):
            length -= 1
        self._kept = text[len(text) - length :]
        return text[: len(text) - length]

    def rest(self) -> str:
        """What was kept back and turned out to be no stop string."""
        return self._kept

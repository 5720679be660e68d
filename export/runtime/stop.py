"""The end of a text: before its stop string."""


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

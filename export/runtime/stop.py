"""The end of a text: before its stop string."""


class UntilStop:
    """Tokens of one row up to its stop string, each given out as soon as it cannot be part of that string."""

    def __init__(self, stop: list[int]) -> None:
        self.stop, self.stopped = stop, False
        self._kept: list[int] = []

    def add(self, token: int) -> list[int]:
        """The tokens that are certain now; none once the string is complete."""
        if self.stopped:
            return []
        self._kept.append(token)
        length = min(len(self._kept), len(self.stop))
        while self._kept[len(self._kept) - length :] != self.stop[:length]:
            length -= 1
        self.stopped = 0 < len(self.stop) == length
        certain, self._kept = self._kept[: len(self._kept) - length], self._kept[len(self._kept) - length :]
        return certain

    def rest(self) -> list[int]:
        """What was kept back and turned out to be no stop string."""
        return [] if self.stopped else self._kept

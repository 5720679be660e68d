"""What one call may ask for: a program that serves strangers must not be kept busy for ever by one of them."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import onnxruntime

from kerasrnn._portable.arguments import COUNT, Range, one_value

_SECONDS = Range(np.float64, 1e-9, 1e9, "a number of seconds > 0, at most 1e9, or None for no deadline")
_LIMIT = Range(np.int64, 0, 2**63 - 1, "an integer ≥ 0, or None for no limit")


@dataclass(frozen=True)
class Limits:
    """Limits of a call; None for no limit.

    Args:
        prompt_characters: of each prompt, stop string or text to score.
        new_tokens: that `max_new_tokens` may be; an exported generate.onnx writes at most 65,536 in any case.
        seconds: until a call is given up with a TimeoutError.
    """

    prompt_characters: int | None = 10_000_000
    new_tokens: int | None = 65_536
    seconds: float | None = 600.0

    def __post_init__(self) -> None:
        for name in ("prompt_characters", "new_tokens"):
            if getattr(self, name) is not None:
                one_value(name, getattr(self, name), _LIMIT)
        if self.seconds is not None:
            one_value("seconds", self.seconds, _SECONDS)

    def check_text(self, name: str, text: str) -> None:
        if self.prompt_characters is not None and len(text) > self.prompt_characters:
            raise ValueError(
                f"{name}: expected at most {self.prompt_characters:,} characters; received {len(text):,}. "
                "Cut it, or load the model with limits=Limits(prompt_characters=…)"
            )

    def check_new_tokens(self, max_new_tokens: int) -> None:
        one_value("max_new_tokens", max_new_tokens, COUNT)
        if self.new_tokens is not None and max_new_tokens > self.new_tokens:
            raise ValueError(f"max_new_tokens: expected at most {self.new_tokens:,}; received {max_new_tokens:,}. "
                             "Ask for fewer, or load the model with limits=Limits(new_tokens=…)")  # fmt: skip


class Deadline:
    """The end of a call's time, which begins when this is made."""

    def __init__(self, seconds: float | None) -> None:
        if seconds is not None:
            seconds = one_value("deadline", seconds, _SECONDS)
        self._seconds = seconds
        self._end = None if seconds is None else time.monotonic() + seconds

    def check(self) -> None:
        if self._end is not None and time.monotonic() > self._end:
            raise self._error()

    @contextmanager
    def run_options(self) -> Iterator[onnxruntime.RunOptions]:
        """Options under which onnxruntime stops a run at the deadline."""
        options = onnxruntime.RunOptions()
        options.log_severity_level = 4
        if self._end is None:
            yield options
            return
        timer = threading.Timer(max(self._end - time.monotonic(), 0), lambda: setattr(options, "terminate", True))
        timer.daemon = True
        timer.start()
        try:
            yield options
        except Exception as error:
            if options.terminate:
                raise self._error() from error
            raise
        finally:
            timer.cancel()

    def _error(self) -> TimeoutError:
        return TimeoutError(f"deadline: the call took longer than {self._seconds:g} s and was given up. "
                            "Ask for less, or give a later deadline")  # fmt: skip

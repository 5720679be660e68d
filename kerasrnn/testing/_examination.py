"""Examinations: functions that look at one property each, and what runs them all and collects what they find."""

import re
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from kerasrnn.testing.report import HEADER, CheckError, Failure, Report, Result


class DoesNotApply(Exception):
    """Raised by an examination that has nothing to look at, with the reason."""


@dataclass
class Findings:
    """What one examination finds."""

    failures: list[Failure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)
    difference: float | None = None
    tolerance: float | None = None

    def fail(self, what: str, expected: Any, received: Any, remedy: str) -> None:
        self.failures.append(Failure(what, str(expected), str(received), remedy))

    def require(self, condition: bool, what: str, expected: Any, received: Any, remedy: str) -> bool:
        if not condition:
            self.fail(what, expected, received, remedy)
        return bool(condition)

    def equal(
        self, what: str, received: Any, expected: Any, tolerance: float, remedy: str, scale: float | None = None
    ) -> None:
        """Compares numbers, relative to `scale`: by default the largest of those expected, where that is over 1."""
        received, expected = (np.asarray(numbers).astype("float64") for numbers in (received, expected))
        if received.shape != expected.shape:
            self.fail(what, f"shape {expected.shape}", f"shape {received.shape}", remedy)
            return
        scale = scale or max(1.0, float(np.max(np.abs(expected), initial=0.0)))
        differences = np.abs(received - expected) / scale
        differences = np.where(np.isnan(differences), np.inf, differences)
        largest = float(np.max(differences, initial=0.0))
        if self.difference is None or largest / tolerance > self.difference / self.tolerance:
            self.difference, self.tolerance = largest, tolerance
        if largest > tolerance:
            worst = np.unravel_index(np.argmax(differences), differences.shape)
            place = f" at [{', '.join(map(str, worst))}]" if worst else ""
            wrong = f"; {np.sum(differences > tolerance)} of {differences.size} differ" if differences.size > 1 else ""
            self.fail(
                f"{what}{place}",
                f"{expected[worst]:.9g}",
                f"{received[worst]:.9g} (largest difference {largest:.1e}, tolerance {tolerance:.0e}{wrong})",
                remedy,
            )

    def all_equal(
        self, received: Mapping[str, Any], expected: Mapping[str, Any], tolerance: float, remedy: str, where: str = ""
    ) -> None:
        for name, numbers in expected.items():
            self.equal(f"{name}{where}", received[name], numbers, tolerance, remedy)

    @contextmanager
    def attempt(self, what: str, remedy: str) -> Iterator[None]:
        """Counts an exception inside it as a failure."""
        try:
            yield
        except DoesNotApply:
            raise
        except Exception as error:
            self.errors.append(error)
            self.fail(what, "no error", _described(error), remedy)


@dataclass(frozen=True)
class Examination:
    name: str
    description: str
    remedy: str  # where an exception says what is wrong
    look: Callable[[Any, Findings], None]

    def run(self, subject: Any) -> tuple[Result, list[Exception]]:
        findings, start, reason = Findings(), time.perf_counter(), ""
        try:
            with findings.attempt("the examination itself", self.remedy):
                self.look(subject, findings)
        except DoesNotApply as why:
            reason = str(why)
        outcome = "failed" if findings.failures else "not run" if reason else "passed"
        seconds = time.perf_counter() - start
        failures, notes = tuple(findings.failures), tuple(dict.fromkeys(findings.notes))
        result = Result(
            self.name, self.description, outcome, findings.difference, findings.tolerance, seconds, failures, notes, reason
        )
        return result, findings.errors


def examination(description: str, remedy: str) -> Callable[[Callable[[Any, Findings], None]], Examination]:
    """Makes a function an examination, which has the function's name."""
    return lambda look: Examination(look.__name__, description, remedy, look)


def run_examinations(examinations: Sequence[Examination], subject: Any, verbose: bool) -> Report:
    """Runs them all, and raises `CheckError` if any fails."""
    results: list[Result] = []
    errors: list[Exception] = []
    if verbose:
        print(f"{subject.name}\n{HEADER}", flush=True)
    for each in examinations:
        result, raised = each.run(subject)
        results.append(result)
        errors += raised
        if verbose:
            print(result, flush=True)
            for note in result.notes:
                print(f"  note: {note}", flush=True)
    report = Report(subject.name, tuple(results))
    if verbose:
        print(report.summary(), flush=True)
    if report.failed:
        raise CheckError(report) from (errors[0] if errors else None)
    return report


def _described(error: Exception) -> str:
    """An exception in a few words, with the line of the user's own code that it comes from."""
    words = _FRAMES.sub("", str(error)).partition("Arguments received by")[0]
    named = [line.strip() for line in words.splitlines() if re.match(r"\s+\w+(Error|Exception): ", line)]
    words = named[-1] if named else f"{type(error).__name__}: {words}"
    words = " ".join(_NOISE.sub("", words).split())
    # TensorFlow's own reports of a traced function name the frames in words.
    frames = [(frame.filename, str(frame.lineno), frame.name) for frame in traceback.extract_tb(error.__traceback__)]
    own = [frame for frame in frames + _FRAMES.findall(str(error)) if _is_the_user_s(frame[0])]
    place = f" ({Path(own[-1][0]).name}, line {own[-1][1]}, in {own[-1][2]})" if own else ""
    return f"{words[:400]}{'…' * (len(words) > 400)}{place}"


_FRAMES = re.compile(r'File "([^"]+)", line (\d+), in (\w+)')
_NOISE = re.compile(r"\x1b\[\d*m|\{\{function_node[^}]*\}\}|Exception encountered when calling [^:]*?\.(?=\s)|in user code:")
_LIBRARIES = {"site-packages", "dist-packages"}


def _is_the_user_s(file: str) -> bool:
    path = Path(file)
    ours = Path(__file__).parents[1] in path.parents or path.name.startswith("__autograph")
    return not ours and not _LIBRARIES & {*path.parts}

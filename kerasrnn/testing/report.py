"""What a check leaves: a table of its examinations, or an error that lists all that they found wrong."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Failure:
    """One thing that is not as it must be, and what to do about it."""

    what: str
    expected: str
    received: str
    remedy: str

    def __str__(self) -> str:
        lines = [f"expected: {self.expected}", f"received: {self.received}", f"remedy:   {self.remedy}"]
        return "\n".join([self.what, *(textwrap.indent(line, "  ") for line in lines)])


@dataclass(frozen=True)
class Result:
    """One examination: its outcome, and the comparison in it that came nearest to its tolerance, or furthest beyond it.

    Attributes:
        name: the examination's name.
        description: what it examines.
        outcome: "passed", "failed" or "not run".
        difference: the largest difference, relative where the numbers are larger than 1; None where nothing was compared.
        tolerance: the difference that would still have passed.
        seconds: how long it took.
        failures: what it found wrong.
        notes: what it found worth knowing.
        reason: why it was not run.
    """

    name: str
    description: str
    outcome: str
    difference: float | None = None
    tolerance: float | None = None
    seconds: float = 0.0
    failures: tuple[Failure, ...] = ()
    notes: tuple[str, ...] = ()
    reason: str = ""

    def __str__(self) -> str:
        compared = self.difference is not None
        figures = f"{self.difference:>10.1e} {self.tolerance:>9.0e}" if compared else " " * 20
        return f"{self.name:<15} {self.outcome:<7} {figures} {self.seconds:>6.1f}  {self.reason or self.description}"


HEADER = f"{'examination':<15} {'outcome':<7} {'difference':>10} {'tolerance':>9} {'s':>6}"


@dataclass(frozen=True)
class Report:
    """All examinations of a cell or a layer; `print` shows them as a table.

    Attributes:
        subject: the name of what was examined.
        results: one `Result` an examination, in the order they were run.
    """

    subject: str
    results: tuple[Result, ...]

    @property
    def seconds(self) -> float:
        return sum(result.seconds for result in self.results)

    @property
    def failed(self) -> tuple[Result, ...]:
        return self._with("failed")

    def __getitem__(self, name: str) -> Result:
        """The result of the examination of that name."""
        for result in self.results:
            if result.name == name:
                return result
        raise KeyError(f"{name!r}: expected one of {[result.name for result in self.results]}")

    def __str__(self) -> str:
        notes = [f"note ({result.name}): {note}" for result in self.results for note in result.notes]
        return "\n".join([HEADER, *map(str, self.results), *notes, self.summary()])

    def summary(self) -> str:
        counts = [f"{len(self._with(outcome))} {outcome}" for outcome in ("passed", "failed", "not run")]
        return f"{self.subject}: {', '.join(counts)} in {self.seconds:.1f} s"

    def _with(self, outcome: str) -> tuple[Result, ...]:
        return tuple(result for result in self.results if result.outcome == outcome)


class CheckError(AssertionError):
    """A cell or a layer that fails examinations: all of them, each with what was expected, what came and the remedy.

    Attributes:
        report: the `Report`, whose `failed` are the results listed.
    """

    def __init__(self, report: Report) -> None:
        self.report = report
        super().__init__("\n\n".join([report.summary(), *_paragraphs(report.failed)]))


def _paragraphs(failed: Sequence[Result]) -> list[str]:
    listed = []
    for result in failed:
        failures = "\n".join(_first(result.failures))
        listed.append(f"{result.name}: {result.description}\n{textwrap.indent(failures, '  ')}")
    if len(failed) > 1 and failed[0].name == "contract":
        listed.append("Mend the contract first: the others may fail because of it.")
    return listed


def _first(failures: Sequence[Failure], count: int = 4) -> list[str]:
    more = len(failures) - count
    return [*map(str, failures[:count]), *([f"… and {more} more: see report.failed"] if more > 0 else [])]

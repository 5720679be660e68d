"""The command itself: its subcommands, and what becomes of errors."""

import shlex
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text
from typer.core import TyperCommand, TyperGroup

from kerasrnn import __version__
from kerasrnn.cli.compare import compare
from kerasrnn.cli.diagnose import diagnose
from kerasrnn.cli.doctor import doctor
from kerasrnn.cli.evaluate import evaluate
from kerasrnn.cli.export import export
from kerasrnn.cli.generate import generate
from kerasrnn.cli.inspect import inspect
from kerasrnn.cli.prepare import prepare
from kerasrnn.cli.stats import stats
from kerasrnn.cli.train import train

_BAD_INPUT = (ValueError, TypeError, OSError, ImportError, MemoryError)


class _Command(TyperCommand):
    """Plain help, with options under the headings of their panels: rich's tables hide long names in 80 columns."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        sections: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            if record := parameter.get_help_record(ctx):
                of_its_own = "Arguments" if parameter.param_type_name == "argument" else "Options"
                sections.setdefault(getattr(parameter, "rich_help_panel", None) or of_its_own, []).append(record)
        for title, records in sections.items():
            with formatter.section(title):
                formatter.write_dl(records)


class _Commands(TyperGroup):
    """Tells bad input in one line instead of a traceback, and keeps the command line for what notes it."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        ctx.meta["kerasrnn.command"] = shlex.join(["kerasrnn", *args])
        return super().parse_args(ctx, args)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        _Command.format_options(self, ctx, formatter)  # type: ignore[arg-type]
        with formatter.section("Commands"):
            commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
            formatter.write_dl([(name, (command.help or "").split("\n\n")[0]) for name, command in commands if command])

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except _BAD_INPUT as error:
            if ctx.params["traceback"] or isinstance(error, BrokenPipeError):
                raise
            console = Console(stderr=True)
            # A terminal would break the line within words.
            console.print(Text(f"Error: {error}", "red"), soft_wrap=not console.is_terminal)
            raise typer.Exit(2) from error


app = typer.Typer(
    cls=_Commands,
    rich_markup_mode=None,
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"kerasrnn {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_print_version)
    ] = False,
    traceback: Annotated[bool, typer.Option("--traceback", help="Show where an error comes from.")] = False,
) -> None:
    """Recurrent language models: train one on a text, measure it, let it write, export it to run anywhere.

    Start with:  kerasrnn train moby_dick --out runs/moby
    """


for command in (train, evaluate, compare, generate, export, inspect, diagnose, stats, prepare):
    app.command(cls=_Command, no_args_is_help=True)(command)
app.command(cls=_Command)(doctor)


def main() -> None:
    """Runs the command: the console script `kerasrnn`."""
    app()

"""The command itself: its subcommands, and what becomes of errors."""

import shlex
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text
from typer.core import TyperGroup

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


class _Commands(TyperGroup):
    """Tells bad input in one line instead of a traceback, and keeps the command line for what notes it."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        ctx.meta["kerasrnn.command"] = shlex.join(["kerasrnn", *args])
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except _BAD_INPUT as error:
            if ctx.params["traceback"] or isinstance(error, BrokenPipeError):
                raise
            Console(stderr=True).print(Text(f"Error: {error}", "red"), soft_wrap=True)
            raise typer.Exit(2) from error


app = typer.Typer(
    cls=_Commands,
    rich_markup_mode="markdown",
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
    app.command(no_args_is_help=True)(command)
app.command()(doctor)


def main() -> None:
    """Runs the command: the console script `kerasrnn`."""
    app()

from typer.testing import CliRunner

from kerasrnn.cli import app


def invoke(*arguments):
    """Runs the command as a user does, on a terminal wide enough for its tables."""
    return CliRunner(env={"COLUMNS": "250"}).invoke(app, [*map(str, arguments)])


def succeed(*arguments):
    result = invoke(*arguments)
    assert result.exit_code == 0, result.output
    return result.stdout

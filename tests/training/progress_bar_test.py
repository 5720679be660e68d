import io
import re

import pytest
from rich.console import Console

from kerasrnn.training import ProgressBar, TimeLimit


def lines(fit, *callbacks, terminal, width=80, **arguments):
    console = Console(file=io.StringIO(), force_terminal=terminal, width=width)
    fit(ProgressBar(console=console, tokens_per_batch=4), *callbacks, **arguments)
    return console.file.getvalue()


def test_one_line_an_epoch_without_a_terminal(fit):
    printed = lines(fit, terminal=False, epochs=2, validation_split=0.5).splitlines()
    assert len(printed) == 2
    pattern = r"Epoch 2/2 · \d:\d\d · [\d,]+ tokens/s · training: loss \d\.\d{3} · validation: loss \d\.\d{3}"
    assert re.fullmatch(pattern, printed[1])


def test_a_bar_on_a_terminal_whose_figures_stay(fit):
    printed = lines(fit, terminal=True, epochs=1, validation_split=0.5)
    assert "━" in printed and "remaining" in printed and "validating" in printed
    shown = re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", printed).splitlines()
    assert re.match(r"Epoch 1/1 +loss \d\.\d{3}  \d:\d\d", shown[-2])
    assert re.match(r"  validation +loss \d\.\d{3}  [\d,]+ tokens/s", shown[-1])


@pytest.mark.parametrize("terminal", [False, True])
def test_tells_where_an_epoch_was_stopped(fit, terminal):
    assert "stopped after 1 of 4 batches" in lines(fit, TimeLimit(1e-9), terminal=terminal)


def test_speed_in_batches_where_tokens_are_not_known(fit, capsys):
    fit(ProgressBar())
    assert "batches/s" in capsys.readouterr().out

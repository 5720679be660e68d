"""kerasrnn diagnose"""

import itertools
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from kerasrnn._files import write_json, write_whole
from kerasrnn.cli._folders import require_run
from kerasrnn.cli._plots import check_format
from kerasrnn.cli._tensorflow import load_tensorflow

if TYPE_CHECKING:
    from kerasrnn.training import RunFolder

_BATCHES = 8


def diagnose(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="A run's folder.")],
    out: Annotated[Path | None, typer.Option(metavar="PLOT", help="Where to draw the figures, as in flow.png.")] = None,
    num_steps: Annotated[
        int | None, typer.Option(min=2, help="Tokens in a window; as many as in training by default.")
    ] = None,
    rows: Annotated[int, typer.Option(min=1, help="Windows to look at; time and memory grow with them.")] = 8,
    json: Annotated[Path | None, typer.Option(metavar="FILE", help="Where to write the figures as JSON.")] = None,
) -> None:
    """Tell whether a run's gradient vanishes, explodes or is healthy, and what to try.

    Measured on windows of the run's validation text: how far back in time the gradient of a loss reaches in each layer,
    how much a step stretches it, how many gates are at their limits, and how many batches would be clipped.

    Example:  kerasrnn diagnose runs/moby --out flow.png
    """
    check_format(out)
    require_run(folder)
    load_tensorflow()
    from kerasrnn import diagnostics
    from kerasrnn.diagnostics.report import renderable
    from kerasrnn.training import RunFolder

    console = Console(highlight=False)
    run = RunFolder(folder)
    model = run.load_model(full_precision=True)
    batches = _batches(run, model, num_steps or run.settings.num_steps)
    limit = run.settings.compile(steps_per_epoch=1)["optimizer"].global_clipnorm
    with console.status("Measuring …"):
        norms = [diagnostics.gradient_norm(model, *batch) for batch in batches] if limit else None
        diagnosis = diagnostics.diagnose(model, batches[0], rows=rows, gradient_norms=norms, global_clipnorm=limit)
    on = f"{min(rows, len(batches[0][0]))} windows of {batches[0][0].shape[1]} steps of its validation text"
    console.print(Text(f"{folder} on {on}"), soft_wrap=True)
    console.print(renderable(diagnosis))
    if out:
        write_whole(out, lambda beside: diagnosis.plot().savefig(beside, dpi=150))
        console.print(Text(f"The figures are drawn in {out}."), soft_wrap=True)
    if json:
        write_json(json, {"model": str(folder), "verdict": diagnosis.verdict, **diagnosis.figures()}, indent=1)
        console.print(Text(f"The figures are in {json}."), soft_wrap=True)


def _batches(run: "RunFolder", model: Any, num_steps: int) -> list[tuple[Any, Any]]:
    """Of the size of training's, as the norm of a gradient depends on it."""
    from kerasrnn.data import language_model_dataset

    token_ids = model.tokenizer.tokenize(run.load_corpus().validation).numpy()
    if len(token_ids) <= num_steps:
        raise ValueError(
            f"the validation text of {str(run.path)!r} has {len(token_ids):,} tokens, too few for a window of {num_steps}. "
            "Give a smaller --num-steps."
        )
    windows = language_model_dataset(token_ids, None, run.settings.batch_size, num_steps, shuffle=False)
    return [(x.numpy(), y.numpy()) for x, y in itertools.islice(windows, _BATCHES)]

"""kerasrnn train"""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from kerasrnn.cli._tensorflow import load_tensorflow


class Cell(StrEnum):
    LSTM = "lstm"
    GRU = "gru"
    SIMPLE_RNN = "simple_rnn"


class Schedule(StrEnum):
    COSINE = "cosine"
    CONSTANT = "constant"


def train(
    corpus: Annotated[
        list[str], typer.Argument(metavar="CORPUS", help="moby_dick, time_machine, tiny_shakespeare, or text files.")
    ],
    out: Annotated[Path, typer.Option(help="The run's folder: a new one, or one to go on with.")],
    cell: Annotated[Cell, typer.Option(help="The recurrent cell.")] = Cell.LSTM,
    units: Annotated[int, typer.Option(min=1, help="Width of a layer.")] = 256,
    layers: Annotated[int, typer.Option(min=1, help="Number of recurrent layers.")] = 2,
    embedding: Annotated[
        str | None, typer.Option(metavar="N|one_hot", help="Width of the embedding, or one_hot; as units by default.")
    ] = None,
    dropout: Annotated[float, typer.Option(min=0, max=0.99, help="Share of each layer's outputs to drop.")] = 0.0,
    tie_embeddings: Annotated[
        bool, typer.Option("--tie-embeddings", help="Share the embedding's weights with the output layer.")
    ] = False,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the text; a finished run goes on with more.")] = 10,
    batch_size: Annotated[int, typer.Option(min=1, help="Windows of text in a batch.")] = 32,
    num_steps: Annotated[int, typer.Option(min=1, help="Characters in a window.")] = 64,
    learning_rate: Annotated[float, typer.Option(help="Adam's learning rate at the start.")] = 2e-3,
    schedule: Annotated[Schedule, typer.Option(help="cosine: down to 0 over the run.")] = Schedule.COSINE,
    clip_norm: Annotated[float, typer.Option(min=0, help="Largest norm of the gradient; 0 for no clipping.")] = 1.0,
    max_minutes: Annotated[float | None, typer.Option(help="Stop after so long, to be resumed.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same run.")] = 0,
    prompt: Annotated[str, typer.Option(help="What the sample after each epoch goes on from.")] = "",
) -> None:
    """Train a language model on a text, character by character.

    Ctrl-C stops after the batch at work, with the best weights saved; the same command goes on after the last
    complete epoch. The folder then holds model.keras, history.csv, curves.png, config.json, tokenizer.json.

    Example:  kerasrnn train moby_dick --out runs/moby --units 512 --layers 1 --epochs 5 --prompt "Call me "
    """
    load_tensorflow()
    from kerasrnn import training

    settings = training.Settings(
        cell=cell.value,
        units=units,
        layers=layers,
        embedding=int(embedding) if embedding is not None and embedding.isdecimal() else embedding,
        dropout=dropout,
        tie_embeddings=tie_embeddings,
        epochs=epochs,
        batch_size=batch_size,
        num_steps=num_steps,
        learning_rate=learning_rate,
        schedule=schedule.value,
        clip_norm=clip_norm,
        seed=seed,
    )
    console = Console(highlight=False)
    result = training.train(corpus, out, settings, max_minutes, prompt, console=console)
    if result.stopped_by:
        console.print(f"Stopped by the {result.stopped_by} after {result.epochs} of {epochs} epochs; the same command goes on.")
    else:
        console.print(f"{result.epochs} of {epochs} epochs are complete; --epochs with a larger number goes on.")
    console.print(f"The best model is {result.run.model_path}, the curves are {out / 'curves.png'}.")
    console.print(f"Next: kerasrnn evaluate {out}  or  kerasrnn generate {out}", style="dim")

"""kerasrnn generate"""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from kerasrnn.cli._folders import find_artefact, is_run
from kerasrnn.cli._tensorflow import load_tensorflow


def generate(
    folder: Annotated[Path, typer.Argument(metavar="RUN|EXPORT", help="A run's folder, or an exported ONNX model's.")],
    prompt: Annotated[str, typer.Option(help="What to go on from; may be empty.")] = "",
    max_new_tokens: Annotated[int, typer.Option(min=1, help="How many tokens to write.")] = 200,
    temperature: Annotated[float, typer.Option(min=0, help="Below 1 bolder on the likely, above 1 wilder; 0: greedy.")] = 1.0,
    top_k: Annotated[int, typer.Option(min=0, help="Draw from the k most likely only; 0: from all.")] = 0,
    top_p: Annotated[float, typer.Option(max=1, help="Draw from the likeliest that together reach p; 1: from all.")] = 1.0,
    min_p: Annotated[float, typer.Option(min=0, max=1, help="Draw from those this share as likely as the likeliest.")] = 0.0,
    repetition_penalty: Annotated[float, typer.Option(help="Above 1, what was written already is less likely.")] = 1.0,
    stop: Annotated[str, typer.Option(help="End before this string.")] = "",
    seed: Annotated[int | None, typer.Option(help="The same seed writes the same text, in every format.")] = None,
) -> None:
    """Let a model write on from a prompt.

    From an exported ONNX folder the text appears as it is written, and TensorFlow is not loaded.

    Example:  kerasrnn generate runs/moby --prompt "Call me " --temperature 0.8 --top-p 0.95 --seed 7
    """
    settings = {
        "temperature": temperature,
        "top_k": top_k,
        "top_p": top_p,
        "min_p": min_p,
        "repetition_penalty": repetition_penalty,
        "stop": stop,
        "seed": seed,
    }
    if is_run(folder):
        load_tensorflow()
        from kerasrnn.training import RunFolder

        model = RunFolder(folder).load_model(full_precision=True)
        separator = getattr(model.tokenizer, "separator", "")
        pieces = iter([model.generate(prompt, max_new_tokens, **settings)])
    else:
        from kerasrnn.export import runtime

        session = runtime.load(find_artefact(folder))
        separator = (session.manifest["tokenizer"] or {}).get("separator", "")
        pieces = session.stream(prompt, max_new_tokens, **settings)
    # A separator of words belongs neither to the prompt nor to what follows.
    gap = separator if prompt and not prompt[-1].isspace() else ""
    Console().print(Text(prompt + gap, "dim"), end="", soft_wrap=True)
    for piece in pieces:
        print(piece, end="", flush=True)
    print()

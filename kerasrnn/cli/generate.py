"""kerasrnn generate"""

import secrets
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from kerasrnn.cli._folders import find_artefact, is_run, require_run_or_artefact
from kerasrnn.cli._tensorflow import load_tensorflow


def generate(
    folder: Annotated[Path, typer.Argument(metavar="RUN|EXPORT", help="A run's folder, or an exported ONNX model's.")],
    prompt: Annotated[str, typer.Option(help="What to go on from; may be empty.")] = "",
    max_new_tokens: Annotated[int, typer.Option(min=1, help="How many tokens to write.")] = 200,
    temperature: Annotated[float, typer.Option(min=0, help="Below 1 more on the likely, above 1 wilder; 0: greedy.")] = 1.0,
    top_k: Annotated[int, typer.Option(min=0, help="Draw from the k most likely only; 0: from all.")] = 0,
    top_p: Annotated[float, typer.Option(max=1, help="Draw from the likeliest that together reach p; 1: from all.")] = 1.0,
    min_p: Annotated[float, typer.Option(min=0, max=1, help="Draw from those this share as likely as the likeliest.")] = 0.0,
    repetition_penalty: Annotated[float, typer.Option(help="Above 1, what was written already is less likely.")] = 1.0,
    stop: Annotated[str, typer.Option(help="End before this string.")] = "",
    seed: Annotated[int | None, typer.Option(help="The same seed writes the same text, in every format.")] = None,
    num_samples: Annotated[int, typer.Option(min=1, help="How many texts to write; the seeds count up.")] = 1,
    num_beams: Annotated[int, typer.Option(min=0, help="Search for the likeliest text, with so many beams; 0: draw.")] = 0,
    length_penalty: Annotated[float, typer.Option(min=0, help="In a search, how much longer texts are favoured.")] = 0.0,
) -> None:
    """Let a model write on from a prompt.

    The text appears as it is written; from an exported ONNX folder without TensorFlow. A search needs a run.

    Example:  kerasrnn generate runs/moby --prompt "Call me " --temperature 0.8 --top-p 0.95 --seed 7
    """
    if length_penalty and not num_beams:
        raise typer.BadParameter("expected a search to go with it: add --num-beams 4", param_hint="--length-penalty")
    require_run_or_artefact(folder)
    settings = {
        "temperature": temperature,
        "top_k": top_k,
        "top_p": top_p,
        "min_p": min_p,
        "repetition_penalty": repetition_penalty,
        "stop": stop,
    }
    first = secrets.randbits(62) if seed is None else seed

    def drawn(write: Any) -> Iterator[Iterable[str]]:
        for sample in range(num_samples):
            yield write(prompt, max_new_tokens, **settings, seed=first + sample)

    if is_run(folder):
        load_tensorflow()
        from kerasrnn.samplers import BeamSearch
        from kerasrnn.training import RunFolder

        model = RunFolder(folder).load_model(full_precision=True)
        separator = getattr(model.tokenizer, "separator", "")
        if num_beams:
            search = BeamSearch(num_beams, length_penalty)
            found = model.generate(prompt, max_new_tokens, **settings, sampler=search, num_samples=num_samples)
            texts = iter([[text] for text in found])
        else:
            texts = drawn(lambda *arguments, **settings: model.generate(*arguments, **settings, stream=True))
    else:
        from kerasrnn.export import runtime

        if num_beams:
            raise typer.BadParameter(
                f"expected a run's folder, whose model can search; received {str(folder)!r}", param_hint="--num-beams"
            )
        session = runtime.load(find_artefact(folder))
        separator = (session.manifest["tokenizer"] or {}).get("separator", "")
        texts = drawn(session.stream)
    # A separator of words belongs neither to the prompt nor to what follows.
    gap = separator if prompt and not prompt[-1].isspace() else ""
    for number, pieces in enumerate(texts):
        if number:
            print("-" * 20)
        Console().print(Text(prompt + gap, "dim"), end="", soft_wrap=True)
        for piece in pieces:
            print(piece, end="", flush=True)
        print()

"""How fast an exported language model writes, beside TensorFlow and PyTorch, all in one run.

    python benchmarks/inference.py                              # the README's table: 2 × LSTM(512), 10,000 words, 2 threads
    python benchmarks/inference.py --units 256 --layers 1 --vocabulary 100 --batches 1 --json inference.json

Every peer draws its tokens from the model's own probabilities, from states that it keeps. The runs are interleaved, so that a
drifting machine slows all alike; a figure is the median of its runs. The bandwidth limit is the memory's measured bandwidth
over the bytes of weights that one token needs: a step of one row cannot be faster, unless the cache holds a part of the weights.
PyTorch takes part where it is installed: pip install -e '.[torch]'; torch.compile where there is a C++ compiler too.
"""

import argparse
import json
import os
import tempfile
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

Run = Callable[[int, int], Any]  # writes so many tokens for so many rows


def language_model(units: int, layers: int, vocabulary: int) -> Any:
    import keras

    import kerasrnn

    keras.utils.set_random_seed(0)
    # One code point a word: what a token is called does not change the time.
    tokenizer = kerasrnn.tokenizers.CharTokenizer(["\ufffd", "\n", *(chr(0x4E00 + i) for i in range(vocabulary - 2))])
    return kerasrnn.models.LanguageModel([kerasrnn.cells.LSTMCell(units) for _ in range(layers)], tokenizer=tokenizer)


def our_runs(model: Any, folder: Path, threads: int) -> tuple[dict[str, Run], Any]:
    from kerasrnn.export import runtime

    session = runtime.load(model.export(folder / "onnx", format="onnx"), num_threads=threads)
    by_steps = runtime.load(folder / "onnx", num_threads=threads)
    by_steps.manifest["signatures"].pop("generate")
    in_8_bits = runtime.load(model.export(folder / "int8", format="onnx", quantize="int8"), num_threads=threads)
    return {
        "generate.onnx": lambda batch, tokens: session.generate([""] * batch, tokens, seed=1),
        "generate.onnx, int8": lambda batch, tokens: in_8_bits.generate([""] * batch, tokens, seed=1),
        "step.onnx": lambda batch, tokens: by_steps.generate([""] * batch, tokens, seed=1),
        "model.generate": lambda batch, tokens: model.generate([""] * batch, tokens, seed=1),
    }, session


def torch_runs(units: int, layers: int, vocabulary: int, threads: int) -> dict[str, Run]:
    try:
        import torch
    except ImportError:
        return {}
    torch.set_num_threads(threads)

    class Whole(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = torch.nn.Embedding(vocabulary, units)
            self.lstm = torch.nn.LSTM(units, units, layers, batch_first=True)
            self.output = torch.nn.Linear(units, vocabulary)

        def initial(self, batch: int) -> Any:
            return tuple(torch.zeros(layers, batch, units) for _ in range(2))

        def forward(self, tokens: Any, states: Any) -> Any:
            h, states = self.lstm(self.embedding(tokens[:, None]), states)
            return torch.softmax(self.output(h[:, 0]), -1), states

    class Cells(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = torch.nn.Embedding(vocabulary, units)
            self.cells = torch.nn.ModuleList([torch.nn.LSTMCell(units, units) for _ in range(layers)])
            self.output = torch.nn.Linear(units, vocabulary)

        def initial(self, batch: int) -> Any:
            return [tuple(torch.zeros(batch, units) for _ in range(2)) for _ in range(layers)]

        def forward(self, tokens: Any, states: Any) -> Any:
            x, new_states = self.embedding(tokens), []
            for cell, state in zip(self.cells, states):
                state = cell(x, state)
                x = state[0]
                new_states.append(state)
            return torch.softmax(self.output(x), -1), new_states

    def run_of(model: Any, step: Any) -> Run:
        def run(batch: int, count: int) -> Any:
            with torch.inference_mode():
                tokens, states, written = torch.zeros(batch, dtype=torch.int64), model.initial(batch), []
                for _ in range(count):
                    probabilities, states = step(tokens, states)
                    tokens = torch.multinomial(probabilities, 1)[:, 0]
                    written.append(tokens)
                return torch.stack(written).numpy()

        return run

    runs = {}
    whole = Whole().eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it moves to torchao
        in_8_bits = torch.ao.quantization.quantize_dynamic(whole, {torch.nn.LSTM, torch.nn.Linear}, dtype=torch.qint8)
    runs["torch.nn.LSTM, int8"] = run_of(in_8_bits, in_8_bits)
    for name, module in (("torch.nn.LSTM", whole), ("torch.nn.LSTMCell", Cells().eval())):
        runs[name] = run_of(module, module)
        compiled = run_of(module, torch.compile(module))
        try:
            compiled(1, 2)
        except Exception as error:  # of many kinds, where no compiler works
            print(f"torch.compile does not run {name} here: {str(error).splitlines()[0][:100]}")
        else:
            runs[f"{name}, compiled"] = compiled
    return runs


def bandwidth(threads: int) -> float:
    """Bytes a second that `threads` threads read from memory: the best of a few sums over more than any cache holds."""
    import numpy as np

    parts = [np.ones(2**26, np.float32) for _ in range(threads)]
    best = 0.0
    with ThreadPoolExecutor(threads) as pool:
        for _ in range(8):
            start = time.perf_counter()
            list(pool.map(np.dot, parts, parts))
            best = max(best, sum(p.nbytes for p in parts) / (time.perf_counter() - start))
    return best


def median_seconds(runs: dict[str, Callable[[], Any]], repeats: int, advance: Callable[[], None]) -> dict[str, float]:
    import numpy as np

    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for run in runs.values():
        run()
    for _ in range(repeats):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - start)
            if name.startswith("torch"):
                time.sleep(0.3)  # the threads of OpenMP spin on for 0.2 s, and would slow whoever comes next
            advance()
    return {name: float(np.median(values)) for name, values in seconds.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--units", type=int, default=512)
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--vocabulary", type=int, default=10_000)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 16])
    parser.add_argument("--tokens", type=int, default=200, help="tokens a row in each run")
    parser.add_argument("--prompt", type=int, default=2000, help="tokens of the prompt of the time to the first token")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--json", help="a file to write all figures to")
    arguments = parser.parse_args()
    threads, repeats = arguments.threads, arguments.repeats

    import numpy as np
    import tensorflow as tf
    from rich.console import Console
    from rich.progress import Progress
    from rich.table import Table

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    results: dict[str, Any] = {"arguments": vars(arguments), "tokens/s": {}}
    with tempfile.TemporaryDirectory() as folder, Progress(console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("exporting", total=None)
        model = language_model(arguments.units, arguments.layers, arguments.vocabulary)
        runs, session = our_runs(model, Path(folder), threads)
        progress.update(bar, description="compiling")
        runs |= torch_runs(arguments.units, arguments.layers, arguments.vocabulary, threads)
        total = len(runs) * repeats * len(arguments.batches) + 2 * repeats
        progress.update(bar, description="measuring", total=total)
        for batch in arguments.batches:
            todo = {name: (lambda run=run, batch=batch: run(batch, arguments.tokens)) for name, run in runs.items()}
            seconds = median_seconds(todo, repeats, lambda: progress.advance(bar))
            results["tokens/s"][batch] = {name: batch * arguments.tokens / value for name, value in seconds.items()}
        prompt = model.tokenizer.detokenize(np.random.default_rng(0).integers(2, arguments.vocabulary, arguments.prompt))
        prompt = prompt.numpy().decode()
        token_ids = model.tokenizer.tokenize([prompt]).to_tensor().numpy()
        first = {
            "first token": lambda: session.generate(prompt, 1, seed=1),
            "forward.onnx": lambda: session.forward(token_ids=token_ids),
        }
        results["seconds"] = median_seconds(first, repeats, lambda: progress.advance(bar))
    results["bandwidth, bytes/s"] = bandwidth(threads)
    needed = 4 * (model.count_params() - arguments.vocabulary * arguments.units)  # of the embedding, one row
    limit = results["bandwidth, bytes/s"] / needed

    console = Console(width=110)
    title = f"{arguments.layers} × LSTM({arguments.units}), {arguments.vocabulary:,} words, {threads} threads: tokens a second"
    table = Table("", title=title)
    for batch in arguments.batches:
        table.add_column(f"batch {batch}", justify="right")
        table.add_column("generate.onnx ÷ it", justify="right")
    for name in runs:
        cells = []
        for batch in arguments.batches:
            rates = results["tokens/s"][batch]
            cells += [f"{rates[name]:,.0f}", f"{rates['generate.onnx'] / rates[name]:.2f}"]
        table.add_row(name, *cells)
    console.print(table)
    console.print(
        f"The weights of a token, {needed / 1e6:.1f} MB, at the measured {results['bandwidth, bytes/s'] / 1e9:.1f} GB/s: "
        f"{limit:,.0f} tokens/s; generate.onnx reaches {results['tokens/s'][arguments.batches[0]]['generate.onnx'] / limit:.0%}."
    )
    seconds = results["seconds"]
    console.print(
        f"First token after a prompt of {arguments.prompt:,}: {seconds['first token']:.3f} s, "
        f"{seconds['first token'] / seconds['forward.onnx']:.2f} times forward.onnx on it ({seconds['forward.onnx']:.3f} s)."
    )
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()

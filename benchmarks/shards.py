"""A corpus larger than one wants in memory: prepared as shards and iterated, with speed and peak resident memory.

    python benchmarks/shards.py                            # 2 GB of synthetic text, in a temporary folder
    python benchmarks/shards.py --gb 0.5 --processes 1 --json shards.json

Each stage is a process of its own; its peak is that of the operating system (VmHWM), given beside that of a process that
only imports TensorFlow and Keras. Of `processes` that write shards it is the largest. The peers read the same shards:
"memmap" gathers windows at random places from a memory-mapped file, as nanoGPT does, and hands them to Python;
"in memory" is `language_model_dataset` of a part of them. `drained` empties a pipeline inside `tf.data`, `iterated` hands
each batch to Python, of 100 million tokens at most.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

MODES = {"in order": {"shuffle": False}, "shuffled": {"seed": 0}, "streams": {"contiguous": True, "seed": 0}}
IN_MEMORY = 40_000_000
ITERATED = 100_000_000


def peak() -> float:
    """This process's largest resident memory so far, in MB."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024 / 1e6


def write_text(path: Path, num_bytes: int) -> None:
    """Words drawn by Zipf's law, a newline after each fourteen or so."""
    import numpy as np

    rng = np.random.default_rng(0)
    letters = np.array([*"etaoinshrdlcumwfgypbvkjxqz"])
    words = np.array(["".join(rng.choice(letters, length)) for length in rng.integers(1, 12, 20_000)], object)
    ends = np.array([" ", "\n"], object)

    def block() -> bytes:
        drawn = words[rng.zipf(1.3, 1_000_000) % len(words)] + ends[(rng.random(1_000_000) < 0.07).astype(int)]
        return "".join(drawn).encode()

    blocks = [block() for _ in range(8)]
    size = 0
    with path.open("wb") as file:
        while size < num_bytes:
            size += file.write(blocks[rng.integers(len(blocks))])


def stage_import(folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    import tensorflow  # noqa: F401, I001
    import keras  # noqa: F401

    return {}


def stage_prepare(folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    import kerasrnn

    begun: dict[str, float] = {}
    ended: dict[str, tuple[float, int]] = {}

    def progress(what: str, done: int, total: int) -> None:
        begun.setdefault(what, time.perf_counter())
        ended[what] = time.perf_counter(), done

    start = time.perf_counter()
    tokenizer = kerasrnn.tokenizers.CharTokenizer()
    kerasrnn.data.prepare_shards(
        folder / "text.txt", folder / "shards", tokenizer, processes=arguments.processes, progress=progress
    )
    seconds = time.perf_counter() - start
    reading, writing = (ended[what] for what in ("Reading the vocabulary", "Writing shards"))
    return {
        "seconds": seconds,
        "vocabulary MB/s": reading[1] / 1e6 / (reading[0] - start),
        "writing MB/s": writing[1] / 1e6 / (writing[0] - reading[0]),
        "processes' peak": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / 1e6,
    }


def _rates(dataset: Any) -> dict[str, float]:
    import tensorflow as tf

    rates = {}
    start = time.perf_counter()
    count = dataset.reduce(tf.constant(0, tf.int64), lambda count, pair: count + tf.size(pair[1], tf.int64))
    rates["tokens"], rates["drained"] = int(count), int(count) / (time.perf_counter() - start) / 1e6
    start = time.perf_counter()
    count = 0
    for _, targets in dataset:
        count += targets.shape[0] * targets.shape[1]
        if count >= ITERATED:
            break
    rates["iterated"] = count / (time.perf_counter() - start) / 1e6
    return rates


def stage_iterate(folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    import kerasrnn

    shards = kerasrnn.data.TokenShards(folder / "shards", verify=arguments.mode == "in order")
    dataset = shards.dataset(arguments.batch_size, arguments.num_steps, **MODES[arguments.mode])
    return _rates(dataset)


def stage_memory(folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    import kerasrnn

    token_ids = kerasrnn.data.TokenShards(folder / "shards", verify=False)
    token_ids = token_ids.token_ids(0, min(IN_MEMORY, token_ids.num_tokens))
    dataset = kerasrnn.data.language_model_dataset(token_ids, None, arguments.batch_size, arguments.num_steps, seed=0)
    return _rates(dataset)


def stage_memmap(folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    import numpy as np
    import tensorflow as tf

    data = np.memmap(folder / "shards" / "train-00000.bin", "uint8", "r")
    rng, count, start, num_steps = np.random.default_rng(0), 0, time.perf_counter(), arguments.num_steps
    while count < min(IN_MEMORY // 10, len(data)):
        starts = rng.integers(0, len(data) - num_steps - 1, arguments.batch_size)
        inputs = tf.constant(np.stack([data[s : s + num_steps].astype("int32") for s in starts]))
        targets = tf.constant(np.stack([data[s + 1 : s + 1 + num_steps].astype("int32") for s in starts]))
        count += int(tf.size(inputs) + tf.size(targets)) // 2
    return {"tokens": count, "iterated": count / (time.perf_counter() - start) / 1e6}


STAGES = {name.removeprefix("stage_"): function for name, function in globals().items() if name.startswith("stage_")}


def run_stage(stage: str, folder: Path, given: list[str], mode: str) -> dict[str, Any]:
    """Runs a stage in a process of its own."""
    command = [sys.executable, __file__, *given, "--stage", stage, "--folder", str(folder), "--mode", mode]
    run = subprocess.run(command, check=False, capture_output=True, text=True)
    if run.returncode:
        raise RuntimeError(f"The stage {stage!r} failed:\n{run.stderr[-2000:]}")
    return json.loads(run.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gb", type=float, default=2.0, help="gigabytes (10^9 bytes) of text")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--num-steps", type=int, default=64)
    parser.add_argument("--json", help="a file to write all figures to")
    for hidden in ("--stage", "--folder", "--mode"):
        parser.add_argument(hidden, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.stage:
        figures = STAGES[arguments.stage](Path(arguments.folder), arguments)
        print(json.dumps({**figures, "peak": peak()}))
        return

    from rich.console import Console
    from rich.progress import Progress, TimeElapsedColumn
    from rich.table import Table

    given = sys.argv[1:]
    rows: dict[str, dict[str, Any]] = {}
    stages = [
        ("import of TensorFlow and Keras", "import", ""),
        ("prepare", "prepare", ""),
        *((f"TokenShards, {mode}", "iterate", mode) for mode in MODES),
        ("in memory, shuffled", "memory", ""),
        ("memmap, random places", "memmap", ""),
    ]
    with (
        Progress(*Progress.get_default_columns(), TimeElapsedColumn(), console=Console(stderr=True), transient=True) as progress,
        tempfile.TemporaryDirectory() as name,
    ):
        bar = progress.add_task("writing the text", total=len(stages) + 1)
        write_text(Path(name) / "text.txt", int(arguments.gb * 1e9))
        for title, stage, mode in stages:
            progress.update(bar, advance=1, description=title)
            rows[title] = run_stage(stage, Path(name), given, mode)
    bare = rows["import of TensorFlow and Keras"]["peak"]
    table = Table(title=f"{arguments.gb} GB of text, windows of {arguments.batch_size} × {arguments.num_steps}")
    for column in ("stage", "million tokens", "drained, M/s", "iterated, M/s", "peak, MB", "above the import, MB"):
        table.add_column(column, justify="left" if column == "stage" else "right")
    for stage, row in rows.items():
        speeds = [f"{row[key]:.1f}" if key in row else "" for key in ("drained", "iterated")]
        tokens = f"{row['tokens'] / 1e6:,.0f}" if "tokens" in row else ""
        highest = max(row["peak"], row.get("processes' peak", 0))
        table.add_row(stage, tokens, *speeds, f"{highest:,.0f}", f"{highest - bare:+,.0f}")
    console = Console(width=125, highlight=False)
    console.print(table)
    prepared = rows["prepare"]
    console.print(
        f"Prepared in {prepared['seconds']:.0f} s by {arguments.processes} processes: vocabulary at "
        f"{prepared['vocabulary MB/s']:.0f} MB/s, shards at {prepared['writing MB/s']:.0f} MB/s."
    )
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()

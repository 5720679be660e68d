import contextlib
import errno
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from kerasrnn._files import write_json, write_stream
from kerasrnn._folder_lock import NAME as LOCK, only_process
from kerasrnn.data import shard_job, shard_pool
from kerasrnn.data._files import Paths, checked
from kerasrnn.data._splits import Shares, check_shares
from kerasrnn.data.corpus import Corpus
from kerasrnn.data.passes import integer
from kerasrnn.data.shard_manifest import (
    FORMAT,
    MANIFEST,
    PARTS,
    VERSION,
    check_shard,
    dtype_for,
    read_json,
    read_manifest,
)
from kerasrnn.data.shard_sources import Span, SpanReader, plan_spans
from kerasrnn.tokenizers import Tokenizer, tokenizer_from_specification

Progress = Callable[[str, int, int], Any]
AllShards = tuple[list[list[Span]], ...]

_WORK = ".preparing"


def prepare_shards(
    corpus: Paths | Corpus,
    out: str | os.PathLike[str],
    tokenizer: Tokenizer,
    splits: Shares = (0.9, 0.05, 0.05),
    shard_bytes: int = 2**26,
    processes: int = 1,
    progress: Progress = lambda what, done, total: None,
) -> None:
    """Writes a corpus as token ids to files that `TokenShards` reads, in memory that does not grow with the corpus.

    Each shard is a raw file of little-endian uint8, uint16 or uint32, the smallest type that holds all token ids, and
    manifest.json tells their number, checksums and the tokenizer. All files appear complete or not at all, the manifest
    last. After an interruption (a kill, a full disk) the same call goes on: it verifies the shards there are and writes
    those that are missing or damaged.

    Texts are tokenized in pieces of a megabyte at most, cut where a letter begins a line or a word; in a text without
    such places for 64 kB a cut may fall within a token that is longer than a character. Joined, the pieces are the text,
    with a newline for each Windows line end of a file.

    Args:
        corpus: One path or several of text files in UTF-8, in this order, packed by gzip or not, with a newline put
            between two; or a `Corpus`, whose parts are kept.
        out: The folder: a new or empty one, or one to go on with.
        tokenizer: What splits texts into tokens. If it has no vocabulary yet, it is adapted to the part to train on.
        splits: The shares of train, validation and test, contiguous, in this order, counted in bytes of the files and
            moved to the next beginning of a line or word. Not for a `Corpus`.
        shard_bytes: About how many bytes of text a shard holds.
        processes: How many processes write shards. Each of them loads TensorFlow; with 1 this one does the work. More
            than 1 need a main module that can be imported (`if __name__ == "__main__":`).
        progress: Called now and then with what is being done, and how many bytes of text of how many are.

    Raises:
        ValueError: If an argument is not as above, a file is empty, damaged or not UTF-8, or the folder holds
            something else.
        FileNotFoundError: If a file does not exist.
        OSError: If the disk is full. What is finished stays for the next call.

    Example:

    >>> import kerasrnn, tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> corpus = kerasrnn.data.Corpus.from_texts("Call me Ishmael. " * 100)
    >>> prepare_shards(corpus, folder.name, kerasrnn.tokenizers.CharTokenizer())
    >>> kerasrnn.data.TokenShards(folder.name)
    TokenShards(1,530 tokens of uint8 in 1 shard, train, CharTokenizer)
    >>> folder.cleanup()
    """
    check_shares(splits)
    integer("shard_bytes", shard_bytes, 1)
    integer("processes", processes, 1)
    out = Path(out)
    request = _request(corpus, tokenizer, splits, shard_bytes)
    try:
        with only_process(out, "out", "prepared"), contextlib.closing(SpanReader()) as reader:
            plan = _resume(out, request)
            shares = _shares(corpus, out, splits, shard_bytes, reader)
            _adapt(tokenizer, plan, shares[0], reader, progress)
            specification = tokenizer.specification()
            if plan is None:
                write_json(out / _WORK / "plan.json", {"request": request, "tokenizer": specification}, indent=1)
            jobs = {
                part: [
                    shard_job.Job(out / f"{part}-{n:05}.bin", out / _WORK / f"{part}-{n:05}.json", spans)
                    for n, spans in enumerate(shards)
                ]
                for part, shards in zip(PARTS, shares)
            }
            _write_all([job for of_part in jobs.values() for job in of_part], tokenizer, processes, reader, progress)
            dtype = dtype_for(tokenizer.vocabulary_size())
            parts = {part: [read_json(job.record) for job in of_part] for part, of_part in jobs.items()}
            manifest = {"format": FORMAT, "version": VERSION, "dtype": dtype, "request": request, "parts": parts}
            write_json(out / MANIFEST, {**manifest, "tokenizer": specification}, indent=1)
            shutil.rmtree(out / _WORK)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        message = (
            f"The disk is full: {str(out)!r} cannot hold all shards. Those that are finished stay; free some space and run "
            "the same again, which goes on"
        )
        raise OSError(error.errno, message) from error


def _request(corpus: Paths | Corpus, tokenizer: Tokenizer, splits: Shares, shard_bytes: int) -> str:
    """What tells one preparation from another."""
    if isinstance(corpus, Corpus):
        source: Any = [hashlib.sha256(getattr(corpus, part).encode()).hexdigest() for part in PARTS]
    else:
        files = [(path.resolve(), path.stat()) for path in checked(corpus)]
        source = [*splits, *([str(path), status.st_size, status.st_mtime_ns] for path, status in files)]
    wanted = [source, shard_bytes, type(tokenizer).__name__, tokenizer.get_config()]
    return hashlib.sha256(json.dumps(wanted, sort_keys=True, default=str).encode()).hexdigest()


def _resume(out: Path, request: str) -> dict[str, Any] | None:
    """What an earlier call for the same left to go on with, or None in a new folder."""
    work, plan = out / _WORK, None
    if (out / MANIFEST).exists():
        manifest = read_manifest(out)
        plan = {"request": manifest.get("request"), "tokenizer": manifest["tokenizer"]}
    elif (work / "plan.json").exists():
        plan = read_json(work / "plan.json")
    elif any(path.name not in (_WORK, LOCK) for path in out.iterdir()):
        raise ValueError(
            f"out must be a new folder, or one to go on with, but {str(out)!r} holds other files. Name a new one."
        )
    if plan is not None and plan["request"] != request:
        raise ValueError(
            f"out must be a new folder, or one to go on with, but {str(out)!r} was prepared from another corpus "
            "(or its files were changed since), or with other options. Repeat those, or name a new folder."
        )
    work.mkdir(exist_ok=True)
    for left in (*out.glob(".incomplete.*"), *work.glob(".incomplete.*")):
        left.unlink()
    if (out / MANIFEST).exists():
        for shards in manifest["parts"].values():
            for shard in shards:
                write_json(work / Path(shard["file"]).with_suffix(".json"), shard, indent=1)
    return plan


def _shares(corpus: Paths | Corpus, out: Path, splits: Shares, shard_bytes: int, reader: SpanReader) -> AllShards:
    if not isinstance(corpus, Corpus):
        return plan_spans([*map(str, checked(corpus))], splits, shard_bytes, reader)

    def share(part: str) -> list[list[Span]]:
        path, content = out / _WORK / f"{part}.txt", getattr(corpus, part).encode()
        if not content:
            return []
        write_stream(path, lambda file: file.write(content))
        return plan_spans([str(path)], (1, 0, 0), shard_bytes, reader)[0]

    return tuple(share(part) for part in PARTS)


def _adapt(
    tokenizer: Tokenizer, plan: dict[str, Any] | None, shards: list[list[Span]], reader: SpanReader, progress: Progress
) -> None:
    try:
        tokenizer.get_vocabulary()
        return
    except ValueError:
        if plan is not None:
            # The tokenizer that was passed is to be as after an uninterrupted call.
            earlier = tokenizer_from_specification(plan["tokenizer"])
            tokenizer.__dict__.update(earlier.__dict__)
            return
    if not shards:
        raise ValueError(
            "tokenizer has no vocabulary, and no part to train on to take it from. Adapt it, or give train a share."
        ) from None
    spans = [span for shard in shards for span in shard]
    total, done = sum(span.end - span.begin for span in spans), 0

    def texts() -> Iterator[bytes]:
        nonlocal done
        for text, _, _ in reader.pieces(spans):
            yield text
            done = min(total, done + len(text))
            progress("Reading the vocabulary", done, total)

    tokenizer.adapt(texts())


def _write_all(
    jobs: list[shard_job.Job], tokenizer: Tokenizer, processes: int, reader: SpanReader, progress: Progress
) -> None:
    total, done = sum(job.num_bytes for job in jobs), 0

    def advance(num_bytes: int, what: str = "Writing shards") -> None:
        nonlocal done
        done = min(total, done + num_bytes)
        progress(what, done, total)

    missing = []
    for job in jobs:
        if _is_finished(job, tokenizer):
            advance(job.num_bytes, "Verifying shards")
        else:
            missing.append(job)
    if processes == 1 or len(missing) < 2:
        for job in missing:
            shard_job.run(job, tokenizer, reader, advance)
        return
    shard_pool.run(missing, tokenizer.specification(), min(processes, len(missing)), advance)


def _is_finished(job: shard_job.Job, tokenizer: Tokenizer) -> bool:
    if not job.record.exists():
        return False
    dtype, size = dtype_for(tokenizer.vocabulary_size()), tokenizer.vocabulary_size()
    try:
        check_shard(job.path.parent, read_json(job.record), dtype, size)
    except (ValueError, FileNotFoundError):
        job.record.unlink()
        return False
    return True

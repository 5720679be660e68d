"""One shard's way from its text to a file of token ids."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, NamedTuple

from kerasrnn._files import write_json, write_stream
from kerasrnn.data.shard_manifest import TYPES, dtype_for
from kerasrnn.data.shard_sources import Span, SpanReader
from kerasrnn.tokenizers import Tokenizer


class Job(NamedTuple):
    """One shard: its file, where the record of its being finished goes, and its text."""

    path: Path
    record: Path
    spans: list[Span]

    @property
    def num_bytes(self) -> int:
        return sum(span.end - span.begin for span in self.spans)


def run(job: Job, tokenizer: Tokenizer, reader: SpanReader, advance: Callable[[int], Any] = lambda num_bytes: None) -> None:
    """Writes the shard and then its record, each whole or not at all.

    Args:
        advance: Called with the number of bytes of text done since the last call.
    """
    dtype = TYPES[dtype_for(tokenizer.vocabulary_size())]

    def write(file: IO[bytes]) -> dict[str, Any]:
        digest, num_tokens, documents = hashlib.sha256(), 0, []
        for text, span, end in reader.pieces(job.spans):
            if span.opens and span not in seen:
                documents.append(num_tokens)
                seen.add(span)
            content = tokenizer.tokenize(text).numpy().astype(dtype).tobytes()
            file.write(content)
            digest.update(content)
            num_tokens += len(content) // int(dtype[-1])
            advance(len(text))
        return {"tokens": num_tokens, "sha256": digest.hexdigest(), "documents": documents}

    seen: set[Span] = set()
    found = write_stream(job.path, write)
    write_json(job.record, {"file": job.path.name, **found}, indent=1)

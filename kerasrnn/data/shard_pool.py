"""Several processes that write shards."""

import concurrent.futures
import contextlib
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator
from typing import Any

from kerasrnn._backend import tf
from kerasrnn.data import shard_job
from kerasrnn.data.shard_sources import SpanReader
from kerasrnn.tokenizers import tokenizer_from_specification

_worker: dict[str, Any] = {}


def run(jobs: list[shard_job.Job], specification: dict[str, Any], processes: int, advance: Callable[[int], Any]) -> None:
    """Does the jobs in so many processes.

    Args:
        specification: The tokenizer's.
        advance: Called with the number of bytes of text done since the last call.

    Raises:
        OSError: If a process is killed; besides whatever a job raises.
    """
    pool = concurrent.futures.ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"), _start, (specification,))
    try:
        with _standard_error_discarded():
            futures = [pool.submit(_run, job) for job in jobs]
        for future in concurrent.futures.as_completed(futures):
            advance(future.result())
    except concurrent.futures.process.BrokenProcessPool as error:
        raise OSError(
            "A process that was writing shards ended unexpectedly: it was killed, perhaps for want of memory, or the main "
            'module cannot be imported (it needs `if __name__ == "__main__":`). What is finished stays; run the same again, '
            "with fewer processes, which goes on."
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


@contextlib.contextmanager
def _standard_error_discarded() -> Iterator[None]:
    # The processes start within submit() and inherit this: TensorFlow's chatter while it loads obeys no log level.
    # Their errors come back as exceptions.
    saved = os.dup(2)
    try:
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)


def _start(specification: dict[str, Any]) -> None:
    # A model that is being trained may need all of the GPU's memory.
    tf.config.set_visible_devices([], "GPU")
    tf.config.threading.set_intra_op_parallelism_threads(1)
    _worker.update(tokenizer=tokenizer_from_specification(specification), reader=SpanReader())
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _run(job: shard_job.Job) -> int:
    shard_job.run(job, **_worker)
    return job.num_bytes


def _end_with_parent() -> None:
    # A process whose parent was killed would wait for its next shard for ever.
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)

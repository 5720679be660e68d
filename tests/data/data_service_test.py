"""Windows behind the tf.data service. Its servers listen on all interfaces, so they get a network of their own."""

import shutil
import subprocess
import sys

import pytest

PROGRAM = """
import subprocess, tempfile
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
import numpy as np
import tensorflow as tf
from tensorflow.data.experimental import service
from kerasrnn.data import (
    Corpus, TokenShards, bucketed_documents, document_streams, prepare_shards, strided_windows, variable_windows
)
from kerasrnn.tokenizers import CharTokenizer

dispatcher = service.DispatchServer()
address = dispatcher.target.split("://")[1]
workers = [service.WorkerServer(service.WorkerConfig(dispatcher_address=address)) for _ in range(2)]

def rows(dataset):
    return sorted(row for _, targets, *_ in dataset.as_numpy_iterator() for row in map(tuple, targets.tolist()))

folder = tempfile.TemporaryDirectory()
prepare_shards(Corpus.from_texts("Call me Ishmael. " * 400), folder.name, CharTokenizer(), shard_bytes=2000)
shards = TokenShards(folder.name)

documents = [list(range(i, i + 3 + i % 7)) for i in range(0, 900, 10)]
for name, make in {
    "strided": lambda epochs: strided_windows(range(5000), None, 8, 10, seed=1, epochs=epochs),
    "variable": lambda epochs: variable_windows(range(5000), None, 8, 20, seed=1, epochs=epochs),
    "streams": lambda epochs: document_streams(documents, None, 2, 5, seed=1, epochs=epochs),
    "bucketed": lambda epochs: bucketed_documents(documents, None, 4, seed=1, epochs=epochs),
}.items():
    served = [make(epochs).apply(service.distribute("distributed_epoch", dispatcher.target)) for epochs in (1, 3)]
    print(name, [rows(dataset) for dataset in served] == [rows(make(1)), rows(make(3))])

for contiguous in (False, True):
    def make(epochs):
        return shards.epochs(8, 10, contiguous=contiguous, seed=1, epochs=epochs)
    dealt, whole = (
        rows(make(epochs).apply(service.distribute(mode, dispatcher.target)))
        for epochs, mode in ((3, "distributed_epoch"), (1, "parallel_epochs"))
    )
    print("streams of shards" if contiguous else "shards", dealt == rows(make(3)), whole == sorted(2 * rows(make(1))))

def share(index):
    return strided_windows(range(5000), None, 8, 10, seed=1, num_shards=2, shard_index=index)

shares = [rows(share(index).apply(service.distribute("parallel_epochs", dispatcher.target))) for index in range(2)]
# Without sharding of its own, the service has each of its two workers give the whole.
print("shares", sorted(sum(shares, [])) == sorted(2 * rows(strided_windows(range(5000), None, 8, 10, seed=1))))
"""


@pytest.mark.slow
def test_each_window_comes_once_behind_the_service():
    isolated = ["unshare", "--net", "--map-root-user"]
    if not shutil.which("unshare") or not shutil.which("ip"):
        pytest.skip("unshare or ip is not installed")
    if subprocess.run([*isolated, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine does not allow unshare --net: no network of its own for the service's servers")
    command = [*isolated, sys.executable, "-c", PROGRAM]
    run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    expected = [f"{name} True" for name in ("strided", "variable", "streams", "bucketed")]
    expected += ["shards True True", "streams of shards True True", "shares True"]
    assert run.stdout.splitlines() == expected, run.stderr

"""What TensorFlow Serving reads beside a SavedModel: requests to warm up with, and its own settings."""

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf

from kerasrnn.export.writers._signature import Signature
from kerasrnn.export.writers._texts import request

WARM_UP_FILE = Path("assets.extra") / "tf_serving_warmup_requests"

# Inputs of generate and score: rows with all that can be switched off, and rows with all of it on.
_ALL_ON = {"temperature": 0.8, "top_k": 5, "top_p": 0.9, "min_p": 0.05, "repetition_penalty": 1.2, "stop": "."}
_PROMPTS = ["", "Once upon a time"]
_TEXTS = {"text": np.array(_PROMPTS, object), **request(_PROMPTS, [{"temperature": 0.0}, _ALL_ON], max_new_tokens=8)}

_MODELS_CONFIG = """\
# For --model_config_file. kerasrnn writes this file once and leaves it alone from then on.
model_config_list {{
  config {{
    name: {name}
    base_path: {base_path}
    model_platform: "tensorflow"
    # The largest version is served; to go back, or to serve two at once, name versions here:
    # model_version_policy {{ specific {{ versions: 1 }} }}
  }}
}}
"""

_BATCHING_PARAMETERS = """\
# For --enable_batching --batching_parameters_file. kerasrnn writes this file once and leaves it alone from then on:
# measure with your own requests, and edit it.

# The rows computed together, and the most that one request may have. A larger matrix product gains little on a CPU.
max_batch_size { value: 64 }

# How long a request waits for others. It is paid by every call, so by every token where a client calls step.
batch_timeout_micros { value: 1000 }

# Where so many batches wait already, a request is refused at once rather than late.
max_enqueued_batches { value: 100 }

# Batches computed at the same time: left out, it is the number of the server's processors.
# num_batch_threads { value: 8 }

# allowed_batch_sizes is left out: it fills batches up with copies of a row, which pays only for compiled (XLA) graphs.

# Padded zeros would be read as tokens, and change the states of step.
pad_variable_length_inputs: false
"""


def warm_up_records(
    folder: Path, signatures: Mapping[str, Signature], samples: Mapping[str, np.ndarray]
) -> list[tuple[str, dict[str, np.ndarray]]]:
    """Writes requests that Serving runs once a model is loaded, so that no client waits for the first run's preparations.

    Serving does not load a version of which a record fails, so run what is returned.

    Args:
        folder: a SavedModel's folder.
        signatures: all that are served, `serving_default` too: each prepares on its own.
        samples: valid inputs of forward, at least 2 rows.

    Returns:
        The requests, two a signature (of 1 row and of all, or one where it takes one number of rows): the signature's name,
        and its inputs.
    """
    rows = len(next(iter(samples.values())))
    requests = [
        (name, _inputs(signature, samples, n))
        for name, signature in signatures.items()
        for n in ((1, rows) if signature.rows is None else (signature.rows,))
    ]
    (folder / WARM_UP_FILE).parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(folder / WARM_UP_FILE)) as writer:
        for name, inputs in requests:
            writer.write(_prediction_log(name, inputs))
    return requests


def _inputs(signature: Signature, samples: Mapping[str, np.ndarray], rows: int) -> dict[str, np.ndarray]:
    values = {}
    for spec in signature.inputs:
        given = samples.get(spec.name, _TEXTS.get(spec.name))
        given = np.zeros((1, *spec.shape[1:])) if given is None else np.asarray(given)  # zeros: a state
        values[spec.name] = np.resize(given[:rows], (rows, *given.shape[1:])).astype(spec.dtype.as_numpy_dtype)
    return values


def _prediction_log(signature_name: str, inputs: Mapping[str, np.ndarray]) -> bytes:
    """A serialised tensorflow.serving.PredictionLog, written by hand: its classes come with tensorflow-serving-api alone."""
    tensors = {name: tf.make_tensor_proto(value).SerializeToString() for name, value in inputs.items()}
    model_spec = _field(3, signature_name.encode())
    entries = [_field(2, _field(1, name.encode()) + _field(2, tensor)) for name, tensor in tensors.items()]
    request = _field(1, model_spec) + b"".join(entries)
    return _field(6, _field(1, request))  # predict_log, and its request


def _field(number: int, content: bytes) -> bytes:
    """One field of a protocol buffer: its number and wire type (2: so many bytes follow), the length, the bytes."""
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    return bytes([value]) if value < 128 else bytes([value & 127 | 128]) + _varint(value >> 7)


def server_files(path: Path, name: str, base_path: str | None = None) -> None:
    """Writes models.config and batching_parameters.txt beside the version folders; files that are there stay as they are.

    Serving takes names that are whole numbers for versions and skips all others.

    Args:
        path: the folder of version folders.
        name: the model's name in requests.
        base_path: that folder as the server sees it; by default /models/<name>, as in TensorFlow's Docker image.
    """
    quoted = {"name": json.dumps(name), "base_path": json.dumps(base_path or f"/models/{name}")}
    files = {"models.config": _MODELS_CONFIG.format(**quoted), "batching_parameters.txt": _BATCHING_PARAMETERS}
    for file, content in files.items():
        with contextlib.suppress(FileExistsError), (path / file).open("x", encoding="utf-8") as handle:
            handle.write(content)

"""Writes on from a prompt with a language model in TensorFlow Serving, over gRPC. It needs tensorflow-serving-api alone.

    python generate.py --server localhost:8500 --model moby --prompt "Call me " --temperature 0.8 --top-p 0.95 --seed 7
"""

import argparse
import os
import secrets
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import grpc
import tensorflow as tf
from tensorflow_serving.apis.predict_pb2 import PredictRequest
from tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceStub

DTYPES = {
    "prompt": tf.string, "max_new_tokens": tf.int32, "temperature": tf.float32, "top_k": tf.int32, "top_p": tf.float32,
    "min_p": tf.float32, "repetition_penalty": tf.float32, "stop": tf.string, "seed": tf.int64,
}  # fmt: skip


def main() -> None:
    options = vars(parser().parse_args())
    request = PredictRequest()
    request.model_spec.name = options["model"]
    request.model_spec.signature_name = "generate"
    for name, dtype in DTYPES.items():
        # Every input is one value a row; here there is one row.
        request.inputs[name].CopyFrom(tf.make_tensor_proto([options[name]], dtype))
    with grpc.insecure_channel(options["server"]) as channel:
        try:
            response = PredictionServiceStub(channel).Predict(request, timeout=options["timeout"])
        except grpc.RpcError as error:
            sys.exit(f"Error: {options['server']}: {error.code().name}: {error.details()}")
    print(response.outputs["text"].string_val[0].decode())


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="its name in models.config")
    for name, kind, default, meaning in [
        ("server", str, "localhost:8500", "host and port"),
        ("timeout", float, 60.0, "seconds until the call is given up"),
        ("prompt", str, "", "what to go on from; may be empty"),
        ("max-new-tokens", int32, 200, "how many tokens to write"),
        ("temperature", float, 1.0, "below 1 bolder on the likely, above 1 wilder; 0: greedy"),
        ("top-k", int32, 0, "draw from the k most likely only; 0: from all"),
        ("top-p", float, 1.0, "draw from the likeliest that together reach p; 1: from all"),
        ("min-p", float, 0.0, "draw from those this share as likely as the likeliest; 0: from all"),
        ("repetition-penalty", float, 1.0, "above 1, what was written already is less likely"),
        ("stop", str, "", "end before this string"),
    ]:
        parser.add_argument(f"--{name}", type=kind, default=default, help=f"{meaning} (default: {default!r})")
    parser.add_argument("--seed", type=int64, default=secrets.randbits(63), help="the same seed writes the same text")
    return parser


def int32(text: str) -> int:
    return integer(text, 32)


def int64(text: str) -> int:
    return integer(text, 64)


def integer(text: str, bits: int) -> int:
    value = int(text)
    if not -(2 ** (bits - 1)) <= value < 2 ** (bits - 1):
        raise ValueError
    return value


if __name__ == "__main__":
    main()

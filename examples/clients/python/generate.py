"""Writes on from a prompt with an exported language model, with onnxruntime and NumPy and nothing else.

    python generate.py exported/onnx --prompt "Call me " --temperature 0.8 --top-p 0.95 --seed 7
"""

import argparse
import secrets
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from onnxruntime.capi.onnxruntime_pybind11_state import InvalidArgument

DTYPES = {"tensor(string)": np.object_, "tensor(int32)": np.int32, "tensor(int64)": np.int64, "tensor(float)": np.float32}


def main() -> None:
    settings = vars(parser().parse_args())
    session = open_model(settings["folder"] / "generate.onnx")
    # Every input is one value a row; here there is one row.
    inputs = {put.name: np.array([settings[put.name]], DTYPES[put.type]) for put in session.get_inputs()}
    try:
        (text,) = session.run(["text"], inputs)[0]
    except InvalidArgument as error:
        sys.exit(f"Error: {error}")  # the model checks its inputs, and names the one that is wrong
    print(text)


def open_model(file: Path) -> onnxruntime.InferenceSession:
    if not file.is_file():
        sys.exit(f"Error: {file}: not there; expected the folder that model.export(folder, format='onnx') wrote")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # errors are raised; they need no log
    return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="what model.export(folder, format='onnx') wrote")
    for name, kind, default, meaning in [
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

"""Weights beyond what one ONNX file can hold: in a file of their own, which the artefact's graphs share."""

import hashlib
from pathlib import Path
from typing import BinaryIO

import onnx

from kerasrnn.export._manifest import WEIGHTS_NAME

_LARGEST_FILE = 2**31 - 2**26  # protobuf's limit, less room for the graph
_SMALL = 1024  # bytes; what is smaller stays in the graph
_PAGE = 4096  # bytes; where weights begin at a multiple of them, they can be mapped into memory


def too_large(num_bytes: int) -> bool:
    """Whether so many bytes of weights do not fit into an ONNX file."""
    return num_bytes > _LARGEST_FILE


def weight_bytes(model: onnx.ModelProto) -> int:
    """The size of a graph's weights."""
    return sum(len(weight.raw_data) for weight in model.graph.initializer)


class WeightsFile:
    """The weights of graphs that are too large with them; the same weights of several graphs are stored once.

    Args:
        folder: where the graphs are saved.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._offsets: dict[bytes, int] = {}

    def save(self, model: onnx.ModelProto, name: str) -> None:
        """Saves a graph under its name, and its large weights beside it if it must; they are taken out of it then."""
        if too_large(weight_bytes(model)):
            with (self.folder / WEIGHTS_NAME).open("ab") as file:
                for weight in model.graph.initializer:
                    if len(weight.raw_data) >= _SMALL:
                        self._move(weight, file)
        onnx.save(model, self.folder / name)

    def _move(self, weight: onnx.TensorProto, file: BinaryIO) -> None:
        data = weight.raw_data
        key = hashlib.sha256(data).digest()
        if key not in self._offsets:
            file.write(bytes(-file.tell() % _PAGE))
            self._offsets[key] = file.tell()
            file.write(data)
        weight.ClearField("raw_data")
        weight.data_location = onnx.TensorProto.EXTERNAL
        for field, value in (("location", WEIGHTS_NAME), ("offset", self._offsets[key]), ("length", len(data))):
            weight.external_data.add(key=field, value=str(value))

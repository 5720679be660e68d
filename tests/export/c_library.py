"""Runs a SavedModel in TensorFlow's C library, the loader and session that TensorFlow Serving is built on, from a
process that never imports TensorFlow.

    python c_library.py SAVED_MODEL < calls.json > answers.json

A call is {"signature": name, "inputs": {name: {"dtype": "int32", "shape": [2], "values": [1, 2]}}}, values in one flat
list; an answer {"outputs": {name: …the same}} or {"error": message}.
"""

import ctypes
import importlib.util
import json
import math
import sys
from contextlib import contextmanager
from ctypes import POINTER, c_char_p, c_int, c_int64, c_size_t, c_void_p
from pathlib import Path

import numpy as np

NUMBERS = {"float32": 1, "int32": 3, "string": 7, "int64": 9, "bool": 10}  # TF_DataType
NAMES = {number: name for name, number in NUMBERS.items()}
STRING_BYTES = 24  # of a TF_TString: its characters where they fit, or else where they are


class Buffer(ctypes.Structure):
    _fields_ = [("data", c_void_p), ("length", c_size_t), ("deallocator", c_void_p)]


class Port(ctypes.Structure):
    """An operation's n-th output: TF_Output."""

    _fields_ = [("operation", c_void_p), ("index", c_int)]


# Each function's result and arguments.
FUNCTIONS = {
    "TF_NewStatus": (c_void_p, []),
    "TF_GetCode": (c_int, [c_void_p]),
    "TF_Message": (c_char_p, [c_void_p]),
    "TF_NewBuffer": (POINTER(Buffer), []),
    "TF_NewGraph": (c_void_p, []),
    "TF_NewSessionOptions": (c_void_p, []),
    "TF_LoadSessionFromSavedModel": (
        c_void_p, [c_void_p, c_void_p, c_char_p, POINTER(c_char_p), c_int, c_void_p, POINTER(Buffer), c_void_p],
    ),
    "TF_SessionRun": (
        None, [c_void_p, c_void_p, POINTER(Port), POINTER(c_void_p), c_int, POINTER(Port), POINTER(c_void_p), c_int,
               c_void_p, c_int, c_void_p, c_void_p],
    ),
    "TF_GraphOperationByName": (c_void_p, [c_void_p, c_char_p]),
    "TF_AllocateTensor": (c_void_p, [c_int, POINTER(c_int64), c_int, c_size_t]),
    "TF_DeleteTensor": (None, [c_void_p]),
    "TF_TensorData": (c_void_p, [c_void_p]),
    "TF_TensorByteSize": (c_size_t, [c_void_p]),
    "TF_TensorType": (c_int, [c_void_p]),
    "TF_NumDims": (c_int, [c_void_p]),
    "TF_Dim": (c_int64, [c_void_p, c_int]),
    "TF_StringInit": (None, [c_void_p]),
    "TF_StringCopy": (None, [c_void_p, c_char_p, c_size_t]),
    "TF_StringGetDataPointer": (c_void_p, [c_void_p]),
    "TF_StringGetSize": (c_size_t, [c_void_p]),
}  # fmt: skip


def load_library():
    (folder,) = importlib.util.find_spec("tensorflow").submodule_search_locations  # found, not imported
    library = ctypes.CDLL(str(Path(folder) / "libtensorflow_cc.so.2"))
    for name, (result, arguments) in FUNCTIONS.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


class SavedModel:
    def __init__(self, folder: str) -> None:
        self.tf = load_library()
        self.graph, meta_graph = self.tf.TF_NewGraph(), self.tf.TF_NewBuffer()
        options, tags = self.tf.TF_NewSessionOptions(), (c_char_p * 1)(b"serve")
        with self.checked() as status:
            self.session = self.tf.TF_LoadSessionFromSavedModel(
                options, None, folder.encode(), tags, len(tags), self.graph, meta_graph, status
            )
        self.signatures = signatures(ctypes.string_at(meta_graph.contents.data, meta_graph.contents.length))

    @contextmanager
    def checked(self):
        """Gives a TF_Status, and raises what it says at the end."""
        status = self.tf.TF_NewStatus()
        yield status
        if self.tf.TF_GetCode(status) != 0:
            raise RuntimeError(self.tf.TF_Message(status).decode(errors="replace"))

    def run(self, signature: str, inputs: dict) -> dict:
        expected, outputs = self.signatures[signature]
        if set(inputs) != set(expected):
            raise RuntimeError(f"inputs: expected {sorted(expected)}; received {sorted(inputs)}")
        given = (c_void_p * len(inputs))(*(self.to_tensor(**value) for value in inputs.values()))
        results = (c_void_p * len(outputs))()
        ports_in, ports_out = self.ports(expected[name] for name in inputs), self.ports(outputs.values())
        with self.checked() as status:
            self.tf.TF_SessionRun(
                self.session, None, ports_in, given, len(inputs), ports_out, results, len(outputs), None, 0, None, status
            )
        values = {name: self.from_tensor(tensor) for name, tensor in zip(outputs, results)}
        for tensor in [*given, *results]:
            self.tf.TF_DeleteTensor(tensor)
        return values

    def ports(self, names):
        """Of tensors, from names as in "operation:0"."""
        parts = [name.split(":") for name in names]
        operations = [self.tf.TF_GraphOperationByName(self.graph, operation.encode()) for operation, _ in parts]
        return (Port * len(parts))(*(Port(operation, int(index)) for operation, (_, index) in zip(operations, parts)))

    def to_tensor(self, dtype: str, shape: list, values: list) -> int:
        is_string = dtype == "string"
        data = b"" if is_string else np.array(values, dtype).tobytes()
        size = STRING_BYTES * len(values) if is_string else len(data)
        tensor = self.tf.TF_AllocateTensor(NUMBERS[dtype], (c_int64 * len(shape))(*shape), len(shape), size)
        address = self.tf.TF_TensorData(tensor) or 0
        ctypes.memmove(address, data, len(data))
        for i, text in enumerate(values if is_string else []):
            string, content = address + i * STRING_BYTES, text.encode()
            self.tf.TF_StringInit(string)
            self.tf.TF_StringCopy(string, content, len(content))
        return tensor

    def from_tensor(self, tensor: int) -> dict:
        tf, dtype = self.tf, NAMES[self.tf.TF_TensorType(tensor)]
        shape = [tf.TF_Dim(tensor, i) for i in range(tf.TF_NumDims(tensor))]
        address = tf.TF_TensorData(tensor) or 0
        if dtype == "string":
            strings = [address + i * STRING_BYTES for i in range(math.prod(shape))]
            values = [ctypes.string_at(tf.TF_StringGetDataPointer(s), tf.TF_StringGetSize(s)).decode() for s in strings]
        else:
            values = np.frombuffer(ctypes.string_at(address, tf.TF_TensorByteSize(tensor)), dtype).tolist()
        return {"dtype": dtype, "shape": shape, "values": values}


def signatures(meta_graph: bytes) -> dict:
    """Each signature's inputs and outputs, from their names to those of tensors, out of a serialised MetaGraphDef."""

    def entries(message, number):
        """A map field's keys and values."""
        for entry_number, entry in fields(message):
            if entry_number == number:
                entry = dict(fields(entry))
                yield entry[1].decode(), entry[2]

    return {
        name: [{key: dict(fields(info))[1].decode() for key, info in entries(signature, number)} for number in (1, 2)]
        for name, signature in entries(meta_graph, 5)
    }


def fields(message: bytes):
    """The fields of a serialised protocol buffer: numbers, and contents as bytes or integers."""

    def varint():
        nonlocal position
        value = shift = 0
        while True:
            byte = message[position]
            position += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    position = 0
    while position < len(message):
        tag = varint()
        number, wire_type = tag >> 3, tag & 7
        if wire_type == 0:
            yield number, varint()
            continue
        length = varint() if wire_type == 2 else {1: 8, 5: 4}[wire_type]
        yield number, message[position : position + length]
        position += length


def main() -> None:
    model, answers = SavedModel(sys.argv[1]), []
    for call in json.load(sys.stdin):
        try:
            answers.append({"outputs": model.run(**call)})
        except RuntimeError as error:
            answers.append({"error": str(error)})
    if "tensorflow" in sys.modules:
        raise RuntimeError("this process has imported TensorFlow")
    json.dump(answers, sys.stdout)


if __name__ == "__main__":
    main()

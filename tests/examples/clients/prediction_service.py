"""A small stand-in for TensorFlow Serving: its real protocol, its rules for versions and inputs, nothing batched."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import grpc
import tensorflow as tf
from tensorflow_serving.apis.predict_pb2 import PredictRequest, PredictResponse
from tensorflow_serving.apis.prediction_service_pb2_grpc import (
    PredictionServiceServicer,
    add_PredictionServiceServicer_to_server,
)

CODES = {code.value[0]: code for code in grpc.StatusCode}  # gRPC and TensorFlow number their errors alike


class PredictionService(PredictionServiceServicer):
    def __init__(self, base_paths: Mapping[str, Path]) -> None:
        """base_paths: each model's folder of version folders, as in models.config."""
        self.base_paths, self.loaded = base_paths, {}

    def Predict(self, request: PredictRequest, context: grpc.ServicerContext) -> PredictResponse:
        spec = request.model_spec
        version = self.version(spec, context)
        function = self.function(spec, version, context)
        expected = function.structured_input_signature[1]
        if set(request.inputs) != set(expected):
            message = f"input size does not match signature: received {sorted(request.inputs)}, expected {sorted(expected)}"
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, message)
        for name, tensor in request.inputs.items():
            if tensor.dtype != expected[name].dtype:
                dtype = tf.as_dtype(tensor.dtype).name
                message = f"Expects {name} to be {expected[name].dtype.name} but {dtype} is provided"
                context.abort(grpc.StatusCode.INVALID_ARGUMENT, message)
        try:
            outputs = function(**{name: tf.constant(tf.make_ndarray(tensor)) for name, tensor in request.inputs.items()})
        except tf.errors.OpError as error:
            context.abort(CODES[error.error_code], error.message)
        response = PredictResponse()
        response.model_spec.name, response.model_spec.version.value = spec.name, version
        response.model_spec.signature_name = spec.signature_name or "serving_default"
        for name in request.output_filter or outputs:
            response.outputs[name].CopyFrom(tf.make_tensor_proto(outputs[name].numpy()))
        return response

    def version(self, spec, context) -> int:
        """The one asked for, or the largest: whatever folder has an integer for its name is a version."""
        path = self.base_paths.get(spec.name)
        versions = [int(p.name) for p in path.iterdir() if p.name.isdecimal()] if path else []
        wanted = spec.version.value if spec.HasField("version") else max(versions, default=0)
        if wanted not in versions:
            message = f"Servable not found for request: {spec.name}, version {wanted or 'latest'}"
            context.abort(grpc.StatusCode.NOT_FOUND, message)
        return wanted

    def function(self, spec, version: int, context):
        path, name = self.base_paths[spec.name] / str(version), spec.signature_name or "serving_default"
        if path not in self.loaded:
            self.loaded[path] = tf.saved_model.load(path)
        if name not in self.loaded[path].signatures:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, f'Serving signature key "{name}" not found.')
        return self.loaded[path].signatures[name]


@contextmanager
def serve(base_paths: Mapping[str, Path]) -> Iterator[str]:
    """Serves models on a free port of this machine alone; gives host:port."""
    server = grpc.server(ThreadPoolExecutor(max_workers=4))
    add_PredictionServiceServicer_to_server(PredictionService(base_paths), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(grace=None).wait()

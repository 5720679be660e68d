"""What Serving reads beside a SavedModel, parsed with its own protocol buffers."""

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format, wrappers_pb2
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

from kerasrnn.export.writers._plain_tensorflow import plain_tensorflow
from kerasrnn.export.writers._samples import samples_for
from kerasrnn.export.writers._serving import WARM_UP_FILE, _field, server_files, warm_up_records
from kerasrnn.export.writers._signature import Signature
from kerasrnn.export.writers._signatures import signatures_of


@pytest.fixture(scope="module")
def written(model, tmp_path_factory):
    """A language model's requests: as returned, and as Serving reads them."""
    folder = tmp_path_factory.mktemp("saved_model")
    signatures = signatures_of(model)
    samples = samples_for(model, signatures["forward"], None)
    requests = warm_up_records(folder, {"serving_default": signatures["generate"], **signatures}, samples)
    records = [record.numpy() for record in tf.data.TFRecordDataset(str(folder / "assets.extra/tf_serving_warmup_requests"))]
    return requests, records


def test_the_file_is_where_serving_looks_for_it():
    assert WARM_UP_FILE.as_posix() == "assets.extra/tf_serving_warmup_requests"


def test_every_signature_is_warmed_up_with_one_row_and_with_more(written):
    requests, records = written
    names = [PredictionLog.FromString(record).predict_log.request.model_spec.signature_name for record in records]
    assert names == [name for name in ("serving_default", "forward", "step", "generate", "score") for _ in range(2)]
    assert len(records) <= 1000
    for (_, one), (_, more) in zip(requests[::2], requests[1::2]):
        assert {len(value) for value in one.values()} == {1}
        assert {len(value) for value in more.values()} == {3}


def test_records_are_what_serving_writes(written):
    requests, records = written
    for (name, inputs), record in zip(requests, records, strict=True):
        log = PredictionLog()
        request = log.predict_log.request
        request.model_spec.signature_name = name
        for key, value in inputs.items():
            request.inputs[key].CopyFrom(tf.make_tensor_proto(value))
        parsed = PredictionLog.FromString(record)
        assert parsed == log
        assert len(record) == log.ByteSize()
        for key, value in inputs.items():
            np.testing.assert_array_equal(_decoded(parsed.predict_log.request.inputs[key]), value)


def _decoded(tensor):
    array = tf.make_ndarray(tensor)
    return np.array([text.decode() for text in array], object) if array.dtype == object else array


@pytest.mark.parametrize("size", [0, 1, 127, 128, 16_383, 16_384, 3_000_000])
def test_a_field_of_any_length_is_read(size):
    assert wrappers_pb2.BytesValue.FromString(_field(1, bytes(size))).value == bytes(size)


def test_the_exported_model_answers_every_request(written, saved_model_folder):
    with plain_tensorflow(saved_model_folder) as served:
        for name, inputs in written[0]:
            rows = len(next(iter(inputs.values())))
            outputs = served.call(name, inputs)
            assert {len(value) for value in outputs.values()} == {rows}
            assert all(np.isfinite(value).all() for value in outputs.values() if value.dtype.kind == "f")


def test_an_input_of_any_model_is_warmed_up_with_the_samples(tmp_path):
    # The names of generate's inputs mean nothing in another model.
    inputs = [tf.TensorSpec((None, None, 2), tf.float32, "temperature"), tf.TensorSpec((None,), tf.bool, "stop")]
    samples = {"temperature": np.arange(24.0, dtype=np.float32).reshape(3, 4, 2), "stop": np.array([True, False, True])}
    (_, one), (_, more) = warm_up_records(tmp_path, {"forward": Signature(dict, inputs, ["y"])}, samples)
    np.testing.assert_array_equal(one["temperature"], samples["temperature"][:1])
    np.testing.assert_array_equal(more["stop"], samples["stop"])


def test_server_files_name_the_model_and_the_path_that_the_server_sees(tmp_path):
    server_files(tmp_path, "moby")
    (config,) = _model_configs(tmp_path)
    assert (config.name, config.base_path, config.model_platform) == ("moby", "/models/moby", "tensorflow")
    assert config.model_version_policy.WhichOneof("policy_choice") is None


def test_the_proposed_version_policy_is_one_that_serving_reads(tmp_path):
    server_files(tmp_path, 'a "name" \\ with \N{GREEK SMALL LETTER OMEGA}', base_path="/elsewhere")
    path = tmp_path / "models.config"
    path.write_text(path.read_text().replace("# model_version_policy", "model_version_policy"))
    (config,) = _model_configs(tmp_path)
    assert config.model_version_policy.specific.versions == [1]
    assert (config.name, config.base_path) == ('a "name" \\ with \N{GREEK SMALL LETTER OMEGA}', "/elsewhere")


def _model_configs(folder):
    return text_format.Parse((folder / "models.config").read_text(), ModelServerConfig()).model_config_list.config


def test_batching_parameters_are_read_and_fit_together(tmp_path):
    server_files(tmp_path, "moby")
    parameters = text_format.Parse((tmp_path / "batching_parameters.txt").read_text(), _batching_parameters())
    assert parameters.max_batch_size.value >= 3  # the rows of a warm-up record
    assert parameters.batch_timeout_micros.value <= 10_000
    assert parameters.max_enqueued_batches.value > 0
    assert not parameters.HasField("num_batch_threads")
    assert not parameters.allowed_batch_sizes
    assert not parameters.pad_variable_length_inputs


def _batching_parameters():
    """tensorflow.serving.BatchingParameters, of session_bundle_config.proto, which tensorflow-serving-api leaves out."""
    wrapped = ["max_batch_size", "batch_timeout_micros", "max_enqueued_batches", "num_batch_threads"]
    file = descriptor_pb2.FileDescriptorProto(name="batching.proto", syntax="proto3")
    file.dependency.append(wrappers_pb2.DESCRIPTOR.name)
    message = file.message_type.add(name="BatchingParameters")
    for number, name in enumerate(wrapped, 1):
        message.field.add(name=name, number=number, label=1, type=11, type_name=".google.protobuf.Int64Value")
    message.field.add(name="allowed_batch_sizes", number=6, label=3, type=3)
    message.field.add(name="pad_variable_length_inputs", number=7, label=1, type=8)
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(wrappers_pb2.DESCRIPTOR.serialized_pb)
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("BatchingParameters"))()


def test_files_that_are_there_stay_as_they_are(tmp_path):
    (tmp_path / "models.config").write_text("mine")
    server_files(tmp_path, "moby")
    server_files(tmp_path, "other")
    assert (tmp_path / "models.config").read_text() == "mine"
    assert "max_batch_size" in (tmp_path / "batching_parameters.txt").read_text()


def test_serving_takes_none_of_the_files_for_a_version(tmp_path):
    server_files(tmp_path, "moby")
    (tmp_path / ".1.x.incomplete").mkdir()
    (tmp_path / "12").mkdir()
    # FileSystemStoragePathSource: a version is a name that reads as a 64-bit integer.
    assert [path.name for path in tmp_path.iterdir() if path.name.lstrip("+-").isdecimal()] == ["12"]

import random
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kerasrnn._backend import tf
from kerasrnn.data import read_tfrecord


def example(**features: bytes) -> bytes:
    lists = {name: tf.train.Feature(bytes_list=tf.train.BytesList(value=[value])) for name, value in features.items()}
    return tf.train.Example(features=tf.train.Features(feature=lists)).SerializeToString()


def write_tfrecord(path: Path, records, compression=None) -> Path:
    with tf.io.TFRecordWriter(str(path), compression) as writer:
        for record in records:
            writer.write(record)
    return path


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@given(texts=st.lists(st.text(max_size=20), min_size=1, max_size=80), compression=st.sampled_from([None, "GZIP"]))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_each_value_is_a_document(tmp_path, texts, compression):
    path = write_tfrecord(tmp_path / "records", (example(n=b"1", body=text.encode()) for text in texts), compression)
    documents = read_tfrecord(path, "body")
    assert list(documents) == list(documents) == texts


@pytest.mark.parametrize("left", [1, 7, 8, 11, 12, 25, 39])
def test_a_tfrecord_cut_anywhere_but_between_records_is_refused(tmp_path, left):
    content = write_tfrecord(tmp_path / "good", [example(text=b"%08d" % number) for number in range(3)]).read_bytes()
    stream = iter(read_tfrecord(write(tmp_path / "bad", content[: 2 * len(content) // 3 + left])))
    assert [next(stream), next(stream)] == ["00000000", "00000001"]
    with pytest.raises(ValueError, match="bad'.*(record 3, must be.*truncated|truncated after record 2)"):
        next(stream)


@pytest.mark.parametrize("compression", [None, "GZIP"])
def test_a_damaged_tfrecord_gives_what_precedes_the_damage(tmp_path, compression):
    texts = [random.Random(number).randbytes(50).hex() for number in range(100)]
    records = [example(text=text.encode()) for text in texts]
    content = write_tfrecord(tmp_path / "good", records, compression).read_bytes()
    for end in (len(content) // 2 + 9, len(content) - 1):
        given_before = []
        with pytest.raises(ValueError, match="bad'.*(record [0-9]+.*truncated|truncated after record)") as raised:
            for text in read_tfrecord(write(tmp_path / "bad", content[:end])):
                given_before.append(text)
        assert given_before == texts[: len(given_before)]
        assert int(re.search("record ([0-9]+)", str(raised.value))[1]) in (len(given_before), len(given_before) + 1)
        assert len(given_before) >= 40
    flipped = bytearray(content)
    flipped[len(content) // 2] ^= 1
    with pytest.raises(ValueError, match="bad', record [0-9]+, must be a TFRecord, but is damaged"):
        list(read_tfrecord(write(tmp_path / "bad", bytes(flipped))))


@pytest.mark.parametrize(
    "record, message",
    [
        (b"\xff\xff\xff", "record 2, must be a tf.train.Example"),
        (example(body=b"b", title=b"t"), "record 2, must have the feature 'text', but its features are: 'body', 'title'"),
        (example(text=b"caf\xe9"), "record 2, must be in UTF-8, but the feature 'text' has the byte 0xE9 at offset 3"),
        (
            tf.train.Example(
                features=tf.train.Features(
                    feature={"text": tf.train.Feature(int64_list=tf.train.Int64List(value=[1]))}
                )
            ).SerializeToString(),
            "record 2, must have text in the feature 'text', a bytes_list, but it is int64_list",
        ),
    ],
)
def test_bad_records_are_named(tmp_path, record, message):
    path = write_tfrecord(tmp_path / "bad", [example(text=b"good"), record])
    stream = iter(read_tfrecord(path))
    assert next(stream) == "good"
    with pytest.raises(ValueError, match=f"bad', {message}"):
        next(stream)

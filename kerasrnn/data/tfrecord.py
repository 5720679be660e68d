import gzip
import re
from collections.abc import Iterator
from pathlib import Path

from google.protobuf.message import DecodeError

from kerasrnn._backend import tf
from kerasrnn.data._files import GZIP_ERRORS, Paths, opened, read_each
from kerasrnn.data.documents import Documents

# A record stands between its length (8 bytes) with a checksum (4) and its own checksum (4).
_FRAME = 16
_CHUNK = 1 << 18
_BATCH = 32


def read_tfrecord(paths: Paths, feature: str = "text") -> Documents:
    """Streams one feature of TFRecord files of `tf.train.Example`.

    Files compressed by gzip are unpacked. No more than 32 records are held at a time.

    Args:
        paths: One path or several; they are read in this order.
        feature: The feature that holds the text, in UTF-8: a `bytes_list`, each of whose values is a document.

    Returns:
        `Documents`, which can be iterated again and again.

    Raises:
        FileNotFoundError: If a file does not exist.
        ValueError: While iterating, with the file and the record, counted from 1: if the record is damaged or no
            `tf.train.Example`, lacks the feature, or the feature is not text in UTF-8; or if a file is empty.

    Example:

    >>> import pathlib, tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = pathlib.Path(folder.name, "tales.tfrecord")
    >>> text = tf.train.Feature(bytes_list=tf.train.BytesList(value=[b"Call me Ishmael."]))
    >>> example = tf.train.Example(features=tf.train.Features(feature={"text": text}))
    >>> with tf.io.TFRecordWriter(str(path)) as writer:
    ...     writer.write(example.SerializeToString())
    >>> list(read_tfrecord(path))
    ['Call me Ishmael.']
    >>> folder.cleanup()
    """

    def read(path: Path) -> Iterator[str]:
        with opened(path) as file:
            compressed = isinstance(file, gzip.GzipFile)
        num_records = num_bytes = 0
        try:
            for record in _records(tf.data.TFRecordDataset(str(path), "GZIP" if compressed else None)):
                num_records += 1
                num_bytes += len(record) + _FRAME
                yield from _texts(record, feature, f"{str(path)!r}, record {num_records}")
        except tf.errors.OpError as error:
            reason = re.sub(r"\{\{.*?\}\} | \[Op:.*", "", error.message)
            raise ValueError(
                f"{str(path)!r}, record {num_records + 1}, must be a TFRecord, but is damaged or truncated ({reason}). "
                "Fetch or write the file again."
            ) from error
        _check_end(path, compressed, num_records, num_bytes)

    return read_each(paths, read, f"feature {feature!r}")


def _records(dataset: tf.data.Dataset) -> Iterator[bytes]:
    # Several at a time are several times as fast. Where that fails, one at a time loses nothing that precedes the damage.
    num_given = 0
    try:
        for batch in dataset.batch(_BATCH).as_numpy_iterator():
            yield from batch
            num_given += len(batch)
    except tf.errors.OpError:
        yield from dataset.skip(num_given).as_numpy_iterator()


def _check_end(path: Path, compressed: bool, num_records: int, num_bytes: int) -> None:
    # TensorFlow takes it for the end where a file was cut off in a record's first 12 bytes, or in the last of gzip's.
    reason = ""
    size = path.stat().st_size
    if compressed:
        try:
            with opened(path) as file:
                size = sum(map(len, iter(lambda: file.read(_CHUNK), b"")))
        except GZIP_ERRORS as error:
            reason = str(error)
    if reason or size != num_bytes:
        raise ValueError(
            f"{str(path)!r} is damaged or truncated after record {num_records} "
            f"({reason or f'{size - num_bytes} bytes are left over'}). Fetch or write the file again."
        )


def _texts(record: bytes, feature: str, where: str) -> Iterator[str]:
    try:
        features = tf.train.Example.FromString(record).features.feature
    except DecodeError as error:
        raise ValueError(f"{where}, must be a tf.train.Example, but is not ({error}).") from error
    if feature not in features:
        names = ", ".join(map(repr, sorted(features))) or "none"
        raise ValueError(
            f"{where}, must have the feature {feature!r}, but its features are: {names}. Pass one of them as feature."
        )
    kind = features[feature].WhichOneof("kind")
    if kind != "bytes_list":
        raise ValueError(f"{where}, must have text in the feature {feature!r}, a bytes_list, but it is {kind or 'empty'}.")
    for value in features[feature].bytes_list.value:
        try:
            yield value.decode("utf-8")
        except UnicodeDecodeError as error:
            raise ValueError(
                f"{where}, must be in UTF-8, but the feature {feature!r} has the byte 0x{value[error.start]:02X} at offset "
                f"{error.start}, which is not."
            ) from error

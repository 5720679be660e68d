import csv
import gzip
import json
import os
import random
import re
import threading
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kerasrnn._backend import tf
from kerasrnn.data import (
    Documents,
    _files,
    read_csv,
    read_json_lines,
    read_text,
    read_tfrecord,
)
from kerasrnn.tokenizers import CharTokenizer

texts = st.lists(st.text(max_size=20), min_size=1, max_size=6)
each_chunk_size = pytest.mark.parametrize("chunk", [1, 2, 5, 1 << 18])
same_folder = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def write(path: Path, content: bytes, packed: bool = False) -> Path:
    path.write_bytes(gzip.compress(content, mtime=0) if packed else content)
    return path


@each_chunk_size
@given(lines=st.lists(st.text(max_size=9).filter(lambda line: "\n" not in line), min_size=1), packed=st.booleans())
@same_folder
def test_lines_are_what_stands_between_line_feeds(tmp_path, monkeypatch, chunk, lines, packed):
    monkeypatch.setattr(_files, "_CHUNK", chunk)
    lines[0] = "first" + lines[0]
    lines = [line.rstrip("\r") for line in lines]
    path = write(tmp_path / "text", "\r\n".join([*lines, ""]).encode(), packed)
    documents = read_text(path, by="line", keep_empty=True)
    assert list(documents) == list(documents) == lines
    assert list(read_text(path, by="line")) == [line for line in lines if line]


@each_chunk_size
@given(text=st.text(), encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32-be"]), packed=st.booleans())
@same_folder
def test_a_file_comes_back_as_it_is(tmp_path, monkeypatch, chunk, text, encoding, packed):
    monkeypatch.setattr(_files, "_CHUNK", chunk)
    text = "a" + text  # A byte order mark is not part of the text.
    path = write(tmp_path / "text", text.encode(encoding), packed)
    assert list(read_text(path, encoding=encoding.removesuffix("-sig"))) == [text]


def test_paragraphs(tmp_path):
    path = write(tmp_path / "text", "\ufeff\n \t\none\r\ntwo\r\n\r\n\r\nthree\n\u2028\nfour".encode())
    assert list(read_text(path, by="paragraph")) == ["one\r\ntwo", "three", "four"]


def test_files_come_in_the_order_given(tmp_path):
    first, second = write(tmp_path / "z", b"1\n2"), write(tmp_path / "a.txt.gz", b"3\n\n4\n", packed=True)
    assert list(read_text([first, str(second)], by="line")) == ["1", "2", "3", "4"]
    assert repr(read_text([first, second], by="line")) == "Documents(each line of 2 files)"


@given(texts=texts, packed=st.booleans())
@same_folder
def test_json_lines(tmp_path, texts, packed):
    lines = [json.dumps({"n": 1, "body": text}, ensure_ascii=index % 2 == 0) for index, text in enumerate(texts)]
    path = write(tmp_path / "lines", "\r\n\n".join(lines).encode(), packed)
    assert list(read_json_lines(path, "body")) == texts


@given(texts=texts, dialect=st.sampled_from([(",", '"'), ("\t", "'"), ("|", '"')]), packed=st.booleans())
@same_folder
def test_csv(tmp_path, texts, dialect, packed):
    delimiter, quotechar = dialect
    with open(tmp_path / "plain", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter=delimiter, quotechar=quotechar)
        writer.writerows([["n", "text"], *enumerate(texts)])
    path = write(tmp_path / "csv", (tmp_path / "plain").read_bytes(), packed)
    assert list(read_csv(path, delimiter=delimiter, quotechar=quotechar)) == texts
    assert list(read_csv(path, 1, delimiter=delimiter, quotechar=quotechar)) == ["text", *texts]


def test_csv_without_quotation_marks(tmp_path):
    path = write(tmp_path / "tsv", b'label\ttext\n0\t"Well," she said\n\n1\t5" disk\n')
    assert list(read_csv(path, delimiter="\t", quotechar=None)) == ['"Well," she said', '5" disk']


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("by", ["line", "paragraph"])
def test_memory_does_not_grow_with_the_file(tmp_path, by, packed):
    path = write(tmp_path / "text", b"All this happened, more or less.\n\n" * 150_000, packed)
    tracemalloc.start()
    count = sum(1 for _ in read_text(path, by=by))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 150_000
    assert peak < 3e6 < 150_000 * 34


def test_documents_adapt_a_tokenizer_and_feed_a_dataset(tmp_path):
    documents = read_text(write(tmp_path / "text", b"abc\nabd\n"), by="line")
    tokenizer = CharTokenizer()
    tokenizer.adapt(documents)
    assert {*"abcd"} <= {*tokenizer.get_vocabulary()}
    dataset = tf.data.Dataset.from_generator(documents.__iter__, output_signature=tf.TensorSpec((), tf.string))
    assert [text.decode() for text in dataset.as_numpy_iterator()] == list(documents)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes on this system")
def test_a_pipe_loses_nothing(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=(tmp_path / "pipe").write_bytes, args=[b"one\ntwo"], daemon=True)
    writer.start()
    assert list(read_text(tmp_path / "pipe", by="line")) == ["one", "two"]
    writer.join()


BAD = [
    (read_text, b"", "is empty"),
    (read_text, b"\xef\xbb\xbf", "is empty"),
    (lambda path: read_text(path, by="line"), b"\n\n", "is empty"),
    (read_text, b"one\ncaf\xe9\n", r"UTF-8, but .*bad', line 2, has the byte 0xE9 at offset 7.*encoding='latin-1'"),
    (read_text, b"one\ncaf\xc3", r"bad', line 2, has the byte 0xC3 at offset 7.*unexpected end"),
    (read_text, b"\xffone", r"bad', line 1, has the byte 0xFF at offset 0"),
    (lambda path: read_text(path, encoding="utf-16"), "ab\nc".encode("utf-16")[:-1], "UTF-16, but .*bad', line 2.*offset 8"),
    (read_text, gzip.compress(b"one\ntwo\ncaf\xe9\n", mtime=0), r"line 3, has the byte 0xE9 at offset 11"),
    (read_text, gzip.compress(b"one\n" * 99, mtime=0)[:-9], "gzip file .*bad' is damaged or truncated in line 1"),
    (read_text, gzip.compress(b"one\n" * 99, mtime=0)[:-8] + bytes(8), "is damaged or truncated in line 100 .*CRC"),
    (read_text, gzip.compress(b"one\n", mtime=0)[:10] + b"\xff" * 9, "is damaged or truncated in line 1 .*invalid"),
    (read_text, gzip.compress(b"", mtime=0), "is empty"),
    (read_json_lines, b'{"text": "a"}\n\n{"text": "b"\n', r"bad', line 3, must be JSON, but is '{\"text\": \"b\"' .*jq"),
    (read_json_lines, b'{"text": "a"}\n["b"]', r"bad', line 2, must be a JSON object with the field 'text', but .* list"),
    (read_json_lines, b'{"txt": "a", "n": 1}', r"bad', line 1, must have the field 'text', but its fields are: 'txt', 'n'"),
    (read_json_lines, b'{"text": null}', r"bad', line 1, must have a string .* has None"),
    (read_json_lines, rb'{"text": "\ud83d"}', r"bad', line 1, has the lone surrogate '\\ud83d'"),
    (read_json_lines, b"[" * 200_000, r"bad', line 1, must be JSON"),
    (read_json_lines, b'{"text": "a"}\n{"text": "\xff"}', r"bad', line 2, has the byte 0xFF"),
    (read_json_lines, b"\n", "is empty"),
    (read_csv, b"n,body\n1,a\n", r"bad', line 1, must name the column 'text' once, but has 'n', 'body'"),
    (read_csv, b"text,text\na,b\n", r"line 1, must name the column 'text' once, but has it 2 times"),
    (read_csv, b'n,text\n1,"a\nb"\n2\n', r"bad', line 4, must have 2 fields, as the first row has, but has 1"),
    (read_csv, b"n,text\n1,a\n2,b, c\n", r"bad', line 3, must have 2 fields, .* has 3.*Quote"),
    (read_csv, b'n,text\n1,a\n2,"b\n3,c\n', r"bad', line 3, must be a row of CSV, .*unexpected end of data.*quotechar=None"),
    (read_csv, b"n,text\n1," + b"a" * 200_000, r"bad', line 2, must be a row of CSV, .*field_size_limit"),
    (lambda path: read_csv(path, 2), b"a,b\n", "column must be from 0 to 1, the last one in .*bad', line 1, but is 2"),
    (read_csv, b"n,text\n", "is empty"),
    (read_csv, b"", "is empty"),
    (read_tfrecord, b"", "is empty"),
    (read_tfrecord, b"This is no TFRecord.", "bad', record 1, must be a TFRecord, but is damaged or truncated .corrupted"),
]  # fmt: skip


@pytest.mark.parametrize("reader, content, message", BAD)
def test_bad_content_is_named_by_file_and_line(tmp_path, reader, content, message):
    documents = reader(write(tmp_path / "bad", content))
    with pytest.raises(ValueError, match=message):
        list(documents)


def test_a_truncated_gzip_file_gives_the_lines_that_precede_the_damage(tmp_path):
    lines = [random.Random(number).randbytes(40).hex() for number in range(500)]
    content = gzip.compress("\n".join(lines).encode(), mtime=0)
    stream = iter(read_text(write(tmp_path / "bad", content[: len(content) // 2]), by="line"))
    with pytest.raises(ValueError, match="bad' is damaged or truncated in line (2[0-9][0-9])") as raised:
        for line in lines:
            assert next(stream) == line
            last = line
    number = int(re.search("line ([0-9]+)", str(raised.value))[1])
    assert lines[number - 2] == last


@pytest.mark.parametrize("reader", [read_text, read_json_lines, read_csv, read_tfrecord])
def test_bad_paths_are_found_before_anything_is_read(tmp_path, reader):
    with pytest.raises(FileNotFoundError, match="nowhere' *, in .*does not exist"):
        reader([write(tmp_path / "good", b"a"), tmp_path / "nowhere"])
    with pytest.raises(ValueError, match="is a folder.*glob"):
        reader(tmp_path)
    with pytest.raises(ValueError, match="at least one file"):
        reader([])
    with pytest.raises(TypeError, match="one is None"):
        reader([None])
    with pytest.raises(ValueError, match="compressed by gzip, as its name says, but begins with b'Cal'"):
        list(reader(write(tmp_path / "bad.gz", b"Call me Ishmael")))


def test_an_unreadable_file_is_named(tmp_path, monkeypatch):
    def refuse(path, *args, **kwargs):
        if str(path).endswith("secret"):
            raise PermissionError(13, "Permission denied", str(path))
        return open_(path, *args, **kwargs)

    documents, open_ = read_text(write(tmp_path / "secret", b"a")), open
    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(PermissionError, match="secret' cannot be read.*Permission denied.*permissions"):
        list(documents)


@pytest.mark.skipif(not os.path.exists("/proc/self/mem"), reason="no file that fails when it is read")
def test_a_disk_error_is_named():
    with pytest.raises(OSError, match="'/proc/self/mem' cannot be read.*Input/output error"):
        list(read_text("/proc/self/mem"))


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda path: read_text(path, by="sentence"), "by must be one of .*'sentence'"),
        (lambda path: read_text(path, keep_empty=True), 'keep_empty=True is for by="line" only'),
        (lambda path: read_text(path, encoding="utf-9"), "encoding: expected .*'utf-9'"),
        (lambda path: read_text(path, encoding=None), "encoding: expected .*received None. Pass its name"),
        (lambda path: read_csv(path, encoding=8), "encoding: expected .*received 8. Pass its name"),
        (lambda path: read_csv(path, column=True), "column: expected a column's name, or its number from 0; received True"),
        (lambda path: read_csv(path, column=1.5), "column: expected .*received 1.5"),
        (lambda path: read_text(path, encoding="hex"), "encoding: expected .*'hex'"),
        (lambda path: read_csv(path, delimiter=", "), "delimiter must be one character"),
        (lambda path: read_csv(path, quotechar=""), "quotechar must be one character"),
        (lambda path: read_csv(path, delimiter='"'), "delimiter must differ from quotechar"),
    ],
)
def test_bad_arguments(tmp_path, call, message):
    with pytest.raises(ValueError, match=message):
        call(write(tmp_path / "text", b"a"))


def test_documents_need_a_function():
    with pytest.raises(TypeError, match="read must be a function"):
        Documents(["a"])

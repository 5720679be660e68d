import hashlib
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasrnn.data import (
    TokenShards,
    language_model_dataset,
    shard_windows,
)
from kerasrnn.tokenizers import CharTokenizer


def write_folder(folder, lengths, dtype="uint8", size=256):
    """A folder of shards that hold 0, 1, 2, … (as far as the type reaches)."""
    tokenizer = CharTokenizer(["\ufffd", "\n", *map(chr, range(0x10000, 0x10000 + size - 2))])
    shards, begin = [], 0
    for number, length in enumerate(lengths):
        content = np.arange(begin, begin + length).astype(dtype).tobytes()
        (folder / f"{number}.bin").write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        shards.append({"file": f"{number}.bin", "tokens": length, "sha256": digest, "documents": []})
        begin += length
    manifest = {"format": "kerasrnn token shards", "version": 1, "dtype": dtype, "parts": {"train": shards}}
    (folder / "manifest.json").write_text(json.dumps({**manifest, "tokenizer": tokenizer.specification()}))


def batches(dataset):
    return [*dataset.as_numpy_iterator()]


cases = st.tuples(st.lists(st.integers(0, 30), min_size=1, max_size=5), st.integers(1, 4), st.integers(1, 9)).filter(
    lambda case: sum(case[0]) > case[1] * case[2]
)


@given(cases, st.booleans(), st.booleans(), st.booleans(), st.booleans(), st.integers(0, 99), st.integers(1, 3))
@settings(deadline=None, max_examples=9)
def test_every_window_of_the_partition_once(
    tmp_path_factory, case, shuffle, contiguous, drop_remainder, right_to_left, seed, read_at_once
):
    lengths, batch_size, num_steps = case
    folder = tmp_path_factory.mktemp("shards")
    write_folder(folder, lengths)
    options = (batch_size, num_steps, shuffle, contiguous, seed, drop_remainder, right_to_left)
    step = -1 if right_to_left else 1
    expected = language_model_dataset(np.arange(sum(lengths)), None, *options)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shard_windows, "_BLOCK", read_at_once * num_steps)
        patch.setattr(shard_windows, "_SHUFFLED", 2)
        patch.setattr(shard_windows, "_STREAMED", read_at_once * num_steps)
        patch.setattr(shard_windows, "_READERS", 2 + read_at_once)
        found = TokenShards(folder).dataset(*options)
        assert found.cardinality() == expected.cardinality()
        for _ in range(2):
            got, wanted = batches(found), batches(expected)
            assert [token_ids.shape for token_ids, _ in got] == [token_ids.shape for token_ids, _ in wanted]
            for token_ids, targets in got:
                assert token_ids.dtype == targets.dtype == np.int32
                np.testing.assert_array_equal(token_ids, token_ids[:, :1] + step * np.arange(num_steps))
                np.testing.assert_array_equal(targets, token_ids + step)
            if contiguous or not shuffle:
                assert [token_ids.tolist() for token_ids, _ in got] == [token_ids.tolist() for token_ids, _ in wanted]
            else:
                starts = np.concatenate([token_ids[:, 0] for token_ids, _ in got])
                assert len({*starts}) == len(starts)
                assert len({*(starts % num_steps)}) == 1
                if not drop_remainder:
                    assert sorted(starts) == sorted(np.concatenate([token_ids[:, 0] for token_ids, _ in wanted]))


@pytest.mark.parametrize("dtype, size", [("uint8", 256), ("uint16", 300), ("uint32", 70_000)])
def test_types(tmp_path, dtype, size):
    write_folder(tmp_path, [100, 156], dtype, size)
    shards = TokenShards(tmp_path)
    assert shards.token_ids().tolist() == [*range(256)]
    assert shards.token_ids(99, 102).tolist() == [99, 100, 101]
    for shuffle in (False, True):
        starts = np.concatenate([token_ids[:, 0] for token_ids, _ in batches(shards.dataset(2, 5, shuffle))])
        assert sorted(starts % 5) == [starts[0] % 5] * 51 if not shuffle else len({*starts}) >= 50


def test_a_seed_repeats_the_passes_but_not_the_pass(tmp_path):
    write_folder(tmp_path, [120, 136])

    def passes(seed):
        dataset = TokenShards(tmp_path).dataset(4, 4, seed=seed)
        return [[token_ids[:, 0].tolist() for token_ids, _ in batches(dataset)] for _ in range(3)]

    first = passes(7)
    assert first == passes(7)
    assert first != passes(8)
    assert first[0] != first[1] != first[2]


@pytest.mark.parametrize("contiguous", [False, True])
@pytest.mark.parametrize("shuffle", [False, True])
def test_epochs_can_be_had_again_and_shared(tmp_path, monkeypatch, shuffle, contiguous):
    monkeypatch.setattr(shard_windows, "_BLOCK", 12)
    monkeypatch.setattr(shard_windows, "_STREAMED", 12)
    write_folder(tmp_path, [120, 7, 129])
    shards = TokenShards(tmp_path)

    def starts(batch_size=4, **passes):
        dataset = shards.epochs(batch_size, 4, shuffle, contiguous, seed=7, **passes)
        found = [token_ids[:, 0].tolist() for token_ids, _ in batches(dataset)]
        assert dataset.cardinality() in (len(found), -2)
        return found

    third = starts(epoch=3)
    assert len(third) == shards.epochs(4, 4, shuffle, contiguous).cardinality()
    assert starts(epoch=3, start_batch=5) == third[5:]
    assert starts(epoch=3, epochs=2, start_batch=5) == third[5:] + starts(epoch=4)
    assert (starts(epoch=4) == third) != shuffle
    workers = [starts(2, epoch=3, num_shards=2, shard_index=worker) for worker in range(2)]
    if contiguous:
        assert [left + right for left, right in zip(*workers, strict=True)] == third
    else:
        flat = [start for worker in workers for batch in worker for start in batch]
        assert sorted(flat) == sorted(start for batch in third for start in batch)
    with pytest.raises(ValueError, match="num_shards must be at most|need .* tokens"):
        starts(epoch=0, num_shards=999)


def edit(folder, change):
    manifest = json.loads((folder / "manifest.json").read_text())
    change(manifest)
    (folder / "manifest.json").write_text(json.dumps(manifest))


DAMAGES = [
    (lambda folder: (folder / "1.bin").unlink(), FileNotFoundError, "1.bin' is missing"),
    (lambda folder: (folder / "1.bin").write_bytes(bytes(49)), ValueError, "must have 50 bytes.*has 49: it is truncated"),
    (
        lambda folder: (folder / "1.bin").write_bytes(bytes(50)),
        ValueError,
        "1.bin' must have the SHA-256 checksum .* altered",
    ),
    (lambda folder: edit(folder, lambda m: m.update(version=2)), ValueError, "have version 2.*up to version 1.*Upgrade"),
    (lambda folder: edit(folder, lambda m: m.update(format="x")), ValueError, "must describe token shards"),
    (lambda folder: edit(folder, lambda m: m.pop("parts")), ValueError, "is damaged: its parts"),
    (lambda folder: (folder / "manifest.json").write_text('{"for'), ValueError, "must be JSON, but is damaged"),
    (
        lambda folder: edit(folder, lambda m: m["tokenizer"].update(version=9)),
        ValueError,
        "tokenizer in the manifest.*version 1",
    ),
    (
        lambda folder: edit(folder, lambda m: m["tokenizer"].update(vocabulary=m["tokenizer"]["vocabulary"][:99])),
        ValueError,
        r"ids in \[0, 99\), the range of the manifest's vocabulary, but holds 99",
    ),
]


@pytest.mark.parametrize("damage, error, message", DAMAGES)
def test_damaged_folders(tmp_path, damage, error, message):
    write_folder(tmp_path, [50, 50])
    damage(tmp_path)
    with pytest.raises(error, match=message):
        TokenShards(tmp_path)


def test_another_tokenizer_and_windows_that_are_too_long(tmp_path):
    write_folder(tmp_path, [50, 50])
    with pytest.raises(ValueError, match="a CharTokenizer of 256 tokens, but is a CharTokenizer of 3"):
        TokenShards(tmp_path, tokenizer=CharTokenizer(["\ufffd", "\n", "a"]))
    shards = TokenShards(tmp_path)
    assert len(batches(shards.dataset(1, 99))) == 1
    with pytest.raises(ValueError, match="num_steps=100 and batch_size=32 need 101 tokens.*train has 100"):
        shards.dataset(32, 100)
    with pytest.raises(ValueError, match="batch_size=2 need 101 tokens, for one batch"):
        shards.dataset(2, 50, contiguous=True)
    for name in ("batch_size", "num_steps"):
        with pytest.raises(ValueError, match=f"{name} must be an integer of at least 1"):
            shards.dataset(**{name: 0})
    for seed in ("7", -1):
        for make in (shards.dataset, shards.epochs):
            with pytest.raises(ValueError, match="seed must be an integer of at least 0"):
                make(seed=seed)
    with pytest.raises(ValueError, match="part must be one of"):
        TokenShards(tmp_path, "dev")
    with pytest.raises(ValueError, match="start and stop must be places"):
        shards.token_ids(5, 101)


def test_windows_line_ends_are_never_cut():
    from kerasrnn.data.shard_sources import _last_cut, _next_cut

    content = "\r\n好\r\n".encode()
    assert [_last_cut(content[:size]) for size in (2, 3, 6, 7)] == [2, 2, 5, 5]
    assert _next_cut(content) == 2

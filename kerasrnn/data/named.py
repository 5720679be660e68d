import dataclasses
import hashlib
import importlib.resources
import os
from pathlib import Path

from kerasrnn._backend import keras
from kerasrnn.data import published
from kerasrnn.data.corpus import Corpus


@dataclasses.dataclass(frozen=True)
class _Download:
    path: str
    url: str
    sha256: str


_DOWNLOADS = {
    "time_machine": _Download(
        path="time_machine/timemachine.txt",
        url="https://d2l-data.s3-accelerate.amazonaws.com/timemachine.txt",
        sha256="8424dbd9532ac81f7e5f0b6add90e6952baea29158309d7d1bf3884f4e12c516",
    ),
    "tiny_shakespeare": _Download(
        path="tiny_shakespeare/input.txt",
        url="https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt",
        sha256="86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
    ),
}


def load_corpus(
    name: str, splits: tuple[float, float, float] | None = None, path: str | os.PathLike[str] | None = None
) -> Corpus:
    """Loads a corpus by its name.

    | name | text | characters |
    | --- | --- | --- |
    | `"moby_dick"` | Herman Melville's novel; comes with this package | 1,190,317 |
    | `"time_machine"` | H. G. Wells's novel, as in Dive into Deep Learning | 178,979 |
    | `"tiny_shakespeare"` | 40,000 lines of Shakespeare's plays, as in char-rnn | 1,115,394 |

    The last two are taken from the folder that the environment variable `KERASRNN_DATA` names, or else downloaded
    once into Keras's cache, and verified by their checksums.

    The following are read from where you keep them, in the layout they are published in, and keep their usual parts:

    | name | `path` holds | parts |
    | --- | --- | --- |
    | `"ptb"` | `ptb.train.txt`, `ptb.valid.txt`, `ptb.test.txt` | as published (Mikolov et al., 2010) |
    | `"wikitext2"` | `wiki.train.tokens`, `wiki.valid.tokens`, `wiki.test.tokens` | as published (Merity et al., 2016) |
    | `"text8"` | `text8`, 100,000,000 characters | the first 90, the next 5 and the last 5 million |
    | `"enwik8"` | `enwik8`, 100,000,000 bytes of UTF-8 | the same, counted in bytes |

    `path` may also be the folder above, as the archive unpacks (`simple-examples/data`, `wikitext-2`), or the file
    itself. A cut of enwik8 that would fall inside a character is moved to the character's beginning, at most 3 bytes.

    Args:
        name: One of the names above.
        splits: The shares of train, validation and test: contiguous, in this order, counted in characters; by default
            (0.9, 0.05, 0.05). Not for ptb and wikitext2, whose parts are fixed. For text8 and enwik8 (in bytes) they
            replace the usual parts, and the file may be of any size.
        path: Where the corpus lies; by default the folder of its name in the folder that `KERASRNN_DATA` names.

    Returns:
        A `Corpus`.

    Raises:
        ValueError: If there is no corpus of that name, or a file is not the one expected.
        FileNotFoundError: If a file is not at `path`.
        ConnectionError: If the download fails.

    Example:

    >>> corpus = load_corpus("moby_dick")
    >>> corpus
    Corpus(name='moby_dick', train=1,071,285 characters, validation=59,516 characters, test=59,516 characters)
    >>> corpus.train[22:37]
    'Call me Ishmael'
    """
    if name in published.NAMES:
        folder = os.environ.get("KERASRNN_DATA")
        return published.load(name, splits, Path(folder, name) if path is None and folder else path)
    splits = (0.9, 0.05, 0.05) if splits is None else splits
    if name == "moby_dick" and path is None:
        text = importlib.resources.files("kerasrnn.data").joinpath("moby_dick/moby_dick.txt").read_text("utf-8")
        return Corpus.from_texts(text, splits, name=name)
    if name not in _DOWNLOADS:
        if name == "moby_dick":
            raise ValueError(f"path must be None for 'moby_dick', which comes with this package, but is {str(path)!r}.")
        names = ", ".join(repr(known) for known in ("moby_dick", *_DOWNLOADS, *published.NAMES))
        raise ValueError(
            f"name must be one of {names}, but is {name!r}. For your own text use Corpus.from_files(paths)."
        )
    return Corpus.from_files(_find(name, path), splits, name=name)


def _find(name: str, given: str | os.PathLike[str] | None) -> Path:
    download = _DOWNLOADS[name]
    folder = os.environ.get("KERASRNN_DATA")
    path = Path(folder or "", download.path) if given is None else Path(given)
    if given is not None and path.is_dir():
        path /= Path(download.path).name
    if given is not None and not path.exists():
        raise FileNotFoundError(f"path must name the file of {name!r} or its folder, but {str(path)!r} does not exist.")
    if given is None and (not folder or not path.exists()):
        path = _fetch(name)
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != download.sha256:
        raise ValueError(
            f"The file {str(path)!r} must have the SHA-256 checksum {download.sha256}, but has {found}: "
            f"it is damaged, or another version. Delete it, or replace it by {download.url}."
        )
    return path


def _fetch(name: str) -> Path:
    download = _DOWNLOADS[name]
    try:
        # The checksum is for _find to check: Keras's own error does not tell which one it found, nor in which file.
        return Path(keras.utils.get_file(f"{name}.txt", download.url, cache_subdir="kerasrnn"))
    except Exception as error:  # Keras raises a plain Exception when the network fails.
        raise ConnectionError(
            f"The corpus {name!r} could not be downloaded ({error}). Download {download.url} by other means, save it "
            f"as <folder>/{download.path}, and set the environment variable KERASRNN_DATA to that folder."
        ) from error

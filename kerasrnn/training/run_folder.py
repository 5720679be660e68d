"""The folder of a run: all it takes to resume, evaluate, use and export it."""

import json
import os
import platform
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from kerasrnn import __version__
from kerasrnn._backend import keras, tf
from kerasrnn._files import read_json, write_json, write_whole
from kerasrnn._folder_lock import is_empty
from kerasrnn.data import Corpus
from kerasrnn.models import LanguageModel
from kerasrnn.tokenizers import Tokenizer, tokenizer_from_specification
from kerasrnn.training.corpus_files import checksum, looks_like_a_name, read_corpus
from kerasrnn.training.settings import Settings

VERSION = 1
_CORPUS, _PARTS = "corpus.json", ("train", "validation", "test")
_LARGE = ("vocabulary", "model", "aliases")  # of a tokenizer's specification: tokenizer.json has them


class RunFolder:
    """A folder that `train` wrote.

    | file | what |
    | --- | --- |
    | config.json | the corpus with its checksum, settings, tokenizer, versions, the command |
    | tokenizer.json | the vocabulary |
    | corpus.json | the text, where training was given a `Corpus` |
    | model.keras | the best model by validation loss |
    | history.csv, curves.png | the figures of all complete epochs |
    | backup/ | all that training needs to go on, after the last complete epoch or within one |
    | before_nan.weights.h5 | where loss or gradient became no number: the weights of before that batch |

    Args:
        path: The folder.

    Attributes:
        path: The folder.
        tokenizer_path, model_path, backup_path: What it holds.
        corpus_names: What `read_corpus` takes; nothing where training was given a `Corpus`.
        encoding: How the corpus's files are encoded; None in a run of old, which kept "\\r\\n" as it is.
        checksum: The corpus's SHA-256.
        parameters: How many the model has; None if the run does not say.
        settings: The run's `Settings`.

    Raises:
        FileNotFoundError: If there is no run in the folder.
        ValueError: If its config.json cannot be read.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.tokenizer_path = self.path / "tokenizer.json"
        self.model_path = self.path / "model.keras"
        self.backup_path = self.path / "backup"
        file = self.path / "config.json"
        if not file.is_file():
            raise FileNotFoundError(
                f"{str(self.path)!r} must be a folder that kerasrnn train wrote, but has no config.json."
            )
        try:
            config = read_json(file)
            if config["version"] != VERSION:
                raise ValueError(f"expected version {VERSION}, found {config['version']!r}")
            self.corpus_names: list[str] = config["corpus"]["names"]
            self.encoding: str | None = config["corpus"].get("encoding")
            self.checksum: str = config["corpus"]["sha256"]
            self.settings = Settings(**config["settings"])
            self._parts: list[int] | None = config["corpus"].get("parts")
            self.parameters: int | None = config.get("model", {}).get("parameters")
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(
                f"{str(file)!r} does not describe a run that this kerasrnn can read: {str(error).rstrip('.')}. Train into a new folder."
            ) from error

    @classmethod
    def find(
        cls, path: str | os.PathLike[str], names: Sequence[str], corpus: Corpus, settings: Settings
    ) -> "RunFolder | None":
        """Finds the run in a folder, checked to be one that can go on with this corpus and these settings.

        Args:
            path: The folder.
            names: What `read_corpus` made the corpus from.
            corpus: The corpus.
            settings: The settings.

        Returns:
            The run, or None if the folder is empty, or there is none yet.

        Raises:
            FileExistsError: If the folder holds something else.
            ValueError: If it holds a run with another corpus or other settings; the message lists the differences.
        """
        path = Path(path)
        if (path / "config.json").exists():
            run = cls(path)
            run._check(names, corpus, settings)
            return run
        if path.exists() and not (path.is_dir() and is_empty(path)):
            raise FileExistsError(f"{str(path)!r} must be a new folder or a run's, but holds something else. Name another.")
        return None

    @classmethod
    def write(
        cls,
        path: str | os.PathLike[str],
        names: Sequence[str],
        corpus: Corpus,
        settings: Settings,
        model: LanguageModel,
        encoding: str | None = "utf-8",
        **session: Any,
    ) -> "RunFolder":
        """Writes config.json and tokenizer.json, into a folder that `find` has seen.

        Args:
            path: The folder.
            names: What `read_corpus` made the corpus from.
            corpus: The corpus.
            settings: The settings.
            model: The model with its tokenizer.
            encoding: How the corpus's files are encoded.
            **session: What else to note in config.json; it may differ from time to time.
        """
        specification = model.tokenizer.specification()
        parts = [corpus.train, corpus.validation, corpus.test]
        config = {
            "version": VERSION,
            "corpus": {
                "names": [name if looks_like_a_name(name) else os.path.abspath(name) for name in names],
                "name": corpus.name,
                "characters": sum(map(len, parts)),
                "parts": [*map(len, parts)],
                "sha256": checksum(corpus),
                **({} if encoding is None else {"encoding": encoding}),
            },
            "settings": asdict(settings),
            "tokenizer": {
                **{name: value for name, value in specification.items() if name not in _LARGE},
                "vocabulary_size": len(specification["vocabulary"]),
            },
            "model": {"parameters": model.count_params()},
            "session": session,
            "versions": {
                "kerasrnn": __version__,
                "keras": keras.__version__,
                "tensorflow": tf.__version__,
                "numpy": np.__version__,
                "python": platform.python_version(),
            },
        }
        write_whole(Path(path) / "config.json", lambda file: file.write_text(json.dumps(config, indent=1), encoding="utf-8"))
        run = cls(path)
        if not names:
            write_json(run.path / _CORPUS, {"name": corpus.name, **dict(zip(_PARTS, parts))})
        model.tokenizer.save(run.tokenizer_path)
        return run

    def _check(self, names: Sequence[str], corpus: Corpus, settings: Settings) -> None:
        differences = settings.differences(self.settings)
        if self._differs(corpus):
            differences.insert(0, f"corpus: {_shown(names)}, was {_shown(self.corpus_names)} or its text has changed")
        if differences:
            raise ValueError(
                f"{str(self.path)!r} holds a run with another configuration, which cannot go on with this one "
                f"({'; '.join(differences)}). Repeat the run's own values (epochs may be more), or name another folder."
            )

    def _differs(self, corpus: Corpus) -> bool:
        parts = [len(corpus.train), len(corpus.validation), len(corpus.test)]
        return checksum(corpus) != self.checksum or self._parts not in (None, parts)

    def load_tokenizer(self) -> Tokenizer:
        """Loads the run's tokenizer.

        Raises:
            FileNotFoundError: If none was saved yet.
            ValueError: If its file is damaged.
        """
        if not self.tokenizer_path.is_file():
            raise FileNotFoundError(f"{str(self.path)!r} holds no tokenizer.json: train into a new folder.")
        try:
            return tokenizer_from_specification(read_json(self.tokenizer_path))
        except ValueError as error:
            raise ValueError(
                f"{str(self.tokenizer_path)!r} is damaged: {str(error).rstrip('.')}. Train into a new folder."
            ) from error

    def load_model(self, full_precision: bool = False) -> LanguageModel:
        """Loads the best model.

        Args:
            full_precision: Whether a model that was trained in mixed precision, whose weights are float32 all the same,
                computes in float32 too, as exported models do.

        Raises:
            FileNotFoundError: If none was saved yet.
            ValueError: If its file is damaged.
        """
        if not self.model_path.is_file():
            raise FileNotFoundError(f"{str(self.path)!r} holds no model.keras yet: train until an epoch ends.")
        try:
            model = keras.models.load_model(self.model_path, compile=False)
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise ValueError(f"{str(self.model_path)!r} is damaged: {error}. Move it away, and train on.") from error
        if full_precision and self.settings.mixed_precision:
            trained = model
            model = replace(self.settings, mixed_precision=None).compiled_model(trained.tokenizer, steps_per_epoch=1)
            model.set_weights(trained.get_weights())
        model.compile()
        return model

    def read_corpus(self, names: Sequence[str], encoding: str | None = None) -> Corpus:
        """Reads a corpus as the run's own was read, unless another encoding is given."""
        return read_corpus(names, encoding or self.encoding or "utf-8", keep_line_ends=self.encoding is None)

    def load_corpus(self) -> Corpus:
        """Reads the run's corpus again.

        Raises:
            FileNotFoundError: If a file is no longer there.
            ValueError: If its text has changed.
        """
        if self.corpus_names:
            corpus = self.read_corpus(self.corpus_names)
        else:
            corpus = Corpus(**read_json(self.path / _CORPUS))
        if self._differs(corpus):
            raise ValueError(
                f"The corpus of {str(self.path)!r}, {_shown(self.corpus_names)}, is not the text that the run was "
                f"trained on, or its parts are others: its SHA-256 is {checksum(corpus)}, and was {self.checksum}. "
                "Bring that text back."
            )
        return corpus


def _shown(names: Sequence[str]) -> str:
    return ", ".join(names) or "a Corpus"

"""From a corpus to a trained model in a folder, in one call that can be broken off and repeated."""

import contextlib
import hashlib
import json
import math
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from rich.console import Console

from kerasrnn._backend import keras, tf
from kerasrnn._folder_lock import only_process
from kerasrnn._text_quality import keeps_text
from kerasrnn.data import Corpus
from kerasrnn.training.backup import Backup
from kerasrnn.training.best_model import BestModel
from kerasrnn.training.corpus_files import listed, origin, read_corpus
from kerasrnn.training.curves import Curves
from kerasrnn.training.epoch_seconds import EpochSeconds
from kerasrnn.training.epoch_seed import EpochSeed
from kerasrnn.training.new_tokenizer import adapt, token_ids_of
from kerasrnn.training.out_of_memory import advice_on_memory, check_memory
from kerasrnn.training.progress_bar import ProgressBar
from kerasrnn.training.run_folder import RunFolder
from kerasrnn.training.run_windows import steps_per_epoch, training_windows, validation_windows
from kerasrnn.training.sample_text import SampleText
from kerasrnn.training.settings import Settings
from kerasrnn.training.stop_at_nan import StopAtNaN
from kerasrnn.training.stop_on_interrupt import StopOnInterrupt
from kerasrnn.training.time_limit import TimeLimit

_SAMPLE = 200  # characters, about
_LOOKED_AT = 2**20  # characters of each text, to tell whether tokens keep it
_BACKUP = 60.0  # seconds from one to the next


@dataclass(frozen=True)
class Result:
    """How a training ended.

    Attributes:
        run: The run's folder.
        epochs: How many of its epochs are complete, those of earlier sessions included.
        stopped_by: "interrupt", "time limit", "callback", or None where all epochs are complete.
    """

    run: RunFolder
    epochs: int
    stopped_by: str | None


def train(
    corpus: str | Sequence[str] | Corpus | None,
    folder: str | os.PathLike[str],
    settings: Settings | None = None,
    max_minutes: float | None = None,
    prompt: str | None = "",
    callbacks: Sequence[keras.callbacks.Callback] = (),
    console: Console | None = None,
    command: str | None = None,
    encoding: str | None = None,
) -> Result:
    """Trains a language model, or goes on where the run in the folder was stopped or killed.

    A training that is broken off and repeated gives the weights of one without a break: the optimizer's state and
    place in the schedule come from the backup, and windows and dropout of an epoch depend on the seed and the epoch
    alone. Ctrl-C ends it cleanly, with the best weights saved. See `RunFolder` for what the folder holds.

    One process at a time trains in a folder, which others may read meanwhile. Of the workers of one distributed run
    (`TF_CONFIG`) the chief holds the folder's lock for all. The lock ends with its process, even if that is killed.

    Args:
        corpus: A corpus's name, a folder, or paths of text files: see `read_corpus`; or a `kerasrnn.data.Corpus`,
            which is kept in the run's folder. None for that of the run in the folder.
        folder: The run's folder, new or one to go on with.
        settings: The hyperparameters; the defaults where left out, or without a corpus the run's own.
        max_minutes: How long to train at most, this time.
        prompt: What the sample after each epoch goes on from; None for no samples.
        callbacks: Further callbacks for `fit`.
        console: Where to show progress; the standard output by default.
        command: The command line to note in the run's config.json.
        encoding: How text files are encoded, where no byte order mark tells: that of the run in the folder, or UTF-8.

    Returns:
        How it ended.

    Raises:
        FileExistsError: If the folder holds something else than a run.
        FileNotFoundError: If a file of the corpus does not exist, or none is given and there is no run in the folder.
        ValueError: If the corpus is unknown, unreadable or too short, a setting is outside its range, the run in the
            folder has another configuration, another process trains in the folder, or the loss becomes NaN.
        MemoryError: If memory does not suffice; it says what to lower.

    Example:

    >>> from pathlib import Path
    >>> import rich.console, kerasrnn
    >>> _ = Path("rhyme.txt").write_text("Ring a ring o' roses, a pocket full of posies. " * 40)
    >>> settings = kerasrnn.training.Settings(units=8, layers=1, epochs=1, batch_size=4, num_steps=16)
    >>> result = train("rhyme.txt", "runs/rhyme", settings, console=rich.console.Console(quiet=True))
    >>> result.epochs, result.stopped_by
    (1, None)
    >>> text = result.run.load_model().generate("Ring", max_new_tokens=20)
    """
    there = RunFolder(folder) if corpus is None or os.path.exists(os.path.join(folder, "config.json")) else None
    if isinstance(corpus, Corpus):
        names, texts, encoding = [], corpus, "utf-8"
    elif corpus is None and there:
        names, texts, settings = there.corpus_names, there.load_corpus(), settings or there.settings
        encoding = there.encoding
    else:
        names = listed(corpus)
        texts = there.read_corpus(names, encoding) if there else read_corpus(names, encoding or "utf-8")
        encoding = encoding or (there.encoding if there else "utf-8")
    settings, console = settings or Settings(), console or Console()
    RunFolder.find(folder, names, texts, settings)  # before a lock is put into a folder that holds something else
    with only_process(folder, "folder", "trained") if _is_chief() else contextlib.nullcontext():
        return _train(names, texts, folder, settings, max_minutes, prompt, callbacks, console, command, encoding)


def _is_chief() -> bool:
    """Whether this process answers for the run: the only one, or of several workers the chief."""
    cluster = tf.distribute.cluster_resolver.TFConfigClusterResolver()
    if not cluster.task_type or cluster.task_type == "chief":
        return True
    return cluster.task_type == "worker" and cluster.task_id == 0 and "chief" not in cluster.cluster_spec().jobs


def _train(
    names: list[str],
    texts: Corpus,
    folder: str | os.PathLike[str],
    settings: Settings,
    max_minutes: float | None,
    prompt: str | None,
    callbacks: Sequence[keras.callbacks.Callback],
    console: Console,
    command: str | None,
    encoding: str | None,
) -> Result:
    earlier = RunFolder.find(folder, names, texts, settings)
    if earlier and earlier.tokenizer_path.exists():
        tokenizer = earlier.load_tokenizer()
    else:
        tokenizer = settings.new_tokenizer(texts.name)
        adapt(tokenizer, texts.train, console)
    token_ids, validation_ids = (token_ids_of(tokenizer, part, console) for part in (texts.train, texts.validation))
    batch_size, num_steps = settings.batch_size, settings.num_steps
    try:
        steps = steps_per_epoch(token_ids, settings, settings.seed)
        validation = validation_windows(validation_ids, settings)
    except ValueError as error:
        raise ValueError(
            f"corpus {', '.join(names) or texts.name} with {len(token_ids):,} tokens to train on and {len(validation_ids):,} "
            f"to validate on is too short: {error}"
        ) from error
    characters_per_token = len(texts.train) / len(token_ids)
    keras.utils.set_random_seed(settings.seed)
    is_kept = all(keeps_text(tokenizer, part[:_LOOKED_AT]) for part in (texts.train, texts.validation))
    with advice_on_memory(units=settings.units, layers=settings.layers, vocabulary_size=settings.vocabulary_size):
        check_memory(settings, tokenizer.vocabulary_size())
        model = settings.compiled_model(tokenizer, steps, characters_per_token if is_kept else None)
    interrupt, limit = StopOnInterrupt(console), TimeLimit(math.inf if max_minutes is None else max_minutes)

    run = RunFolder.write(
        folder, names, texts, settings, model, encoding, max_minutes=max_minutes, prompt=prompt, command=command
    )
    of_settings = settings.callbacks()
    identity = {"tokenizer": hashlib.sha256(json.dumps(tokenizer.specification()).encode()).hexdigest()}
    backup = Backup(run.backup_path, every_seconds=_BACKUP, callbacks=[*of_settings, *callbacks], identity=identity)
    first_epoch = backup.restore(model)
    console.print(
        f"{origin(names, texts)}: {len(token_ids):,} tokens to train on, {len(validation_ids):,} to validate on, "
        f"{tokenizer.vocabulary_size():,} in the vocabulary ({settings.tokenizer}); "
        f"{characters_per_token:.2f} characters a token\n"
        f"{settings.layers} × {settings.cell} of {settings.units} units, {model.count_params():,} parameters; "
        f"{settings.epochs} epochs of {steps:,} batches of {batch_size} × {num_steps} tokens",
        soft_wrap=not console.is_terminal,  # which would break lines within words
        highlight=False,
    )
    behind = [f"epoch {first_epoch}"] * bool(first_epoch) + [f"{backup.batches:,} batches"] * bool(backup.batches)
    if behind:
        console.print(f"Going on after {' and '.join(behind)}.")
    sample = [] if prompt is None else [SampleText(prompt, math.ceil(_SAMPLE / characters_per_token), console=console)]
    progress = ProgressBar(batch_size * num_steps, console)
    try:
        advice_on_memory(**asdict(settings))(model.fit)(
            training_windows(token_ids, settings, settings.seed, first_epoch),
            steps_per_epoch=steps,
            validation_data=validation,
            initial_epoch=first_epoch,
            epochs=settings.epochs,
            shuffle=False,
            verbose=0,
            callbacks=[
                interrupt,
                limit,
                StopAtNaN(run.path / "before_nan.weights.h5"),
                EpochSeed(settings.seed),
                *of_settings,
                *callbacks,
                progress,
                EpochSeconds(),
                Curves(run.path),
                BestModel(run.model_path, best=_loss_to_beat(run, validation)),
                backup,
                *sample,
            ],
        )
    finally:
        progress.close()
        interrupt.restore_handlers()
    complete = backup.epochs == settings.epochs
    reasons = {"interrupt": interrupt.interrupted, "time limit": limit.reached, "callback": True}
    return Result(run, backup.epochs, None if complete else next(name for name, holds in reasons.items() if holds))


def _loss_to_beat(run: RunFolder, validation: tf.data.Dataset) -> float:
    """The validation loss of the best model saved so far, measured again: so it cannot disagree with the file."""
    if not run.model_path.exists():
        return math.inf
    return run.load_model().evaluate(validation, verbose=0, return_dict=True)["loss"]

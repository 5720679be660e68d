"""TensorFlow, loaded when a subcommand needs it, without its chatter."""

import contextlib
import importlib
import os
import sys
import warnings
from collections.abc import Iterator

from rich.console import Console


def load_tensorflow() -> None:
    """Imports TensorFlow, which takes seconds: to be called by a subcommand before all else."""
    if "tensorflow" in sys.modules:
        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # TensorFlow's C++ parts write to file descriptor 2 while they load, whatever their log level.
    with Console().status("Loading TensorFlow …"), discarded(2):
        importlib.import_module("kerasrnn._backend")
    import absl.logging

    # Warnings for the authors of libraries, not for who runs the command.
    warnings.simplefilter("ignore", FutureWarning)
    absl.logging.set_verbosity(absl.logging.ERROR)


@contextlib.contextmanager
def discarded(descriptor: int) -> Iterator[None]:
    saved = os.dup(descriptor)
    try:
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), descriptor)
        yield
    finally:
        os.dup2(saved, descriptor)
        os.close(saved)

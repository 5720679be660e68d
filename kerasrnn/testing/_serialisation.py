"""Examinations of what is written down: the configuration, saved models, weights files."""

import inspect
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from kerasrnn._backend import keras
from kerasrnn.testing._examination import Findings, examination
from kerasrnn.testing._subject import Subject


@examination("the configuration makes the same again", "get_config must return what from_config, and so __init__, takes")
def configuration(subject: Subject, findings: Findings) -> None:
    original = subject.original
    config = original.get_config()
    remedy = "return {**super().get_config(), …} with every argument of __init__, and hand **kwargs to super().__init__"
    with findings.attempt("from_config(get_config())", remedy), subject.custom_objects():
        again = _from_config(subject).get_config()
        for name in sorted(config.keys() | again.keys()):
            once, twice = repr(config.get(name, "nothing")), repr(again.get(name, "nothing"))
            findings.require(once == twice, f"{name} after from_config(get_config())", once, twice, remedy)
    if _top_package(type(original).__init__) == "keras":
        return  # keras.layers.LSTM forgets use_cudnn
    for name, parameter in _arguments(type(original)):
        written = name in config or _is_written_when_used(subject, name, parameter.default)
        if written is None and _top_package(type(original).__init__) != "kerasrnn":
            findings.notes.append(f"argument {name} is not in get_config() at its default; no other value could be tried")
        findings.require(
            written is not False, f"argument {name} of __init__", "in get_config()", f"only {sorted(config)}",
            f"keep it as self.{name} and return it from get_config()",
        )  # fmt: skip


def _top_package(defined: Any) -> str:
    return defined.__module__.partition(".")[0]


def _from_config(subject: Subject, **changes: Any) -> Any:
    # Anew each time: from_config may consume its argument.
    return type(subject.original).from_config({**subject.original.get_config(), **changes})


def _arguments(cls: type) -> Iterator[tuple[str, inspect.Parameter]]:
    for name, parameter in inspect.signature(cls.__init__).parameters.items():
        if name != "self" and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            yield name, parameter


def _is_written_when_used(subject: Subject, name: str, default: Any) -> bool | None:
    """Whether an argument that the configuration leaves out is in it at another value; None where no value is taken."""
    if default is inspect.Parameter.empty:
        return False
    for value in (True, 1, 0.5, "tanh"):
        if value != default:
            try:
                changed = _from_config(subject, **{name: value})
            except Exception:  # whatever the class raises at values that it does not take
                continue
            return name in changed.get_config()
    return None


@examination("saved models and weights files give back the same", "Keras must be able to write and read the configuration")
def saving(subject: Subject, findings: Findings) -> None:
    for cls in subject.classes:
        if not _is_registered(cls):
            findings.notes.append(
                f"decorate {cls.__name__} with @keras.saving.register_keras_serializable(): unregistered, its saved models "
                "load only with custom_objects"
            )
    sequences = subject.sequences("float32")
    model = _model(subject)
    expected = model(sequences)
    with tempfile.TemporaryDirectory() as folder:
        with findings.attempt("model.save(….keras) and load_model", saving.remedy):
            model.save(Path(folder) / "model.keras")
            with subject.custom_objects():
                loaded = keras.models.load_model(Path(folder) / "model.keras")
            remedy = "weights made outside of build, or values that are not in the configuration, are lost when saved"
            findings.equal("output of the loaded model", loaded(sequences), expected, 1e-6, remedy)
        with findings.attempt("save_weights and load_weights", saving.remedy):
            model.save_weights(Path(folder) / "model.weights.h5")
            other = _model(subject)
            for weight in other.weights:
                weight.assign(np.zeros(weight.shape))
            other.load_weights(Path(folder) / "model.weights.h5")
            findings.equal("output after load_weights", other(sequences), expected, 1e-6, "create all weights in build")


def _model(subject: Subject) -> Any:
    layer = subject.layer("float32", quiet=False, return_state=False, stateful=False)
    return keras.Sequential([keras.Input((subject.num_steps, subject.features)), layer])


def _is_registered(cls: type) -> bool:
    return _top_package(cls) == "keras" or cls is keras.saving.get_registered_object(
        keras.saving.get_registered_name(cls)
    )

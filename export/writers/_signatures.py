"""What a model offers once exported: its signatures, with the names and types that clients bind by."""

import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kerasrnn.export.writers._forecast_signature import about_forecast, forecast_signature
from kerasrnn.export.writers._masked_samples import masked_samples
from kerasrnn.export.writers._model_io import forward_signature
from kerasrnn.export.writers._rows import rows_explained
from kerasrnn.export.writers._samples import samples_for
from kerasrnn.export.writers._signature import Signature, of_as_many_rows
from kerasrnn.export.writers._streaming import streaming_signature

MAX_NEW_TOKENS = 65_536  # that an exported generate writes for one prompt
TEXT_OUTPUTS = {"generate": ["text", "num_tokens", "log_likelihood"], "score": ["log_likelihood", "num_tokens"]}


def signatures_of(model: keras.Model, input_signature: Any = None, samples: Any = None) -> dict[str, Signature]:
    """The signatures of a built model: forward, step if it is causal, forecast if it draws paths, generate and score of text.

    A language model hands out its states by `state_names` and `call(token_ids, initial_state=…, return_state=True)`, and
    reads text by `text_functions()`. Of any other model the recurrent layers' states are found.

    Args:
        model: the model.
        input_signature: what it takes, where it does not say so itself.
        samples: as the user gave them.

    Raises:
        ValueError: what the model takes is not known or cannot be exported, or it has a stateful layer.
    """
    _check_not_stateful(model)
    if hasattr(model, "state_names"):
        return _language_model_signatures(model)
    forward = forward_signature(model, input_signature)
    with rows_explained(model):
        hard = masked_samples(model, forward, samples_for(model, forward, samples))
        step, forecast = streaming_signature(model, forward, hard), forecast_signature(model)
    if hard is not None and hard.never:
        warnings.warn(
            f"{hard.never[0]}, is given a mask: expected samples with steps that it hides; found none, nor among zeros and other "
            "constants. So masked steps are not verified. If the mask can hide steps, give samples= in which it does",
            stacklevel=2,
        )
    if hard is not None and hard.masked:
        forward = replace(forward, masked=hard.finite())
    if isinstance(step, str):
        forward, step = replace(forward, no_step=step), None
    found = {"forward": forward, "step": step, "forecast": forecast}
    return {name: signature for name, signature in found.items() if signature}


def forward_of(model: keras.Model, input_signature: Any = None) -> Signature:
    """The signature `forward` alone; arguments and errors as in `signatures_of`."""
    _check_not_stateful(model)
    if hasattr(model, "state_names"):
        return _language_model_signatures(model)["forward"]
    return forward_signature(model, input_signature)


def _check_not_stateful(model: keras.Model) -> None:
    for layer in model._flatten_layers():
        if getattr(layer, "stateful", False) and isinstance(layer, keras.layers.RNN):
            raise ValueError(
                f"{layer.name}: expected stateful=False; an exported model is shared by its callers and keeps no state between "
                "calls. Build the model with stateful=False, and hand states in and out (return_state, initial_state)"
            )


def _language_model_signatures(model: Any) -> dict[str, Signature]:
    names = model.state_names
    token_ids = tf.TensorSpec((None, None), tf.int32, name="token_ids")
    first = {name: np.asarray(state)[0] for name, state in zip(names, model.get_initial_state(1))}
    states = [tf.TensorSpec((None, len(value)), value.dtype, name=name) for name, value in first.items()]

    def checked(token_ids: Any) -> Any:
        # ONNX would take −1 for the last token; one too high is an error in every runtime.
        return tf.where(token_ids < 0, model.vocabulary_size, token_ids)

    def forward(token_ids: Any) -> dict[str, Any]:
        return {"logits": model(checked(token_ids), training=False)}

    def step(token_ids: Any, *states: Any) -> dict[str, Any]:
        states = of_as_many_rows(states, names, token_ids, "token_ids")
        logits, new_states = model(checked(token_ids), initial_state=states, return_state=True, training=False)
        return {"logits": logits, **dict(zip(next_names, new_states))}

    next_names = [f"next_{name}" for name in names]
    signatures = {
        "forward": Signature(forward, [token_ids], ["logits"]),
        "step": Signature(step, [token_ids, *states], ["logits", *next_names], states=first),
    }
    for name, (function, inputs) in model.text_functions().items():
        signatures[name] = Signature(_limited(function) if name == "generate" else function, inputs, TEXT_OUTPUTS[name])
    return signatures


def _limited(generate: Callable[..., Any]) -> Callable[..., Any]:
    """One request must not keep a server busy for ever."""

    def limited(prompt: Any, max_new_tokens: Any, *settings: Any) -> dict[str, Any]:
        received = f"max_new_tokens: expected at most {MAX_NEW_TOKENS}; received"
        check = tf.debugging.Assert(tf.reduce_all(max_new_tokens <= MAX_NEW_TOKENS), [received, max_new_tokens])
        with tf.control_dependencies([check]):
            return generate(prompt, tf.identity(max_new_tokens), *settings)

    return limited


def keras_functions(signatures: dict[str, Signature]) -> dict[str, Callable[..., Any]]:
    """The model's own functions, from named arrays to named arrays: what an artefact is compared with."""

    def function(signature: Signature) -> Callable[..., Any]:
        traced = signature.traced()
        names = [spec.name for spec in signature.inputs]
        return lambda inputs: {k: in_python(v.numpy()) for k, v in traced(*(tf.constant(inputs[n]) for n in names)).items()}

    return {name: function(signature) for name, signature in signatures.items()}


def in_python(value: np.ndarray) -> np.ndarray:
    """Strings, which TensorFlow gives as bytes, as Python has them."""
    return np.array([v.decode("utf-8", "replace") for v in value.ravel()], object).reshape(value.shape) if value.dtype == object else value


def interface(signatures: dict[str, Signature]) -> dict[str, Any]:
    """Each signature's inputs with their types and axes, and the names of its outputs."""
    return {
        name: {"inputs": {s.name: (s.dtype.name, s.shape.as_list()) for s in signature.inputs}, "outputs": signature.outputs}
        for name, signature in signatures.items()
    }


def description(
    model: keras.Model, signatures: dict[str, Signature], output_specs: dict[str, list[dict[str, Any]]] | None = None
) -> dict[str, Any]:
    """The manifest's part on what the model is and offers.

    Args:
        model: the model.
        signatures: its entry points by name.
        output_specs: of each entry point the outputs' names, dtypes and shapes, as they were written; None where none are yet.
    """
    tokenizer = getattr(model, "tokenizer", None)
    step = signatures.get("step")
    return {
        "versions": {"keras": keras.__version__, "tensorflow": tf.__version__},
        "model": {"class_name": type(model).__name__, "name": model.name, "parameters": model.count_params()},
        "signatures": {
            name: {
                "inputs": [
                    {"name": spec.name, "dtype": spec.dtype.name, "shape": spec.shape.as_list()} for spec in signature.inputs
                ],
                "outputs": signature.outputs,
                **({"output_specs": output_specs[name]} if output_specs else {}),
            }
            for name, signature in signatures.items()
        },
        "states": [_state(name, first) for name, first in (step.states if step else {}).items()],
        "no_step": signatures["forward"].no_step,
        "vocabulary_size": getattr(model, "vocabulary_size", None),
        "tokenizer": tokenizer.specification() if tokenizer is not None else None,
        **about_forecast(model),
    }


def _state(name: str, first: np.ndarray) -> dict[str, Any]:
    return {"name": name, "size": len(first), **({"initial": first.tolist()} if first.any() else {})}

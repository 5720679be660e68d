"""What a model offers once exported: its signatures, with the names and types that clients bind by."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

MAX_NEW_TOKENS = 65_536  # that an exported generate writes for one prompt
TEXT_OUTPUTS = {"generate": ["text", "num_tokens", "log_likelihood"], "score": ["log_likelihood", "num_tokens"]}


@dataclass(frozen=True)
class Signature:
    """One entry point: `function` maps tensors, in the order of `inputs`, to a dictionary in the order of `outputs`."""

    function: Callable[..., dict[str, Any]]
    inputs: list[tf.TensorSpec]
    outputs: list[str]

    def traced(self) -> Any:
        """As a tf.function of exactly these inputs."""
        return tf.function(self.function, self.inputs)


def signatures_of(model: keras.Model) -> dict[str, Signature]:
    """The signatures of a built model: forward, step where the model hands out its states, generate and score if it reads text.

    A model hands out its states by `state_names` and `call(token_ids, initial_state=…, return_state=True)`, and reads
    text by `text_functions()`, as LanguageModel.

    Raises:
        ValueError: the model is not built, so that its inputs are not known, or has a stateful layer.
    """
    for layer in model._flatten_layers():
        if getattr(layer, "stateful", False) and isinstance(layer, keras.layers.RNN):
            raise ValueError(
                f"{layer.name}: expected stateful=False; an exported model is shared by its callers and keeps no state between "
                "calls. Build the model with stateful=False, and hand states in and out (return_state, initial_state)"
            )
    if hasattr(model, "state_names"):
        return _language_model_signatures(model)
    if not model.built or not getattr(model, "inputs", None):
        raise ValueError(f"{model.name}: expected a built model whose inputs are known; call it once on real input first")
    inputs = [tf.TensorSpec((None, *t.shape[1:]), t.dtype, name=t.name) for t in model.inputs]
    outputs = list(getattr(model, "output_names", None) or [model.layers[-1].name])  # a Sequential has none

    def forward(*tensors: Any) -> dict[str, Any]:
        given = dict(zip((s.name for s in inputs), tensors)) if isinstance(getattr(model, "input", None), dict) else list(tensors)
        results = keras.tree.flatten(model(given if len(tensors) > 1 else tensors[0], training=False))
        return dict(zip(outputs, results))

    return {"forward": Signature(forward, inputs, outputs)}


def _language_model_signatures(model: Any) -> dict[str, Signature]:
    names = model.state_names
    token_ids = tf.TensorSpec((None, None), tf.int32, name="token_ids")
    states = [
        tf.TensorSpec((None, state.shape[-1]), state.dtype, name=name)
        for name, state in zip(names, model.get_initial_state(1))
    ]

    def checked(token_ids: Any) -> Any:
        # ONNX would take −1 for the last token; one too high is an error in every runtime.
        return tf.where(token_ids < 0, model.vocabulary_size, token_ids)

    def forward(token_ids: Any) -> dict[str, Any]:
        return {"logits": model(checked(token_ids), training=False)}

    def step(token_ids: Any, *states: Any) -> dict[str, Any]:
        # A state of one row would broadcast to all. TensorFlow stops at the assertion and optimises the reshape away; of
        # the assertion nothing is left in ONNX, where the reshape fails.
        rows = tf.shape(token_ids)[0]
        checks = [
            tf.debugging.assert_equal(tf.shape(s)[0], rows, f"{name}: expected one row for each row of token_ids")
            for name, s in zip(names, states)
        ]
        with tf.control_dependencies(checks):
            states = [tf.reshape(s, tf.stack([rows, s.shape[-1]])) for s in states]
        logits, new_states = model(checked(token_ids), initial_state=states, return_state=True, training=False)
        return {"logits": logits, **dict(zip(next_names, new_states))}

    next_names = [f"next_{name}" for name in names]
    signatures = {
        "forward": Signature(forward, [token_ids], ["logits"]),
        "step": Signature(step, [token_ids, *states], ["logits", *next_names]),
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


def description(model: keras.Model, signatures: dict[str, Signature]) -> dict[str, Any]:
    """The manifest's part on what the model is and offers."""
    tokenizer = getattr(model, "tokenizer", None)
    return {
        "versions": {"keras": keras.__version__, "tensorflow": tf.__version__},
        "model": {"class_name": type(model).__name__, "name": model.name, "parameters": model.count_params()},
        "signatures": {
            name: {
                "inputs": [
                    {"name": spec.name, "dtype": spec.dtype.name, "shape": spec.shape.as_list()} for spec in signature.inputs
                ],
                "outputs": signature.outputs,
            }
            for name, signature in signatures.items()
        },
        "states": [
            {"name": spec.name, "size": spec.shape[-1]}
            for spec in (signatures["step"].inputs[1:] if "step" in signatures else [])
        ],
        "vocabulary_size": getattr(model, "vocabulary_size", None),
        "tokenizer": tokenizer.specification() if tokenizer is not None else None,
    }

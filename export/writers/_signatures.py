"""What a model offers once exported: its signatures, with the names and types that clients bind by."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf


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
    """The signatures of a built model: forward, and step where the model hands out its states.

    A model does so by `state_names` and `call(token_ids, initial_state=…, return_state=True)`, as LanguageModel.

    Raises:
        ValueError: the model is not built, so that its inputs are not known.
    """
    if hasattr(model, "state_names"):
        return _language_model_signatures(model)
    if not model.built or not getattr(model, "inputs", None):
        raise ValueError(f"{model.name}: expected a built model whose inputs are known; call it once on real input first")
    inputs = [tf.TensorSpec((None, *t.shape[1:]), t.dtype, name=t.name) for t in model.inputs]
    outputs = list(model.output_names)

    def forward(*tensors: Any) -> dict[str, Any]:
        given = dict(zip((s.name for s in inputs), tensors)) if isinstance(model.input, dict) else list(tensors)
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

    def forward(token_ids: Any) -> dict[str, Any]:
        return {"logits": model(token_ids, training=False)}

    def step(token_ids: Any, *states: Any) -> dict[str, Any]:
        logits, new_states = model(token_ids, initial_state=list(states), return_state=True, training=False)
        return {"logits": logits, **dict(zip(next_names, new_states))}

    next_names = [f"next_{name}" for name in names]
    return {
        "forward": Signature(forward, [token_ids], ["logits"]),
        "step": Signature(step, [token_ids, *states], ["logits", *next_names]),
    }


def keras_functions(signatures: dict[str, Signature]) -> dict[str, Callable[..., Any]]:
    """The model's own functions, from named arrays to named arrays: what an artefact is compared with."""

    def function(signature: Signature) -> Callable[..., Any]:
        traced = signature.traced()
        names = [spec.name for spec in signature.inputs]
        return lambda inputs: {k: v.numpy() for k, v in traced(*(tf.constant(inputs[n]) for n in names)).items()}

    return {name: function(signature) for name, signature in signatures.items()}


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

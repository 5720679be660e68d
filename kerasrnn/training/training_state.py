"""All that changes while a model trains, as arrays."""

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from kerasrnn._backend import keras

# What Keras's own callbacks, and BestModel, change from epoch to epoch.
_ATTRIBUTES = ("best", "wait", "best_epoch", "cooldown_counter", "best_weights")


def training_state(model: keras.Model, callbacks: Sequence[keras.callbacks.Callback] = ()) -> dict[str, np.ndarray]:
    """Takes down a model's weights and seeds, its optimizer, metrics, carried states, callbacks and random generators.

    Args:
        model: A compiled model.
        callbacks: Those with `get_state` and `set_state`, such as `NonMonotonicASGD`, and Keras's with a best figure
            so far, such as `EarlyStopping`, are taken down; others are left out.

    Returns:
        Arrays by name: "model/<i>", "optimizer/<i>" and "metrics/<i>" in the order of Keras's lists of variables,
        "carried/<name>", "callbacks/<class> <i>/<name>", "random/<generator>".

    Example:

    >>> import keras
    >>> model = keras.Sequential([keras.layers.Input((1,)), keras.layers.Dense(1)])
    >>> model.compile(keras.optimizers.SGD(), loss="mse")
    >>> state = training_state(model)
    >>> sorted(state)[:4]
    ['metrics/0', 'metrics/1', 'model/0', 'model/1']
    >>> _ = model.layers[0].bias.assign([7.0])
    >>> restore_training_state(model, state)
    >>> float(model.layers[0].bias[0])
    0.0
    """
    state = {
        f"{kind}/{number}": _array(variable)
        for kind, variables in _variables(model).items()
        for number, variable in enumerate(variables)
    }
    if carried := getattr(model, "carried_states", None):
        state |= {f"carried/{name}": value for name, value in carried.get().items()}
    for prefix, callback in _named(callbacks):
        state |= {prefix + name: value for name, value in _of_callback(callback).items()}
    _, numbers, gauss = random.getstate()
    _, keys, *place = np.random.get_state()
    state["random/python"] = np.array([*numbers, np.nan if gauss is None else gauss], "float64")
    state["random/numpy"] = np.array([*keys, *place], "float64")
    return state


def restore_training_state(
    model: keras.Model,
    state: dict[str, np.ndarray],
    callbacks: Sequence[keras.callbacks.Callback] = (),
    kinds: Sequence[str] = ("model", "optimizer", "metrics", "carried", "callbacks", "random"),
) -> None:
    """Puts back what `training_state` took down, or those kinds of it.

    A callback that was not there then stays as it is.

    Raises:
        ValueError: If it is of another model, optimizer or metrics, before anything is changed; or of another callback.
    """
    variables = {kind: of_kind for kind, of_kind in _variables(model).items() if kind in kinds}
    for kind, of_kind in variables.items():
        _check(kind, of_kind, state)
    for kind, of_kind in variables.items():
        for number, variable in enumerate(of_kind):
            variable.assign(state[f"{kind}/{number}"])
    if "carried" in kinds and getattr(model, "carried_states", None):
        model.carried_states.set(_under("carried/", state))
    if "callbacks" in kinds:
        for prefix, callback in _named(callbacks):
            if of_callback := _under(prefix, state):
                _to_callback(callback, of_callback)
    if "random" in kinds:
        *numbers, gauss = state["random/python"]
        random.setstate((3, tuple(map(int, numbers)), None if np.isnan(gauss) else float(gauss)))
        *keys, position, has_gauss, gauss = state["random/numpy"]
        np.random.set_state(("MT19937", np.array(keys, "uint32"), int(position), int(has_gauss), float(gauss)))


def _variables(model: keras.Model) -> dict[str, list[Any]]:
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    return {"model": model.variables, "optimizer": model.optimizer.variables, "metrics": model.metrics_variables}


def _named(callbacks: Sequence[keras.callbacks.Callback]) -> Iterator[tuple[str, keras.callbacks.Callback]]:
    """Callbacks by their class, and counted within it: others may come and go."""
    counts: Counter[str] = Counter()
    for callback in callbacks:
        name = type(callback).__name__
        yield f"callbacks/{name} {counts[name]}/", callback
        counts[name] += 1


def _array(variable: Any) -> np.ndarray:
    value = np.asarray(keras.ops.convert_to_numpy(variable))
    return value.astype("float32") if value.dtype.kind == "V" else value  # bfloat16: no dtype of NumPy's


def _check(kind: str, variables: Sequence[Any], state: dict[str, np.ndarray]) -> None:
    found = [value.shape for value in _in_order(_under(f"{kind}/", state))]
    if len(found) != len(variables):
        raise ValueError(f"it has {len(found)} variables of the {kind}, where there are {len(variables)}")
    for variable, shape in zip(variables, found):
        if tuple(variable.shape) != shape:
            raise ValueError(f"{variable.path!r} has the shape {shape} in it, and {tuple(variable.shape)} in the {kind}")


def _of_callback(callback: keras.callbacks.Callback) -> dict[str, np.ndarray]:
    if hasattr(callback, "get_state"):
        return {name: np.asarray(value) for name, value in callback.get_state().items()}
    state = {}
    for name in _ATTRIBUTES:
        value = getattr(callback, name, None)
        if isinstance(value, list):
            state |= {f"{name}/{number}": np.asarray(item) for number, item in enumerate(value)}
        elif value is not None:
            state[name] = np.asarray(value)
    return state


def _to_callback(callback: keras.callbacks.Callback, state: dict[str, np.ndarray]) -> None:
    if hasattr(callback, "set_state"):
        callback.set_state(state)
        return
    for name in _ATTRIBUTES:
        if several := _under(f"{name}/", state):
            setattr(callback, name, _in_order(several))
        elif name in state:
            setattr(callback, name, state[name].item())


def _under(prefix: str, state: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}


def _in_order(numbered: dict[str, np.ndarray]) -> list[np.ndarray]:
    return [numbered[name] for name in sorted(numbered, key=int)]

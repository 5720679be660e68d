"""Layers from the weights of `torch.nn.LSTM`, `GRU` and `RNN`."""

import inspect
import re
from collections.abc import Mapping
from itertools import product
from typing import Any

import numpy as np

from kerasrnn._backend import keras
from kerasrnn.cells import Cell, LSTMCell
from kerasrnn.layers.gru import GRU
from kerasrnn.layers.lstm import LSTM
from kerasrnn.layers.rnn import RNN
from kerasrnn.layers.simple_rnn import SimpleRNN

_LAYERS = {"LSTM": LSTM, "GRU": GRU, "RNN": SimpleRNN}
_PARAMETER = re.compile(r"(weight_ih|weight_hh|weight_hr|bias_ih|bias_hh)_l(0|[1-9][0-9]*)(_reverse|)")
_DETERMINED = {"units", "cell", "projection", "peepholes", "use_bias", "activation", "recurrent_activation", "reset_after",
               "return_sequences", "go_backwards"}  # fmt: skip


def from_torch(
    weights: Mapping[str, Any], prefix: str = "", nonlinearity: str = "tanh", name: str | None = None, **kwargs: Any
) -> list[keras.layers.Layer]:
    """The layers of a `torch.nn.LSTM`, `GRU` or `RNN`, from its weights: same outputs, states and gradients.

        kernel = weight_ihᵀ        recurrent_kernel = weight_hhᵀ        projection_kernel = weight_hrᵀ

        LSTM    gates i, f, g, o are our i, f, c, o    bias = bias_ih + bias_hh
        GRU     gates r, z, n become our z, r, h       bias = [bias_ih, bias_hh]
        RNN                                            bias = bias_ih + bias_hh

    What is not among torch's weights is not carried over: `batch_first` (here always so) and `dropout` (put
    `keras.layers.Dropout` between the layers; an argument `dropout` is Keras's, on each layer's inputs).

    Args:
        weights: arrays or tensors by torch's names (`weight_ih_l0`, `bias_hh_l1_reverse`, …), as in a `state_dict()`. Kind,
            sizes, depth, directions, bias and projection follow from them.
        prefix: what stands before these names in the `state_dict()` of a whole model, such as "encoder.lstm.".
        nonlinearity: "tanh" or "relu", of a `torch.nn.RNN`.
        name: the layers are called `<name>_l0`, `<name>_l1`, …; by default Keras names them.
        **kwargs: further arguments of every layer (`dtype`, `return_state`, `trainable`, `dropout`, …).

    Returns:
        One built layer for each of torch's, to apply one after the other: (batch, time, features) to (batch, time,
        directions · width). A `kerasrnn.layers.LSTM`, `GRU` or `SimpleRNN`; with a projection an `RNN` of an `LSTMCell`;
        `keras.layers.Bidirectional` around it where torch was.

    Raises:
        TypeError: `weights` is not a mapping.
        ValueError: parameters are missing, unknown, of a wrong shape or no arrays, or another argument does not fit them.

    Example:

    >>> import keras, kerasrnn
    >>> import numpy as np
    >>> state_dict = {
    ...     "weight_ih_l0": np.ones((4 * 8, 3)), "weight_hh_l0": np.ones((4 * 8, 8)),
    ...     "bias_ih_l0": np.zeros(4 * 8), "bias_hh_l0": np.zeros(4 * 8),
    ... }
    >>> model = keras.Sequential([keras.Input((None, 3)), *kerasrnn.layers.from_torch(state_dict)])
    >>> model(np.ones((2, 5, 3))).shape
    TensorShape([2, 5, 8])

    Reference:
        https://docs.pytorch.org/docs/stable/generated/torch.nn.LSTM.html, and those of GRU and RNN.
    """
    if given := sorted(_DETERMINED & kwargs.keys()):
        raise ValueError(f"{', '.join(given)}: expected nothing, as torch's weights determine it; leave it out")
    arrays = _recurrent_arrays(weights, prefix)
    pieces, numbers, suffixes = (sorted({*parts}) for parts in zip(*arrays))
    kind, units, projection = _kind_and_sizes(arrays)
    if nonlinearity not in (("tanh", "relu") if kind == "RNN" else ("tanh",)):
        raise ValueError(
            f"nonlinearity: expected 'tanh' or 'relu' for a torch.nn.RNN, nothing for an LSTM or GRU; "
            f"received {nonlinearity!r} for the weights of a torch.nn.{kind}"
        )
    options = {**kwargs, "use_bias": "bias_ih" in pieces, "return_sequences": True}
    if kind == "RNN":
        options["activation"] = nonlinearity
    features = arrays["weight_ih", 0, ""].shape[1]
    layers = []
    for number in numbers:
        options["name"] = name and f"{name}_l{number}"
        layer = _projected_lstm(units, projection, options) if projection else _LAYERS[kind](units, **options)
        one_way = [layer]
        if len(suffixes) == 2:
            shared = {option: options[option] for option in ("name", "dtype", "trainable") if option in options}
            layer = keras.layers.Bidirectional(layer, **shared)
            one_way = [layer.forward_layer, layer.backward_layer]
        layer.build((None, None, features))
        for suffix, part in zip(suffixes, one_way):
            _set_weights(part.cell, kind, {piece: arrays[piece, number, suffix] for piece in pieces}, f"_l{number}{suffix}")
        layers.append(layer)
        features = len(suffixes) * (projection or units)
    return layers


def _recurrent_arrays(weights: Mapping[str, Any], prefix: str) -> dict[tuple[str, int, str], np.ndarray]:
    """The arrays by the parts of their names, ("weight_ih", 0, "_reverse"): none unknown, none missing."""
    if not isinstance(weights, Mapping):
        raise TypeError(f"weights: expected a mapping of names to arrays, as a module's state_dict(); received {weights!r}")
    matches = {name: _PARAMETER.fullmatch(name, len(prefix)) for name in weights if name.startswith(prefix)}
    if not any(matches.values()):
        found = [re.search(f"{_PARAMETER.pattern}$", name) for name in weights]
        prefixes = sorted({repr(match.string[: match.start()]) for match in found if match})
        remedy = f"prefix={' or '.join(prefixes)}" if prefixes else "the state_dict() of a torch.nn.LSTM, GRU or RNN"
        raise ValueError(f"weights: expected {prefix}weight_ih_l0 and its like; received {[*weights]}. Pass {remedy}")
    if unknown := [name for name, match in matches.items() if not match]:
        raise ValueError(f"weights: expected only weight_ih_l0 and its like after {prefix!r}; leave out {unknown}")
    arrays = {(m[1], int(m[2]), m[3]): _array(name, weights[name]) for name, m in matches.items() if m}
    pieces, numbers, suffixes = ({*parts} for parts in zip(*arrays))
    pieces |= {"weight_ih", "weight_hh"} | ({"bias_ih", "bias_hh"} if pieces & {"bias_ih", "bias_hh"} else set())
    expected = {*product(pieces, range(max(numbers) + 1), suffixes | {""})}
    if missing := [f"{prefix}{piece}_l{number}{suffix}" for piece, number, suffix in sorted(expected - arrays.keys())]:
        raise ValueError(f"weights: expected {missing} too; received {[*matches]}. Pass all parameters of the torch module")
    return arrays


def _array(name: str, value: Any) -> np.ndarray:
    try:
        return np.asarray(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(
            f"weights: expected {name} to be an array, or a tensor that NumPy can read; received {type(value).__name__} "
            f"({error}). Pass tensor.detach().cpu().float() of a tensor"
        ) from error


def _kind_and_sizes(arrays: dict[tuple[str, int, str], np.ndarray]) -> tuple[str, int, int | None]:
    """The kind, the units and the projection's width (or None) that the first layer's shapes say."""
    shapes = {piece: array.shape for (piece, *layer), array in arrays.items() if layer == [0, ""]}
    recurrent, projection = shapes["weight_hh"], shapes.get("weight_hr")
    if all(len(shape) == 2 and all(shape) for piece, shape in shapes.items() if piece.startswith("weight")):
        units = (projection or recurrent)[1]
        kind = {4: "LSTM", 3: "GRU", 1: "RNN"}.get(recurrent[0] / units)
        if kind == "LSTM" or (kind and not projection):
            return kind, units, projection and projection[0]
    raise ValueError(
        "weights: expected weight_ih_l0 of shape (gates · units, features), weight_hh_l0 of (gates · units, units), or "
        "(gates · units, projection) beside weight_hr_l0 of (projection, units), with 4 gates for an LSTM, 3 for a GRU and "
        f"1 for an RNN; received {shapes}. Pass torch's arrays as they are, not transposed"
    )


def _projected_lstm(units: int, projection: int, options: dict[str, Any]) -> RNN:
    of_the_cell = {"implementation", *inspect.signature(Cell).parameters}
    of_both = {"seed", "dtype", "trainable"}
    cell_options = {option: value for option, value in options.items() if option in of_the_cell | of_both}
    layer_options = {option: value for option, value in options.items() if option not in of_the_cell - of_both}
    return RNN(LSTMCell(units, projection=projection, **cell_options), **layer_options)


def _set_weights(cell: Cell, kind: str, arrays: dict[str, np.ndarray], layer: str) -> None:
    kernels = {"weight_ih": cell.kernel, "weight_hh": cell.recurrent_kernel}
    if "weight_hr" in arrays:
        kernels["weight_hr"] = cell.projection_kernel
    for piece, array in arrays.items():
        expected = kernels[piece].shape[::-1] if piece in kernels else cell.kernel.shape[1:]
        if array.shape != expected:
            raise ValueError(
                f"weights: expected {piece}{layer} of shape {expected}, to fit weight_ih_l0 and weight_hh_l0 of a "
                f"torch.nn.{kind} of {cell.units} units; received {array.shape}. Pass torch's arrays as they are"
            )
    if kind == "GRU":
        arrays = {piece: np.concatenate([np.split(array, 3)[gate] for gate in (1, 0, 2)]) for piece, array in arrays.items()}
    for piece, kernel in kernels.items():
        kernel.assign(arrays[piece].T)
    if cell.use_bias:
        biases = [arrays["bias_ih"], arrays["bias_hh"]]
        cell.bias.assign(np.stack(biases) if kind == "GRU" else np.add(*biases))

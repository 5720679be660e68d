"""Which path each recurrent layer of a model takes through time, and what keeps it from a faster one."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from kerasrnn import cells
from kerasrnn import layers as ours
from kerasrnn._backend import keras
from kerasrnn.layers.cudnn import cudnn_obstacles

_DROP_INS = {keras.layers.LSTM: ours.LSTM, keras.layers.GRU: ours.GRU, keras.layers.SimpleRNN: ours.SimpleRNN}
_CELLS = {
    keras.layers.LSTMCell: cells.LSTMCell,
    keras.layers.GRUCell: cells.GRUCell,
    keras.layers.SimpleRNNCell: cells.SimpleRNNCell,
}
_LOOPS = {kind.inner_loop for kind in (ours.RNN, keras.layers.RNN, *_DROP_INS)}
_OF_IMAGES = (keras.layers.ConvLSTM1D, keras.layers.ConvLSTM2D, keras.layers.ConvLSTM3D)


@dataclass(frozen=True)
class LayerPath:
    """The path of one recurrent layer.

    Attributes:
        layer: its name, after those of the layers and models that hold it: "bidirectional/forward_lstm".
        cell: the class of its cell.
        path: "cuDNN", "fused scan", "linear scan" or "plain loop" (Keras's).
        reasons: what keeps it from each faster path, with the remedy where there is one; empty for the fastest.
    """

    layer: str
    cell: str
    path: str
    reasons: tuple[str, ...]


def layer_paths(model: Any) -> list[LayerPath]:
    """The paths of all recurrent layers of a model, of kerasrnn and Keras's own, here and now.

    A step on its own, as in generation, is a single call of the cell on every path; and a batch that cuDNN would abort
    on takes the scan.

    Args:
        model: a model or a layer, built or not.

    Returns:
        One `LayerPath` a layer, in the model's order; a layer that is shared comes once.

    Raises:
        TypeError: it is no model or layer.
        ValueError: it has no recurrent layer.

    Example:

    >>> import keras, kerasrnn
    >>> model = keras.Sequential([kerasrnn.layers.RNN(kerasrnn.cells.MinGRUCell(4)), keras.layers.Dense(2)])
    >>> kerasrnn.diagnostics.layer_paths(model)[0].path
    'linear scan'
    """
    found = recurrent_layers(model)
    return [LayerPath(name, type(layer.cell).__name__, *path_and_reasons(layer)) for name, layer in found.items()]


def recurrent_layers(model: Any) -> dict[str, Any]:
    """The recurrent layers of a model by the names that `LayerPath` gives them.

    Args, Raises: as in `layer_paths`.
    """
    if not isinstance(model, keras.layers.Layer):
        raise TypeError(f"model: expected a Keras model or layer; received a {type(model).__name__}. Load it first")
    found: dict[str, Any] = {}
    for name, layer in _within(model, "", set()):
        number = sum(other.partition(" (")[0] == name for other in found)
        found[f"{name} ({number + 1})" if number else name] = layer
    if not found:
        raise ValueError(
            f"model: expected one with a recurrent layer (a keras.layers.RNN, LSTM, GRU, … or one of kerasrnn.layers); "
            f"{model.name} has none. Give the model that holds it"
        )
    return found


def _within(layer: Any, prefix: str, seen: set[int]) -> Iterator[tuple[str, Any]]:
    if id(layer) in seen:
        return
    seen.add(id(layer))
    if isinstance(layer, keras.layers.RNN):
        yield prefix + layer.name, layer
        return
    within = f"{prefix}{layer.name}/" if len(seen) > 1 else ""
    for inner in layer._flatten_layers(include_self=False, recursive=False):
        yield from _within(inner, within, seen)


def path_and_reasons(layer: Any) -> tuple[str, tuple[str, ...]]:
    """The path of one recurrent layer, and what keeps it from each faster one."""
    obstacles = _cudnn_obstacles(layer)
    if not obstacles:
        return "cuDNN", ()
    no_cudnn = tuple(f"no cuDNN: {obstacle}" for obstacle in obstacles)
    if no_scan := tuple(f"no scan: {obstacle}" for obstacle in _scan_obstacles(layer)):
        return "plain loop", no_scan + no_cudnn if _known_to_cudnn(layer) else no_scan
    if not hasattr(layer.cell, "coefficients"):
        return "fused scan", no_cudnn
    if layer.zoneout:
        return "fused scan", ("no linear scan: zoneout is not 0", *no_cudnn)
    return "linear scan", no_cudnn


def drop_in(layer: Any) -> Any:
    """The layer of kerasrnn that computes the same in a scan, not built; None where there is none.

    Args:
        layer: a recurrent layer in the plain loop.
    """
    if _has_own_loop(layer) or isinstance(layer, _OF_IMAGES):
        return None
    config = {**layer.get_config(), "unroll": False, "stateful": False}
    if cell := _CELLS.get(type(layer.cell)) if type(layer) in (keras.layers.RNN, ours.RNN) else None:
        config["cell"] = keras.saving.serialize_keras_object(cell.from_config(layer.cell.get_config()))
    kind = type(layer) if isinstance(layer, ours.RNN) else _DROP_INS.get(type(layer), ours.RNN)
    twin = kind.from_config(config)
    return None if _scan_obstacles(twin) else twin


def _cudnn_obstacles(layer: Any) -> list[str]:
    if isinstance(layer, ours.RNN):
        return [*cudnn_obstacles(layer)] + (["its loop is its own"] if _has_own_loop(layer) else [])
    kind = _DROP_INS.get(type(layer))
    if kind is None:
        return ["keras.layers.RNN never takes it"]
    # Keras's own LSTM and GRU take cuDNN on the conditions of ours; but dropout on any.
    twin = kind.from_config(layer.get_config())
    return [obstacle for obstacle in cudnn_obstacles(twin) if not obstacle.startswith("dropout draws")]


def _known_to_cudnn(layer: Any) -> bool:
    if isinstance(layer, ours.RNN):
        return isinstance(layer.cell, (cells.LSTMCell, cells.GRUCell))
    return type(layer) in (keras.layers.LSTM, keras.layers.GRU)


def _has_own_loop(layer: Any) -> bool:
    return type(layer).inner_loop not in _LOOPS


def _scan_obstacles(layer: Any) -> list[str]:
    """What keeps a layer from the scans, with the remedy."""
    cell, kind = layer.cell, type(layer)
    if isinstance(layer, _OF_IMAGES):
        return [f"the states of {kind.__name__} are images, and scans take vectors"]
    if _has_own_loop(layer):
        return [f"{kind.__name__} has a loop of its own; derive it from kerasrnn.layers.RNN, and leave inner_loop as it is"]
    found = []
    if layer.unroll:
        found.append("unroll is True; leave it out")
    if kind in _DROP_INS:
        name = kind.__name__
        found.append(f"it is Keras's own {name}; put kerasrnn.layers.{name} in its place (same arguments, same weights)")
    elif not isinstance(layer, ours.RNN):
        found.append("it is a keras.layers.RNN; put kerasrnn.layers.RNN in its place (same arguments, same weights)")
    return found + _cell_obstacles(cell, kind in _DROP_INS)


def _cell_obstacles(cell: Any, comes_with_its_layer: bool) -> list[str]:
    if isinstance(cell, keras.layers.StackedRNNCells):
        return [f"it is a stack of {len(cell.cells)} cells; make each a layer"]
    if getattr(cell, "has_one_recurrent_product", comes_with_its_layer and getattr(cell, "reset_after", True)):
        return []
    if getattr(cell, "reset_after", True) is False:
        return ["reset_after is False, so that a step has two products in a row; set it to True (another GRU: train it)"]
    if replacement := _CELLS.get(type(cell)):
        name = f"kerasrnn.cells.{replacement.__name__}"
        return [f"its cell is Keras's own; put {name} in its place (same arguments, same weights)"]
    if isinstance(cell, cells.Cell):
        return [f"{type(cell).__name__} has more than one product a step"]
    return [f"{type(cell).__name__} does not state its structure; derive it from kerasrnn.cells.Cell"]

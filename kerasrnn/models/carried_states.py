"""The states that a model carries from batch to batch of one pass over contiguous streams."""

import contextlib
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from kerasrnn._backend import keras, tf
from kerasrnn._portable.arguments import as_array

_ROWS = "carried_states_rows"  # names the operation that finds another batch size


class CarriedStates:
    """The states of a `LanguageModel(stateful=True)` between two batches; `model.carried_states` are those of training.

        states_b+1 = stop_gradient(the states after batch b)        truncated backpropagation through time

    They are no weights: neither `model.weights` nor saved files nor exported models hold them. A callback that is to
    resume in the middle of an epoch saves what `get` returns, and hands it to `set` before that epoch's first batch;
    an epoch that begins with states that were set goes on from them, any other from the initial ones.

    Args:
        names: the states' names, as `LanguageModel.state_names`.
        initial: from a number of rows to the initial states, a flat list of (rows, units).
        strategy: the `tf.distribute.Strategy` that trains the model, or None. Each of its replicas carries the states of its
            own rows: row b of each batch always comes to the same one.

    Example:

    >>> import keras, kerasrnn
    >>> model = kerasrnn.models.LanguageModel(kerasrnn.cells.GRUCell(2), vocabulary_size=9, stateful=True)
    >>> model.compile()
    >>> streams = kerasrnn.data.language_model_dataset(range(9), batch_size=2, num_steps=2, contiguous=True)
    >>> history = model.fit(streams, verbose=0)
    >>> states = model.carried_states.get()
    >>> {name: (state.shape, state.dtype.name) for name, state in states.items()}
    {'state_0_h': ((2, 2), 'float32')}
    >>> model.reset_states()
    >>> model.carried_states.get()
    {}
    >>> model.carried_states.set(states)

    References:
        Williams, R. and Peng, J. (1990). An efficient gradient-based algorithm for on-line training of recurrent network
        trajectories. Neural Computation 2(4).
    """

    def __init__(self, names: Sequence[str], initial: Callable[[int], list[Any]], strategy: Any = None) -> None:
        self._names = list(names)
        self._initial = initial
        self._strategy = strategy
        self._replicas = 1 if strategy is None else strategy.num_replicas_in_sync
        self._variables: list[Any] = []
        self._empty = True
        self._were_set = False

    @property
    def rows(self) -> int | None:
        """The batch size that the states are for, or None where there are none yet."""
        return None if self._empty else self._share * self._replicas

    @property
    def _share(self) -> int:
        """A replica's rows."""
        return int(self._variables[0].shape[0])

    def _locals(self, variable: Any) -> Sequence[Any]:
        """What the variable holds on each replica."""
        return [variable] if self._strategy is None else self._strategy.experimental_local_results(variable)

    def get(self) -> dict[str, np.ndarray]:
        """Arrays (batch, units) by name, float32 where NumPy has no such dtype; {} before a pass's first batch."""
        if self._empty:
            return {}
        values = [tf.concat([tf.convert_to_tensor(v) for v in self._locals(variable)], 0) for variable in self._variables]
        values = [tf.cast(v, tf.float32) if v.dtype == tf.bfloat16 else v for v in values]
        return {name: value.numpy() for name, value in zip(self._names, values)}

    def set(self, states: Mapping[str, Any]) -> None:
        """Makes the next batch, and so the next epoch, go on from these states.

        Args:
            states: arrays (batch, units) by name, as `get` returns them; {} to begin from the initial states.

        Raises:
            ValueError: names or shapes are not those of the model's states.
        """
        if not states:
            self.reset()
            return
        if set(states) != set(self._names):
            raise ValueError(f"states: expected {self._names}, the model's state_names; received {sorted(states)}")
        values = [as_array(states[name]) for name in self._names]
        initial = self._initial(len(values[0]) if values[0].ndim else 0)
        for name, value, like in zip(self._names, values, initial):
            if value.shape != like.shape:
                raise ValueError(
                    f"states: expected {name} of shape {tuple(like.shape)}, and all of one batch size; received "
                    f"{value.shape}. Pass what carried_states.get() of the same model returned."
                )
        rows = len(values[0])
        if rows % self._replicas:
            raise ValueError(
                f"states: expected a number of rows that {self._replicas} replicas can share equally; received {rows}. Pass "
                "what carried_states.get() returned in training on as many replicas, or on one."
            )
        self._assign([_cast(name, value, like.dtype) for name, value, like in zip(self._names, values, initial)])
        self._were_set = True

    def reset(self) -> None:
        """Makes the next batch begin from the initial states; its size may be another."""
        self._empty, self._were_set = True, False

    def begin_epoch(self) -> None:
        """Resets, unless states were set since the last batch."""
        if not self._were_set:
            self.reset()

    def _assign(self, values: list[Any]) -> None:
        """Keeps the states of all rows, each replica's where that replica is."""
        shares = [tf.split(value, self._replicas) for value in values]
        if [v.shape for v in self._variables] != [share[0].shape for share in shares]:
            with contextlib.nullcontext() if self._strategy is None else self._strategy.scope():
                self._variables = [
                    tf.Variable(share[0], trainable=False, name=name, synchronization=tf.VariableSynchronization.ON_READ)
                    for name, share in zip(self._names, shares)
                ]
        for variable, share in zip(self._variables, shares):
            for local, value in zip(self._locals(variable), share, strict=True):
                local.assign(value)
        self._empty = False

    def of_as_many_rows(self, data: Any) -> Any:
        """Within a step: its batch, sure to have the states' rows in all its parts, lest another operation find it first."""

        def sure(value: Any) -> Any:
            if not tf.is_tensor(value) or not value.shape.rank or value.shape[0] is not None:
                return value
            return tf.ensure_shape(value, (self._share, *value.shape[1:]), name=_ROWS)

        return keras.tree.map_structure(sure, data)

    def before(self, token_ids: Any) -> tuple[Any, list[Any]]:
        """Within a step: the token ids (batch, time), sure to have the states' rows, and the states that they go on from."""
        if token_ids.shape[0] is None:
            token_ids = tf.ensure_shape(token_ids, (self._share, None), name=_ROWS)
        elif token_ids.shape[0] != self._share:
            raise ValueError(self._another_size(f"one of {token_ids.shape[0] * self._replicas}"))
        return token_ids, [tf.stop_gradient(tf.convert_to_tensor(v)) for v in self._variables]

    def after(self, states: list[Any]) -> None:
        """Within a step: keeps the states for the next one."""
        for variable, state in zip(self._variables, states, strict=True):
            variable.assign(tf.cast(tf.stop_gradient(state), variable.dtype))

    def stepping(self, make_function: Callable[[], Callable[[Any], Any]]) -> Callable[[Any], Any]:
        """Keras's function of an iterator, which takes one or more steps, with states of the right size to capture."""
        function, captured = make_function(), None

        def step(iterator: Any) -> Any:
            nonlocal function, captured
            if self._empty:
                share, iterator = self._next_share(iterator)
                self._assign(self._initial(share * self._replicas))
            if captured is not self._variables:
                function = make_function() if captured is not None else function
                captured = self._variables
            self._were_set = False
            try:
                return function(iterator)
            except tf.errors.InvalidArgumentError as error:
                if _ROWS not in str(error):
                    raise
                raise ValueError(self._another_size("one of another size")) from error

        return step

    def _another_size(self, received: Any) -> str:
        return (
            f"stateful=True: expected a batch of {self.rows} rows, as the carried states have; received {received}. Each "
            "row must go on from batch to batch: use kerasrnn.data's contiguous windows or document_streams, which are "
            "all full (or drop_remainder=True), and call reset_states() before batches of another size."
        )

    def _next_share(self, iterator: Any) -> tuple[int, Iterator[Any]]:
        """A replica's rows of the next element, and an iterator that still has that element."""
        if isinstance(iterator, tf.data.Iterator):
            rows = keras.tree.flatten(iterator.element_spec)[0].shape[:1].as_list()
            if rows and rows[0] is not None:
                return rows[0], iterator
        iterator = iter(iterator)
        first = next(iterator)
        rows = next(len(self._locals(value)[0]) for value in keras.tree.flatten(first) if value is not None)
        return rows, itertools.chain([first], iterator)


def _cast(name: str, value: np.ndarray, dtype: Any) -> Any:
    if value.dtype.kind not in "iuf":
        raise ValueError(f"states: expected numbers for {name}; received {value.dtype}. Pass what carried_states.get() returned.")
    found = tf.cast(value, dtype)
    if not np.array_equal(np.isfinite(value), tf.math.is_finite(found)):
        raise ValueError(f"states: expected numbers for {name} that {found.dtype.name} holds; received larger ones.")
    return found

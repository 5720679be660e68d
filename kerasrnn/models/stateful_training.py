"""Plain `fit` and `evaluate` over contiguous streams: where the carried states begin, flow and end."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from kerasrnn._backend import keras, tf
from kerasrnn.models._distributed import Distributed
from kerasrnn.models.carried_states import CarriedStates


class StatefulTraining(Distributed):
    """A model whose states, if `stateful`, flow from batch to batch of an epoch, and of an evaluation.

    Training and evaluation have states of their own, so that neither sees the other's; whatever else runs the model
    (calls, `predict`, text) carries none. A subclass that is to be stateful calls `_make_carried_states`; where
    `_carried` is not None, its `call` begins from the states of `_carried.before` and hands the last ones to
    `_carried.after`.
    """

    stateful = False
    carried_states: CarriedStates
    _evaluation_states: CarriedStates
    _carried: CarriedStates | None = None  # while a step runs or is traced: the states that it carries

    def _make_carried_states(self, names: list[str], initial: Callable[[int], list[Any]]) -> None:
        self.stateful = True
        self.carried_states, self._evaluation_states = (
            CarriedStates(names, initial, self._distribute_strategy) for _ in range(2)
        )

    def reset_states(self) -> None:
        """Makes the next batch of training, and of evaluation, begin from the initial states.

        `fit` does so at each epoch's start and `evaluate` at its own; loops of `train_on_batch` call it themselves.
        """
        if self.stateful:
            self.carried_states.reset()
            self._evaluation_states.reset()

    def fit(self, *args: Any, **kwargs: Any) -> Any:
        """As `keras.Model.fit`; a stateful model takes contiguous streams, and each epoch begins from the initial states.

        Raises:
            ValueError: the batch's size changes within an epoch, or arrays are to be shuffled, with a stateful model.
        """
        given = self._fit_arguments(*args, **kwargs)
        if not self.stateful:
            return super().fit(**given)
        if given.setdefault("shuffle", False) and not isinstance(given.get("x"), tf.data.Dataset):
            raise ValueError(
                "shuffle: expected False, the default with stateful=True, as each batch of the arrays goes on from the one "
                f"before; received {given['shuffle']!r}. Leave it out."
            )
        begin = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: self.carried_states.begin_epoch())
        callbacks = given.pop("callbacks", None)
        if isinstance(callbacks, keras.callbacks.CallbackList):
            begin.set_model(self)
            callbacks.callbacks.insert(0, begin)
        else:
            callbacks = [begin, *keras.tree.flatten(callbacks or [])]
        return super().fit(**given, callbacks=callbacks)

    def evaluate(self, *args: Any, **kwargs: Any) -> Any:
        """As `keras.Model.evaluate`; a stateful model carries states here too, from the initial ones on."""
        if self.stateful:
            self._evaluation_states.reset()
        return super().evaluate(*args, **kwargs)

    def train_step(self, data: Any) -> Any:
        with self._carrying("carried_states"):
            return super().train_step(self._of_carried_rows(data))

    def test_step(self, data: Any) -> Any:
        with self._carrying("_evaluation_states"):
            return super().test_step(self._of_carried_rows(data))

    def _of_carried_rows(self, data: Any) -> Any:
        return data if self._carried is None else self._carried.of_as_many_rows(data)

    def make_train_function(self, force: bool = False) -> None:
        if not self.stateful:
            super().make_train_function(force)
        elif self.train_function is None or force:
            self.train_function = self.carried_states.stepping(lambda: self._make_function(self.train_step))

    def make_test_function(self, force: bool = False) -> None:
        if not self.stateful:
            super().make_test_function(force)
        elif self.test_function is None or force:
            self.test_function = self._evaluation_states.stepping(lambda: self._make_function(self.test_step))

    @contextlib.contextmanager
    def _carrying(self, name: str) -> Iterator[None]:
        if not self.stateful:
            yield
            return

        def begin() -> Callable[[], None]:
            # In __dict__, past Keras's tracking, as the states are no part of the model.
            self.__dict__["_carried"] = getattr(self, name)
            return lambda: self.__dict__.pop("_carried")

        with self._during_steps(name, begin):
            yield

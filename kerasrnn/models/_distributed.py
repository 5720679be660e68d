"""Training on several replicas of a tf.distribute strategy, as one device trains: what every model class inherits."""

import collections
import contextlib
import inspect
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from kerasrnn._backend import keras, tf


class Distributed(keras.Model):
    """A model that takes the same steps on several replicas as on one device, from the same batches.

        g = Σ_replicas g_r,    then g is clipped, once,    then every replica takes the same step

    Keras clips each replica's gradient before the sum, and counts an embedding row that a batch holds n times as n rows in
    the gradient's norm. Here a row counts once, on one device as well. The optimizer is as it was between two steps.
    """

    def fit(self, *args: Any, **kwargs: Any) -> Any:
        """As `keras.Model.fit`."""
        return super().fit(**self._fit_arguments(*args, **kwargs))

    def _fit_arguments(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """The arguments of `fit` by name."""
        given = inspect.signature(keras.Model.fit).bind(self, *args, **kwargs).arguments
        del given["self"]
        if isinstance(given.get("x"), (tf.data.Dataset, tf.distribute.DistributedDataset)):
            given.setdefault("shuffle", False)  # of a dataset Keras ignores its default, and warns of it
        return given

    def _maybe_symbolic_build(self, iterator: Any = None, data_batch: Any = None) -> None:
        """Builds from one replica's share of the first batch. Keras builds from the shares' mean, which turns token ids
        into floats and which booleans do not have."""
        if self._distribute_strategy is not None and iterator is not None:
            for _, _, batches in iterator:
                data_batch = keras.tree.map_structure(self._first_share, next(batches))
                break
        super()._maybe_symbolic_build(None, data_batch)

    def _first_share(self, value: Any) -> Any:
        if isinstance(value, tf.distribute.DistributedValues):
            return self.distribute_strategy.experimental_local_results(value)[0]
        return value

    def _make_function(self, step_function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """Keras's function of an iterator, which takes `steps_per_execution` steps."""
        function = super()._make_function(step_function)
        if self.distribute_strategy.num_replicas_in_sync == 1:
            return function
        if self.jit_compile:
            raise ValueError(
                f"jit_compile: expected False on {self.distribute_strategy.num_replicas_in_sync} replicas, as XLA compiles no "
                "step whose weights lie on several devices; received True. Compile the model without it."
            )
        if self.steps_per_execution == 1:
            return function

        def one_by_one(iterator: Any) -> Any:
            # In one graph of several steps TensorFlow finds no replica's share of the batch.
            return function(itertools.chain([next(iterator)], iterator))

        return one_by_one

    def train_step(self, data: Any) -> Any:
        with self._during_steps("gradients", self._of_whole_batches):
            return super().train_step(data)

    @contextlib.contextmanager
    def _during_steps(self, what: str, entered: Callable[[], Callable[[], None]]) -> Iterator[None]:
        """Calls `entered` before the first replica's step runs or is traced, and what that returned after the last one's.

        Replicas are threads that take turns where they wait for each other, so that one's end comes before another's.
        """
        inside = self.__dict__.setdefault("_inside_steps", collections.Counter())
        if not inside[what]:
            self.__dict__[f"_leave_{what}"] = entered()
        inside[what] += 1
        try:
            yield
        finally:
            inside[what] -= 1
            if not inside[what]:
                self.__dict__.pop(f"_leave_{what}")()

    def _of_whole_batches(self) -> Callable[[], None]:
        """Lets the optimizer sum, clip and apply, in this order; returns what undoes it."""
        outer = self.optimizer
        if outer is None:
            return lambda: None
        inner = getattr(outer, "inner_optimizer", outer)
        # In __dict__, past Keras's tracking, as in kerasrnn.training's hooks: it is no part of the optimizer.
        of_inner: dict[str, Any] = {}
        if _clips(inner):
            clip = inner._clip_gradients
            of_inner["_clip_gradients"] = lambda gradients: clip([_each_row_once(g) for g in gradients])
        of_outer: dict[str, Any] = {}
        if self.distribute_strategy.num_replicas_in_sync > 1:
            apply_gradients = outer.apply_gradients
            of_outer["apply_gradients"] = lambda pairs: apply_gradients(_summed(pairs))
            of_inner["_all_reduce_sum_gradients"] = lambda pairs: pairs  # they are summed already
            if inner.gradient_accumulation_steps or (inner.use_ema and inner.ema_overwrite_frequency):
                of_inner["_backend_apply_gradients"] = lambda *given: _applied_under_conditions(inner, *given)
        replaced = [_replaced(outer, of_outer), _replaced(inner, of_inner)]

        def leave() -> None:
            for put_back in replaced:
                put_back()

        return leave


def _replaced(optimizer: Any, methods: dict[str, Any]) -> Callable[[], None]:
    """Gives the optimizer methods of its own; returns what puts back those that it had."""
    before = {name: vars(optimizer)[name] for name in methods if name in vars(optimizer)}
    vars(optimizer).update(methods)

    def put_back() -> None:
        for name in methods:
            del vars(optimizer)[name]
        vars(optimizer).update(before)

    return put_back


def _clips(optimizer: Any) -> bool:
    return bool(optimizer.clipnorm or optimizer.global_clipnorm or optimizer.clipvalue)


def _each_row_once(gradient: Any) -> Any:
    """A gradient whose rows are different ones: an embedding's holds a row as often as the batch does."""
    if not isinstance(gradient, tf.IndexedSlices):
        return gradient
    rows, places = tf.unique(gradient.indices)
    values = tf.math.unsorted_segment_sum(gradient.values, places, tf.size(rows))
    return tf.IndexedSlices(values, rows, gradient.dense_shape)


def _summed(pairs: Any) -> list[tuple[Any, Any]]:
    """Each replica's (gradient, variable) with the sum of all replicas' gradients."""
    pairs = list(pairs)
    there = [gradient for gradient, _ in pairs if gradient is not None]
    sums = iter(tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, there) if there else [])
    return [(None if gradient is None else next(sums), variable) for gradient, variable in pairs]


def _applied_under_conditions(optimizer: Any, gradients: Sequence[Any], variables: Sequence[Any]) -> None:
    """What Keras's optimizers do with gradients, its conditions outside of the replicas: TensorFlow lets replicas wait for
    each other in none of theirs."""
    steps, overwrite = optimizer.gradient_accumulation_steps, optimizer.use_ema and optimizer.ema_overwrite_frequency
    sums = [optimizer._accumulated_gradients[optimizer._get_variable_index(v)] for v in variables] if steps else []

    def update(gradients: Sequence[Any]) -> None:
        if steps:
            gradients = [(gradient + total) / steps for gradient, total in zip(gradients, sums)]
        gradients = optimizer._clip_gradients(gradients)
        optimizer._apply_weight_decay(variables)
        optimizer._backend_update_step(gradients, variables, optimizer.learning_rate)

    def across(strategy: Any, gradients: Sequence[Any]) -> None:
        def on_each(function: Callable[..., None], *given: Any) -> None:
            strategy.extended.call_for_each_replica(function, args=given)

        def update_all() -> None:
            on_each(update, gradients)
            if steps:
                optimizer._backend_reset_gradient_accumulators()

        if steps:
            due = (tf.convert_to_tensor(optimizer._iterations.value) + 1) % steps == 0
            tf.cond(due, _nothing_of(update_all), _nothing_of(
                lambda: on_each(optimizer._backend_increment_gradient_accumulators, gradients, sums)
            ))  # fmt: skip
        else:
            update_all()
        if optimizer.use_ema:
            on_each(optimizer._update_model_variables_moving_average, optimizer._trainable_variables)
        if overwrite:
            due = (tf.convert_to_tensor(optimizer.iterations) + 1) % overwrite == 0
            tf.cond(due, _nothing_of(
                lambda: optimizer._overwrite_model_variables_with_average_value(optimizer._trainable_variables)
            ), _nothing_of(lambda: None))  # fmt: skip

    tf.distribute.get_replica_context().merge_call(across, args=(gradients,))


def _nothing_of(function: Callable[[], None]) -> Callable[[], Any]:
    """The function as a condition's branch, which has to return something."""

    def branch() -> Any:
        function()
        return tf.constant(0)

    return branch

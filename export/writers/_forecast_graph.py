"""forecast.onnx: a forecaster in a loop that draws its paths, all of a batch at once, and the quantiles of the paths."""

from typing import Any

import keras
import numpy as np
import onnx
import spox
import spox.opset.ai.onnx.v20 as op
import tensorflow as tf

from kerasrnn.export.writers._forecast_signature import RANGES
from kerasrnn.export.writers._hoisting import hoist_invariants
from kerasrnn.export.writers._onnx_checks import name_checks, zero_if
from kerasrnn.export.writers._onnx_sampling import column, integer, real, uniform
from kerasrnn.export.writers._parts import Parts

_NAN = float("nan")


def forecast_graph(model: keras.Model, quantize: str | None = None) -> onnx.ModelProto:
    """What `path_sampler.forecast` computes; the model stands in it once for the past, and once in the loop."""
    sampler, parts = model.path_sampler, Parts(model, quantize)
    horizon, channels = sampler.horizon, sampler.channels
    inputs = {spec.name: spox.argument(spox.Tensor(spec.dtype.as_numpy_dtype, _axes(spec))) for spec in sampler.inputs}
    windows = tf.TensorSpec(sampler.inputs[0].shape, tf.float32, "windows")
    ahead = parts.of_function(sampler.ahead, [windows])
    outputs = tf.TensorSpec((None, horizon, channels, sampler.numbers), tf.float32, "outputs")
    drawn = parts.of_function(sampler.drawn, [outputs, tf.TensorSpec((None, channels), tf.float32, "uniforms")])
    quantiles = parts.of_function(sampler.quantiles, [outputs])

    past, rows = inputs["past"], op.shape(inputs["past"], end=1)
    valid = _zero_if_valid(inputs, rows, horizon)
    steps, num_paths = (op.add(op.cast(inputs[name], to=np.int64), valid) for name in ("steps", "num_paths"))
    most_steps, most_paths = _most(steps), _most(num_paths)
    blocks = op.div(op.add(most_steps, integer([horizon - 1])), integer([horizon]))
    count = op.mul(rows, most_paths)
    path = op.range(integer(0), _scalar(count), integer(1))
    row, number = op.div(path, most_paths), op.mod(path, most_paths)
    seeds = column(op.gather(inputs["seed"], row))
    first = op.add(column(op.mul(number, integer(sampler.draws_a_path))), integer(np.arange(channels)))
    future = op.gather(inputs["covariates"], row) if sampler.covariates else None
    of_past = ahead(past)

    def block(i: Any, _: Any, windows: Any, outputs: Any) -> list[Any]:
        values = drawn(outputs, uniform(seeds, op.add(first, op.mul(i, integer(channels)))))
        following = op.add(i, integer(1))

        def fed() -> list[Any]:
            new = values
            if future is not None:
                begin, end = (op.reshape(op.mul(n, integer(horizon)), integer([1])) for n in (i, following))
                new = op.concat([values, op.slice(future, begin, end, integer([1]))], axis=2)
            later = op.slice(op.concat([windows, new], axis=1), integer([horizon]), integer([_END]), integer([1]))
            return [later, ahead(later)]

        more = op.less(op.reshape(following, integer([1])), blocks)
        carried = op.if_(more, then_branch=fed, else_branch=lambda: [op.identity(windows), op.identity(outputs)])
        return [more, *carried, values]

    *_, values = op.loop(
        cond=op.const(np.array([True])), v_initial=[op.gather(past, row), op.gather(of_past, row)], body=block
    )
    values = op.reshape(values, op.concat([blocks, count, integer([horizon, channels])], axis=0), allowzero=1)
    all_steps = op.mul(blocks, integer([horizon]))
    shape = op.concat([rows, most_paths, all_steps, integer([channels])], axis=0)
    paths = op.reshape(op.transpose(values, perm=[1, 0, 2, 3]), shape, allowzero=1)
    paths = op.slice(paths, integer([0]), most_steps, integer([2]))

    beyond = op.slice(_of_paths(paths, num_paths, sampler.levels), integer([horizon]), integer([_END]), integer([1]))
    levels = op.slice(op.concat([quantiles(of_past), beyond], axis=1), integer([0]), most_steps, integer([1]))
    asked = op.less(op.range(integer(0), _scalar(most_steps), integer(1)), column(steps))
    own = op.less(op.range(integer(0), _scalar(most_paths), integer(1)), column(num_paths))
    drawn_at_all = op.and_(op.unsqueeze(own, integer([2, 3])), op.unsqueeze(asked, integer([1, 3])))
    results = {
        "paths": op.where(drawn_at_all, paths, real(_NAN)),
        "quantiles": op.where(op.unsqueeze(asked, integer([2, 3])), levels, real(_NAN)),
    }
    graph = parts.build(inputs, results)
    hoist_invariants(graph.graph)
    name_checks(graph.graph)
    graph.producer_name = "kerasrnn"
    return graph


_END = 2**63 - 1


def _axes(spec: tf.TensorSpec) -> tuple[Any, ...]:
    # Not one name for all rows: onnxruntime would take the sizes for equal, and fail before the check that says which are not.
    names = ("batch", "time") if spec.name == "past" else (f"batch_{spec.name}", f"time_{spec.name}")
    return tuple(names[axis] if size is None else size for axis, size in enumerate(spec.shape))


def _zero_if_valid(inputs: dict[str, Any], rows: Any, horizon: int) -> Any:
    """(1,) int64: zero, of what the checks let through."""
    past_time = op.shape(inputs["past"], start=1, end=2)
    zero = zero_if(op.greater(past_time, integer([0])), "past", "at least one time step")
    for name, value in inputs.items():
        if name != "past":
            same = op.equal(op.shape(value, end=1), rows)
            zero = op.add(zero, zero_if(same, name, "one row for each row of past"))
    for name, most in RANGES.items():
        value = inputs[name]
        lowest, highest = (op.const(np.array(n, np.int32)) for n in (1, most))
        is_valid = op.and_(op.greater_or_equal(value, lowest), op.less_or_equal(value, highest))
        # Of no rows the sum is zero, too.
        zero = op.add(zero, op.reduce_sum(zero_if(is_valid, name, f"1 to {most}"), keepdims=1))
    if "covariates" in inputs:
        steps = _most(op.cast(inputs["steps"], to=np.int64))
        needed = op.mul(op.div(op.sub(steps, integer([1])), integer([horizon])), integer([horizon]))
        enough = op.greater_or_equal(op.shape(inputs["covariates"], start=1, end=2), needed)
        words = f"those of the steps that are fed back, whole horizons of {horizon}"
        zero = op.add(zero, zero_if(enough, "covariates", words))
    return zero


def _of_paths(paths: Any, num_paths: Any, levels: tuple[float, ...]) -> Any:
    """The quantiles of each row's first paths: (batch, steps, channels, levels)."""
    count = op.shape(paths, start=1, end=2)
    own = op.less(op.range(integer(0), _scalar(count), integer(1)), column(num_paths))
    ascending, _ = op.top_k(
        op.where(op.unsqueeze(own, integer([2, 3])), paths, real(np.inf)), count, axis=1, largest=0, sorted=1
    )
    last = column(op.sub(op.cast(num_paths, to=np.float32), real(1)))
    position = op.sub(op.mul(op.add(last, real(2)), op.const(np.array(levels, np.float32))), real(1))
    position = op.max([op.min([position, last]), real(0)])
    below = op.floor(position)
    shape = op.concat([op.shape(position), op.shape(paths, start=2)], axis=0)

    def at(index: Any) -> Any:
        index = op.expand(op.unsqueeze(op.cast(index, to=np.int64), integer([2, 3])), shape)
        return op.gather_elements(ascending, index, axis=1)

    low, high = at(below), at(op.min([op.add(below, real(1)), last]))
    share = op.unsqueeze(op.sub(position, below), integer([2, 3]))
    return op.transpose(op.add(low, op.mul(share, op.sub(high, low))), perm=[0, 2, 3, 1])


def _most(values: Any) -> Any:
    """(1,): the largest, and at least 1."""
    return op.reduce_max(op.concat([values, integer([1])], axis=0), keepdims=1)


def _scalar(value: Any) -> Any:
    return op.squeeze(value, integer([0]))

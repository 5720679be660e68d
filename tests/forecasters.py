"""Forecasters of all kinds, drawn by a seed, with what they read; and their paths in NumPy, from the equations."""

import itertools
from statistics import NormalDist

import numpy as np

from kerasrnn.cells import GRUCell, LSTMCell
from kerasrnn.export.runtime.sampling import uniform
from kerasrnn.models import Forecaster

OUTPUTS = [
    {"output": "quantile"},
    {"output": "quantile", "quantiles": (0.25, 0.6)},
    {"output": "quantile", "quantiles": (0.05, 0.3, 0.5, 0.8, 0.99)},
    {"output": "gaussian"},
]  # fmt: skip
STRUCTURES = [
    {"lags": 6}, {"lags": 6, "hidden": [5]}, {"cells": [LSTMCell]}, {"cells": [GRUCell, GRUCell], "lags": 6},
    {"cells": [GRUCell], "patch": 3, "lags": 6}, {"cells": [GRUCell], "return_sequences": True},
]  # fmt: skip


def forecaster(seed):
    """A forecaster whose options, and weights, are drawn: output × horizon × channels × covariates × structure × scaling."""
    rng = np.random.default_rng(seed)
    # The first figures go through all pairs of output and structure, the others are drawn.
    structure = dict(STRUCTURES[seed % len(STRUCTURES)])
    output = OUTPUTS[seed // len(STRUCTURES) % len(OUTPUTS)] if seed >= 6 else OUTPUTS[seed % len(OUTPUTS)]
    structure["cells"] = [cell(4) for cell in structure.get("cells", [])]
    causal = structure.get("return_sequences", False)
    normalization = rng.choice(["standard", None] if causal else ["last", "window", "standard", None])
    model = Forecaster(
        **structure, **output, horizon=int(rng.choice([1, 2, 3, 5])), channels=int(rng.choice([1, 2])),
        covariates=int(rng.choice([0, 1, 2])), normalization=normalization,
    )  # fmt: skip
    if normalization == "standard":
        model.adapt(rng.normal(size=(50, model.channels)) * 3 + 5)
    for variable in model.trainable_variables:
        variable.assign(rng.normal(size=variable.shape) * 0.4)
    return model


def windows_of(model, rows, seed=0):
    rng = np.random.default_rng(seed)
    return (4 + rng.normal(size=(rows, model.lags or 7, model.channels + model.covariates))).astype(np.float32)


def future_of(model, rows, steps, seed=1):
    return np.random.default_rng(seed).normal(size=(rows, steps, model.covariates)).astype(np.float32)


def reference_paths(model, window, future, steps, num_paths, seed):
    """(num_paths, steps, channels) of one window, value by value."""
    windows, found = np.repeat(window[None], num_paths, axis=0), []
    blocks = -(-steps // model.horizon)
    for block in range(blocks):
        outputs = np.asarray(model.predict_on_batch(windows), np.float64)
        outputs = outputs[:, -1] if model.return_sequences else outputs
        values = np.empty(outputs.shape[:3])
        for path, channel in itertools.product(range(num_paths), range(model.channels)):
            (u,) = uniform(np.array([seed]), path * 2**32 + block * model.channels + channel)
            z = NormalDist().inv_cdf(float(u) + 2**-25)
            for step in range(model.horizon):
                values[path, step, channel] = inverse(model, outputs[path, step, channel], z)
        found.append(values)
        if block + 1 < blocks:
            beside = np.repeat(future[None, block * model.horizon : (block + 1) * model.horizon], num_paths, axis=0)
            fed = np.concatenate([values, beside], axis=2)
            windows = np.concatenate([windows, fed], axis=1)[:, -len(window) :].astype(np.float32)
    return np.concatenate(found, axis=1)[:, :steps]


def inverse(model, numbers, z):
    """The value of one target's distribution that a standard normal number stands for."""
    if model.output_kind == "gaussian":
        return numbers[0] + numbers[1] * z
    at = [NormalDist().inv_cdf(level) for level in model.quantiles]
    piece = min(max(np.searchsorted(at, z) - 1, 0), len(at) - 2)
    slope = (numbers[piece + 1] - numbers[piece]) / (at[piece + 1] - at[piece])
    return numbers[piece] + slope * (z - at[piece])

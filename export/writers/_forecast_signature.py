"""The signature `forecast`: a forecaster's paths and their quantiles, for rows that ask for different ones."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kerasrnn.export.runtime.forecasting import MAX_PATHS, MAX_STEPS
from kerasrnn.export.writers._signature import Signature

RANGES = {"steps": MAX_STEPS, "num_paths": MAX_PATHS}


def forecast_signature(model: keras.Model) -> Signature | None:
    """`forecast` of a model that draws paths, as it says by its `path_sampler`; None of any other."""
    sampler = getattr(model, "path_sampler", None)
    if sampler is None:
        return None
    names = [spec.name for spec in sampler.inputs]

    def forecast(*tensors: Any) -> dict[str, Any]:
        named = dict(zip(names, tensors, strict=True))
        checks = []
        for name, most in RANGES.items():
            words = f"{name}: expected at most {most}; received"
            checks.append(tf.debugging.Assert(tf.reduce_all(named[name] <= most), [words, named[name]]))
        with tf.control_dependencies(checks):
            return sampler.forecast(*(tf.identity(tensor) for tensor in tensors))

    return Signature(forecast, sampler.inputs, ["paths", "quantiles"])


def about_forecast(model: keras.Model) -> dict[str, Any]:
    """The manifest's part on it: nothing, or what its outputs mean."""
    described = {"forecaster": about} if (about := getattr(model, "forecast_description", None)) else {}
    sampler = getattr(model, "path_sampler", None)
    if sampler is None:
        return described
    names = ("horizon", "channels", "covariates", "levels")
    return {**described, "forecast": {name: getattr(sampler, name) for name in names}}


def forecast_request(
    samples: dict[str, np.ndarray], signature: Signature, steps: list[int], num_paths: list[int], seeds: list[int]
) -> dict[str, np.ndarray]:
    """Inputs of `forecast`: as many rows as there are steps, of the samples of forward."""
    (windows,) = samples.values()
    rows, specs = len(steps), {spec.name: spec for spec in signature.inputs}
    past = windows[np.arange(rows) % len(windows)]
    request = {
        "past": past, "steps": np.array(steps, np.int32), "num_paths": np.array(num_paths, np.int32),
        "seed": np.array(seeds, np.int64),
    }  # fmt: skip
    if "covariates" in specs:
        again = np.arange(max(steps)) % past.shape[1]
        request["covariates"] = past[:, again, -specs["covariates"].shape[-1] :]
    return request

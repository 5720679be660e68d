"""How many of the truths lie within intervals of nominally 80%, step by step, beyond a forecaster's horizon.

    python benchmarks/forecast_coverage.py                 # half a minute on one core

Beside the quantiles of drawn paths, as `predict_multi_step` gives them, are the intervals of a model that reads its own median
as if it had been seen. "walk" is a random walk and a model whose forecasts are right up to its horizon, of 1 or 4 steps: 80%
is what it should have at every step. "README" is the noisy sine of the README and the GRU trained there, with several seeds:
what the model itself does not know counts here, too.
"""

import argparse
import os
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

import kerasrnn
from kerasrnn.models import Forecaster, coverage

Z = 1.2815515655446004  # Φ⁻¹(0.9)
WALK_STEPS, SINE_STEPS = (1, 4, 5, 10, 20, 30), (1, 8, 9, 16, 24)


def walk_model(horizon: int) -> Forecaster:
    model = Forecaster(lags=1, horizon=horizon, output="quantile")
    deviation = np.sqrt(np.arange(1, horizon + 1))
    model.output_layer.set_weights([np.zeros((1, 3 * horizon)), np.outer(deviation, [-Z, 0, Z]).ravel()])
    return model


def walks(count: int) -> tuple[np.ndarray, np.ndarray]:
    values = np.random.default_rng(0).normal(size=(count, 31)).cumsum(axis=1).astype(np.float32)
    return values[:, :1, None], values[:, 1:]


def readme_model(series: np.ndarray, span: tuple[int, int]) -> Forecaster:
    windows = kerasrnn.data.forecast_dataset(series, lags=32, horizon=8, span=span, shuffle=True)
    model = Forecaster([kerasrnn.cells.GRUCell(32)], horizon=8, output="quantile")
    model.compile()
    model.fit(windows, epochs=5, shuffle=False, verbose=0)
    return model


def fed_back(model: Any, windows: np.ndarray, steps: int) -> np.ndarray:
    """The model's quantiles, with its median in the place of what follows."""
    found: list[np.ndarray] = []
    for _ in range(0, steps, model.horizon):
        found.append(model.predict_multi_step(windows, model.horizon))
        windows = np.concatenate([windows, found[-1][..., 1]], axis=1)[:, -windows.shape[1] :]
    return np.concatenate(found, axis=1)[:, :steps]


def row(name: str, steps: tuple[int, ...], truth: np.ndarray, forecasts: np.ndarray) -> None:
    low, high = forecasts[:, :, 0, 0], forecasts[:, :, 0, 2]
    found = [coverage(truth[:, k - 1], low[:, k - 1], high[:, k - 1]) for k in steps]
    print(f"{name:34}", *(f"{share:6.0%}" for share in found), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--walks", type=int, default=4000, help="how many (%(default)s)")
    parser.add_argument("--seeds", type=int, default=3, help="of the README's model (%(default)s)")
    arguments = parser.parse_args()
    print(f"{'steps ahead':34}", *(f"{k:6}" for k in WALK_STEPS))
    windows, truth = walks(arguments.walks)
    for horizon in (1, 4):
        model = walk_model(horizon)
        row(f"walk, horizon {horizon}, median fed back", WALK_STEPS, truth, fed_back(model, windows, 30))
        row(f"walk, horizon {horizon}, paths", WALK_STEPS, truth, model.predict_multi_step(windows, 30, batch_size=100_000))
    print(f"{'steps ahead':34}", *(f"{k:6}" for k in SINE_STEPS))
    for seed in range(1, arguments.seeds + 1):
        np.random.seed(seed)
        keras.utils.set_random_seed(seed)
        series = (np.sin(0.1 * np.arange(1000)) + 0.1 * np.random.normal(size=1000)).astype(np.float32)
        train, _, (first, end) = kerasrnn.data.temporal_split(len(series))
        model = readme_model(series, train)
        origins = np.arange(first, end - 23)[:, None]
        windows, truth = series[origins + np.arange(-32, 0)][..., None], series[origins + np.arange(24)]
        row(f"README, seed {seed}, median fed back", SINE_STEPS, truth, fed_back(model, windows, 24))
        row(f"README, seed {seed}, paths", SINE_STEPS, truth, model.predict_multi_step(windows, 24))


if __name__ == "__main__":
    main()

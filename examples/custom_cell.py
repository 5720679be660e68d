"""A cell of one's own in ten lines: examined from every side, then trained.

The update gate RNN (Collins et al., 2016) is the least that a gated network can be: one gate says how much of the state
stays.

    c  = tanh(x_c + h_c)                       x = inputs · kernel + bias           (batch, 2 · units)
    g  = σ(x_g + h_g)                          h = states[0] · recurrent_kernel     (batch, 2 · units)
    h' = g ⊙ h + (1 − g) ⊙ c

Its task is the adding problem (Hochreiter and Schmidhuber, 1997): from a sequence of random numbers, two of which are
marked, tell the sum of these two. Run it with `.venv/bin/python examples/custom_cell.py`.

Reference:
    Collins, J., Sohl-Dickstein, J. and Sussillo, D. (2016). Capacity and trainability in recurrent neural networks.
    arXiv:1611.09913.
"""

import argparse
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from keras import ops

import kerasrnn


@keras.saving.register_keras_serializable(package="examples")
class UGRNNCell(kerasrnn.cells.Cell):
    gates = ("c", "g")
    additive = True

    def pointwise(self, x, h, states):
        (previous,) = states
        z_c, z_g = ops.split(x + h, 2, axis=-1)
        g = ops.sigmoid(z_g)
        h = g * previous + (1 - g) * ops.tanh(z_c)
        return h, [h]


def reference(inputs, states, weights):
    """The same step in NumPy, from the paper."""
    (h,) = states
    z = inputs @ weights["kernel"] + h @ weights["recurrent_kernel"] + weights["bias"]
    c, g = np.split(z, 2, axis=-1)
    g = 1 / (1 + np.exp(-g))
    h = g * h + (1 - g) * np.tanh(c)
    return h, [h]


def adding_problem(rows: int, num_steps: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Sequences (rows, num_steps, 2) of a number and its mark, and the sums (rows, 1) of the marked numbers."""
    random = np.random.default_rng(seed)
    numbers = random.random((rows, num_steps))
    marks = np.zeros_like(numbers)
    marks[np.arange(rows), random.integers(num_steps // 2, size=rows)] = 1
    marks[np.arange(rows), random.integers(num_steps // 2, num_steps, size=rows)] = 1
    return np.stack([numbers, marks], axis=-1), np.sum(numbers * marks, axis=1, keepdims=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=10, help="times to read the training sequences (%(default)s)")
    parser.add_argument("--steps", type=int, default=30, help="length of the sequences (%(default)s)")
    arguments = parser.parse_args()

    print("The examination of")
    kerasrnn.testing.check_cell(UGRNNCell(4), reference)

    keras.utils.set_random_seed(1)
    layer = kerasrnn.layers.RNN(UGRNNCell(32))
    model = keras.Sequential([keras.Input((None, 2)), layer, keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.01, global_clipnorm=1.0), loss="mse")
    print(f"\nThe adding problem over {arguments.steps} steps:")
    model.fit(*adding_problem(5_000, arguments.steps, seed=1), batch_size=100, epochs=arguments.epochs, verbose=2)

    sequences, sums = adding_problem(1_000, arguments.steps, seed=2)
    error = model.evaluate(sequences, sums, verbose=0)
    print(f"\nMean squared error on new sequences: {error:.4f}; of always saying 1: {np.mean((sums - 1) ** 2):.4f}.")
    for row, guess in zip(range(3), model.predict(sequences[:3], verbose=0)):
        marked = sequences[row, sequences[row, :, 1] == 1, 0]
        print(f"  {marked[0]:.2f} + {marked[1]:.2f} = {sums[row, 0]:.2f}; it says {guess[0]:.2f}")


if __name__ == "__main__":
    main()

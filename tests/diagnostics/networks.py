"""What several tests build networks of."""

import keras
import numpy as np


@keras.saving.register_keras_serializable(package="diagnostics_test")
class Transposed(keras.initializers.Initializer):
    """A recurrent kernel that makes h_t = A h_(t−1): Keras multiplies from the right."""

    def __init__(self, matrix):
        self.matrix = np.asarray(matrix)

    def __call__(self, shape, dtype=None):
        return self.matrix.T.astype("float32")

    def get_config(self):
        return {"matrix": self.matrix.tolist()}

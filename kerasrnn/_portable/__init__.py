"""Plain Python and NumPy that `kerasrnn` and `kerasrnn.export.runtime` share; neither TensorFlow nor Keras."""

"""tf2onnx with Keras's repair for NumPy 2, which Keras applies before its own conversions and does not export."""

import logging
import warnings

import tf2onnx
from keras.src.export.tf2onnx_lib import patch_tf2onnx

with warnings.catch_warnings():
    warnings.simplefilter("ignore", FutureWarning)  # of NumPy, at the patch's own look for `numpy.object`
    patch_tf2onnx()
logging.getLogger("tf2onnx").setLevel(logging.ERROR)  # a failure shows when onnxruntime loads the result

convert_function = tf2onnx.convert.from_function

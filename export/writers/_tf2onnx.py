"""tf2onnx with Keras's repair for NumPy 2, which Keras applies before its own conversions and does not export."""

import logging

import tf2onnx
from keras.src.export.tf2onnx_lib import patch_tf2onnx

patch_tf2onnx()
logging.getLogger("tf2onnx").setLevel(logging.ERROR)  # a failure shows when onnxruntime loads the result

convert_function = tf2onnx.convert.from_function

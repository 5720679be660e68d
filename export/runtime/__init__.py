"""Run an exported model with NumPy and onnxruntime alone."""

from kerasrnn.export._manifest import ArtefactError
from kerasrnn.export.runtime.limits import Limits
from kerasrnn.export.runtime.session import Session, load

__all__ = ["ArtefactError", "Limits", "Session", "load"]

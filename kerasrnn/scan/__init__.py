"""A cell over time: the fused scan with its own gradient, and its truncation."""

from kerasrnn.scan.fused import fused_scan
from kerasrnn.scan.truncation import TRUNCATIONS, state_gradient_scale

__all__ = ["TRUNCATIONS", "fused_scan", "state_gradient_scale"]

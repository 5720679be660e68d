"""A cell over time: the fused scan with its own gradient, its truncation, and the linear scan."""

from kerasrnn.scan.fused import fused_scan
from kerasrnn.scan.linear import linear_scan, masked_linear_scan
from kerasrnn.scan.loops import Step
from kerasrnn.scan.truncation import TRUNCATIONS, state_gradient_scale

__all__ = ["TRUNCATIONS", "Step", "fused_scan", "linear_scan", "masked_linear_scan", "state_gradient_scale"]

"""A cell over time: the fused scan with its own gradient."""

from kerasrnn.scan.fused import fused_scan

__all__ = ["fused_scan"]

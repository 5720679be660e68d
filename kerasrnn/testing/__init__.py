"""The contracts that every cell and layer passes, for users' own cells and layers too."""

from kerasrnn.testing.cell import check_cell
from kerasrnn.testing.layer import check_layer
from kerasrnn.testing.report import CheckError, Failure, Report, Result

__all__ = ["CheckError", "Failure", "Report", "Result", "check_cell", "check_layer"]

"""What a network does with its gradients, its states and its time: measured, judged and explained."""

from kerasrnn.diagnostics.callback import GradientFlow
from kerasrnn.diagnostics.clipping import clipped_share, gradient_norm
from kerasrnn.diagnostics.diagnosis import Diagnosis, LayerDiagnosis, diagnose
from kerasrnn.diagnostics.gates import SaturatedGates, saturated_gates
from kerasrnn.diagnostics.gradient_flow import LayerFlow, gradient_flow
from kerasrnn.diagnostics.jacobian import LayerJacobian, recurrent_jacobian
from kerasrnn.diagnostics.layer_speed import LayerSpeed, layer_speed
from kerasrnn.diagnostics.lyapunov import LayerExponents, lyapunov_exponents
from kerasrnn.diagnostics.memory_length import half_life
from kerasrnn.diagnostics.paths import LayerPath, layer_paths

__all__ = [
    "Diagnosis",
    "GradientFlow",
    "LayerDiagnosis",
    "LayerExponents",
    "LayerFlow",
    "LayerJacobian",
    "LayerPath",
    "LayerSpeed",
    "SaturatedGates",
    "clipped_share",
    "diagnose",
    "gradient_flow",
    "gradient_norm",
    "half_life",
    "layer_paths",
    "layer_speed",
    "lyapunov_exponents",
    "recurrent_jacobian",
    "saturated_gates",
]

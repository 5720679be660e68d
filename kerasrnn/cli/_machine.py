"""The machine as TensorFlow sees it: devices, threads, XLA, and how fast it multiplies. TensorFlow is loaded already."""

import os
import platform
import shutil
import time
from typing import Any

_VARIABLES = (
    "KERAS_BACKEND", "CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS",
    "TF_ENABLE_ONEDNN_OPTS", "TF_XLA_FLAGS", "XLA_FLAGS", "TF_FORCE_GPU_ALLOW_GROWTH", "KERASRNN_DATA",
)  # fmt: skip
_PROGRAMS = {
    "node": ("node", "nodejs"),
    "chromium": ("chromium", "chromium-browser", "google-chrome"),
    "tensorflow_model_server": ("tensorflow_model_server",),
}
_SIZE = 1024  # of the matrices: large enough for all cores, small enough for many products a second


def devices() -> list[dict[str, Any]]:
    """What TensorFlow computes on, the CPU first."""
    from kerasrnn._backend import tf

    found = []
    for device in tf.config.list_physical_devices():
        details = tf.config.experimental.get_device_details(device) if device.device_type == "GPU" else {}
        what = details.get("device_name") or (_processor() if device.device_type == "CPU" else "")
        found.append({"kind": device.device_type, "name": device.name.rpartition("physical_device:")[2], "what": what})
    return found


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            names = (line.partition(":")[2].strip() for line in file if line.startswith("model name"))
            return next(names, platform.machine())
    except OSError:
        return platform.processor() or platform.machine()


def unseen_gpu() -> tuple[str, str] | None:
    """What is wrong and the remedy, where there is a GPU of NVIDIA's that TensorFlow does not see."""
    from kerasrnn._backend import tf

    if tf.config.list_physical_devices("GPU") or not (shutil.which("nvidia-smi") or os.path.exists("/dev/nvidia0")):
        return None
    if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        return "CUDA_VISIBLE_DEVICES hides the GPU", "unset CUDA_VISIBLE_DEVICES"
    if not tf.test.is_built_with_cuda():
        return "a GPU is here, but this TensorFlow is built without CUDA", "pip install 'tensorflow[and-cuda]'"
    return "a GPU is here, but TensorFlow does not find CUDA's libraries", "pip install 'tensorflow[and-cuda]'"


def threads() -> dict[str, Any]:
    """How many cores this process may use, and how many threads TensorFlow takes within and between operations."""
    from kerasrnn._backend import tf

    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    configured = {
        "intra_op": tf.config.threading.get_intra_op_parallelism_threads() or os.environ.get("TF_NUM_INTRAOP_THREADS"),
        "inter_op": tf.config.threading.get_inter_op_parallelism_threads() or os.environ.get("TF_NUM_INTEROP_THREADS"),
    }
    return {"cores": os.cpu_count(), "usable_cores": usable, **{k: int(v or 0) or usable for k, v in configured.items()}}


def variables() -> dict[str, str]:
    """The environment's variables that change how TensorFlow or kerasrnn runs, of those that are set."""
    return {name: os.environ[name] for name in _VARIABLES if name in os.environ}


def programs() -> dict[str, str | None]:
    """Where the programs are that run exported models, or None; nothing needs them."""
    return {name: next(filter(None, map(shutil.which, commands)), None) for name, commands in _PROGRAMS.items()}


def xla_failure() -> str | None:
    """Why XLA does not compile a small function here; None where it does."""
    from kerasrnn._backend import tf

    try:
        value = tf.function(lambda x: tf.tanh(x @ x), jit_compile=True)(tf.zeros((2, 2)))
    except (tf.errors.OpError, ValueError, RuntimeError) as error:
        return str(error).strip().splitlines()[0]
    return None if value.shape == (2, 2) else "it gives another shape"


def gigaflops(seconds: float = 0.5) -> float:
    """The speed of a product of two large matrices in float32: the best of as many as fit into the time."""
    from kerasrnn._backend import tf

    matrix = tf.random.stateless_normal((_SIZE, _SIZE), (0, 0))
    product = tf.function(lambda x: tf.reduce_sum(x @ x))
    product(matrix).numpy()
    best, until = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < until:
        begun = time.perf_counter()
        product(matrix).numpy()
        best = min(best, time.perf_counter() - begun)
    return 2 * _SIZE**3 / best / 1e9

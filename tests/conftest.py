import os
import pathlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

_shared_data = pathlib.Path(__file__).resolve().parents[2] / "shared" / "data"
if _shared_data.is_dir():
    os.environ.setdefault("KERASRNN_DATA", str(_shared_data))


def pytest_make_parametrize_id(val, argname):
    """Bytes that a library made need not be the same in each of xdist's processes, which must agree on the tests' names."""
    return argname if isinstance(val, bytes) else None

import gc
import os
import pathlib

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

_shared_data = pathlib.Path(__file__).resolve().parents[2] / "shared" / "data"
if _shared_data.is_dir():
    os.environ.setdefault("KERASRNN_DATA", str(_shared_data))


def pytest_make_parametrize_id(val, argname):
    """Bytes that a library made need not be the same in each of xdist's processes, which must agree on the tests' names."""
    return argname if isinstance(val, bytes) else None


@pytest.fixture(scope="module", autouse=True)
def _frozen_garbage():
    """TensorFlow keeps the graphs of functions for ever: by the end millions of objects, a second of each collection."""
    yield
    gc.collect()
    gc.freeze()

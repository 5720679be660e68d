import collections
import gc
import os
import pathlib

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
gc.set_threshold(50_000, 20, 100)  # tracing makes very many objects, and few in cycles

_shared_data = pathlib.Path(__file__).resolve().parents[2] / "shared" / "data"
if _shared_data.is_dir():
    os.environ.setdefault("KERASRNN_DATA", str(_shared_data))


def pytest_make_parametrize_id(val, argname):
    """Bytes that a library made need not be the same in each of xdist's processes, which must agree on the tests' names."""
    return argname if isinstance(val, bytes) else None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Of a test marked `one_in(n)`, each n-th case stays quick, which passes through all values if n divides no number of them."""
    cases = collections.Counter()
    for item in items:
        if marker := item.get_closest_marker("one_in"):
            test = item.nodeid.split("[")[0]
            if cases[test] % marker.args[0]:
                item.add_marker(pytest.mark.slow)
            cases[test] += 1


@pytest.fixture(scope="module", autouse=True)
def _frozen_garbage():
    """TensorFlow keeps the graphs of functions for ever: by the end millions of objects, a second of each collection."""
    yield
    gc.collect()
    gc.freeze()

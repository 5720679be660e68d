"""The allow-list of operations, on SavedModels that are served and on ones that must not be."""

import re
from pathlib import Path

import keras
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from kerasrnn.export import export_saved_model
from kerasrnn.export.writers._ops import LOADING, SERVED, TEXT, ForbiddenOpError, check_ops, text_libraries


@pytest.fixture
def saved(tmp_path):
    """Saves a function of a float32 vector, with what it uses."""

    def saved(function, **used):
        module = tf.Module()
        module.used = used
        module.function = tf.function(function, [tf.TensorSpec((None,), tf.float32, "x")])
        tf.saved_model.save(module, tmp_path, module.function.get_concrete_function())
        return tmp_path

    return saved


def test_an_exported_language_model_holds_what_is_allowed(saved_model_folder):
    ops = check_ops(saved_model_folder)
    assert {"MatMul", "UnicodeDecode", "RestoreV2", "VarHandleOp"} <= ops <= SERVED | LOADING


def test_every_name_is_an_operation_of_the_core():
    assert {name for name in SERVED | LOADING if not hasattr(tf.raw_ops, name)} == set()
    assert set() == SERVED & LOADING


def test_an_exported_language_model_needs_no_other_library(saved_model_folder):
    assert text_libraries(saved_model_folder) == []


def test_text_s_operations_are_in_the_libraries_named():
    folder = Path(pytest.importorskip("tensorflow_text", reason="needs pip install 'kerasrnn[subword]'").__file__).parent
    for library, names in TEXT.items():
        found = tf.load_op_library(str(folder / "python" / "ops" / library))
        assert all(hasattr(found, re.sub("(?<=[a-z])(?=[A-Z])", "_", name).lower()) for name in names), dir(found)


def test_variables_and_tables_are_loaded_and_read(saved):
    variable = tf.Variable(2.0)
    table = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(["a"], [1.0]), 0.0)
    folder = saved(lambda x: {"y": x * variable + table.lookup(tf.fill(tf.shape(x), "a"))}, variable=variable, table=table)
    assert {"LookupTableImportV2", "AssignVariableOp", "LookupTableFindV2", "SaveV2"} <= check_ops(folder)


def test_a_table_may_come_from_a_file_in_assets(saved, tmp_path):
    (tmp_path / "words.txt").write_text("a\nb\n")
    line, number = tf.lookup.TextFileIndex.WHOLE_LINE, tf.lookup.TextFileIndex.LINE_NUMBER
    source = tf.lookup.TextFileInitializer(str(tmp_path / "words.txt"), tf.string, line, tf.int64, number)
    table = tf.lookup.StaticHashTable(source, -1)
    folder = saved(lambda x: {"y": table.lookup(tf.as_string(x))}, table=table)
    assert "InitializeTableFromTextFileV2" in check_ops(folder)


def keep(x, effect):
    with tf.control_dependencies([effect]):
        return tf.identity(x)


FILE = {"prefix": "f", "tensor_names": ["x"], "shape_and_slices": [""]}
FORBIDDEN = {
    "EagerPyFunc": lambda x: tf.py_function(lambda y: y, [x], tf.float32),
    "PyFunc": lambda x: tf.numpy_function(lambda y: y, [x], tf.float32),
    "PyFuncStateless": lambda x: tf.numpy_function(lambda y: y, [x], tf.float32, stateful=False),
    "WriteFile": lambda x: keep(x, tf.io.write_file("f", "x")),
    "ReadFile": lambda x: keep(x, tf.io.read_file("f")),
    "MatchingFiles": lambda x: keep(x, tf.io.matching_files("*")),
    "ImmutableConst": lambda x: x + tf.raw_ops.ImmutableConst(dtype=tf.float32, shape=[], memory_region_name="f"),
    "Abort": lambda x: keep(x, tf.raw_ops.Abort(error_msg="", exit_without_error=False)),
    "PrintV2": lambda x: keep(x, tf.print(x)),
    "RandomStandardNormal": lambda x: x + tf.random.normal(tf.shape(x)),
    "Timestamp": lambda x: x + tf.cast(tf.timestamp(), tf.float32),
    "SaveV2": lambda x: keep(x, tf.raw_ops.SaveV2(**FILE, tensors=[x])),
    "RestoreV2": lambda x: x + tf.raw_ops.RestoreV2(**FILE, dtypes=[tf.float32])[0],
}


@pytest.mark.parametrize("op", FORBIDDEN)
def test_what_leaves_the_graph_is_refused(saved, op):
    with pytest.raises(ForbiddenOpError, match=rf"operation {op} \(node .*{op}.* Make the layer"):
        check_ops(saved(lambda x: {"y": FORBIDDEN[op](x)}))


def test_it_is_refused_in_a_branch_of_a_function_of_a_function(saved):
    @tf.function
    def inner(x):
        return tf.cond(tf.size(x) > 3, lambda: keep(x, tf.io.write_file("f", "x")), lambda: x)

    with pytest.raises(ForbiddenOpError, match="WriteFile"):
        check_ops(saved(lambda x: {"y": tf.while_loop(lambda y: tf.size(y) > 9, lambda y: (inner(y),), [x])[0]}))


def test_a_variable_written_in_a_call_is_refused(saved):
    variable = tf.Variable(0.0)
    with pytest.raises(ForbiddenOpError, match="AssignVariableOp.*all clients share.*stateful=False"):
        check_ops(saved(lambda x: {"y": x + variable.assign(tf.reduce_sum(x))}, variable=variable))


def test_what_loads_is_not_excused_where_a_client_calls_it(saved, tmp_path):
    variable = tf.Variable(1.0)
    saved(lambda x: {"y": x + variable}, variable=variable)
    content = saved_model_pb2.SavedModel.FromString((tmp_path / "saved_model.pb").read_bytes())
    graph, signatures = content.meta_graphs[0].graph_def, content.meta_graphs[0].signature_def
    (restore,) = (f.signature.name for f in graph.library.function if any(node.op == "RestoreV2" for node in f.node_def))
    graph.node.add(name="called", op="StatefulPartitionedCall").attr["f"].func.name = restore
    signatures["serving_default"].outputs["called"].name = "called:0"
    (tmp_path / "saved_model.pb").write_bytes(content.SerializeToString())
    with pytest.raises(ForbiddenOpError, match="AssignVariableOp|RestoreV2"):
        check_ops(tmp_path)


def test_operations_of_other_libraries_are_refused(saved, tmp_path):
    """tensorflow_text registers its own where it is imported; here a core one is renamed to one of them."""
    content = (saved(lambda x: {"y": tf.strings.lower(tf.as_string(x))}) / "saved_model.pb").read_bytes()
    (tmp_path / "saved_model.pb").write_bytes(content.replace(b"StringLower", b"WhitespaceX"))
    with pytest.raises(ForbiddenOpError, match="WhitespaceX"):
        check_ops(tmp_path)


def test_a_lambda_in_python_is_not_exported(tmp_path):
    def doubled(x):
        return tf.ensure_shape(tf.py_function(lambda y: 2 * y, [x], tf.float32), (None, 3))

    inputs = keras.Input((3,))
    model = keras.Model(inputs, keras.layers.Lambda(doubled, output_shape=(3,))(inputs))
    with pytest.raises(ForbiddenOpError, match="EagerPyFunc.*lambda"):
        export_saved_model(model, tmp_path / "serving")
    assert not (tmp_path / "serving").exists() or list((tmp_path / "serving").iterdir()) == []

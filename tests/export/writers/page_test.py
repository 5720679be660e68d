"""report.html, and what the manifest says of layers."""

import re

import pytest
from zoo import ZOO

from kerasrnn._backend import keras
from kerasrnn.export import export_onnx, read_manifest


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    x = keras.Input((None, 4, 6, 2), name="x")
    h = keras.layers.ConvLSTM2D(2, 3, name="a>b", return_sequences=True)(x)
    h = keras.layers.TimeDistributed(keras.layers.Flatten())(h)
    model = keras.Model(x, keras.layers.Bidirectional(keras.layers.GRU(3), name="both")(h))
    samples = keras.random.normal((3, 5, 4, 6, 2))
    return export_onnx(model, tmp_path_factory.mktemp("page") / "out", samples=samples, report="html")


def test_the_page_tells_what_became_of_each_layer_and_warns(exported):
    page = (exported / "report.html").read_text(encoding="utf-8")
    assert "a>b" not in page  # escaped
    assert "<p class='warning'>a&gt;b: general path, slow, as its loop or its states are its own.</p>" in page
    assert page.count("native GRU") == 2
    assert re.search(r"cannot run in pieces, for \w+ reads the sequence from its end", page)
    assert re.search(r"forward.onnx</td><td class=number>[\d,]+</td>", page)
    speeds = re.findall(r"<td class=number>(\d)</td><td class=number>5</td><td class=number>([\d.]+)</td>", page)
    assert [batch for batch, _ in speeds] == ["1", "3"]
    assert all(float(milliseconds) > 0 for _, milliseconds in speeds)
    assert "report.html" in read_manifest(exported)["files"]


def test_a_page_of_another_kind_is_refused(tmp_path):
    with pytest.raises(ValueError, match="report: expected 'html' or None; received 'pdf'"):
        export_onnx(ZOO["GRU masked"].build(), tmp_path / "out", report="pdf")


def test_the_manifest_has_each_recurrent_layer(tmp_path):
    model = ZOO["stack of three masked"].build()
    folder = export_onnx(model, tmp_path / "out")
    left_out = "masked steps left out"
    fate = f"native LSTM, {left_out}; Scan, {left_out}; native RNN, {left_out}"
    assert read_manifest(folder)["layers"] == {model.layers[-1].name: fate}
    assert not (folder / "report.html").exists()

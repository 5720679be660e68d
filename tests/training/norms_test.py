import csv

import numpy as np
import pytest

from kerasrnn._backend import keras, tf
from kerasrnn.cells import GRUCell
from kerasrnn.data import language_model_dataset
from kerasrnn.models import LanguageModel
from kerasrnn.tokenizers import CharTokenizer
from kerasrnn.training import Norms, SampleText, StopAtNaN


def new_model(stateful=False, **arguments):
    keras.utils.set_random_seed(0)
    model = LanguageModel(GRUCell(5), vocabulary_size=9, stateful=stateful)
    model.compile(keras.optimizers.SGD(0.5, global_clipnorm=0.01), **arguments)
    return model


def windows():
    return language_model_dataset(np.arange(200) ** 2 % 9, batch_size=4, num_steps=8, shuffle=False, contiguous=True)


@pytest.mark.parametrize("arguments", [{}, {"jit_compile": True}, {"stateful": True}])
def test_the_norms_are_those_by_hand(arguments):
    model, expected = new_model(**arguments), new_model()
    norms = Norms(every_batches=1)
    x, y = next(iter(windows()))
    model.fit(windows().take(1), verbose=0, callbacks=[StopAtNaN(), norms])
    with tf.GradientTape() as tape:
        logits, (h,) = expected(x, return_state=True)
        loss = expected.compute_loss(x, y, logits)
    variables = expected.trainable_variables
    gradients = tape.gradient(loss, [variable.value for variable in variables])
    gradients = [np.asarray(tf.convert_to_tensor(gradient)) for gradient in gradients]
    total = np.sqrt(sum((gradient**2).sum() for gradient in gradients))
    layer = np.sqrt(sum((g**2).sum() for v, g in zip(variables, gradients) if "logits" in v.path))
    weight = np.sqrt(sum((np.asarray(v) ** 2).sum() for v in variables if "logits" in v.path))
    assert total > 0.02  # it is clipped to 0.01, where Keras takes each occurrence of an embedding by itself
    assert norms.last == {
        **norms.last,
        "gradient": pytest.approx(total, rel=1e-4),
        "gradient/logits": pytest.approx(layer, rel=1e-4),
        "weight/logits": pytest.approx(weight, rel=1e-4),
        "update/logits": pytest.approx(0.5 * 0.01 * layer / total / weight, rel=0.03),
        "state/rnn_0/h": pytest.approx(np.linalg.norm(h, axis=-1).mean(), rel=1e-4),
        "perplexity": pytest.approx(np.exp(float(loss)), rel=1e-4),
    }


def test_every_n_th_step_is_written_and_a_resumed_training_goes_on(tmp_path):
    path, model = tmp_path / "norms.csv", new_model()
    arguments = {"verbose": 0, "steps_per_epoch": 5, "shuffle": False}
    model.fit(windows().repeat(), epochs=2, callbacks=[Norms(path, every_batches=2)], **arguments)
    with path.open("a") as file:
        file.write("2,3,8,")  # killed while writing
    model.optimizer.iterations.assign(5)
    model.fit(windows().repeat(), initial_epoch=1, epochs=2, callbacks=[Norms(path, every_batches=2)], **arguments)
    with path.open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["epoch"], row["batch"], row["step"]) for row in rows] == [
        ("1", "1", "1"), ("1", "3", "3"), ("1", "5", "5"), ("2", "1", "6"), ("2", "3", "8"), ("2", "5", "10"),
    ]  # fmt: skip
    assert all(float(row["gradient"]) > 0 and float(row["perplexity"]) > 1 for row in rows)


def test_tensorboard_has_norms_figures_and_samples(tmp_path):
    tokenizer = CharTokenizer()
    tokenizer.adapt("ab")
    model = LanguageModel(GRUCell(4), tokenizer)
    model.compile()
    data = language_model_dataset("ab" * 30, tokenizer, batch_size=4, num_steps=4)
    callbacks = [Norms(log_dir=tmp_path, every_batches=1), SampleText("ab", 5, log_dir=tmp_path)]
    model.fit(data, validation_data=data, verbose=0, callbacks=callbacks)
    events = [
        tf.compat.v1.Event.FromString(record)
        for path in tmp_path.iterdir()
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator()
    ]
    values = {value.tag: value for event in events for value in event.summary.value}
    assert {"gradient", "perplexity", "state/rnn_0/h", "epoch_val_perplexity", "sample"} <= values.keys()
    assert tf.make_ndarray(values["sample"].tensor).item().startswith(b"ab")
    assert values["gradient"].metadata.plugin_data.plugin_name == "scalars"
    assert values["sample"].metadata.plugin_data.plugin_name == "text"
    assert tf.make_ndarray(values["gradient"].tensor) == pytest.approx(callbacks[0].last["gradient"])


def test_the_model_is_left_as_it_was():
    model = new_model()
    model.fit(windows(), verbose=0, callbacks=[Norms(), StopAtNaN()])
    assert not {"apply", "scale_loss"} & vars(model.optimizer).keys()
    assert "inner_loop" not in vars(model.layers[0]) and model.train_function is None


def test_early_stopping_on_perplexity_needs_no_mode():
    model = new_model()
    stopping = keras.callbacks.EarlyStopping("val_perplexity", patience=0, min_delta=1e-3)
    model.optimizer.learning_rate = 0.0
    history = model.fit(windows(), validation_data=windows(), epochs=5, verbose=0, callbacks=[stopping])
    assert history.epoch == [0, 1] and stopping.monitor_op is keras.ops.less
    assert stopping.best == pytest.approx(np.exp(history.history["val_loss"][0]), rel=1e-3)

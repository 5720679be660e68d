import pytest

from kerasrnn._backend import keras, tf
from kerasrnn.training import advice_on_memory


def test_what_to_lower_is_named_with_its_value():
    model = keras.Sequential([keras.layers.Input((1,)), keras.layers.Lambda(lambda x: tf.zeros([2**22, 2**22, 2**10]))])
    model.compile(loss="mse", run_eagerly=True)
    settings = {"batch_size": 64, "num_steps": 35, "units": 7, "mixed_precision": None, "seed": 3}
    expected = r"^Memory does not suffice: .*\. Lower batch_size \(64\), or lower num_steps \(35\), or lower units"
    with pytest.raises(MemoryError, match=expected):
        advice_on_memory(**settings)(model.predict)(tf.zeros((1, 1)), verbose=0)
    with pytest.raises(MemoryError, match="or train in mixed_bfloat16, or keep fewer states") as error:
        with advice_on_memory(**settings):
            raise MemoryError("Unable to allocate 9 GiB")
    assert "seed" not in str(error.value)


def test_other_errors_pass():
    with pytest.raises(ValueError, match="^other$"), advice_on_memory(batch_size=1):
        raise ValueError("other")

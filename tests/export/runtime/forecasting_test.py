import numpy as np
import pytest

from kerasrnn.export.runtime.forecasting import forecast_inputs

SPECS = [{"name": "past", "dtype": "float32", "shape": [None, 4, 3]}]
ABOUT = {"horizon": 3, "channels": 2, "covariates": 1, "levels": [0.1, 0.9]}
MANIFEST = {"forecast": ABOUT, "signatures": {"forecast": {"inputs": SPECS}}, "model": {"class_name": "Forecaster"}}
GIVEN = {"past": np.zeros((2, 4, 3)), "steps": 5, "num_paths": 7, "seed": 3, "covariates": np.zeros((2, 3, 1))}


def inputs_of(manifest=MANIFEST, **changes):
    return forecast_inputs(manifest, **{**GIVEN, **changes})


def test_one_value_is_for_all_rows_but_each_has_a_seed_of_its_own():
    inputs = inputs_of()
    assert {name: (value.dtype.name, value.tolist()) for name, value in inputs.items() if value.ndim == 1} == {
        "steps": ("int32", [5, 5]), "num_paths": ("int32", [7, 7]), "seed": ("int64", [3, 4])
    }  # fmt: skip
    assert inputs["past"].dtype == inputs["covariates"].dtype == np.float32
    assert inputs_of(seed=[9, 1])["seed"].tolist() == [9, 1] and inputs_of(steps=[1, 5])["steps"].tolist() == [1, 5]
    assert inputs_of(seed=None)["seed"].tolist() != inputs_of(seed=None)["seed"].tolist()


def test_covariates_may_be_left_out_where_none_is_fed_back():
    assert inputs_of(steps=3, covariates=None)["covariates"].shape == (2, 0, 1)
    alone = {**MANIFEST, "forecast": {**ABOUT, "covariates": 0}}
    assert "covariates" not in inputs_of(alone, covariates=None)
    with pytest.raises(ValueError, match="covariates: expected None, as this model has none"):
        inputs_of(alone)


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"past": np.zeros((4, 3))}, r"past: expected numbers of shape \(None, 4, 3\).*received float64 of \(4, 3\)"),
        ({"past": np.zeros((2, 5, 3))}, "past: expected numbers of shape"),
        ({"past": np.full((2, 4, 3), np.nan)}, "past: expected finite numbers; received NaN"),
        ({"past": np.full((2, 4, 3), "a")}, "past: expected numbers"),
        ({"steps": 0}, "steps: expected an integer from 1 to 10,000, or one for each of 2 rows; received 0"),
        ({"steps": 10_001}, "steps: expected an integer from 1 to 10,000"),
        ({"steps": 2.0}, "steps: expected an integer from 1"),
        ({"steps": [1, 2, 3]}, "steps: expected .*one for each of 2 rows"),
        ({"num_paths": 1_001}, "num_paths: expected an integer from 1 to 1,000"),
        ({"num_paths": True}, "num_paths: expected an integer"),
        ({"seed": 1.5}, "seed: expected an integer of 64 bits, one for all rows or one a row .2.; received 1.5"),
        ({"covariates": None}, r"covariates: expected those of the steps that are fed back, \(2, at least 3, 1\)"),
        ({"covariates": np.zeros((2, 2, 1))}, r"covariates: expected.*received \(2, 2, 1\)"),
        ({"covariates": np.zeros((1, 3, 1))}, r"covariates: expected.*received \(1, 3, 1\)"),
        ({"covariates": np.full((2, 3, 1), np.inf)}, "covariates: expected finite numbers"),
    ],
)
def test_bad_requests(changes, words):
    with pytest.raises(ValueError, match=words):
        inputs_of(**changes)

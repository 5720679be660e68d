import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasrnn.data import forecast_dataset, temporal_split

NAN = float("nan")


def windows(*args, **kwargs):
    """All windows of a dataset: inputs and targets."""
    batches = [(inputs.numpy(), targets.numpy()) for inputs, targets in forecast_dataset(*args, **kwargs)]
    return tuple(np.concatenate(parts) for parts in zip(*batches))


def test_windows_and_targets_are_those_of_the_definition():
    series = np.arange(20.0) * [[1.0], [100.0]]
    inputs, targets = windows(series.T, lags=4, horizon=3, stride=2, batch_size=3)
    begins = range(0, 20 - 4 - 3 + 1, 2)
    np.testing.assert_array_equal(inputs, [series.T[b : b + 4] for b in begins])
    np.testing.assert_array_equal(targets, [series.T[b + 4 : b + 7] for b in begins])
    assert inputs.dtype == targets.dtype == np.float32


def test_targets_at_every_step():
    inputs, targets = windows(range(10), lags=3, horizon=2, return_sequences=True)
    assert inputs[1, :, 0].tolist() == [1, 2, 3]
    assert targets[1, ..., 0].tolist() == [[2, 3], [3, 4], [4, 5]]


def test_several_series_of_several_lengths_share_no_window():
    inputs, targets = windows([[0, 1, 2, 3], np.array([10.0, 11, 12])], lags=2)
    assert inputs[..., 0].tolist() == [[0, 1], [1, 2], [10, 11]]
    assert targets.ravel().tolist() == [2, 3, 12]


def test_covariates_are_inputs_and_no_targets():
    series, covariates = np.arange(6.0), np.arange(12.0).reshape(6, 2) + 100
    inputs, targets = windows(series, lags=2, covariates=covariates)
    assert inputs[1].tolist() == [[1, 102, 103], [2, 104, 105]]
    assert targets.shape == (4, 1, 1)


def test_channel_independent_windows_are_those_of_each_channel_with_the_covariates():
    series, covariates = np.stack([np.arange(5.0), np.arange(5.0) + 50], axis=1), np.arange(5.0) + 100
    inputs, targets = windows(series, lags=3, covariates=covariates, channel_independent=True)
    assert inputs[:, :, 0].tolist() == [[0, 1, 2], [1, 2, 3], [50, 51, 52], [51, 52, 53]]
    assert inputs[:, :, 1].tolist() == [[100, 101, 102], [101, 102, 103]] * 2
    assert targets.ravel().tolist() == [3, 4, 53, 54]


def test_a_seed_repeats_the_orders_and_every_pass_has_another():
    def passes(seed):
        dataset = forecast_dataset(range(40), lags=3, shuffle=True, seed=seed, batch_size=100)
        return [next(iter(dataset))[1].numpy().ravel().tolist() for _ in range(2)]

    first, second = passes(seed=7)
    assert [first, second] == passes(seed=7)
    assert first != second and sorted(first) == sorted(second) == list(range(3, 40))


def test_cardinality_and_shapes_are_known():
    dataset = forecast_dataset(np.zeros((30, 2)), lags=4, horizon=2, batch_size=8)
    assert dataset.cardinality() == 4
    assert [tuple(spec.shape) for spec in dataset.element_spec] == [(None, 4, 2), (None, 2, 2)]


@settings(deadline=None, max_examples=25)
@given(
    length=st.integers(8, 60),
    lags=st.integers(1, 6),
    horizon=st.integers(1, 5),
    stride=st.integers(1, 4),
    edges=st.tuples(st.integers(0, 60), st.integers(0, 60)),
    sequences=st.booleans(),
)
def test_never_trained_on_the_future(length, lags, horizon, stride, edges, sequences):
    begin, end = sorted(min(edge, length) for edge in edges)
    first_target = 1 if sequences else lags
    possible = begin < end and max(0, begin - first_target) + lags + horizon <= end
    options = {"lags": lags, "horizon": horizon, "stride": stride, "span": (begin, end), "return_sequences": sequences}
    if not possible:
        with pytest.raises(ValueError, match="span"):
            windows(np.arange(length), **options)
        return
    # The values are their own times.
    inputs, targets = windows(np.arange(length), **options)
    assert targets.min() >= begin and max(targets.max(), inputs.max()) < end
    for window, target in zip(inputs[..., 0], targets[..., 0]):
        seen = window[:, None] if sequences else window[-1:]
        assert (seen < target).all()
        assert (np.diff(window) == 1).all()
    # All of them are there: the first begins as early as it may, and after the last none of this stride fits.
    assert inputs[0, 0, 0] == max(0, begin - first_target)
    assert inputs[-1, 0, 0] + stride + lags + horizon > end


def test_splits_of_a_series_share_no_target_and_leave_none_out():
    spans = temporal_split(100, (0.6, 0.2, 0.2))
    targets = [windows(range(100), lags=5, span=span)[1].ravel() for span in spans]
    np.testing.assert_array_equal(np.concatenate(targets), np.arange(5, 100))
    shares = windows(range(100), lags=5, span=(0.6, 0.8))[1].ravel()
    np.testing.assert_array_equal(shares, targets[1])


def test_temporal_split_covers_time_in_order():
    for num_steps in (10, 97, 17420):
        spans = temporal_split(num_steps)
        assert spans[0][0] == 0 and spans[2][1] == num_steps
        assert spans[0][1] == spans[1][0] and spans[1][1] == spans[2][0]
    assert temporal_split(50, (0.8, 0.0, 0.2))[1] == (40, 40)


HOLED = [0.0, 1.0, 2.0, NAN, NAN, 5.0, 7.0, float("inf"), 8.0, 9.0]


def test_missing_values_are_an_error_that_says_where():
    with pytest.raises(
        ValueError, match="series: expected finite values with missing='error'; received nan at row 3 of channel 0"
    ):
        forecast_dataset(HOLED, lags=2)
    with pytest.raises(ValueError, match=r"series\[1\].*inf at row 7"):
        forecast_dataset([range(9), HOLED], lags=2, span=(7, 9), missing="error")
    with pytest.raises(ValueError, match="nan at row 2 of covariate 1"):
        forecast_dataset(range(4), lags=2, covariates=[[0, 1], [2, 3], [4, NAN], [6, 7]])


def test_windows_with_missing_values_are_dropped():
    inputs, targets = windows(HOLED, lags=1, missing="drop")
    assert list(zip(inputs.ravel(), targets.ravel())) == [(0, 1), (1, 2), (5, 7), (8, 9)]


def test_a_covariate_missing_at_the_targets_time_drops_nothing():
    covariates = np.array([0.0, 1, 2, NAN])
    assert len(windows(range(4), lags=3, covariates=covariates, missing="drop")[0]) == 1


def test_missing_values_are_filled():
    def filled(missing, **kwargs):
        inputs, targets = windows(HOLED, lags=1, missing=missing, **kwargs)
        return [*inputs[:, 0, 0], targets[-1, 0, 0]]

    assert filled("previous") == [0, 1, 2, 2, 2, 5, 7, 7, 8, 9]
    assert filled("interpolate") == [0, 1, 2, 3, 4, 5, 7, 7.5, 8, 9]
    # Within the training span nothing of what comes after it may show, not even through a line.
    assert filled("interpolate", span=(0, 5)) == [0, 1, 2, 2, 2]


@pytest.mark.parametrize("missing", ["previous", "interpolate"])
def test_a_series_that_begins_with_missing_values_cannot_be_filled(missing):
    with pytest.raises(ValueError, match="nan at row 0 of channel 0. There is no earlier value"):
        forecast_dataset([NAN, 1.0, 2.0, 3.0], lags=2, missing=missing)
    assert len(windows([NAN, 1.0, 2.0, 3.0], lags=1, span=(2, 4), missing=missing)[0]) == 2


def test_nothing_left_of_missing_values():
    with pytest.raises(ValueError, match="missing='drop': expected a window without missing values; received none"):
        forecast_dataset([0.0, NAN, 1.0, NAN], lags=1, missing="drop")


HOURS = np.datetime64("2020-01-01T00") + np.arange(10)


def test_even_times_pass():
    months = np.datetime64("2020-01") + np.arange(10)
    for times in (range(10), np.arange(10) * 0.1, HOURS, [str(hour) for hour in HOURS], HOURS.tolist(), months):
        assert len(windows(range(10), lags=2, times=times)[0]) == 8


@pytest.mark.parametrize(
    "times, words",
    [
        ([0, 1, 3, 2, 4], "times: expected ascending order; received 3 at row 2 and 2 after it. Sort"),
        ([0, 1, 1, 2, 3], "times: expected no duplicates; received 1 at row 1 and 1 after it. Keep one row"),
        ([0, 1, 2, 5, 6], "times: expected even spacing; received a gap in series from 2 at row 2 to 5"),
        ([0, 1, 2, 3], r"times: expected one for each of the 5 time steps, shape \(5,\); received \(4,\)"),
        (["a", "b", "c", "d", "e"], "times: expected numbers or dates; received .*'a'"),
        ([0, 1, 2, NAN, 4], "times: expected ascending order"),
    ],
    ids=["unsorted", "duplicate", "gap", "length", "words", "nan"],
)
def test_times_that_do_not_fit(times, words):
    with pytest.raises(ValueError, match=words):
        forecast_dataset(range(5), lags=1, times=times)


def test_windows_over_a_gap_are_dropped():
    inputs, targets = windows(range(8), lags=2, times=[0, 1, 2, 3, 9, 10, 11, 12], missing="drop")
    assert inputs[..., 0].tolist() == [[0, 1], [1, 2], [4, 5], [5, 6]]
    assert targets.ravel().tolist() == [2, 3, 6, 7]


def test_a_gap_before_the_span_is_nobodys():
    times = [0, 5, 6, 7, 8, 9]
    assert windows(range(6), lags=1, times=times, span=(2, 6))[1].ravel().tolist() == [2, 3, 4, 5]
    with pytest.raises(ValueError, match="gap"):
        forecast_dataset(range(6), lags=2, times=times, span=(2, 6))


@pytest.mark.parametrize(
    "options, words",
    [
        ({"lags": 0}, "lags .*at least 1.* 0"),
        ({"lags": 2.5}, "lags .*integer.* 2.5"),
        ({"lags": 2, "horizon": 0}, "horizon .*at least 1.* 0"),
        ({"lags": 2, "stride": -1}, "stride .*at least 1.* -1"),
        ({"lags": 5, "horizon": 2}, r"series: expected at least lags \+ horizon = 7 time steps.*received 6"),
        ({"lags": 2, "span": (0, 7)}, "span: expected 0 ≤ begin < end ≤ 6, the length of series; received"),
        ({"lags": 2, "span": (0.5, 1.5)}, "span: expected 0 ≤ begin < end ≤ 1, shares of time"),
        ({"lags": 2, "span": (4, 4)}, "span: expected 0 ≤ begin < end"),
        ({"lags": 2, "span": "train"}, r"span: expected \(begin, end\).*'train'"),
        ({"lags": 2, "covariates": range(5)}, "covariates: expected one row for each of the 6 .*received 5"),
        ({"lags": 2, "missing": "skip"}, "missing: expected one of .*'skip'"),
    ],
    ids=["lags", "fraction", "horizon", "stride", "short", "span", "shares", "empty", "name", "covariates", "policy"],
)
def test_arguments_out_of_range(options, words):
    with pytest.raises(ValueError, match=words):
        forecast_dataset(range(6), **options)


@pytest.mark.parametrize(
    "series, options, words",
    [
        ([], {}, "series: expected at least lags"),
        (np.zeros((2, 3, 4)), {}, r"series: expected shape \(time,\) or \(time, channels\); received \(2, 3, 4\)"),
        ([np.zeros((5, 2)), np.zeros((5, 3))], {}, r"the 2 channels of the first; received 3 in series\[1\]"),
        (
            [np.zeros(5), np.zeros(5)],
            {"covariates": [np.zeros(5)]},
            "covariates: expected one for each of the 2 series.*received 1",
        ),
        (
            [np.zeros(5), np.zeros(5)],
            {"covariates": [np.zeros((5, 1)), np.zeros((5, 2))]},
            r"covariates\[1\]: expected as many columns as the first series' covariates, 1; received 2",
        ),
        ([np.zeros(5), np.zeros(2)], {}, r"series\[1\]: expected at least lags \+ horizon"),
    ],
    ids=["none", "rank", "channels", "covariate_list", "covariate_columns", "one_too_short"],
)
def test_series_that_do_not_fit(series, options, words):
    with pytest.raises(ValueError, match=words):
        forecast_dataset(series, lags=2, **options)


def test_a_series_of_words():
    with pytest.raises(TypeError, match="series: expected numbers; received values of dtype <U1"):
        forecast_dataset(["a", "b", "c"], lags=1)


@pytest.mark.parametrize("splits", [(0.5, 0.5), (0.5, 0.6, 0.2), (1.2, -0.2, 0.0)], ids=["two", "sum", "negative"])
def test_shares_that_are_no_split(splits):
    with pytest.raises(ValueError, match="splits: expected three shares"):
        temporal_split(100, splits)


def test_too_few_steps_to_split():
    with pytest.raises(ValueError, match="num_steps: expected enough for each of the shares"):
        temporal_split(3)


def test_the_windows_of_etth1s_usual_split():
    path = Path(os.environ.get("KERASRNN_DATA", ""), "ett/ETTh1.csv")
    if not path.exists():
        pytest.skip("needs ETTh1.csv as ett/ETTh1.csv in the folder that KERASRNN_DATA names")
    rows = np.genfromtxt(path, delimiter=",", skip_header=1, dtype=str)
    dataset = forecast_dataset(
        rows[:, 1:].astype(float), lags=336, horizon=24, span=(11520, 14400), times=rows[:, 0], batch_size=1000
    )
    # Informer's: 4 months of 30 days, of which 24 hours at the end begin no window.
    assert sum(len(inputs) for inputs, _ in dataset) == 4 * 30 * 24 - 24 + 1

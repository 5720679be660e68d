import keras
import numpy as np
import pytest

from kerasrnn.models import GaussianNLL, PinballLoss, coverage, crps_gaussian, crps_quantiles, gaussian_nll, pinball_loss

rng = np.random.default_rng(3)


def normal_cdf(x):
    return 0.5 * (1 + keras.ops.convert_to_numpy(keras.ops.erf(x / np.sqrt(2))))


def test_pinball_loss_is_its_definition():
    targets, outputs, quantiles = rng.normal(size=(5, 2)), rng.normal(size=(5, 2, 3)), [0.1, 0.5, 0.8]
    expected = np.zeros((5, 2))
    for q, output in zip(quantiles, np.moveaxis(outputs, -1, 0)):
        error = targets - output
        expected += np.where(error > 0, q * error, (q - 1) * error) / 3
    np.testing.assert_allclose(pinball_loss(targets, outputs, quantiles), expected, rtol=1e-6)


@pytest.mark.parametrize("q", [0.1, 0.5, 0.9])
def test_pinball_loss_is_least_at_the_quantile(q):
    targets, candidates = rng.exponential(size=4001), np.linspace(0, 5, 501)
    losses = [float(np.mean(pinball_loss(targets, np.full((4001, 1), c), [q]))) for c in candidates]
    assert abs(candidates[np.argmin(losses)] - np.quantile(targets, q)) < 0.02


def test_gaussian_nll_is_the_log_density():
    targets, mean, deviation = rng.normal(size=7), rng.normal(size=7), rng.uniform(0.1, 2, size=7)
    density = np.exp(-((targets - mean) ** 2) / (2 * deviation**2)) / (deviation * np.sqrt(2 * np.pi))
    np.testing.assert_allclose(gaussian_nll(targets, np.stack([mean, deviation], -1)), -np.log(density), rtol=1e-6)


@pytest.mark.parametrize("target, mean, deviation", [(0.3, 1.0, 0.5), (2.0, -1.0, 1.5), (0.0, 0.0, 3.0)])
def test_crps_gaussian_is_its_integral(target, mean, deviation):
    x = np.linspace(-30, 30, 200_001)
    integral = np.sum((normal_cdf((x - mean) / deviation) - (x >= target)) ** 2) * (x[1] - x[0])
    assert float(crps_gaussian(target, np.array([mean, deviation]))) == pytest.approx(integral, rel=1e-3)


def test_crps_of_many_quantiles_nears_the_closed_form():
    quantiles = (np.arange(500) + 0.5) / 500
    grid = np.linspace(-6, 6, 100_001)
    outputs = 2 + 0.7 * np.interp(quantiles, normal_cdf(grid), grid)
    closed = float(crps_gaussian(2.5, np.array([2, 0.7])))
    assert float(crps_quantiles(2.5, outputs, quantiles)) == pytest.approx(closed, rel=1e-3)


def test_crps_of_the_median_is_the_absolute_error():
    targets, outputs = rng.normal(size=6), rng.normal(size=6)
    np.testing.assert_allclose(crps_quantiles(targets, outputs[:, None], [0.5]), np.abs(targets - outputs), rtol=1e-6)


def test_coverage_of_normal_quantiles():
    targets = rng.normal(size=20_000)
    assert coverage(targets, np.full(20_000, -1.2816), np.full(20_000, 1.2816)) == pytest.approx(0.8, abs=0.01)
    assert coverage([1.0, 2.0], [1.0, 3.0], [1.0, 4.0]) == 0.5


def test_losses_average_over_horizon_and_channels_and_survive_saving():
    targets, outputs = rng.normal(size=(4, 3, 2)), np.abs(rng.normal(size=(4, 3, 2, 2)))
    for loss, values in (
        (PinballLoss([0.2, 0.7]), pinball_loss(targets, outputs, [0.2, 0.7])),
        (GaussianNLL(), gaussian_nll(targets, outputs)),
    ):
        again = keras.losses.deserialize(keras.losses.serialize(loss))
        assert float(again(targets, outputs)) == pytest.approx(float(np.mean(values)), rel=1e-5)
        # A window without weight counts for nothing.
        weighted = again(targets, outputs, sample_weight=np.repeat([[1.0], [1.0], [0.0], [0.0]], 3, axis=1))
        assert float(weighted) == pytest.approx(float(np.mean(values[:2])) / 2, rel=1e-5)


@pytest.mark.parametrize("quantiles", [(), (0.0, 0.5), (0.5, 0.5), (0.9, 0.1), (0.5, 1.0)], ids=str)
def test_quantiles_that_are_none(quantiles):
    with pytest.raises(ValueError, match=r"quantiles: expected at least one, in \(0, 1\) and ascending; received"):
        PinballLoss(quantiles)


def test_outputs_of_another_kind():
    with pytest.raises(ValueError, match=r"outputs: expected a last axis of 3, one value for each .*\(4, 1, 2\)"):
        pinball_loss(np.zeros((4, 1)), np.zeros((4, 1, 2)), [0.1, 0.5, 0.9])
    with pytest.raises(ValueError, match="outputs: expected a last axis of 2, mean and standard deviation"):
        gaussian_nll(np.zeros((4, 1)), np.zeros((4, 1, 3)))
    with pytest.raises(ValueError, match="targets, low, high: expected one shape"):
        coverage(np.zeros(3), np.zeros((3, 1)), np.zeros((3, 1)))

"""How many steps a gradient lasts."""

import numpy as np

# Of 32-bit floats: a norm below this share of the largest is rounding, and no slope can be read from it.
_ROUNDING = 1e-12


def half_life(norms: np.ndarray) -> float:
    """Steps until a norm has halved, from its values at lag 0, 1, …: ln 2 by the slope of its logarithm.

    Lag 0 is left out where there are further ones: what a loss sees of the present state is no memory, and it is often
    another size.

    Args:
        norms: (lags + 1,) non-negative numbers.

    Returns:
        Steps; inf if the norm does not decay: by less than a thousandth over all lags, or if it is not finite; 0 if there
        is nothing from lag 1 on.

    Example:

    >>> round(half_life(0.5 ** np.arange(5)), 6), round(half_life(0.99 ** np.arange(32)), 3), half_life(np.ones(9))
    (1.0, 68.968, inf)
    """
    norms = np.asarray(norms, "float64")
    if not np.isfinite(norms).all():
        return float("inf")
    norms = norms[1:] if len(norms) > 2 else norms
    if not norms.any():
        return 0.0
    slope = decay_rate(norms)
    return float(np.log(2) / -slope) if -slope * len(norms) > 1e-3 else float("inf")


def decay_rate(norms: np.ndarray) -> float:
    """The slope of a norm's logarithm by lag, per step (natural logarithm): negative where it decays, 0 of a single lag.

    Example:

    >>> round(decay_rate(0.5 ** np.arange(5)), 4)
    -0.6931
    """
    norms = np.asarray(norms, "float64")
    lags = np.flatnonzero(norms > norms.max(initial=0) * _ROUNDING)
    if len(lags) < 2:
        return 0.0 if len(norms) < 2 or not norms.any() else np.log(_ROUNDING)  # gone within a step
    return float(np.polyfit(lags, np.log(norms[lags]), 1)[0])

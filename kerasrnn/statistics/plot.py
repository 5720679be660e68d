from typing import TYPE_CHECKING

import numpy as np

from kerasrnn.statistics.text_statistics import TextStatistics

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_NAMES = {1: "unigram", 2: "bigram", 3: "trigram"}


def draw_frequencies(statistics: TextStatistics) -> "Figure":
    """Draws how often the n-grams occur against their ranks, with logarithmic axes: by Zipf's law straight lines.

    Args:
        statistics: Of the text. Each order it counted has its curve.

    Returns:
        A matplotlib figure, outside pyplot's global state: call its `savefig`.

    Raises:
        ValueError: If there are no tokens.

    Example:

    >>> figure = draw_frequencies(TextStatistics().update("the cat and the dog and the bird"))
    >>> [line.get_label() for line in figure.axes[0].lines]
    ['unigram', 'bigram', 'trigram']

    Reference:
        Zhang et al., "Dive into Deep Learning", section "Converting Raw Text into Sequence Data".
    """
    from matplotlib.figure import Figure

    if not statistics.ngrams(1).num_types:
        raise ValueError("statistics must have counted at least one token to be drawn, but has none. Call update(text).")
    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.add_subplot(xlabel="token: x", ylabel="frequency: n(x)", xscale="log", yscale="log")
    for order in range(1, statistics.max_order + 1):
        counts = statistics.ngrams(order).counts
        exponent = statistics.ngrams(order).zipf_exponent()
        name = _NAMES.get(order, f"{order}-gram")
        # The first and the last type of each count draw the same line as all of them, which may be millions.
        corners = np.flatnonzero(np.diff(counts, prepend=0) | np.diff(counts, append=0))
        axes.plot(corners + 1, counts[corners], label=name if np.isnan(exponent) else f"{name}, exponent {exponent:.2f}")
    axes.grid(alpha=0.3)
    axes.legend()
    return figure

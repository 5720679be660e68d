"""The diagnosis of a model while it trains."""

from typing import Any

from rich.console import Console

from kerasrnn._backend import keras
from kerasrnn.diagnostics._batch import positive, split_batch
from kerasrnn.diagnostics.diagnosis import Diagnosis, diagnose
from kerasrnn.diagnostics.report import renderable


class GradientFlow(keras.callbacks.Callback):
    """Diagnoses the model on one batch after every n-th epoch, and adds the figures to the epoch's logs.

    They are those of `Diagnosis.figures`: "half_life/rnn_0", "growth/rnn_0", "remaining/rnn_0", "singular_value/rnn_0",
    "spectral_radius/rnn_0", "lyapunov/rnn_0", "saturated/rnn_0", "gradient_norm" and "clipped". `History` has them, and
    so have callbacks that come after this one in the list, such as `keras.callbacks.TensorBoard` and CSVLogger. Epochs
    between have none.

    Args:
        batch: as in `diagnose`; always the same one, so that epochs compare.
        every_epochs: n.
        verbose: whether to print the table.
        rows: how many of the batch's rows to use; None for all.
        console: a rich console to print to; the standard output by default.

    Attributes:
        last: the last `Diagnosis`, None before the first.

    Raises:
        ValueError: every_epochs is not a positive integer; in training, as `diagnose`.

    Example:

    >>> import keras, numpy as np, kerasrnn
    >>> model = keras.Sequential([keras.Input((6, 2)), kerasrnn.layers.GRU(4, name="gru"), keras.layers.Dense(1)])
    >>> model.compile("adam", "mse")
    >>> batch = np.ones((4, 6, 2), "float32"), np.ones((4, 1), "float32")
    >>> history = model.fit(*batch, epochs=2, verbose=0, callbacks=[GradientFlow(batch, verbose=False)])
    >>> len(history.history["half_life/gru"])
    2
    """

    def __init__(
        self, batch: Any, every_epochs: int = 1, verbose: bool = True, rows: int | None = 8, console: Console | None = None
    ) -> None:
        super().__init__()
        positive("every_epochs", every_epochs)
        inputs, targets = split_batch(batch)
        self.batch = (inputs, targets)
        self.every_epochs = every_epochs
        self.verbose = verbose
        self.rows = rows
        self.last: Diagnosis | None = None
        self._console = console or Console(highlight=False)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if (epoch + 1) % self.every_epochs:
            return
        self.last = diagnose(self.model, self.batch, rows=self.rows)
        if logs is not None:
            logs.update(self.last.figures())
        if self.verbose:
            self._console.print(f"epoch {epoch + 1}", renderable(self.last), sep="\n")

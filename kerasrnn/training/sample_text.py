"""What the model writes by now."""

import os
from typing import Any

from rich.console import Console
from rich.text import Text

from kerasrnn.training._tensorboard import EventWriter
from kerasrnn.training.epoch_callback import EpochCallback


class SampleText(EpochCallback):
    """Prints a text by the model after each complete epoch.

    Args:
        prompt: What the model writes on from; may be empty.
        max_new_tokens: How many tokens it writes.
        temperature: As in `LanguageModel.generate`.
        top_k: As in `LanguageModel.generate`.
        top_p: As in `LanguageModel.generate`.
        seed: The same seed each time shows best what an epoch changed.
        console: Where to print; the standard output by default.
        log_dir: The folder for TensorBoard, where the text appears under "sample"; TensorBoard need not be installed.

    Example:

    >>> import kerasrnn
    >>> tokenizer = kerasrnn.tokenizers.CharTokenizer()
    >>> tokenizer.adapt("ab")
    >>> model = kerasrnn.models.LanguageModel(kerasrnn.cells.GRUCell(4), tokenizer)
    >>> model.compile()
    >>> windows = kerasrnn.data.language_model_dataset("ab" * 40, tokenizer, batch_size=8, num_steps=4)
    >>> sample = SampleText("ab", max_new_tokens=20)
    >>> history = model.fit(windows, epochs=2, verbose=0, callbacks=[sample])
    ab...
    ab...
    """

    def __init__(
        self,
        prompt: str = "",
        max_new_tokens: int = 200,
        temperature: float = 0.8,
        top_k: int = 0,
        top_p: float = 0.95,
        seed: int | None = 0,
        console: Console | None = None,
        log_dir: str | os.PathLike[str] | None = None,
    ) -> None:
        super().__init__()
        self.prompt = prompt
        self.arguments = {
            "max_new_tokens": max_new_tokens,
            "temperature": temperature,
            "top_k": top_k,
            "top_p": top_p,
            "seed": seed,
        }
        self.console = console or Console()
        self._events = None if log_dir is None else EventWriter(log_dir)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if self.epoch_is_complete:
            written = self.model.generate(self.prompt, **self.arguments)
            gap = between(self.prompt, getattr(self.model, "tokenizer", None))
            self.console.print(Text.assemble((self.prompt + gap, "dim"), (written, "italic"), "\n"), soft_wrap=True)
            if self._events is not None:
                self._events.text("sample", self.prompt + gap + written, epoch + 1)


def between(prompt: str, tokenizer: Any) -> str:
    """What to show between a prompt and its continuation: the separator of words, which belongs to neither of them."""
    separator = getattr(tokenizer, "separator", "")
    return separator if prompt and not prompt[-1].isspace() else ""

"""Models: token ids in, predictions out; trained with plain `model.fit`."""

from kerasrnn.models.language_model import LanguageModel

__all__ = ["LanguageModel"]

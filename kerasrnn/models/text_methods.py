"""Text in and out of a model: `generate`, `score`, and the graphs behind them."""

from collections.abc import Sequence
from typing import Any

from kerasrnn.models.decoding import Decoder


class TextMethods:
    """What a model of tokens can do with text, given its `tokenizer`, `vocabulary_size`, `get_initial_state` and call."""

    tokenizer: Any

    def generate(
        self,
        prompt: str | Sequence[str] = "",
        max_new_tokens: int = 100,
        temperature: Any = 1.0,
        top_k: Any = 0,
        top_p: Any = 1.0,
        min_p: Any = 0.0,
        repetition_penalty: Any = 1.0,
        stop: str | Sequence[str] = "",
        seed: Any = None,
    ) -> Any:
        """Writes on from a prompt, by default with the model's own probabilities.

        Args:
            prompt: a string, or a list of strings; may be empty, and hold characters that are unknown.
            max_new_tokens: how many tokens to write, at least 1.
            temperature: the logits are divided by it; 0 always takes the most likely token.
            top_k: draw from the k most likely tokens; 0 for all.
            top_p: draw from the fewest tokens whose probabilities reach p, in (0, 1]; 1 for all.
            min_p: draw from tokens at least this share as likely as the most likely one, in [0, 1]; 0 for all.
            repetition_penalty: above 1, tokens of the prompt and of the text so far become less likely; 1 is off.
            stop: the text ends before this string; "" for no such string.
            seed: the same seed writes the same text, in exported models too; None draws a new one.
            (All but the first two may be lists, one value a prompt.)

        Returns:
            The continuation without the prompt: a string for a string, a list of strings for a list.

        Raises:
            ValueError: an argument outside its range, or the model has no tokenizer.
        """
        return self._decoder.generate(
            prompt, max_new_tokens, stop, temperature=temperature, top_k=top_k, top_p=top_p, min_p=min_p,
            repetition_penalty=repetition_penalty, seed=seed,
        )  # fmt: skip

    def score(self, text: str | Sequence[str], num_steps: int = 1024, verbose: bool = False) -> tuple[Any, Any]:
        """The log-likelihood of text, its first token included, in chunks that carry the states.

        Args:
            text: a string, or a list of strings.
            num_steps: tokens a chunk; bounds the memory, and does not change the result.
            verbose: whether to show a progress bar.

        Returns:
            (log_likelihood, num_tokens): natural logarithms summed over all tokens, and their number; numbers for a
            string, arrays for a list. exp(−log_likelihood / num_tokens) is the perplexity.
        """
        return self._decoder.score(text, num_steps, verbose)

    def text_functions(self) -> dict[str, Any]:
        """For exporters: the graphs behind `generate` and `score`, each a function of (batch,) tensors and its inputs."""
        if self.tokenizer is None:
            return {}
        decoder = self._decoder
        return {
            "generate": (decoder.generate_strings, decoder.inputs["generate"]),
            "score": (decoder.score_strings, decoder.inputs["score"]),
        }

    @property
    def _decoder(self) -> Decoder:
        if self.tokenizer is None:
            raise ValueError("this model has no tokenizer; give LanguageModel(tokenizer=…) to use text")
        if "_text_decoder" not in self.__dict__:
            self.__dict__["_text_decoder"] = Decoder(self)  # past Keras's tracking: it is no part of the model
        return self.__dict__["_text_decoder"]

"""Text in and out of a model: `generate`, `score`, `choose`, the graphs behind them, and its export with these."""

from collections.abc import Sequence
from typing import Any

from kerasrnn._portable.arguments import positive_integer, strings
from kerasrnn.models.choosing import Ranking, choose
from kerasrnn.models.decoding import Decoder
from kerasrnn.models.generator import Generator


class TextMethods:
    """What a model of tokens can do with text, given its `tokenizer`, `vocabulary_size`, `get_initial_state` and call."""

    tokenizer: Any

    def fit(self, *args: Any, class_weight: Any = None, **kwargs: Any) -> Any:
        """As `keras.Model.fit`, without `class_weight`: Keras would take a row of target tokens for one label."""
        if class_weight is not None:
            raise ValueError(
                "class_weight: expected None, as each row has a target a step; received weights by class. Give sample_weight, an "
                "array like the targets, (batch, time), or a dataset of (token_ids, targets, weights)."
            )
        return super().fit(*args, **kwargs)

    def generate(
        self,
        prompt: str | Sequence[str] = "",
        max_new_tokens: Any = 100,
        temperature: Any = 1.0,
        top_k: Any = 0,
        top_p: Any = 1.0,
        min_p: Any = 0.0,
        repetition_penalty: Any = 1.0,
        stop: str | Sequence[str] = "",
        seed: Any = None,
        sampler: Any = None,
        num_samples: int | None = None,
        stream: bool = False,
        return_log_probabilities: bool = False,
    ) -> Any:
        """Writes on from a prompt, by default with the model's own probabilities.

        A text ends with the tokenizer's end token, if it has one and the model draws it, which is not written. A prompt's
        text does not depend on the others beside it. The graph is compiled at the first call, once for all
        lengths, numbers of prompts and settings; beam search has its own.

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
            (All of these may be lists, one value a prompt.)
            sampler: in place of the settings from temperature to repetition_penalty, an object of `kerasrnn.samplers`, or
                its name: "greedy", "random", "top_k", "top_p", "min_p", "beam_search". A `Sampler` with its own `__call__` is
                called for every token, in Python; no exported model can hold it.
            num_samples: how many texts to write for each prompt. The i-th is that of seed + i; those of beam search are
                the best, the first one first.
            stream: whether to return an iterator over the pieces of one prompt's text, each as soon as it is certain.
            return_log_probabilities: whether to return a `Generation` in place of each string: the text, its tokens, and
                their log-probabilities under the model as it is.

        Returns:
            The continuation without the prompt: a string for a string, a list of strings for a list. With `num_samples` a
            list of them in place of each string. (Of beam search fewer, if the model holds no more to be possible.)

        Raises:
            ValueError: an argument outside its range, arguments that exclude each other, the model has no tokenizer, or its
                logits are NaN or infinite.
            TypeError: a prompt or a stop string that is no string.

        Example:

        >>> import kerasrnn
        >>> tokenizer = kerasrnn.tokenizers.CharTokenizer()
        >>> tokenizer.adapt("abc")
        >>> model = kerasrnn.models.LanguageModel(kerasrnn.cells.GRUCell(4), tokenizer)
        >>> text = model.generate("a", 5, sampler=kerasrnn.samplers.TopP(0.9, temperature=0.8), seed=7)
        >>> text == model.generate("a", 5, top_p=0.9, temperature=0.8, seed=7)
        True
        >>> text == "".join(model.generate("a", 5, top_p=0.9, temperature=0.8, seed=7, stream=True))
        True
        >>> [len(best) for best in model.generate("a", 5, sampler="beam_search", num_samples=2)]
        [5, 5]
        """
        return self._generator.generate(
            prompt, max_new_tokens, stop, seed, sampler, num_samples, stream, return_log_probabilities,
            temperature=temperature, top_k=top_k, top_p=top_p, min_p=min_p, repetition_penalty=repetition_penalty,
        )  # fmt: skip

    def score(self, text: str | Sequence[str], num_steps: int = 1024, verbose: bool = False) -> tuple[Any, Any]:
        """The log-likelihood of text, its first token included, in chunks that carry the states.

        Where the tokenizer has an end token, it counts too: the likelihood is that of a text that ends there.

        Args:
            text: a string, or a list of strings.
            num_steps: tokens a chunk; bounds the memory, and does not change the result.
            verbose: whether to show a progress bar.

        Returns:
            (log_likelihood, num_tokens): natural logarithms summed over all tokens, and their number; numbers for a
            string, arrays for a list. exp(−log_likelihood / num_tokens) is the perplexity.
        """
        texts = strings(text, "text")
        total, counts = self._decoder.score(texts, positive_integer("num_steps", num_steps), verbose)
        return (float(total[0]), int(counts[0])) if isinstance(text, str) else (total, counts)

    def token_log_probabilities(self, text: str | Sequence[str], num_steps: int = 1024, verbose: bool = False) -> Any:
        """The natural logarithm of each token's probability, given all tokens before it: `score`, before it is summed.

        Args:
            text: a string, or a list of strings.
            num_steps: tokens a chunk; bounds the memory, and does not change the result.
            verbose: whether to show a progress bar.

        Returns:
            float64 (tokens,) for a string, a list of such arrays for a list.
        """
        values = self._decoder.token_log_probabilities(
            strings(text, "text"), positive_integer("num_steps", num_steps), verbose
        )
        return values[0] if isinstance(text, str) else values

    def choose(
        self, prompt: str, continuations: Sequence[str], length_penalty: float = 0.0, num_steps: int = 1024
    ) -> Ranking:  # fmt: skip
        """Ranks given continuations of a prompt by how likely they are after it.

            score(y) = log P(y | prompt) / ((5 + |y|) / 6)^length_penalty          |y| in tokens, an end token among them

        Args:
            prompt: a string; may be empty. Its tokens and each continuation's are found separately, as in `generate`.
            continuations: strings, at least one.
            length_penalty: 0 compares probabilities as they are, which favours short ones.
            num_steps: tokens a chunk; bounds the memory, and does not change the result.

        Returns:
            A `Ranking`: `best`, `order`, and `scores`, `log_probabilities` and `num_tokens` in the order given.

        Raises:
            ValueError: no continuations, an argument outside its range, or the model has no tokenizer.
            TypeError: the prompt or a continuation is no string.

        Example:

        >>> import kerasrnn
        >>> tokenizer = kerasrnn.tokenizers.WordTokenizer()
        >>> tokenizer.adapt("how hard it is to recognize speech, and to wreck a nice beach")
        >>> model = kerasrnn.models.LanguageModel(kerasrnn.cells.GRUCell(4), tokenizer)
        >>> ranking = model.choose("how hard it is to", ["recognize speech", "wreck a nice beach"])
        >>> ranking.num_tokens.tolist(), ranking.best in ranking.texts
        ([2, 4], True)

        Reference:
            Wu, Y. et al. (2016). Google's neural machine translation system. arXiv:1609.08144 (the length penalty).
        """
        return choose(self._decoder, prompt, continuations, length_penalty, num_steps)

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
    def _generator(self) -> Generator:
        decoder = self._decoder
        if "_text_generator" not in self.__dict__:
            self.__dict__["_text_generator"] = Generator(decoder)
        return self.__dict__["_text_generator"]

    @property
    def _decoder(self) -> Decoder:
        if self.tokenizer is None:
            raise ValueError("this model has no tokenizer; give LanguageModel(tokenizer=…) to use text")
        if "_text_decoder" not in self.__dict__:
            self.__dict__["_text_decoder"] = Decoder(self)  # past Keras's tracking: it is no part of the model
        return self.__dict__["_text_decoder"]

    def export(self, filepath: Any, format: str = "tf_saved_model", verbose: Any = None, **kwargs: Any) -> Any:
        """As `keras.Model.export`, by `kerasrnn.export.export_onnx` or `export_saved_model`, which take the **kwargs.

        Args:
            filepath: with "onnx", the artefact's folder; with "tf_saved_model", that of TensorFlow Serving's versions.
            format: "tf_saved_model" or "onnx".
            verbose: whether to print the table of differences.

        Returns:
            The path of the folder written.
        """
        from kerasrnn import export

        writers = {"onnx": export.export_onnx, "tf_saved_model": export.export_saved_model}
        if format not in writers:
            raise ValueError(f"format: expected one of {sorted(writers)}; received {format!r}")
        if "sampler" in kwargs:
            raise ValueError(
                f"sampler: expected none, as an exported model takes a sampler's settings with each request, and no Python; received "
                f"{kwargs['sampler']!r}. Give its settings to generate, or draw by your own rule from the logits that step returns."
            )
        return writers[format](self, filepath, verbose=bool(verbose), **kwargs)

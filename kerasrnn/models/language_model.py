"""The recurrent language model: token ids in, logits of the next token out."""

from collections.abc import Sequence
from typing import Any

import kerasrnn.tokenizers  # noqa: F401  (a saved model names its tokenizer)
from kerasrnn._backend import keras, tf
from kerasrnn.layers import RNN
from kerasrnn.metrics import Perplexity
from kerasrnn.models.decoding import Decoder

ops = keras.ops


@keras.saving.register_keras_serializable(package="kerasrnn")
class LanguageModel(keras.Model):
    """A recurrent language model (Mikolov et al., 2010): embedding, a stack of cells over time, logits.

        x_t = embedding(token_t)                       or the one-hot vector of token_t
        h_t = cells over time(dropout(x))_t
        P(token_(t+1) | token_1 … token_t) = softmax(h_t · kernel + bias)

    Args:
        cells: a cell, or a list of cells, one layer each; of `kerasrnn.cells`, Keras's, or your own.
        tokenizer: what turns text into token ids; needed for `generate`, `score` and text in exported models.
        vocabulary_size: the number of token ids, where no tokenizer is given.
        embedding: the embedding's width; by default the first cell's units (with `tie_embeddings`, the last cell's
            output size); "one_hot" for the book's input.
        dropout: share of the embedding and of each layer's outputs dropped in training.
        tie_embeddings: whether the output layer is the embedding transposed, plus a bias (Press and Wolf, 2017).
        **kwargs: as in `keras.Model`.

    Call arguments:
        token_ids: (batch, time) integers in [0, vocabulary_size).
        initial_state: states as returned with `return_state`; zeros by default.
        mask: (batch, time) booleans; a masked step leaves the states as they were.
        return_state: whether to return the last states too.
        training: whether dropout is applied.

    Returns:
        logits (batch, time, vocabulary_size), float32 under mixed precision too; with `return_state`
        (logits, states): the states a flat list of (batch, units), named by `state_names`.

    Raises:
        ValueError: neither or both of tokenizer and vocabulary_size given, widths that cannot be tied, no cells;
            in eager calls, token ids outside the vocabulary.

    Example:

    >>> import keras, kerasrnn
    >>> model = kerasrnn.models.LanguageModel(kerasrnn.cells.LSTMCell(8), vocabulary_size=5)
    >>> token_ids = keras.ops.array([[1, 2, 3]])
    >>> model(token_ids).shape
    TensorShape([1, 3, 5])
    >>> logits, (h, c) = model(token_ids, return_state=True)
    >>> model.state_names
    ['state_0_h', 'state_0_c']

    References:
        Mikolov, T. et al. (2010). Recurrent neural network based language model. Interspeech.
        Press, O. and Wolf, L. (2017). Using the output embedding to improve language models. arXiv:1608.05859.
    """

    def __init__(
        self,
        cells: Any,
        tokenizer: Any = None,
        vocabulary_size: int | None = None,
        embedding: int | str | None = None,
        dropout: float = 0.0,
        tie_embeddings: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.cells = list(cells) if isinstance(cells, (list, tuple)) else [cells]
        self.supports_masking = True
        self.tokenizer = tokenizer
        self.embedding = embedding
        self.dropout = dropout
        self.tie_embeddings = tie_embeddings
        self.vocabulary_size = _vocabulary_size(tokenizer, vocabulary_size)
        if not self.cells:
            raise ValueError("cells: expected a cell or a list of at least one; received an empty list")
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout: expected a share in [0, 1); received {dropout}")
        self.recurrent_layers = [
            RNN(cell, return_sequences=True, return_state=True, dtype=self.dtype_policy, name=f"rnn_{i}")
            for i, cell in enumerate(self.cells)
        ]
        self.dropout_layers = [keras.layers.Dropout(dropout, dtype=self.dtype_policy) for _ in range(len(self.cells) + 1)]
        self.embedding_layer = None
        if embedding != "one_hot":
            self.embedding_layer = keras.layers.ReversibleEmbedding(
                self.vocabulary_size, self._embedding_width(), tie_weights=True, dtype=self.dtype_policy, name="embedding"
            )
        elif tie_embeddings:
            raise ValueError("tie_embeddings=True needs an embedding; received embedding='one_hot'")
        self.output_layer = None
        if not tie_embeddings:
            self.output_layer = keras.layers.Dense(self.vocabulary_size, dtype=self.dtype_policy, name="logits")
        self.build((None, None))

    def _embedding_width(self) -> int:
        width, last = self.embedding, self.cells[-1].output_size
        if width is None:
            width = last if self.tie_embeddings else self.cells[0].output_size
        if isinstance(width, bool) or not hasattr(width, "__index__") or width < 1:
            raise ValueError(f"embedding: expected a positive integer, None or 'one_hot'; received {width!r}")
        if self.tie_embeddings and width != last:
            raise ValueError(
                f"tie_embeddings=True needs an embedding as wide as the last cell's output, {last}; "
                f"received embedding={width}"
            )
        return width

    def build(self, input_shape: Any = None) -> None:
        if self.built:
            return
        width = self.vocabulary_size
        if self.embedding_layer is not None:
            self.embedding_layer.build((None, None))
            width = self.embedding_layer.output_dim
        for layer in self.recurrent_layers:
            layer.build((None, None, width))
            layer.built = True
            width = layer.cell.output_size
        if self.output_layer is None:
            self.output_bias = self.add_weight(shape=(self.vocabulary_size,), initializer="zeros", name="output_bias")
        else:
            self.output_layer.build((None, None, width))
        self.built = True

    def call(
        self, token_ids: Any, initial_state: Any = None, mask: Any = None, return_state: bool = False,
        training: bool = False,
    ) -> Any:  # fmt: skip
        token_ids = self._checked(ops.convert_to_tensor(token_ids))
        if self.embedding_layer is None:
            x = ops.one_hot(token_ids, self.vocabulary_size, dtype=self.compute_dtype)
        else:
            x = self.embedding_layer(token_ids)
        x = self.dropout_layers[0](x, training=training)
        remaining, states = list(initial_state) if initial_state is not None else None, []
        for layer, dropout in zip(self.recurrent_layers, self.dropout_layers[1:]):
            count = len(layer.state_size)
            given, remaining = (None, None) if remaining is None else (remaining[:count], remaining[count:])
            x, *layer_states = layer(x, initial_state=given, mask=mask, training=training)
            x = dropout(x, training=training)
            states.extend(layer_states)
        logits = self.output_layer(x) if self.output_layer is not None else self._tied_logits(x)
        if self.compute_dtype in ("float16", "bfloat16"):
            logits = ops.cast(logits, "float32")
        return (logits, states) if return_state else logits

    def _tied_logits(self, x: Any) -> Any:
        return self.embedding_layer(x, reverse=True) + ops.cast(self.output_bias, x.dtype)

    def _checked(self, token_ids: Any) -> Any:
        if tf.executing_eagerly() and tf.size(token_ids) > 0:
            low, high = int(tf.reduce_min(token_ids)), int(tf.reduce_max(token_ids))
            if low < 0 or high >= self.vocabulary_size:
                raise ValueError(
                    f"token_ids: expected values in [0, {self.vocabulary_size}), the vocabulary; received "
                    f"{low if low < 0 else high}. Tokenize with the tokenizer that the model was made for."
                )
        # In a graph this gather fails instead, where an embedding would take −1 for its last row.
        return tf.gather(tf.range(self.vocabulary_size), token_ids)

    @property
    def state_names(self) -> list[str]:
        """Names of the states in the order of `initial_state`: state_<layer>_<name>."""
        return [
            f"state_{i}_{name}"
            for i, layer in enumerate(self.recurrent_layers)
            for name in getattr(layer.cell, "state_names", None) or ("h", "c")[: len(layer.state_size)]
        ]

    def get_initial_state(self, batch_size: Any) -> list[Any]:
        """Zero states for `batch_size` rows, a flat list in the order of `state_names`."""
        return [state for layer in self.recurrent_layers for state in layer.get_initial_state(batch_size)]

    def compile(self, optimizer: Any = "adam", loss: Any = "auto", weighted_metrics: Any = "auto", **kwargs: Any) -> None:
        """As `keras.Model.compile`; "auto" is the cross-entropy of the next token, and its `Perplexity`."""
        if loss == "auto":
            loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        if weighted_metrics == "auto":
            weighted_metrics = [Perplexity()]
        super().compile(optimizer=optimizer, loss=loss, weighted_metrics=weighted_metrics, **kwargs)

    def compile_from_config(self, config: dict[str, Any]) -> None:
        self.compile(**keras.saving.deserialize_keras_object(config))
        self.optimizer.build(self.trainable_variables)

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

    def export(self, filepath: Any, format: str = "tf_saved_model", verbose: Any = None, **kwargs: Any) -> Any:
        """Writes the model for inference, verified to compute the same: see `kerasrnn.export`.

        Args:
            filepath: with "onnx", the artefact's folder; with "tf_saved_model", the folder of version folders that
                TensorFlow Serving watches.
            format: "tf_saved_model" or "onnx".
            verbose: whether to print the table of differences.
            **kwargs: passed on to `kerasrnn.export.export_onnx` or `export_saved_model`.

        Returns:
            The path of the folder written.
        """
        from kerasrnn import export

        writers = {"onnx": export.export_onnx, "tf_saved_model": export.export_saved_model}
        if format not in writers:
            raise ValueError(f"format: expected one of {sorted(writers)}; received {format!r}")
        return writers[format](self, filepath, verbose=bool(verbose), **kwargs)

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

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "cells": [keras.saving.serialize_keras_object(cell) for cell in self.cells],
            "tokenizer": keras.saving.serialize_keras_object(self.tokenizer),
            "vocabulary_size": None if self.tokenizer is not None else self.vocabulary_size,
            "embedding": self.embedding,
            "dropout": self.dropout,
            "tie_embeddings": self.tie_embeddings,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> "LanguageModel":
        config = dict(config)
        for name in ("cells", "tokenizer"):
            config[name] = keras.saving.deserialize_keras_object(config[name], custom_objects=custom_objects)
        return cls(**config)


def _vocabulary_size(tokenizer: Any, vocabulary_size: int | None) -> int:
    if (tokenizer is None) == (vocabulary_size is None):
        given = "neither" if tokenizer is None else "both"
        raise ValueError(f"expected either tokenizer or vocabulary_size; received {given}")
    if tokenizer is not None:
        return tokenizer.vocabulary_size()
    if isinstance(vocabulary_size, bool) or not hasattr(vocabulary_size, "__index__") or vocabulary_size < 1:
        raise ValueError(f"vocabulary_size: expected a positive integer; received {vocabulary_size!r}")
    return int(vocabulary_size)

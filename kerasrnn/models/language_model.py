"""The recurrent language model: token ids in, logits of the next token out."""

import functools
from collections.abc import Mapping
from typing import Any

import kerasrnn.tokenizers  # noqa: F401  (a saved model names its tokenizer)
from kerasrnn._backend import keras, tf
from kerasrnn.layers import RNN, EmbeddingDropout, LockedDropout, TemporalActivityRegularization
from kerasrnn.metrics import Perplexity
from kerasrnn.models.beginning import Beginning, not_built
from kerasrnn.models.embedding import embedding_width
from kerasrnn.models.presets import FromPreset
from kerasrnn.models.sampled_softmax import SampledSoftmaxTraining
from kerasrnn.models.segments import run_with_resets, token_ids_and_resets
from kerasrnn.models.stateful_training import StatefulTraining
from kerasrnn.models.text_methods import TextMethods
from kerasrnn.models.vocabulary import padding_mask, vocabulary_size_of, within_vocabulary

ops = keras.ops
_PLAIN = (
    "embedding", "dropout", "tie_embeddings", "stateful", "input_dropout", "output_dropout", "embedding_dropout",
    "locked_dropout", "weight_drop", "activity_regularization", "temporal_activity_regularization", "sampled_softmax",
    "truncate", "truncation", "checkpoint_steps",
)  # fmt: skip
_INITIALIZERS = ("embeddings_initializer", "kernel_initializer", "bias_initializer")


@keras.saving.register_keras_serializable(package="kerasrnn")
class LanguageModel(TextMethods, FromPreset, SampledSoftmaxTraining, StatefulTraining):
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
        input_dropout: that share for the embedding, if it is another.
        output_dropout: that share for the last layer's outputs, if it is another.
        embedding_dropout: share of the vocabulary whose embeddings are dropped: `kerasrnn.layers.EmbeddingDropout`.
        locked_dropout: whether dropout leaves out the same features at all steps: `kerasrnn.layers.LockedDropout`.
        weight_drop: share of each recurrent kernel dropped in training: see `kerasrnn.layers.RNN`.
        activity_regularization: alpha, the weight of `kerasrnn.layers.TemporalActivityRegularization`'s first penalty.
        temporal_activity_regularization: beta, the weight of its second.
        tie_embeddings: whether the output layer is the embedding transposed, plus a bias (Press and Wolf, 2017).
        stateful: whether each batch of `fit` goes on from the states after the one before, cut from the gradient, and
            so of `evaluate`, with states of its own: for contiguous streams, all batches of one size. Each epoch and
            each evaluation begins anew; `predict`, calls and text carry nothing. See `carried_states`.
        embeddings_initializer: of the embedding; the cells have their own initializers.
        kernel_initializer, bias_initializer: of the output layer.
        sampled_softmax: how many tokens training draws to set against each target, for vocabularies over 50,000; the
            metrics of training are then the loss alone. None for all.
        truncate: τ of truncated backpropagation through time within a window, None for the full gradient; this and the
            next two as in `kerasrnn.layers.RNN`.
        truncation: "regular" (segments of τ steps) or "randomized".
        checkpoint_steps: keep every k-th state only, and compute the others again for the gradient.
        initializer: how the embedding and all kernels begin, those of the cells and of the output layer. A number is a
            gain: each begins at that many times what its own initializer gives. A Keras initializer takes the place of
            each one's own: `keras.initializers.RandomNormal(stddev=0.01)` is the book's. Biases keep theirs.
        **kwargs: as in `keras.Model`.

    Call arguments:
        token_ids: (batch, time) integers in [0, vocabulary_size); or a dictionary of "token_ids" and "resets",
            (batch, time) booleans, True where a document begins, and so the states do.
        initial_state: states as returned with `return_state`; zeros by default.
        mask: (batch, time) booleans; a masked step leaves the states as they were. So does the padding of a tokenizer
            that has a `padding_token`.
        return_state: whether to return the last states too.
        training: whether dropout is applied.

    Returns:
        logits (batch, time, vocabulary_size), float32 under mixed precision too; with `return_state`
        (logits, states): the states a flat list of (batch, units), named by `state_names`.

    Raises:
        ValueError: neither or both of tokenizer and vocabulary_size given, widths that cannot be tied, no cells; an
            argument that its layers refuse; in eager calls, token ids outside the vocabulary.

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
        Merity, S., Keskar, N. and Socher, R. (2018). Regularizing and optimizing LSTM language models. arXiv:1708.02182.
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
        stateful: bool = False,
        input_dropout: float | None = None,
        output_dropout: float | None = None,
        embedding_dropout: float = 0.0,
        locked_dropout: bool = False,
        weight_drop: float = 0.0,
        activity_regularization: float = 0.0,
        temporal_activity_regularization: float = 0.0,
        embeddings_initializer: Any = "uniform",
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        sampled_softmax: int | None = None,
        truncate: int | None = None,
        truncation: str = "regular",
        checkpoint_steps: int | None = None,
        initializer: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.cells = list(cells) if isinstance(cells, (list, tuple)) else [cells]
        self.supports_masking = True
        self.tokenizer = tokenizer
        self.embedding = embedding
        self.dropout = dropout
        self.input_dropout = input_dropout
        self.output_dropout = output_dropout
        self.embedding_dropout = embedding_dropout
        self.locked_dropout = locked_dropout
        self.weight_drop = weight_drop
        self.activity_regularization = activity_regularization
        self.temporal_activity_regularization = temporal_activity_regularization
        self.tie_embeddings = tie_embeddings
        self.embeddings_initializer = keras.initializers.get(embeddings_initializer)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)
        self.truncate = truncate
        self.truncation = truncation
        self.checkpoint_steps = checkpoint_steps
        self.initializer = Beginning.get(initializer)
        self.vocabulary_size = vocabulary_size_of(tokenizer, vocabulary_size)
        if not self.cells:
            raise ValueError("cells: expected a cell or a list of at least one; received an empty list")
        for name in ("dropout", "input_dropout", "output_dropout"):
            if getattr(self, name) is not None and not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name}: expected a share in [0, 1); received {getattr(self, name)}")
        options = {
            "return_sequences": True, "return_state": True, "weight_drop": weight_drop, "truncate": truncate,
            "truncation": truncation, "checkpoint_steps": checkpoint_steps, "dtype": self.dtype_policy,
        }  # fmt: skip
        self.recurrent_layers = [RNN(cell, **options, name=f"rnn_{i}") for i, cell in enumerate(self.cells)]
        first, last = (dropout if rate is None else rate for rate in (input_dropout, output_dropout))
        rates = [first, *[dropout] * (len(self.cells) - 1), last]
        dropout_of = LockedDropout if locked_dropout else keras.layers.Dropout
        self.dropout_layers = [dropout_of(rate, dtype=self.dtype_policy) for rate in rates]
        self.embedding_dropout_layer = self.activity_layer = None
        if embedding_dropout:
            self.embedding_dropout_layer = EmbeddingDropout(
                embedding_dropout, self.vocabulary_size, dtype=self.dtype_policy, name="embedding_dropout"
            )
        if activity_regularization or temporal_activity_regularization:
            self.activity_layer = TemporalActivityRegularization(
                activity_regularization, temporal_activity_regularization, dtype=self.dtype_policy, name="activity"
            )
        self.embedding_layer = None
        if embedding != "one_hot":
            self.embedding_layer = keras.layers.ReversibleEmbedding(
                self.vocabulary_size, embedding_width(embedding, self.cells, tie_embeddings), tie_weights=True,
                embeddings_initializer=self.initializer(self.embeddings_initializer), dtype=self.dtype_policy, name="embedding",
            )  # fmt: skip
        elif tie_embeddings:
            raise ValueError("tie_embeddings=True needs an embedding; received embedding='one_hot'")
        self.output_layer = None
        if not tie_embeddings:
            initializers = {
                "kernel_initializer": self.initializer(self.kernel_initializer), "bias_initializer": self.bias_initializer,
            }  # fmt: skip
            self.output_layer = keras.layers.Dense(
                self.vocabulary_size, **initializers, dtype=self.dtype_policy, name="logits"
            )
        self._sample_softmax(sampled_softmax, self.vocabulary_size)
        with self.initializer.of_cells(self.cells):
            self.build((None, None))
        if stateful:
            self._make_carried_states(self.state_names, self.get_initial_state)

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
            self.output_bias = self.add_weight((self.vocabulary_size,), self.bias_initializer, name="output_bias")
        else:
            self.output_layer.build((None, None, width))
        self.built = True

    def call(
        self, token_ids: Any, initial_state: Any = None, mask: Any = None, return_state: bool = False,
        training: bool = False,
    ) -> Any:  # fmt: skip
        token_ids, resets = token_ids_and_resets(token_ids)
        if isinstance(mask, Mapping):  # Keras's own, of what it finds on each input
            mask = mask["token_ids"]
        carried = self._carried if initial_state is None else None
        if carried is not None:
            token_ids, initial_state = carried.before(token_ids)
        token_ids = within_vocabulary(token_ids, self.vocabulary_size)
        mask = padding_mask(self.tokenizer, token_ids, mask)
        if self.embedding_layer is None:
            x = ops.one_hot(token_ids, self.vocabulary_size, dtype=self.compute_dtype)
        else:
            x = self.embedding_layer(token_ids)
        if self.embedding_dropout_layer is not None:
            x = self.embedding_dropout_layer(x, token_ids, training=training)
        x = self.dropout_layers[0](x, training=training)
        if resets is None:
            x, states = self._run(x, initial_state, mask, training)
        else:
            initial = self.get_initial_state(tf.shape(token_ids)[0])
            begin = initial if initial_state is None else list(initial_state)
            run = functools.partial(self._run, training=training)
            x, states = run_with_resets(run, x, begin, initial, resets, mask)
        if carried is not None:
            carried.after(states)
        if getattr(self.tokenizer, "padding_token_id", None) is not None:
            # Not the output before it, which a call that begins with padding does not know.
            x = tf.where(mask[:, :, None], x, tf.zeros((), x.dtype))
        outputs, x = x, self.dropout_layers[-1](x, training=training)
        if self.activity_layer is not None:
            x = self.activity_layer(x, outputs, mask=mask, training=training)
        logits = x if self._sampling else self._logits(x)
        return (logits, states) if return_state else logits

    def _run(self, x: Any, initial_state: Any, mask: Any, training: bool) -> tuple[Any, list[Any]]:
        """The recurrent layers over time, with what is dropped between them."""
        remaining, states = list(initial_state) if initial_state is not None else None, []
        for i, layer in enumerate(self.recurrent_layers):
            if i:
                x = self.dropout_layers[i](x, training=training)
            count = len(layer.state_size)
            given, remaining = (None, None) if remaining is None else (remaining[:count], remaining[count:])
            x, *layer_states = layer(x, initial_state=given, mask=mask, training=training)
            states.extend(layer_states)
        return x, states

    def _logits(self, x: Any) -> Any:
        dtype = "float32" if self.compute_dtype in ("float16", "bfloat16") else self.compute_dtype
        if self.output_layer is not None:
            return ops.cast(self.output_layer(x), dtype)
        x = tf.identity(x)  # without its mask, which Keras would warn of
        return ops.cast(self.embedding_layer(x, reverse=True), dtype) + ops.cast(self.output_bias, dtype)

    def output_weights(self) -> tuple[Any, Any, int]:
        if self.output_layer is not None:
            return self.output_layer.kernel, self.output_layer.bias, 1
        return self.embedding_layer.embeddings, self.output_bias, 0

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        """Of the logits: False at the tokenizer's padding too."""
        if getattr(self.tokenizer, "padding_token_id", None) is None:
            return previous_mask
        inputs, mask = (value["token_ids"] if isinstance(value, Mapping) else value for value in (inputs, previous_mask))
        return padding_mask(self.tokenizer, ops.convert_to_tensor(inputs), mask)

    @property
    def state_names(self) -> list[str]:
        """Names of the states in the order of `initial_state`: state_<layer>_<name>."""
        return [
            f"state_{i}_{name}"
            for i, layer in enumerate(self.recurrent_layers)
            for name in getattr(layer.cell, "state_names", None) or ("h", "c")[: len(layer.state_size)]
        ]

    def get_initial_state(self, batch_size: Any) -> list[Any]:
        """The states before the first token, for `batch_size` rows: a flat list in the order of `state_names`."""
        return [state for layer in self.recurrent_layers for state in layer.get_initial_state(batch_size)]

    def compile(self, optimizer: Any = "adam", loss: Any = "auto", weighted_metrics: Any = "auto", **kwargs: Any) -> None:
        """As `keras.Model.compile`; "auto" is the cross-entropy of the next token, and its `Perplexity`.

        Targets that are the tokenizer's padding do not count in either.
        """
        padding = getattr(self.tokenizer, "padding_token_id", None)
        if loss == "auto":
            loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=padding)
        if weighted_metrics == "auto":
            weighted_metrics = [Perplexity(ignore_class=padding)]
        super().compile(optimizer=optimizer, loss=loss, weighted_metrics=weighted_metrics, **kwargs)

    def compile_from_config(self, config: dict[str, Any]) -> None:
        self.compile(**keras.saving.deserialize_keras_object(config))
        self.optimizer.build(self.trainable_variables)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "cells": [keras.saving.serialize_keras_object(cell) for cell in self.cells],
            "tokenizer": keras.saving.serialize_keras_object(self.tokenizer),
            "vocabulary_size": None if self.tokenizer is not None else self.vocabulary_size,
            **{name: getattr(self, name) for name in _PLAIN},
            "initializer": self.initializer.get_config(),
            **{name: keras.initializers.serialize(getattr(self, name)) for name in _INITIALIZERS},
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> "LanguageModel":
        read = functools.partial(keras.saving.deserialize_keras_object, custom_objects=custom_objects)
        cells = config["cells"] if config.get("initializer") is None else not_built(config["cells"])
        return cls(**{**config, "cells": read(cells), "tokenizer": read(config["tokenizer"])})

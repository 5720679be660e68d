"""Unicode normalization: Python's where values are at hand, tensorflow-text's in graphs."""

import unicodedata

import numpy as np

from kerasrnn._backend import tf


def check_normalization(form: str | None) -> str | None:
    """Returns the name of a normalization form, if it is one."""
    if form not in (None, "NFC", "NFKC"):
        raise ValueError(f'normalization must be None, "NFC" or "NFKC", but is {form!r}.')
    return form


def normalized(texts: tf.Tensor, form: str) -> tf.Tensor:
    """Strings (batch,) → their normalization form (batch,)."""
    if tf.executing_eagerly():
        rows = [unicodedata.normalize(form, text.decode("utf-8", "replace")).encode() for text in texts.numpy()]
        return tf.constant(np.array(rows, object), tf.string, shape=(len(rows),))
    try:
        import tensorflow_text
    except ImportError as error:
        raise ValueError(
            f"normalization={form!r} needs tensorflow-text inside a graph, such as a tf.data pipeline, a model or an "
            "export. Install it: pip install tensorflow-text; or normalize the texts before and leave normalization out."
        ) from error
    texts = tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8", errors="replace")
    return tensorflow_text.normalize_utf8(texts, form)

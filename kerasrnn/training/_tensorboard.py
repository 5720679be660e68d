"""What TensorBoard shows, written with TensorFlow alone: tf.summary.scalar needs TensorBoard itself."""

import os
from collections.abc import Mapping
from typing import Any

from kerasrnn._backend import tf


class EventWriter:
    """Writes figures and texts to an event file, which is made at the first of them.

    Args:
        log_dir: The folder that TensorBoard is given.
    """

    def __init__(self, log_dir: str | os.PathLike[str]) -> None:
        self.log_dir = os.fspath(log_dir)
        self._writer: Any = None

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        self._write("scalars", {name: tf.constant(value, tf.float32) for name, value in values.items()}, step)

    def text(self, name: str, text: str, step: int) -> None:
        self._write("text", {name: tf.constant(text)}, step)

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _write(self, plugin: str, values: Mapping[str, Any], step: int) -> None:
        if self._writer is None:
            self._writer = tf.summary.create_file_writer(self.log_dir)
        metadata = tf.compat.v1.SummaryMetadata(
            plugin_data=tf.compat.v1.SummaryMetadata.PluginData(plugin_name=plugin)
        )
        with self._writer.as_default():
            for name, value in values.items():
                tf.summary.write(name, value, step=step, metadata=metadata)
        self._writer.flush()

"""The `kerasrnn` command: one file a subcommand. TensorFlow loads only where a subcommand needs it."""

from kerasrnn.cli.app import app, main

__all__ = ["app", "main"]

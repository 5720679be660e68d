"""What the drop-in layers share: Keras's own signature, around our cell."""

import inspect
from typing import Any, ClassVar

from kerasrnn._backend import keras
from kerasrnn.layers.rnn import RNN


class DropIn(RNN):
    """A recurrent layer of Keras by its own signature, properties and configuration, with our cell and scan inside.

    A subclass inherits from this class first and from Keras's layer second: so it is one, also to `isinstance`.
    """

    keras_layer: ClassVar[type]
    keras_cell: ClassVar[type]
    cell_class: ClassVar[type]
    cell_name: ClassVar[str]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        arguments = inspect.signature(self.keras_layer).bind(*args, **kwargs).arguments
        arguments.update(arguments.pop("kwargs", {}))
        of_the_cell = {"implementation", *inspect.signature(self.keras_cell).parameters} - {"kwargs", "seed"}
        cell = self.cell_class(
            **{name: arguments.pop(name) for name in of_the_cell & set(arguments)},
            seed=arguments.get("seed"),
            dtype=arguments.get("dtype"),
            trainable=arguments.get("trainable", True),
            name=self.cell_name,
        )
        super().__init__(cell, **arguments)
        if "use_cudnn" not in inspect.signature(self.keras_layer).parameters:
            del self.use_cudnn  # as Keras has it: SimpleRNN is without
        self.input_spec = keras.layers.InputSpec(ndim=3)

"""What torch computes. Run as a program (needs torch) it writes from_torch_goldens.json beside itself."""

import json
from pathlib import Path

import numpy as np

FILE = Path(__file__).with_suffix(".json")
ROWS = {
    "lstm": ("LSTM", {}),
    "lstm_two_layers_bidirectional": ("LSTM", {"num_layers": 2, "bidirectional": True}),
    "lstm_without_bias": ("LSTM", {"bias": False}),
    "lstm_projected": ("LSTM", {"proj_size": 2, "num_layers": 2}),
    "lstm_projected_bidirectional": ("LSTM", {"proj_size": 2, "bidirectional": True}),
    "gru_two_layers": ("GRU", {"num_layers": 2}),
    "gru_bidirectional": ("GRU", {"bidirectional": True}),
    "gru_without_bias": ("GRU", {"bias": False}),
    "rnn_tanh": ("RNN", {"nonlinearity": "tanh"}),
    "rnn_relu": ("RNN", {"nonlinearity": "relu", "num_layers": 2, "bidirectional": True}),
}


def loss_weights(shape):
    """A different weight for each number of a result."""
    return np.cos(np.arange(np.prod(shape))).reshape(shape)


def torch_results(kind, options, weights, inputs):
    """The outputs, the last states (each layer's and direction's h, then c) and the gradient of their weighted sum.

    All in float64; `weights` are a function from a parameter's shape to its values.
    """
    import torch

    module = getattr(torch.nn, kind)(batch_first=True, dtype=torch.float64, **options)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.tensor(weights(parameter.shape)))
    inputs = torch.tensor(inputs, dtype=torch.float64, requires_grad=True)
    outputs, states = module(inputs)
    states = states if kind == "LSTM" else (states,)
    loss = sum((result * torch.tensor(loss_weights(result.shape))).sum() for result in (outputs, *states))
    loss.backward()
    return {
        "state_dict": module.state_dict(),
        "outputs": outputs.detach(),
        "states": [state.detach() for state in states],
        "gradient": inputs.grad,
    }


def golden(random, kind, options):
    options = {"input_size": 2, "hidden_size": 3, **options}
    inputs = random.standard_normal((2, 4, 2)).round(4)
    results = torch_results(kind, options, lambda shape: random.uniform(-1, 1, shape).round(4), inputs)
    numbers = {
        "inputs": inputs.tolist(),
        "state_dict": {name: value.tolist() for name, value in results["state_dict"].items()},
        **{name: np.round(results[name], 10).tolist() for name in ("outputs", "gradient")},
        "states": [np.round(state, 10).tolist() for state in results["states"]],
    }
    return {"kind": kind, "options": options, **numbers}


if __name__ == "__main__":
    goldens = {name: golden(np.random.default_rng(seed), *row) for seed, (name, row) in enumerate(ROWS.items())}
    rows = (f"{json.dumps(name)}: {json.dumps(row, separators=(',', ':'))}" for name, row in goldens.items())
    FILE.write_text("{\n" + ",\n".join(rows) + "\n}\n")

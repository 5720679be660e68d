"""What a caller of `generate` may ask for: which sampler, how many samples, as text, with its figures, or as a stream."""

import secrets
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from kerasrnn import samplers
from kerasrnn._backend import tf
from kerasrnn.models._arguments import row_strings, row_values, strings
from kerasrnn.models.beam_search import BeamSearchGraph
from kerasrnn.models.streaming import stream_pieces
from kerasrnn.samplers.settings import COUNT, SETTINGS, one_value


class Generation(NamedTuple):
    """A text that a model wrote, and how likely it was.

    Attributes:
        text: the continuation, without the prompt and the stop string.
        token_ids: (length,) int32, the tokens within the text.
        log_probabilities: (length,) float32, natural logarithms of these tokens' probabilities under the model as it is:
            without temperature, filters and penalties.
        score: of a drawn text the sum of its log-probabilities; of one that beam search found, what it was ranked by,
            which counts the stop string's tokens too.

    Example:

    >>> import numpy as np
    >>> Generation("hi", np.array([3, 4]), np.array([-0.5, -0.25]), -0.75).text
    'hi'
    """

    text: str
    token_ids: np.ndarray
    log_probabilities: np.ndarray
    score: float


class Generator:
    """The arguments of `TextMethods.generate`, checked, and the graphs of a Decoder that serve them."""

    def __init__(self, decoder: Any) -> None:
        self._decoder = decoder
        self._beam_search = BeamSearchGraph(decoder)

    def generate(
        self, prompt: str | Sequence[str], max_new_tokens: Any, stop: Any, seed: Any, sampler: Any, num_samples: int | None,
        stream: bool, return_log_probabilities: bool, settings: dict[str, Any],
    ) -> Any:  # fmt: skip
        prompts = strings(prompt, "prompt")
        rows = len(prompts)
        sampler = _sampler(sampler, settings)
        searching = isinstance(sampler, samplers.BeamSearch)
        samples = 1 if num_samples is None else one_value("num_samples", num_samples, *COUNT)
        if searching and samples > sampler.num_beams:
            raise ValueError(
                f"num_samples: expected at most num_beams={sampler.num_beams}, as many as the search keeps; "
                f"received {num_samples}"
            )
        given = {
            "prompt": prompts,
            "stop": row_strings("stop", stop, rows),
            "max_new_tokens": row_values("max_new_tokens", max_new_tokens, rows, *COUNT),
        }
        given["seed"] = _seeds(seed, rows, samples)
        if stream:
            unfit = {
                "prompt: expected one string with stream=True": prompt if not isinstance(prompt, str) else None,
                "num_samples: expected None with stream=True": num_samples,
                "return_log_probabilities: expected False with stream=True": return_log_probabilities or None,
                "sampler: expected one that draws with stream=True, since a search knows its text only at the end": (
                    sampler if searching else None
                ),
            }
            for expected, received in unfit.items():
                if received is not None:
                    raise ValueError(f"{expected}; received {received!r}")
        if searching:
            rest = [given[name] for name in ("prompt", "max_new_tokens", "stop")]
            written = self._beam_search(*rest, sampler.num_beams, sampler.length_penalty)
            written = [[g for g in row[:samples] if np.isfinite(g.score)] for row in written]
        else:
            for name in SETTINGS.keys() - {"seed"}:
                given[name] = row_values(name, sampler[name], rows, *SETTINGS[name])
            if stream:
                return self._stream(given)
            given = {name: values if name == "seed" else np.repeat(values, samples) for name, values in given.items()}
            written = self._draw(given)
            written = [written[row * samples : (row + 1) * samples] for row in range(rows)]
        results = [row if return_log_probabilities else [g.text for g in row] for row in written]
        if num_samples is None:
            results = [row[0] for row in results]
        return results[0] if isinstance(prompt, str) else results

    def _draw(self, given: dict[str, Any]) -> list[Generation]:
        inputs = self._decoder.inputs["generate"]
        written = self._decoder.write(**{i.name: tf.constant(given[i.name].tolist() if i.dtype == tf.string else given[i.name],
                                                             i.dtype) for i in inputs})  # fmt: skip
        return generations({name: value.numpy() for name, value in written.items()})

    def _stream(self, given: dict[str, Any]) -> Iterator[str]:
        settings = {name: tf.constant(given[name], dtype) for name, (dtype, *_) in SETTINGS.items()}
        return stream_pieces(self._decoder, given["prompt"][0], given["stop"][0], int(given["max_new_tokens"][0]), settings)

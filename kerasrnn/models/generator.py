"""What a caller of `generate` may ask for: which sampler, how many samples, as text, with its figures, or as a stream."""

import secrets
from collections.abc import Sequence
from typing import Any

import numpy as np

from kerasrnn import samplers
from kerasrnn._backend import tf
from kerasrnn._portable.arguments import COUNT, NO_TEXT, SETTINGS, one_value, row_strings, row_values, strings
from kerasrnn.models.beam_search import BeamSearchGraph
from kerasrnn.models.decoding import finite_logits
from kerasrnn.models.drawing import draws_by_itself
from kerasrnn.models.generation import Generation, generations
from kerasrnn.models.streaming import stream_pieces

_OFF = samplers.Sampler().settings


class Generator:
    """The arguments of `TextMethods.generate`, checked, and the graphs of a Decoder that serve them."""

    def __init__(self, decoder: Any) -> None:
        self._decoder = decoder
        self._beam_search = BeamSearchGraph(decoder)

    def generate(
        self, prompt: str | Sequence[str], max_new_tokens: Any, stop: Any, seed: Any, sampler: Any, num_samples: int | None,
        stream: bool, return_log_probabilities: bool, **settings: Any,
    ) -> Any:  # fmt: skip
        prompts = strings(prompt, "prompt")
        rows = len(prompts)
        if sampler is not None:
            sampler = samplers.get(sampler)
            _check_alone(sampler, settings)
            settings = getattr(sampler, "settings", {})
        search = sampler if isinstance(sampler, samplers.BeamSearch) else None
        own = sampler if draws_by_itself(sampler) else None
        samples = _samples(num_samples, search)
        if stream:
            _check_stream(prompt, num_samples, search, return_log_probabilities)
        given = {
            "prompt": prompts,
            "stop": row_strings("stop", stop, rows),
            "max_new_tokens": row_values("max_new_tokens", max_new_tokens, rows, COUNT),
        }
        if seed is None:
            seed = [secrets.randbits(63) for _ in range(rows)]
        for name, value in {**settings, "seed": seed}.items():
            given[name] = row_values(name, value, rows, SETTINGS[name])
        if stream:
            return stream_pieces(self._decoder, given, own)
        written = self._draw(given, samples, own) if search is None else self._beam_search(given, search, samples)
        if not all(written):
            raise ValueError(NO_TEXT)
        results = [row if return_log_probabilities else [found.text for found in row] for row in written]
        if num_samples is None:
            results = [row[0] for row in results]
        return results[0] if isinstance(prompt, str) else results

    def _draw(self, given: dict[str, Any], samples: int, own: Any) -> list[list[Generation]]:
        # As lists, since NumPy's strings lose their last NULs.
        repeated = {name: [value for value in values for _ in range(samples)] for name, values in given.items()}
        repeated["seed"] = np.repeat(given["seed"], samples) + np.tile(np.arange(samples), len(given["seed"]))
        inputs = self._decoder.inputs["generate"]
        write = self._decoder.write if own is None else self._decoder.write_by(own)
        with finite_logits():
            written = generations(write(*(tf.constant(repeated[i.name], i.dtype) for i in inputs)))
        return [written[start : start + samples] for start in range(0, len(written), samples)]


def _check_alone(sampler: Any, settings: dict[str, Any]) -> None:
    for name, value in settings.items():
        if not (isinstance(value, (int, float)) and value == _OFF[name]):
            raise ValueError(
                f"{name}: expected nothing beside sampler={sampler}, which has settings of its own; received {value!r}. "
                "Give it to the sampler, as in sampler=kerasrnn.samplers.TopP(0.9, temperature=0.8)."
            )


def _samples(num_samples: Any, search: samplers.BeamSearch | None) -> int:
    if num_samples is None:
        return 1
    samples = one_value("num_samples", num_samples, COUNT)
    if search is not None and samples > search.num_beams:
        raise ValueError(
            f"num_samples: expected at most the search's num_beams, {search.num_beams}; received {num_samples}. "
            "Search with more beams."
        )
    return samples


def _check_stream(prompt: Any, num_samples: Any, search: Any, return_log_probabilities: bool) -> None:
    for name, is_fit, expected, received in (
        ("prompt", isinstance(prompt, str), "one string, for a list has no one text", prompt),
        ("num_samples", num_samples is None, "None: stream each sample, with seed, seed + 1, …", num_samples),
        ("sampler", search is None, "one that draws, for a search knows its text only at the end", search),
        ("return_log_probabilities", not return_log_probabilities, "False, for a stream is text", return_log_probabilities),
    ):
        if not is_fit:
            raise ValueError(f"{name}: with stream=True expected {expected}; received {received!r}")

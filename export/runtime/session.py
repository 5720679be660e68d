"""An exported model at work, with NumPy and onnxruntime alone."""

import secrets
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from kerasrnn._portable.arguments import (
    FINITE_LOGITS,
    NO_TEXT,
    Range,
    SETTINGS,
    as_array,
    one_value,
    row_strings,
    row_values,
    same_values,
    strings,
)
from kerasrnn.export._manifest import FILE_NAME, WEIGHTS_NAME, ArtefactError, read_file, read_manifest
from kerasrnn.export.runtime.forecasting import forecast_inputs
from kerasrnn.export.runtime.limits import Deadline, Limits
from kerasrnn.export.runtime.stepping import Stepping
from kerasrnn.export.runtime.tokenizer import tokenizer_from_specification

_THREADS = Range(np.int32, 0, 1024, "an integer from 1 to 1,024, or None")  # 0 is as None for a large model
_ONNX_NAMES = {"float32": "float", "float64": "double"}
_SMALL_MODEL = 1_000_000  # parameters; one step of fewer is over before a second thread has begun


def load(folder: Path | str, num_threads: int | None = None, limits: Limits = Limits()) -> "Session":
    """Loads an exported model after checking every file against its manifest.

    Args:
        folder: what `model.export(folder, format="onnx")` wrote.
        num_threads: threads within one operation; by default one for a small model, else as onnxruntime chooses.
        limits: what one call may ask for.

    Returns:
        The session.

    Raises:
        FileNotFoundError: there is no exported model in the folder.
        ArtefactError: a file is missing, truncated or altered (by name), or the export is newer than this program.
    """
    return Session(folder, num_threads, limits)


class Session:
    """A model loaded from its folder; safe to use from several threads at once, for it keeps no state.

    Args:
        folder: what `model.export(folder, format="onnx")` wrote.
        num_threads: threads within one operation; by default one for a small model, else as onnxruntime chooses.
        limits: what one call may ask for.

    Attributes:
        manifest: the artefact's description, a dictionary.
        tokenizer: the tokenizer of a language model that has one, else None.
        state_names: names of the states of `step`.
    """

    def __init__(self, folder: Path | str, num_threads: int | None = None, limits: Limits = Limits()) -> None:
        self.folder = Path(folder)
        self.manifest = read_manifest(self.folder)
        if self.manifest.get("kind") != "onnx":
            raise ArtefactError(f"{folder}: expected an ONNX export; this is a {self.manifest.get('kind')}. "
                                "Export with format='onnx'.")  # fmt: skip
        if num_threads is None:
            small = self.manifest["model"]["parameters"] < _SMALL_MODEL
            num_threads = 1 if small else 0
        self._num_threads = one_value("num_threads", num_threads, _THREADS)
        self.limits = limits
        # Opened when first used: each holds the weights.
        self._sessions: dict[str, onnxruntime.InferenceSession] = {}
        self._opening = threading.Lock()
        self._first_states = {
            state["name"]: np.array(state.get("initial", np.zeros(state["size"])), np.float32) for state in self.manifest["states"]
        }
        self.state_names = list(self._first_states)
        specification = self.manifest["tokenizer"]
        try:
            self.tokenizer = None if specification is None else tokenizer_from_specification(specification)
        except (ValueError, TypeError, KeyError, RecursionError, OverflowError) as error:
            raise ArtefactError(f"{self.folder / FILE_NAME}: tokenizer: {error}. Export the model again.") from error
        self._stepping = Stepping(lambda inputs: self._run("step", inputs), self.initial_states(1), self.tokenizer)

    def forward(self, **inputs: Any) -> dict[str, np.ndarray]:
        """Runs the model on whole sequences: its inputs by name, its outputs by name."""
        return self._run("forward", inputs)

    def step(self, **inputs: Any) -> dict[str, np.ndarray]:
        """Runs the model on the next steps from explicit states: inputs and every state in, outputs and next_… out."""
        return self._run("step", inputs)

    def feed(
        self, states: dict[str, np.ndarray] | None = None, **inputs: Any
    ) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Runs the model on the next piece of a sequence, of any length: what `forward` gives on the whole, piece by piece.

        Args:
            states: what the call on the piece before returned; None at the beginning, for `initial_states`.
            **inputs: the model's inputs by name, each (batch, time, …).

        Returns:
            (outputs, states): outputs by name, and the states to hand to the next call.

        Raises:
            ValueError: the model cannot be run in pieces (the message says why), or an input or state is not what it takes.

        Example:

            outputs, states = session.feed(x=first_half)
            outputs, states = session.feed(states, x=second_half)
        """
        if "step" not in self.manifest["signatures"]:
            reason = self.manifest.get("no_step")
            raise ValueError(f"{self.folder}: this model cannot run in pieces, for {reason}. Use forward()")
        rows = len(next(iter(inputs.values()))) if inputs else 0
        outputs = self.step(**inputs, **(self.initial_states(rows) if states is None else states))
        return outputs, {name: outputs.pop(f"next_{name}") for name in self.state_names}

    def initial_states(self, batch_size: int) -> dict[str, np.ndarray]:
        """The states at the beginning of `batch_size` sequences, by name: zeros, or what the model learnt or defines."""
        return {name: np.repeat(state[None], batch_size, axis=0) for name, state in self._first_states.items()}

    def forecast(
        self, past: Any, steps: Any = 1, num_paths: Any = 200, seed: Any = 0, covariates: Any = None,
        deadline: float | None = None,
    ) -> dict[str, np.ndarray]:  # fmt: skip
        """Draws the ways in which each window may go on, and their quantiles: the model's own `predict_paths`.

        Args:
            past: (batch, time, channels + covariates) numbers.
            steps: how many steps to forecast, at most 10,000.
            num_paths: how many paths are drawn, at most 1,000; the more, the smoother their quantiles.
            seed: an integer s: the rows' paths are drawn with the seeds s, s + 1, …; None for other paths each time.
            covariates: (batch, time, covariates) of the steps that are fed back, where the model has any.
            deadline: seconds until the call is given up; by default the session's limit.
            (`steps`, `num_paths` and `seed` may be lists, one value a row.)

        Returns:
            `paths` (batch, num_paths, steps, channels) and `quantiles` (batch, steps, channels, levels), float32; the levels
            are in `manifest["forecast"]`. Up to the horizon the quantiles are the model's own, and beyond those of the
            paths. Where the rows ask for different numbers, NaN stands beyond a row's own.

        Raises:
            ValueError: an argument outside its range, or the model forecasts points.
            TimeoutError: the deadline has passed.

        Example:

            outputs = session.forecast(windows, steps=24, seed=7)
            low, high = outputs["quantiles"][..., 0], outputs["quantiles"][..., -1]
        """
        time_left = Deadline(self.limits.seconds if deadline is None else deadline)
        return self._run("forecast", forecast_inputs(self.manifest, past, steps, num_paths, seed, covariates), time_left)

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
        deadline: float | None = None,
    ) -> Any:
        """Writes on from a prompt: the text that the model's own `generate` writes from the same seed.

        Args:
            prompt: a string, or a list of strings; may be empty, and hold characters that are unknown.
            max_new_tokens: how many tokens to write, at least 1.
            temperature: the logits are divided by it; 0 always takes the most likely token.
            top_k: draw from the k most likely tokens; 0 for all.
            top_p: draw from the fewest tokens whose probabilities reach p, in (0, 1]; 1 for all.
            min_p: draw from tokens at least this share as likely as the most likely one, in [0, 1]; 0 for all.
            repetition_penalty: above 1, tokens of the prompt and of the text so far become less likely; 1 is off.
            stop: the text ends before this string; "" for no such string.
            seed: the same seed writes the same text; None draws a new one.
            (All but the first two and the last may be lists, one value a prompt.)
            deadline: seconds until the call is given up; by default the session's limit.

        Returns:
            The continuation without the prompt: a string for a string, a list of strings for a list.

        Raises:
            ValueError: an argument outside its range or the session's limits, or the model has no tokenizer.
            TimeoutError: the deadline has passed.
        """
        prompts = strings(prompt, "prompt")
        stops = row_strings("stop", stop, len(prompts))
        time_left = Deadline(self.limits.seconds if deadline is None else deadline)
        settings = self._settings(
            time_left, prompts, stops, max_new_tokens, temperature=temperature, top_k=top_k, top_p=top_p, min_p=min_p,
            repetition_penalty=repetition_penalty, seed=seed,
        )  # fmt: skip
        if "generate" in self.manifest["signatures"]:
            lengths = np.full(len(prompts), max_new_tokens, np.int32)
            inputs = {"prompt": np.array(prompts, object), "stop": np.array(stops, object), "max_new_tokens": lengths, **settings}
            texts = self._written(inputs, time_left)
        else:
            texts = self._stepping.texts(prompts, stops, max_new_tokens, settings, time_left)
        return texts[0] if isinstance(prompt, str) else texts

    def stream(
        self,
        prompt: str = "",
        max_new_tokens: int = 100,
        temperature: float = 1.0,
        top_k: int = 0,
        top_p: float = 1.0,
        min_p: float = 0.0,
        repetition_penalty: float = 1.0,
        stop: str = "",
        seed: int | None = None,
        deadline: float | None = None,
    ) -> Iterator[str]:
        """Like `generate` for one prompt, as an iterator that gives each piece of text as soon as it is certain.

        What may be the beginning of the stop string is kept back until the next tokens say.
        """
        for name, value in (("prompt", prompt), ("stop", stop)):
            if not isinstance(value, str):
                raise TypeError(f"{name}: expected a string; received {type(value).__name__}")
        time_left = Deadline(self.limits.seconds if deadline is None else deadline)
        settings = self._settings(
            time_left, [prompt], [stop], max_new_tokens, temperature=temperature, top_k=top_k, top_p=top_p, min_p=min_p,
            repetition_penalty=repetition_penalty, seed=seed,
        )  # fmt: skip
        return self._stepping.pieces(prompt, stop, max_new_tokens, settings, time_left)

    def score(self, text: str | Sequence[str], deadline: float | None = None) -> tuple[Any, Any]:
        """The log-likelihood of text, its first token included.

        Args:
            text: a string, or a list of strings.
            deadline: seconds until the call is given up; by default the session's limit.

        Returns:
            (log_likelihood, num_tokens): natural logarithms summed over all tokens, and their number; numbers for a
            string, arrays for a list. exp(−log_likelihood / num_tokens) is the perplexity.
        """
        each = self.token_log_probabilities([text] if isinstance(text, str) else text, deadline)
        if isinstance(text, str):
            return float(each[0].sum()), len(each[0])
        return np.array([values.sum() for values in each]), np.array([len(values) for values in each], np.int64)

    def token_log_probabilities(self, text: str | Sequence[str], deadline: float | None = None) -> Any:
        """The natural logarithm of each token's probability, given all tokens before it: `score`, before it is summed.

        Args:
            text: a string, or a list of strings.
            deadline: seconds until the call is given up; by default the session's limit.

        Returns:
            float64 (tokens,) for a string, a list of such arrays for a list.
        """
        texts = strings(text, "text")
        self._require_text()
        for t in texts:
            self.limits.check_text("text", t)
        time_left = Deadline(self.limits.seconds if deadline is None else deadline)
        values = [self._stepping.log_probabilities(t, time_left) for t in texts]
        return values[0] if isinstance(text, str) else values

    def _written(self, inputs: dict[str, Any], deadline: Deadline) -> list[str]:
        try:
            outputs = self._run("generate", inputs, deadline)
        except Exception as error:  # onnxruntime's errors have no class of their own
            if FINITE_LOGITS in str(error):
                raise ValueError(NO_TEXT) from error
            raise
        if np.isnan(outputs["log_likelihood"]).any():  # graphs of earlier versions do not check
            raise ValueError(NO_TEXT)
        return outputs["text"].tolist()

    def _settings(
        self, deadline: Deadline, prompts: list[str], stops: list[str], max_new_tokens: int, **settings: Any
    ) -> dict[str, np.ndarray]:
        """Checks everything that was asked for; the settings of each row."""
        self._require_text()
        self.limits.check_new_tokens(max_new_tokens)
        for name, texts in (("prompt", prompts), ("stop", stops)):
            for text in texts:
                self.limits.check_text(name, text)
                self.tokenizer.tokenize(text, deadline.check)
        if settings["seed"] is None:
            settings["seed"] = [secrets.randbits(63) for _ in prompts]
        return {name: row_values(name, settings[name], len(prompts), allowed) for name, allowed in SETTINGS.items()}

    def _require_text(self) -> None:
        if self.tokenizer is None:
            raise ValueError(f"{self.folder}: this model was exported without a tokenizer; it takes token ids, not text")

    def _session(self, signature: str) -> onnxruntime.InferenceSession:
        with self._opening:
            if signature not in self._sessions:
                options = onnxruntime.SessionOptions()
                options.intra_op_num_threads = self._num_threads
                options.log_severity_level = 4  # errors come as exceptions
                graph = read_file(self.folder, self.manifest, f"{signature}.onnx")
                # The file's content, instead of a folder: onnxruntime then refuses weights in any other file.
                has_weights = WEIGHTS_NAME in self.manifest["files"]
                weights = read_file(self.folder, self.manifest, WEIGHTS_NAME) if has_weights else b"-"
                try:
                    options.add_external_initializers_from_files_in_memory([WEIGHTS_NAME], [weights], [len(weights)])
                    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
                except Exception as error:  # onnxruntime's errors have no class of their own
                    reason = str(error).strip().splitlines()[0]
                    raise ArtefactError(
                        f"{self.folder / signature}.onnx: expected a graph that onnxruntime {onnxruntime.__version__} loads, "
                        f"with all its weights in it or in {WEIGHTS_NAME}, as an export is; {reason}. Export it again, or "
                        "update onnxruntime"
                    ) from error
                specs = self.manifest["signatures"].get(signature, {"inputs": []})["inputs"]
                listed = {spec["name"]: f"tensor({_ONNX_NAMES.get(spec['dtype'], spec['dtype'])})" for spec in specs}
                received = {put.name: put.type for put in session.get_inputs()}
                if listed != received:
                    raise ArtefactError(
                        f"{self.folder / FILE_NAME}: signatures.{signature}.inputs: expected those of {signature}.onnx, {received}; "
                        f"received {listed}. Export the model again."
                    )
                self._sessions[signature] = session
            return self._sessions[signature]

    def _run(self, signature: str, inputs: dict[str, Any], deadline: Deadline | None = None) -> dict[str, np.ndarray]:
        if signature not in self.manifest["signatures"]:
            raise ValueError(f"{self.folder}: has no signature {signature!r}; it has {sorted(self.manifest['signatures'])}")
        expected = self.manifest["signatures"][signature]["inputs"]
        if set(inputs) != {spec["name"] for spec in expected}:
            raise ValueError(f"{signature}: expected inputs {[s['name'] for s in expected]}; received {sorted(inputs)}")
        arrays = {spec["name"]: self._checked(spec, inputs[spec["name"]]) for spec in expected}
        batches = {name: len(array) for name, array in arrays.items()}
        if len(set(batches.values())) > 1:
            raise ValueError(f"{signature}: expected one batch size for all inputs; received {batches}")
        session = self._session(signature)
        names = [output.name for output in session.get_outputs()]
        if deadline is None:
            return dict(zip(names, session.run(names, arrays)))
        with deadline.run_options() as options:
            return dict(zip(names, session.run(names, arrays, options)))

    def _checked(self, spec: dict[str, Any], value: Any) -> np.ndarray:
        name, shape = spec["name"], spec["shape"]
        array = as_array(value)
        dtype = np.dtype(object if spec["dtype"] == "string" else spec["dtype"])
        if array.dtype != dtype and not (array.dtype.kind in "iu" and dtype.kind in "iuf" or array.dtype.kind == dtype.kind == "f"):
            raise ValueError(f"{name}: expected {dtype}; received {array.dtype}")
        if array.ndim != len(shape) or any(d is not None and d != n for d, n in zip(shape, array.shape)):
            raise ValueError(f"{name}: expected shape {tuple(shape)}, None for any size; received {array.shape}")
        limit = self.manifest["vocabulary_size"]
        if name == "token_ids" and limit is not None and array.size and not 0 <= array.min() <= array.max() < limit:
            worst = array.min() if array.min() < 0 else array.max()
            raise ValueError(f"token_ids: expected values in [0, {limit}), the vocabulary; received {worst}")
        if dtype.kind == "O":
            return array
        array = same_values(name, array, dtype)
        if name in self._first_states and not np.isfinite(array).all():
            raise ValueError(f"{name}: expected finite numbers; received NaN or infinity, which no step can mend")
        return array

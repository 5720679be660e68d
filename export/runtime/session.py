"""An exported model at work, with NumPy and onnxruntime alone."""

import secrets
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from kerasrnn.export._manifest import ArtefactError, read_manifest
from kerasrnn.export.runtime.arguments import SETTINGS, row_strings, row_values, strings
from kerasrnn.export.runtime.sampling import next_token
from kerasrnn.export.runtime.stop import UntilStop
from kerasrnn.export.runtime.tokenizer import tokenizer_from_specification

_SMALL_MODEL = 1_000_000  # parameters; one step of fewer is over before a second thread has begun
_SCORE_STEPS = 1024  # a long text is scored in pieces of this many tokens, in bounded memory


def load(folder: Path | str, num_threads: int | None = None) -> "Session":
    """Loads an exported model after checking every file against its manifest.

    Args:
        folder: what `model.export(folder, format="onnx")` wrote.
        num_threads: threads within one operation; by default one for a small model, else as onnxruntime chooses.

    Returns:
        The session.

    Raises:
        FileNotFoundError: there is no exported model in the folder.
        ArtefactError: a file is missing, truncated or altered (by name), or the export is newer than this program.
    """
    return Session(folder, num_threads)


class Session:
    """A model loaded from its folder; safe to use from several threads at once, for it keeps no state.

    Args:
        folder: what `model.export(folder, format="onnx")` wrote.
        num_threads: threads within one operation; by default one for a small model, else as onnxruntime chooses.

    Attributes:
        manifest: the artefact's description, a dictionary.
        tokenizer: the tokenizer of a language model that has one, else None.
        state_names: names of the states of `step`.
    """

    def __init__(self, folder: Path | str, num_threads: int | None = None) -> None:
        self.folder = Path(folder)
        self.manifest = read_manifest(self.folder)
        if self.manifest.get("kind") != "onnx":
            raise ArtefactError(f"{folder}: expected an ONNX export; this is a {self.manifest.get('kind')}. "
                                "Export with format='onnx'.")  # fmt: skip
        if num_threads is None:
            small = self.manifest["model"]["parameters"] < _SMALL_MODEL
            num_threads = 1 if small else 0
        self._num_threads = num_threads
        self._sessions = {name: self._open(name) for name in self.manifest["signatures"]}
        self._state_sizes = {state["name"]: state["size"] for state in self.manifest["states"]}
        self.state_names = list(self._state_sizes)
        specification = self.manifest["tokenizer"]
        self.tokenizer = None if specification is None else tokenizer_from_specification(specification)

    def forward(self, **inputs: Any) -> dict[str, np.ndarray]:
        """Runs the model on whole sequences: its inputs by name, its outputs by name."""
        return self._run("forward", inputs)

    def step(self, **inputs: Any) -> dict[str, np.ndarray]:
        """Runs the model on the next tokens from explicit states: token_ids and every state in, logits and next_… out."""
        return self._run("step", inputs)

    def initial_states(self, batch_size: int) -> dict[str, np.ndarray]:
        """Zero states for `batch_size` rows, by name."""
        return {name: np.zeros((batch_size, size), np.float32) for name, size in self._state_sizes.items()}

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
            (All but the first two may be lists, one value a prompt.)

        Returns:
            The continuation without the prompt: a string for a string, a list of strings for a list.

        Raises:
            ValueError: an argument outside its range, or the model has no tokenizer.
        """
        prompts = strings(prompt, "prompt")
        stops = [self._text_tokenizer.tokenize(s).tolist() for s in row_strings("stop", stop, len(prompts))]
        steps = self._tokens(
            prompts, max_new_tokens, temperature=temperature, top_k=top_k, top_p=top_p, min_p=min_p,
            repetition_penalty=repetition_penalty, seed=seed,
        )  # fmt: skip
        writers = [UntilStop(stop) for stop in stops]
        written: list[list[int]] = [[] for _ in prompts]
        for tokens in steps if prompts else ():
            for row, writer, token in zip(written, writers, tokens.tolist()):
                row += writer.add(token)
            if all(writer.stopped for writer in writers):
                break
        texts = [self._text_tokenizer.detokenize(np.array(row + w.rest(), np.int32)) for row, w in zip(written, writers)]
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
    ) -> Iterator[str]:
        """Like `generate` for one prompt, as an iterator that gives each piece of text as soon as it is certain.

        What may be the beginning of the stop string is kept back until the next tokens say.
        """
        for name, value in (("prompt", prompt), ("stop", stop)):
            if not isinstance(value, str):
                raise TypeError(f"{name}: expected a string; received {type(value).__name__}")
        writer = UntilStop(self._text_tokenizer.tokenize(stop).tolist())
        steps = self._tokens(
            [prompt], max_new_tokens, temperature=temperature, top_k=top_k, top_p=top_p, min_p=min_p,
            repetition_penalty=repetition_penalty, seed=seed,
        )  # fmt: skip

        def pieces() -> Iterator[str]:
            for tokens in steps:
                if certain := writer.add(int(tokens[0])):
                    yield self._text_tokenizer.detokenize(np.array(certain, np.int32))
                if writer.stopped:
                    return
            if rest := writer.rest():
                yield self._text_tokenizer.detokenize(np.array(rest, np.int32))

        return pieces()

    def score(self, text: str | Sequence[str]) -> tuple[Any, Any]:
        """The log-likelihood of text, its first token included.

        Args:
            text: a string, or a list of strings.

        Returns:
            (log_likelihood, num_tokens): natural logarithms summed over all tokens, and their number; numbers for a
            string, arrays for a list. exp(−log_likelihood / num_tokens) is the perplexity.
        """
        results = [self._score(t) for t in strings(text, "text")]
        if isinstance(text, str):
            return results[0]
        return np.array([r[0] for r in results]), np.array([r[1] for r in results], np.int64)

    def _score(self, text: str) -> tuple[float, int]:
        targets = self._text_tokenizer.tokenize(text)
        token_ids = np.concatenate([[self._text_tokenizer.start_token_id], targets[:-1]]).astype(np.int32)
        states, total = self.initial_states(1), 0.0
        for start in range(0, len(targets), _SCORE_STEPS):
            chunk = slice(start, start + _SCORE_STEPS)
            logits, states = self._advance(token_ids[None, chunk], states)
            logits, expected = logits[0].astype(np.float64), targets[chunk]
            largest = logits.max(axis=-1)
            normaliser = largest + np.log(np.exp(logits - largest[:, None]).sum(axis=-1))
            total += float((logits[np.arange(len(expected)), expected] - normaliser).sum())
        return total, len(targets)

    def _tokens(self, prompts: list[str], max_new_tokens: int, **settings: Any) -> Iterator[np.ndarray]:
        """Checks the arguments at once, and gives an iterator of the next token of every row."""
        tokenizer, rows = self._text_tokenizer, len(prompts)
        if isinstance(max_new_tokens, bool) or not hasattr(max_new_tokens, "__index__") or max_new_tokens < 1:
            raise ValueError(f"max_new_tokens: expected an integer of at least 1; received {max_new_tokens!r}")
        if settings["seed"] is None:
            settings["seed"] = [secrets.randbits(63) for _ in range(rows)]
        settings = {name: row_values(name, settings[name], rows, *checks) for name, checks in SETTINGS.items()}
        for name, off in (("min_p", 0), ("repetition_penalty", 1)):
            if np.all(settings[name] == off):
                settings[name] = None  # saves a tenth of a small model's time

        def tokens() -> Iterator[np.ndarray]:
            # Each prompt by itself: they differ in length, and the states must be those after its last token.
            ids = [tokenizer.tokenize(p) for p in prompts]
            read = [self._advance(np.array([[tokenizer.start_token_id, *i]], np.int32), self.initial_states(1)) for i in ids]
            logits = np.concatenate([logits[:, -1] for logits, _ in read])
            seen = np.zeros(logits.shape, bool)
            for row, token_ids in zip(seen, ids):
                row[token_ids] = True
            every_row = np.arange(rows)
            states = {name: np.concatenate([s[name] for _, s in read]) for name in self.state_names}
            for t in range(max_new_tokens):
                logits[:, tokenizer.unknown_token_id] = -np.inf
                drawn = next_token(logits, seen=seen, step=t, **settings)
                seen[every_row, drawn] = True
                yield drawn
                if t + 1 < max_new_tokens:
                    logits, states = self._advance(drawn[:, None], states)
                    logits = logits[:, -1]

        return tokens()

    def _advance(self, token_ids: np.ndarray, states: dict[str, np.ndarray]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        outputs = self._run("step", {"token_ids": token_ids, **states})
        return outputs["logits"], {name: outputs[f"next_{name}"] for name in self.state_names}

    @property
    def _text_tokenizer(self) -> Any:
        if self.tokenizer is None or "step" not in self._sessions:
            raise ValueError(f"{self.folder}: this model was exported without a tokenizer; it takes token ids, not text")
        return self.tokenizer

    def _open(self, signature: str) -> onnxruntime.InferenceSession:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self._num_threads
        options.log_severity_level = 3
        return onnxruntime.InferenceSession(
            self.folder / f"{signature}.onnx", options, providers=["CPUExecutionProvider"]
        )

    def _run(self, signature: str, inputs: dict[str, Any]) -> dict[str, np.ndarray]:
        if signature not in self._sessions:
            raise ValueError(f"{self.folder}: has no signature {signature!r}; it has {sorted(self._sessions)}")
        expected = self.manifest["signatures"][signature]["inputs"]
        if set(inputs) != {spec["name"] for spec in expected}:
            raise ValueError(f"{signature}: expected inputs {[s['name'] for s in expected]}; received {sorted(inputs)}")
        arrays = {spec["name"]: self._checked(spec, inputs[spec["name"]]) for spec in expected}
        batches = {name: len(array) for name, array in arrays.items()}
        if len(set(batches.values())) > 1:
            raise ValueError(f"{signature}: expected one batch size for all inputs; received {batches}")
        session = self._sessions[signature]
        names = [output.name for output in session.get_outputs()]
        return dict(zip(names, session.run(names, arrays)))

    def _checked(self, spec: dict[str, Any], value: Any) -> np.ndarray:
        name, shape = spec["name"], spec["shape"]
        array = np.asarray(value)
        dtype = np.dtype(spec["dtype"])
        if array.dtype != dtype and not (array.dtype.kind in "iu" and dtype.kind in "iuf" or array.dtype.kind == dtype.kind == "f"):
            raise ValueError(f"{name}: expected {dtype}; received {array.dtype}")
        if array.ndim != len(shape) or any(d is not None and d != n for d, n in zip(shape, array.shape)):
            raise ValueError(f"{name}: expected shape {tuple(shape)}, None for any size; received {array.shape}")
        limit = self.manifest["vocabulary_size"]
        if name == "token_ids" and limit is not None and array.size and not 0 <= array.min() <= array.max() < limit:
            worst = array.min() if array.min() < 0 else array.max()
            raise ValueError(f"token_ids: expected values in [0, {limit}), the vocabulary; received {worst}")
        return array.astype(dtype, copy=False)

"""generate.onnx and score.onnx: a language model with its tokenizer around it, strings in and strings or figures out."""

from typing import Any

import keras
import numpy as np
import onnx
import spox
import spox.opset.ai.onnx.v20 as op

from kerasrnn._portable.arguments import COUNT, FINITE_LOGITS, GENERATE_INPUTS, SETTINGS
from kerasrnn.export.writers._hoisting import hoist_invariants
from kerasrnn.export.writers._onnx_checks import name_checks, zero_if
from kerasrnn.export.writers._onnx_forms import stop_of, tokenizer_of
from kerasrnn.export.writers._onnx_sampling import Sampler, any_of, column, integer, real, when
from kerasrnn.export.writers._onnx_stop import recent_tokens
from kerasrnn.export.writers._parts import Parts
from kerasrnn.export.writers._signatures import MAX_NEW_TOKENS

_CHUNK = 512  # tokens read in one call of the model: a long text takes bounded memory

_RANGES = {
    "max_new_tokens": COUNT._replace(most=MAX_NEW_TOKENS, words=f"1 to {MAX_NEW_TOKENS}"),
    **{name: allowed for name, allowed in SETTINGS.items() if name != "seed"},  # every int64 is a seed
}


def generate_graph(model: keras.Model, quantize: str | None = None) -> onnx.ModelProto:
    """Tokenizer, prompt read in chunks, one loop that draws a token a row, detokenizer."""
    dtypes = {name: np.str_ if dtype is object else dtype for name, dtype in GENERATE_INPUTS.items()}
    arguments = {name: spox.argument(spox.Tensor(dtype, ("batch",))) for name, dtype in dtypes.items()}
    inputs = _of_as_many_rows(arguments, like="prompt")
    parts, tokenizer = Parts(model, quantize), tokenizer_of(model.tokenizer.specification())
    max_new_tokens = op.cast(inputs["max_new_tokens"], to=np.int64)
    for name, allowed in _RANGES.items():
        value = inputs[name]
        holds = op.and_(op.greater_or_equal(value, _like(value, allowed.least)), op.less_or_equal(value, _like(value, allowed.most)))
        max_new_tokens = op.add(max_new_tokens, zero_if(holds, name, allowed.words))
    settings = {name: inputs[name] for name in ("temperature", "top_p", "min_p", "repetition_penalty", "seed")}
    sampler = Sampler(**settings, top_k=op.cast(inputs["top_k"], to=np.int64), vocabulary_size=model.vocabulary_size)

    prompt_ids, lengths = tokenizer.tokenize(inputs["prompt"])
    rows = op.shape(inputs["prompt"])
    token_ids = _after_start(prompt_ids, rows, tokenizer)
    before_last = _but_last(token_ids)
    read = parts.reader(logits=False)
    states = _in_chunks(
        op.shape(prompt_ids, start=1),
        lambda start, states: read(*_chunk(before_last, lengths, start), *states),
        parts.initial_states(rows),
    )
    last = op.squeeze(op.gather_elements(token_ids, column(lengths), axis=1), integer([1]))

    stop = stop_of(tokenizer, inputs["stop"])
    never = np.zeros((1, model.vocabulary_size), np.float32)
    never[0, tokenizer.never_drawn] = -np.inf
    seen = op.expand(op.const(np.array([[False]])), op.concat([rows, integer([model.vocabulary_size])], axis=0))
    advance = parts.one_token()

    def step(t: Any, _: Any, tokens: Any, counts: Any, seen: Any, recent: Any, *states: Any) -> list[Any]:
        logits, *states = advance(op.cast(tokens, to=np.int32), *states)
        tokens = sampler(op.add(logits, op.const(never)), seen, t)
        likely = op.squeeze(op.gather_elements(op.log_softmax(logits, axis=1), column(tokens), axis=1), integer([1]))
        seen = when(sampler.any_penalty, lambda: _marked(seen, column(tokens)), lambda: seen)
        recent, now = recent_tokens(recent, tokens), op.add(t, integer(1))
        counts = stop.counts(recent, now, counts)
        if tokenizer.end_token_id is not None:
            ended = op.equal(tokens, integer(tokenizer.end_token_id))
            counts = op.where(ended, op.min([counts, t]), counts)
        more = op.and_(any_of(op.less(now, counts)), _all_finite(likely))
        return [op.unsqueeze(more, integer([0])), tokens, counts, seen, recent, *states, tokens, likely]

    results = op.loop(
        cond=op.unsqueeze(any_of(op.less(integer(0), max_new_tokens)), integer([0])),
        v_initial=[last, max_new_tokens, _marked(seen, prompt_ids), stop.nothing, *states],
        body=step,
    )
    counts, written, likely = _ranked(results[1], 1), *(op.transpose(_ranked(r, 2)) for r in results[-2:])
    # Nothing inside a loop can fail by a name.
    counts = op.add(counts, zero_if(_all_finite(likely), *FINITE_LOGITS.split(": expected ")))
    text, counts = stop.cut(written, counts)
    counted = op.less(op.range(integer(0), _scalar(op.shape(written, start=1)), integer(1)), column(counts))
    likely = op.where(counted, op.cast(likely, to=np.float64), op.const(np.array(0.0)))
    outputs = {
        "text": text,
        "num_tokens": op.cast(counts, to=np.int32),
        "log_likelihood": op.cast(op.reduce_sum(likely, integer([1]), keepdims=0), to=np.float32),
    }
    return _model(parts, arguments, outputs)


def score_graph(model: keras.Model, quantize: str | None = None) -> onnx.ModelProto:
    """Tokenizer, and the likelihood of each token in a loop over chunks, in float64: a novel has a million terms."""
    text = spox.argument(spox.Tensor(np.str_, ("batch",)))
    parts, tokenizer = Parts(model, quantize), tokenizer_of(model.tokenizer.specification())
    targets, lengths = _ended(*tokenizer.tokenize(text), tokenizer)
    rows = op.shape(text)
    token_ids = _but_last(_after_start(targets, rows, tokenizer))
    read = parts.reader(logits=True)

    def scored(start: Any, carried: list[Any]) -> list[Any]:
        total, *states = carried
        ids, remaining = _chunk(token_ids, lengths, start)
        logits, *states = read(ids, remaining, *states)
        steps = op.range(integer(0), _scalar(op.shape(ids, start=1)), integer(1))
        expected = op.slice(targets, start, op.add(start, integer([_CHUNK])), integer([1]))
        likely = op.gather_elements(op.log_softmax(logits, axis=2), op.unsqueeze(expected, integer([2])), axis=2)
        likely = op.cast(op.squeeze(likely, integer([2])), to=np.float64)
        likely = op.where(op.less(steps, op.cast(column(remaining), to=np.int64)), likely, op.const(np.array(0.0)))
        return [op.add(total, op.reduce_sum(likely, integer([1]), keepdims=0)), *states]

    zero = op.expand(op.const(np.array(0.0)), rows)
    total, *_ = _in_chunks(op.shape(targets, start=1), scored, [zero, *parts.initial_states(rows)])
    return _model(
        parts,
        {"text": text},
        {"log_likelihood": op.cast(_ranked(total, 1), to=np.float32), "num_tokens": op.cast(lengths, to=np.int32)},
    )


def _of_as_many_rows(inputs: dict[str, Any], like: str) -> dict[str, Any]:
    """The inputs, (batch,) each, checked to have a row for each row of one of them.

    Nothing may be computed from one before all are checked: onnxruntime lays out memory for equal numbers of rows, and ends
    the process where a loop meets others.
    """
    rows = expected = op.shape(inputs[like])
    for name in [name for name in inputs if name != like]:
        as_many = op.equal(op.shape(inputs[name]), expected)
        rows = op.add(rows, zero_if(as_many, name, f"one row for each row of {like}"))
    return {name: op.reshape(value, rows, allowzero=1) for name, value in inputs.items()}


def _in_chunks(width: Any, body: Any, carried: list[Any]) -> list[Any]:
    """Carries values over the chunks of `width` tokens, int64 (1,): `body` has a chunk's start and the values."""

    def chunk(i: Any, _: Any, *carried: Any) -> list[Any]:
        start = op.mul(i, integer([_CHUNK]))
        return [op.less(op.add(start, integer([_CHUNK])), width), *body(start, list(carried))]

    return list(op.loop(cond=op.less(integer([0]), width), v_initial=carried, body=chunk))


def _chunk(token_ids: Any, lengths: Any, start: Any) -> tuple[Any, Any]:
    """The chunk's token ids, and how many of them belong to each row, as the parts take them."""
    ids = op.slice(token_ids, start, op.add(start, integer([_CHUNK])), integer([1]))
    remaining = op.max([op.min([op.sub(lengths, start), op.shape(ids, start=1)]), integer(0)])
    return op.cast(ids, to=np.int32), op.cast(remaining, to=np.int32)


def _after_start(token_ids: Any, rows: Any, tokenizer: Any) -> Any:
    first = op.expand(integer(tokenizer.start_token_id), op.concat([rows, integer([1])], axis=0))
    return op.concat([first, token_ids], axis=1)


def _ended(token_ids: Any, lengths: Any, tokenizer: Any) -> tuple[Any, Any]:
    """The tokens with the end token behind each row's last one, where the tokenizer has an end token."""
    if tokenizer.end_token_id is None:
        return token_ids, lengths
    room = op.expand(integer(tokenizer.unknown_token_id), op.concat([op.shape(lengths), integer([1])], axis=0))
    wider = op.concat([token_ids, room], axis=1)
    is_end = op.equal(op.range(integer(0), _scalar(op.shape(wider, start=1)), integer(1)), column(lengths))
    return op.where(is_end, integer(tokenizer.end_token_id), wider), op.add(lengths, integer(1))


def _but_last(token_ids: Any) -> Any:
    return op.slice(token_ids, integer([0]), integer([-1]), integer([1]))


def _all_finite(values: Any) -> Any:
    return op.not_(any_of(op.not_(op.less(op.abs(values), real(np.inf)))))


def _marked(seen: Any, token_ids: Any) -> Any:
    return op.scatter_elements(seen, token_ids, op.expand(op.const(np.array([[True]])), op.shape(token_ids)), axis=1)


def _ranked(value: Any, rank: int) -> Any:
    """The same value; spox cannot tell how many axes a loop's results have."""
    return op.reshape(value, op.reshape(op.shape(value), integer([rank])), allowzero=1)


def _like(value: Any, number: int) -> Any:
    return op.const(np.array(number, value.unwrap_tensor().dtype))


def _scalar(value: Any) -> Any:
    return op.squeeze(value, integer([0]))


def _model(parts: Parts, inputs: dict[str, Any], outputs: dict[str, Any]) -> onnx.ModelProto:
    model = parts.build(inputs, outputs)
    hoist_invariants(model.graph)
    name_checks(model.graph)
    model.producer_name = "kerasrnn"
    return model

/**
 * A language model exported by kerasrnn, for Node and for browsers: no file access, no dependency of its own.
 *
 *     const model = await LanguageModel.load(ort, (name) => …the bytes of the file of that name, a Uint8Array…);
 *     for await (const piece of model.stream("Call me ", { max_new_tokens: 200, top_p: 0.95, seed: 7 })) …
 *     const { text, num_tokens, log_likelihood } = await model.generate("Call me ", { seed: 7 });
 *
 * `ort` is onnxruntime-node or onnxruntime-web; one process can hold only one of them. `stream` runs step.onnx and draws
 * tokens here, `generate` runs the loop inside generate.onnx: from one seed both write the same text, in every runtime.
 */

import { TextStream } from "./text_stream.mjs";
import { tokenizerFrom } from "./tokenizers.mjs";

export * from "./text_stream.mjs";
export * from "./tokenizers.mjs";

const isInt32 = (value) => (value | 0) === value;
const isInt64 = (value) => Number.isSafeInteger(value) || (typeof value === "bigint" && BigInt.asIntN(64, value) === value);

// Logits divided by all settings must stay well within float32, as in every runtime; a temperature below the first is greedy.
const GREEDY_BELOW = Math.fround(1e-20);
const [SMALLEST, LARGEST] = [Math.fround(1e-10), Math.fround(1e10)];

/** What generation takes: each setting's default, its range, and the range in words. */
const SETTINGS = {
  max_new_tokens: [100, (v) => isInt32(v) && v >= 1, "an integer of at least 1"],
  temperature: [1, (v) => v >= 0 && v <= LARGEST, "a number from 0 to 1e10 (0 is greedy)"],
  top_k: [0, (v) => isInt32(v) && v >= 0, "an integer ≥ 0 (0 keeps all)"],
  top_p: [1, (v) => v >= SMALLEST && v <= 1, "a number in (0, 1], at least 1e-10 (1 keeps all)"],
  min_p: [0, (v) => Number.isFinite(v) && v >= 0 && v <= 1, "a number in [0, 1] (0 keeps all)"],
  repetition_penalty: [1, (v) => v >= SMALLEST && v <= LARGEST, "a number from 1e-10 to 1e10 (1 is off)"],
  stop: ["", (v) => typeof v === "string", 'a string ("" is off)'],
  seed: [undefined, isInt64, "an integer or a BigInt of 64 bits; undefined draws a new one"],
};
const VERSIONS = [3, 4]; // of manifests that are read
const FLOATS = ["temperature", "top_p", "min_p", "repetition_penalty"];

export class LanguageModel {
  #ort;
  #read;
  #sessions = {};

  /** Use `LanguageModel.load`. */
  constructor(ort, read, manifest) {
    this.#ort = ort;
    this.#read = read;
    this.manifest = manifest;
    this.tokenizer = manifest.tokenizer && tokenizerFrom(manifest.tokenizer);
  }

  /** `read` takes a file's name in the exported folder and returns its bytes, or a promise of them. */
  static async load(ort, read) {
    const manifest = JSON.parse(new TextDecoder().decode(await read("manifest.json")));
    if (manifest.format !== "kerasrnn" || manifest.kind !== "onnx" || !VERSIONS.includes(manifest.version)) {
      const received = `${manifest.format}, ${manifest.kind}, version ${manifest.version}`;
      const versions = VERSIONS.join(" or ");
      throw new Error(`manifest.json: expected a kerasrnn ONNX export of version ${versions}; received ${received}. Export again.`);
    }
    return new LanguageModel(ort, read, manifest);
  }

  /** The continuation alone as `text`, with its `num_tokens` and `log_likelihood`; all of it at once. */
  async generate(prompt = "", settings = {}) {
    return await this.#runOnText("generate", { prompt, ...checked(settings) });
  }

  /** The `log_likelihood` (natural logarithm) of all of a text's tokens, and `num_tokens`. */
  async score(text) {
    return await this.#runOnText("score", { text });
  }

  /** The continuation in pieces, each as soon as it is certain not to be part of the stop string. */
  async *stream(prompt = "", settings = {}) {
    const { max_new_tokens, stop, ...draw } = checked(settings);
    const tokenizer = this.#textTokenizer();
    let tokens = tokenizer.tokenize(string(prompt, "prompt"));
    const seen = new Set(tokens);
    const text = new TextStream((ids) => tokenizer.detokenize(ids), stop);
    let [logits, states] = [undefined, this.#initialStates()];
    tokens.unshift(tokenizer.startTokenId);
    for (let step = 0; step < max_new_tokens && !text.stopped; step++) {
      [logits, states] = await this.#advance(tokens, states);
      for (const id of tokenizer.neverDrawn) logits[id] -= Infinity;
      if (!Number.isFinite(largest(logits))) {
        throw new Error("logits: expected finite numbers; received NaN or infinity, as of a model whose training diverged");
      }
      tokens = [nextToken(logits, seen, draw, step)];
      if (tokens[0] === tokenizer.endTokenId) break;
      seen.add(tokens[0]);
      const piece = text.add(tokens[0]);
      if (piece) yield piece;
    }
    const rest = text.rest();
    if (rest) yield rest;
  }

  #initialStates() {
    const tensor = (size, initial) => new this.#ort.Tensor("float32", new Float32Array(initial ?? size), [1, size]);
    return Object.fromEntries(this.manifest.states.map(({ name, size, initial }) => [name, tensor(size, initial)]));
  }

  /** The logits after the last of the tokens, and the new states. */
  async #advance(tokens, states) {
    const step = await this.#session("step");
    const token_ids = new this.#ort.Tensor("int32", tokens, [1, tokens.length]);
    const outputs = await step.run({ token_ids, ...states });
    const next = this.manifest.states.map(({ name }) => [name, outputs[`next_${name}`]]);
    return [outputs.logits.data.slice(-this.manifest.vocabulary_size), Object.fromEntries(next)];
  }

  async #runOnText(signature, values) {
    const { vocabulary, unknownTokenId } = this.#textTokenizer();
    const hasNul = Object.values(values).some((value) => typeof value === "string" && value.includes("\0"));
    const isCharacters = this.manifest.tokenizer.class_name === "CharTokenizer";
    if (vocabulary.some((token) => token.includes("\0")) || (hasNul && !isCharacters)) {
      throw new Error(`${signature}: onnxruntime cuts JavaScript's strings at NUL, which this model reads or writes. Use stream.`);
    }
    const session = await this.#session(signature);
    const feeds = {};
    for (const { name, dtype } of this.manifest.signatures[signature].inputs) {
      let value = values[name];
      // An unknown character is as good as another; a stop string with U+FFFD never occurs, as one with NUL does not.
      const unknown = name === "stop" ? "\uFFFD" : vocabulary[unknownTokenId];
      if (dtype === "string") value = string(value, name).replaceAll("\0", unknown);
      feeds[name] = new this.#ort.Tensor(dtype, [value], [1]);
    }
    const outputs = await session.run(feeds);
    return Object.fromEntries(Object.entries(outputs).map(([name, { data }]) => [name, data[0]]));
  }

  #textTokenizer() {
    if (!this.tokenizer) throw new Error("this model was exported without a tokenizer; it takes token ids, not text");
    return this.tokenizer;
  }

  /** Opened on first use, since each file holds all of the model's weights. */
  #session(signature) {
    this.#sessions[signature] ??= this.#open(signature);
    return this.#sessions[signature];
  }

  async #open(signature) {
    const name = `${signature}.onnx`;
    const expected = this.manifest.files[name];
    if (!expected) throw new Error(`${name}: expected in the exported folder, but the manifest has none. Export again.`);
    const bytes = await this.#read(name);
    // A page that came over plain http from another machine has no crypto.subtle.
    const digest = crypto.subtle ? hexadecimal(await crypto.subtle.digest("SHA-256", bytes)) : expected.sha256;
    if (bytes.length !== expected.bytes || digest !== expected.sha256) {
      throw new Error(`${name}: its size or SHA-256 differs from the manifest's: altered. Copy it again, or export again.`);
    }
    return await this.#ort.InferenceSession.create(bytes, { logSeverityLevel: 4 });
  }
}

/** Draws a token: repetition penalty, temperature, top-k, top-p, min-p, then one draw; all in float32, as everywhere. */
export function nextToken(logits, seen, { temperature, top_k, top_p, min_p, repetition_penalty, seed }, step) {
  const penalty = repetition_penalty;
  const penalised = logits.map((z, id) => (!seen.has(id) ? z : z > 0 ? z / penalty : z * penalty));
  if (temperature < GREEDY_BELOW) return penalised.indexOf(largest(penalised));
  let scaled = penalised.map((z) => z / temperature);
  if (top_k > 0 || top_p < 1) scaled = filtered(scaled, top_k || scaled.length, top_p);
  const weights = exponentials(scaled).map((weight) => (weight >= min_p ? weight : 0));
  const cumulated = cumulative(weights);
  const total = cumulated.at(-1);
  const goal = Math.fround(uniform(seed, step) * total);
  return cumulated.filter((c) => c <= goal && c < total).length;
}

/** −∞ for all but the k largest, and of these all but the fewest whose probabilities reach p; equal ones stay together. */
function filtered(logits, k, p) {
  const kept = logits.slice().sort().reverse().subarray(0, k);
  const weights = exponentials(kept);
  const total = cumulative(weights).at(-1);
  const probabilities = weights.map((weight) => weight / total);
  const cumulated = cumulative(probabilities);
  const needed = kept.filter((z, i) => z > -Infinity && Math.fround(cumulated[i] - probabilities[i]) < p);
  const smallest = needed.at(-1);
  return logits.map((z) => (z >= smallest ? z : -Infinity));
}

/** Uniform in [0, 1) for a seed at a step: a counter hash (SplitMix64), no carried state. */
export function uniform(seed, step) {
  const key = mix(BigInt(seed) + GAMMA);
  return Number(mix(key + BigInt(step + 1) * GAMMA) >> 40n) * 2 ** -24;
}

const GAMMA = 0x9e3779b97f4a7c15n;

function mix(z) {
  z = BigInt.asUintN(64, z);
  z = BigInt.asUintN(64, (z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n);
  z = BigInt.asUintN(64, (z ^ (z >> 27n)) * 0x94d049bb133111ebn);
  return z ^ (z >> 31n);
}

// A Float32Array rounds whatever is stored in it; what is not stored, Math.fround rounds.
const largest = (values) => values.reduce((a, b) => Math.max(a, b));

function exponentials(logits) {
  const shift = largest(logits);
  return logits.map((z) => Math.exp(Math.fround(z - shift)));
}

function cumulative(values) {
  let sum = 0;
  return values.map((value) => (sum = Math.fround(sum + value)));
}

/** All settings, in the precision that the model takes them in. */
function checked(settings) {
  for (const name of Object.keys(settings)) {
    if (!(name in SETTINGS)) throw new Error(`${name}: expected one of ${Object.keys(SETTINGS)}; received another setting`);
  }
  const values = {};
  for (const [name, [standard, isValid, expected]] of Object.entries(SETTINGS)) {
    const received = settings[name] ?? standard ?? crypto.getRandomValues(new BigInt64Array(1))[0];
    values[name] = typeof received === "number" && FLOATS.includes(name) ? Math.fround(received) : received;
    if (!isValid(values[name])) throw new Error(`${name}: expected ${expected}; received ${received}`);
  }
  return values;
}

function string(value, name) {
  if (typeof value !== "string") throw new Error(`${name}: expected a string; received ${value}`);
  return value;
}

function hexadecimal(buffer) {
  return Array.from(new Uint8Array(buffer), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

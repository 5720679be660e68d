/** Writes on from a prompt with an exported language model: `node node.mjs FOLDER --prompt "Call me " --seed 7`. */

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import * as ort from "onnxruntime-node";

import { LanguageModel } from "./language_model.mjs";

const HELP = `Writes on from a prompt with a language model that kerasrnn exported to ONNX.

  node node.mjs FOLDER [options]

  --prompt TEXT               what to go on from; may be empty
  --stream                    show the text as it is written
  --score TEXT                instead of writing, tell how likely the model finds a text
  --max-new-tokens N          how many tokens to write (default 200)
  --temperature T             below 1 bolder on the likely, above 1 wilder; 0: greedy (default 1)
  --top-k K                   draw from the k most likely only; 0: from all (default 0)
  --top-p P                   draw from the likeliest that together reach p; 1: from all (default 1)
  --min-p P                   draw from those this share as likely as the likeliest (default 0)
  --repetition-penalty R      above 1, what was written already is less likely (default 1)
  --stop TEXT                 end before this string
  --seed N                    the same seed writes the same text, in every runtime
`;

const NUMBERS = ["max-new-tokens", "temperature", "top-k", "top-p", "min-p", "repetition-penalty"];
const STRINGS = ["prompt", "score", "stop", "seed"];

async function main() {
  const options = Object.fromEntries([...NUMBERS, ...STRINGS].map((name) => [name, { type: "string" }]));
  const flags = { stream: { type: "boolean" }, help: { type: "boolean", short: "h" } };
  const { values, positionals } = parseArgs({ options: { ...options, ...flags }, allowPositionals: true });
  const [folder] = positionals;
  if (values.help || positionals.length !== 1) {
    console.log(HELP);
    process.exitCode = values.help ? 0 : 2;
    return;
  }
  const model = await LanguageModel.load(ort, (name) => read(folder, name));
  if (values.score !== undefined) {
    const { log_likelihood, num_tokens } = await model.score(values.score);
    console.log(`log-likelihood ${log_likelihood.toFixed(4)} over ${num_tokens} tokens`);
    return;
  }
  const { prompt = "" } = values;
  if (values.stream) {
    for await (const piece of model.stream(prompt, settingsFrom(values))) process.stdout.write(piece);
    process.stdout.write("\n");
  } else {
    console.log((await model.generate(prompt, settingsFrom(values))).text);
  }
}

async function read(folder, name) {
  return await readFile(join(folder, name)).catch((error) => {
    throw new Error(`${folder}: expected the folder that model.export(folder, format="onnx") wrote; ${error.message}`);
  });
}

function settingsFrom(values) {
  const settings = { max_new_tokens: 200, stop: values.stop, seed: integer(values.seed) };
  for (const name of NUMBERS) {
    if (name in values) settings[name.replaceAll("-", "_")] = values[name].trim() ? Number(values[name]) : NaN;
  }
  return settings;
}

function integer(text) {
  if (text === undefined) return undefined;
  if (!/^-?\d+$/.test(text)) throw new Error(`--seed: expected an integer; received ${text}`);
  return BigInt(text);
}

main().catch((error) => {
  console.error(`Error: ${error.message}`);
  process.exitCode = 1;
});

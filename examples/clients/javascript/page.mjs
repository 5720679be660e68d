/**
 * The page: loads the exported model from the folder that `?model=` names and writes on from the prompt.
 *
 * Settings may stand in the address too; with a prompt there it begins at once: `?model=moby/&prompt=Call me &seed=7`.
 */

import * as ort from "./node_modules/onnxruntime-web/dist/ort.wasm.bundle.min.mjs";

import { LanguageModel } from "./language_model.mjs";

const MILLISECONDS_A_FRAME = 16;
const IDS = ["about", "form", "write", "stop", "given", "written", "status"];
const [about, form, write, stop, given, written, status] = IDS.map((id) => document.getElementById(id));
const query = new URLSearchParams(location.search);
let stopped = false;

for (const field of fields()) field.value = query.get(field.name) ?? field.value;
ort.env.wasm.numThreads = 1; // more need a server that isolates the page
const model = await load(query.get("model") ?? "model/").catch(show(about));
if (model) {
  const { class_name, parameters } = model.manifest.model;
  about.textContent =
    `${class_name} of ${parameters.toLocaleString("en-GB")} parameters and ` +
    `${model.tokenizer.vocabulary.length} tokens, by onnxruntime-web. Nothing leaves this page.`;
  write.disabled = false;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    writeOn().catch(show(status));
  });
  stop.addEventListener("click", () => (stopped = true));
  if (query.has("prompt")) form.requestSubmit();
}

async function load(path) {
  const folder = new URL(path.replace(/\/?$/, "/"), location);
  const model = await LanguageModel.load(ort, async (name) => {
    const response = await fetch(new URL(name, folder));
    if (!response.ok) throw new Error(`${response.url}: ${response.status}. Give an exported model's folder: ?model=path/`);
    return new Uint8Array(await response.arrayBuffer());
  });
  // The first token takes long: step.onnx is fetched and opened for it.
  for await (const _ of model.stream("", { max_new_tokens: 1 }));
  return model;
}

async function writeOn() {
  const { prompt, ...settings } = fieldValues();
  settings.seed ??= crypto.getRandomValues(new Uint32Array(1))[0];
  [given.textContent, written.textContent, status.textContent, status.className] = [prompt, "", "Writing …", ""];
  [write.disabled, stop.disabled, stopped] = [true, false, false];
  const start = performance.now();
  let [tokens, unseen, painted] = [0, "", start];
  try {
    for await (const piece of model.stream(prompt, settings)) {
      tokens += [...piece].length;
      unseen += piece;
      if (performance.now() - painted < MILLISECONDS_A_FRAME) continue;
      written.append(unseen);
      await new Promise((paint) => setTimeout(paint));
      [unseen, painted] = ["", performance.now()];
      if (stopped) break;
    }
    written.append(unseen);
    const seconds = (performance.now() - start) / 1000;
    const speed = Math.round(tokens / seconds).toLocaleString("en-GB");
    status.textContent = `${tokens} tokens in ${seconds.toFixed(2)} s, ${speed} a second; seed ${settings.seed}`;
  } finally {
    [write.disabled, stop.disabled] = [false, true];
  }
}

function fields() {
  return form.querySelectorAll("[name]");
}

/** The prompt, and the settings as `stream` takes them. */
function fieldValues() {
  const values = Array.from(fields(), (field) => [field.name, field.type === "number" ? field.valueAsNumber : field.value]);
  const { seed, ...others } = Object.fromEntries(values);
  return { ...others, seed: seed === "" ? undefined : BigInt(seed) };
}

/** Shows an error in place of what failed. */
function show(element) {
  return (error) => {
    element.textContent = error.message;
    element.className = "error";
  };
}

/** Text to token ids and back, from a tokenizer's JSON specification. */

const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

class Tokenizer {
  /** `endTokenId` and `paddingTokenId`, of tokens that no text holds, are undefined where there is no such token. */
  constructor({ vocabulary, unknown_token, start_token, end_token, padding_token }) {
    this.vocabulary = vocabulary;
    this.ids = new Map(vocabulary.map((token, id) => [token, id]));
    this.unknownTokenId = this.ids.get(unknown_token);
    this.startTokenId = this.ids.get(start_token);
    this.endTokenId = this.ids.get(end_token);
    this.paddingTokenId = this.ids.get(padding_token);
    for (const token of [end_token, padding_token]) this.ids.delete(token); // those that are left are what texts hold
  }

  /** The unknown token, the padding, and a start token that no text has: one that does not come back from its own text. */
  get neverDrawn() {
    const again = this.tokenize(this.detokenize([this.startTokenId]));
    const comesBack = again.length === 1 && again[0] === this.startTokenId;
    const never = this.paddingTokenId === undefined ? [this.unknownTokenId] : [this.unknownTokenId, this.paddingTokenId];
    return comesBack ? never : [...never, this.startTokenId];
  }

  /** The ids but for those that no text holds, which write nothing. */
  ofText(tokenIds) {
    return tokenIds.filter((id) => id !== this.endTokenId && id !== this.paddingTokenId);
  }
}

/** One token a Unicode code point; what is not in the vocabulary becomes the unknown token. */
export class CharTokenizer extends Tokenizer {
  #normalization;
  #standardize;
  #known;
  #default;

  constructor(specification) {
    super(specification);
    const { normalization, standardize, aliases } = specification;
    this.#normalization = normalization;
    this.#standardize = standardize === "letters";
    this.#known = new Map([...this.ids, ...Object.entries(aliases ?? {}).map(([one, other]) => [one, this.ids.get(other)])]);
    this.#default = this.unknownTokenId;
    if (this.#standardize) {
      this.#default = this.ids.get(" ");
      this.#known = new Map(Array.from(LETTERS, (letter) => [letter, this.#known.get(letter) ?? this.unknownTokenId]));
    }
  }

  tokenize(text) {
    text = wellFormed(text);
    if (this.#normalization) text = text.normalize(this.#normalization);
    if (this.#standardize) text = text.replace(/[^A-Za-z]+/g, " ");
    return Array.from(text, (character) => this.#known.get(character) ?? this.#default);
  }

  detokenize(tokenIds) {
    return this.ofText(tokenIds).map((id) => this.vocabulary[id]).join("");
  }
}

/** One token a match of the pattern, in the lower case of each code point if asked for. */
export class WordTokenizer extends Tokenizer {
  #expression;
  #lowercase;
  #separator;

  constructor(specification) {
    super(specification);
    this.#expression = new RegExp(portable(specification.pattern), "gu");
    this.#lowercase = specification.lowercase;
    this.#separator = specification.separator;
  }

  tokenize(text) {
    text = wellFormed(text);
    if (this.#lowercase) text = Array.from(text, lower).join("");
    return Array.from(text.matchAll(this.#expression), ([word]) => this.ids.get(word) ?? this.unknownTokenId);
  }

  detokenize(tokenIds) {
    return this.ofText(tokenIds).map((id) => this.vocabulary[id]).join(this.#separator);
  }
}

/** One token a byte of UTF-8; of what is no UTF-8, `detokenize` makes U+FFFD. */
export class ByteTokenizer extends Tokenizer {
  tokenize(text) {
    return Array.from(new TextEncoder().encode(text));
  }

  detokenize(tokenIds) {
    const bytes = this.ofText(tokenIds).flatMap((id) => (id === this.unknownTokenId ? [0xef, 0xbf, 0xbd] : [id]));
    return new TextDecoder("utf-8", { ignoreBOM: true }).decode(Uint8Array.from(bytes));
  }
}

const CLASSES = { ByteTokenizer, CharTokenizer, WordTokenizer };

/** The tokenizer that a specification, as the manifest has it, describes. */
export function tokenizerFrom(specification) {
  const { class_name, version } = specification;
  if (!Object.hasOwn(CLASSES, class_name) || ![1, 2].includes(version)) {
    throw new Error(
      `tokenizer: expected version 1 or 2 of ${Object.keys(CLASSES).join(", ")}; received version ${version} of ${class_name}. ` +
        "A SubwordTokenizer needs SentencePiece: use the runtime in Python, or give step.onnx token ids of your own",
    );
  }
  return new CLASSES[class_name](specification);
}

/** A lone surrogate, which has no UTF-8 form, as U+FFFD, as everywhere else. */
function wellFormed(text) {
  return text.replace(/\p{Surrogate}/gu, "\uFFFD");
}

/** A code point's lower case, if that is a single code point: without context, as everywhere else. */
function lower(character) {
  const other = character.toLowerCase();
  return [...other].length === 1 ? other : character;
}

/** A pattern that RE2 and Python read alike, as JavaScript's Unicode mode reads it: there only syntax may be escaped. */
export function portable(pattern) {
  const escaped = (escape, letter) => (/[dwDWtnrfv]/.test(letter) ? escape : hexadecimal(letter));
  const piece = /\\(?<letter>[^])|\[(?<not>\^?)(?<first>\]?)(?<others>(?:\\[^]|[^\]\\])*)\]|\{\d+(?:,\d*)?\}|[.{}\]]/gu;
  return pattern.replace(piece, (found, ...rest) => {
    const { letter, not, first, others } = rest.at(-1);
    if (letter) return escaped(found, letter);
    if (others !== undefined) return `[${not}${first && "\\]"}${others.replace(/\\([^])/gu, escaped)}]`;
    if (found === ".") return "[^\\n]";
    return found.length > 1 ? found : hexadecimal(found);
  });
}

const hexadecimal = (letter) => `\\u{${letter.codePointAt(0).toString(16)}}`;

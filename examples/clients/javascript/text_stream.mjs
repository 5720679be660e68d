/** Text out of tokens, one after the other, up to a stop string. */

const OPEN = 3; // U+FFFD at the end that may yet become one character: of at most four bytes, three are not all
const LONG = 64;

/** What each token adds to the text of a row up to its stop string, given out as soon as it is certain. */
export class TextStream {
  #pieces;
  #until;

  constructor(detokenize, stop) {
    this.#pieces = new Pieces(detokenize);
    this.#until = new UntilStop(stop);
  }

  get stopped() {
    return this.#until.stopped;
  }

  add(token) {
    return this.stopped ? "" : this.#until.add(this.#pieces.add(token));
  }

  /** What was kept back and turned out to be text. */
  rest() {
    return this.stopped ? "" : this.#until.add(this.#pieces.rest()) + this.#until.rest();
  }
}

/** What each token adds to a text, as far as the tokens to come cannot change it: half a character waits for its end. */
export class Pieces {
  #detokenize;
  #before = []; // the last tokens whose text is all given out
  #pending = []; // those after them
  #given = 0; // how much of the latter's text is given out

  constructor(detokenize) {
    this.#detokenize = detokenize;
  }

  add(token) {
    this.#pending.push(token);
    const text = this.#text(this.#pending);
    const certain = Math.max(text.replace(/\uFFFD+$/, "").length, text.length - OPEN);
    const piece = text.slice(this.#given, certain);
    this.#given = Math.max(this.#given, certain);
    if (certain === text.length) this.#begin(this.#pending.length, text);
    else if (this.#pending.length > LONG) this.#begin(this.#pending.length - 4 * OPEN, text); // damaged characters only
    return piece;
  }

  rest() {
    return this.#pending.length ? this.#text(this.#pending).slice(this.#given) : "";
  }

  /** What stands between two words belongs to the second, so that it is the text after that of the tokens before. */
  #text(pending) {
    return this.#detokenize([...this.#before, ...pending]).slice(this.#detokenize(this.#before).length);
  }

  /** Leaves the first of the pending tokens behind, if later ones have not changed their text. */
  #begin(count, text) {
    const settled = this.#text(this.#pending.slice(0, count));
    if (!text.startsWith(settled) || this.#given < settled.length) return;
    this.#given -= settled.length;
    [this.#before, this.#pending] = [this.#pending.slice(0, count), this.#pending.slice(count)];
  }
}

/** A text up to the first occurrence of its stop string, each part given out once it cannot belong to that string. */
export class UntilStop {
  #stop;
  #kept = "";

  /** A stop string with U+FFFD, which stands for what is no text, never occurs. */
  constructor(stop) {
    this.#stop = /[\uFFFD\p{Surrogate}]/u.test(stop) ? "" : stop;
    this.stopped = false;
  }

  add(piece) {
    if (this.stopped) return "";
    const text = this.#kept + piece;
    const place = this.#stop ? text.indexOf(this.#stop) : -1;
    if (place >= 0) {
      this.stopped = true;
      this.#kept = "";
      return text.slice(0, place);
    }
    let length = Math.max(Math.min(text.length, this.#stop.length - 1), 0);
    while (!text.endsWith(this.#stop.slice(0, length))) length--;
    this.#kept = text.slice(text.length - length);
    return text.slice(0, text.length - length);
  }

  rest() {
    return this.#kept;
  }
}

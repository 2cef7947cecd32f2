/** The queries of this visit: asked in the background, shown as cards, kept while other pages are open. */

import { api, isOffline } from "./api.js";
import { Card } from "./card.js";
import { changed, plural, say } from "./dom.js";
import { piecesOf, tooLarge } from "./files.js";

const NOTHING_THERE = "urn:holotype:problem:empty-gallery";
const AT_ONCE = 2; // requests under way: one is decoded while the other is encoded

export class Session extends EventTarget {
  cards = [];
  chosen = null; // options that somebody changed; for the others the defaults of the day hold
  options = null; // form fields by name; until they are known, queries wait
  #bounds = { maxImages: 64, maxBytes: 2 ** 26 };
  #stopper = new AbortController();
  #waiting = [];
  #running = 0;

  /** The bounds of a request, as the gallery states them. */
  set gallery({ max_images: maxImages, max_body_bytes: maxBytes }) {
    this.#bounds = { maxImages: maxImages ?? this.#bounds.maxImages, maxBytes: maxBytes ?? this.#bounds.maxBytes };
  }

  /** Choose the options of what is asked from now on. */
  configure(options) {
    const waited = this.options === null;
    this.options = options;
    if (waited) this.#queue(this.cards);
  }

  get pending() {
    return this.cards.filter((card) => card.state === "waiting").length;
  }

  /** Classify files; the newest come first. */
  ask(files) {
    const cards = files.map((file) => new Card(file, this));
    this.cards.unshift(...cards);
    this.#changed("cards");
    if (this.options !== null) this.#queue(cards);
  }

  /** Classify everything again, because the options changed. */
  askAgain() {
    this.stop();
    this.askAbout(this.cards);
  }

  /** Classify these again, because there was no answer; the others go on as they are. */
  askAbout(cards) {
    for (const card of cards) card.wait();
    this.#queue(cards);
  }

  /** Drop what has not been answered. */
  stop() {
    this.#stopper.abort();
    this.#stopper = new AbortController();
    this.#waiting = [];
    for (const card of this.cards.filter((c) => c.state === "waiting")) card.fail("Stopped before it was answered.");
    this.#changed("answers");
  }

  clear() {
    this.stop();
    for (const card of this.cards) card.forget();
    this.cards = [];
    this.#changed("cards");
  }

  /**
   * Add pictures under a label; the outcomes land on the cards. Resolves to how many were added.
   * A picture that the gallery holds under another label stays as it is, unless told otherwise.
   */
  async add(cards, label, onConflict = "error") {
    let added = 0;
    for (const piece of piecesOf(cards, this.#bounds)) {
      const { outcomes } = await api.add(piece.map((card) => card.file), { label, on_conflict: onConflict });
      for (const [i, outcome] of outcomes.entries()) added += await piece[i].added(outcome) ? 1 : 0;
    }
    changed();
    return added;
  }

  #queue(cards) {
    const sendable = [];
    for (const card of cards) {
      const reason = tooLarge(card.file, this.#bounds);
      if (reason) card.fail(reason);
      else sendable.push(card);
    }
    this.#waiting.push(...piecesOf(sendable, this.#bounds));
    this.#changed("answers");
    while (this.#running < Math.min(AT_ONCE, this.#waiting.length + this.#running)) this.#work();
  }

  async #work() {
    this.#running += 1;
    let last = null;
    while (this.#waiting.length) last = await this.#classify(this.#waiting.shift(), this.#stopper.signal) ?? last;
    this.#running -= 1;
    if (this.#running || !last) return;
    say(this.cards.length === 1 || last.length === 1 ? last.at(-1).verdict : this.#summary());
    changed();
  }

  /** The cards of a piece, answered; null if it was stopped. */
  async #classify(piece, signal) {
    try {
      // Only the service can tell what is in a file that this browser does not show.
      const options = { ...this.options, thumbnails: true };
      const { results } = await api.classify(piece.map((card) => card.file), options, signal);
      results.forEach((result, i) => piece[i].fill(result));
    } catch (error) {
      if (signal.aborted) return null;
      for (const card of piece) {
        if (error.type === NOTHING_THERE) card.alone(error.message);
        else card.fail(error.message, { retry: isOffline(error) || error.status >= 500 });
      }
    }
    this.#changed("answers");
    return piece;
  }

  #summary() {
    const failed = this.cards.filter((card) => card.state === "failed").length;
    return failed ? `${failed} of ${plural(this.cards.length, "image")} got no answer` : "All images are classified";
  }

  #changed(what) {
    this.dispatchEvent(new Event(what));
  }
}

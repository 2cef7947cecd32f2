/** The queries of this visit: asked in the background, shown as cards, kept while other pages are open and for a reload. */

import { addAll } from "./adding.js";
import { api, isOffline } from "./api.js";
import { Card } from "./card.js";
import { changed, plural, say } from "./dom.js";
import { piecesOf, tooLarge } from "./files.js";
import { Kept } from "./kept.js";

const NOTHING_THERE = "urn:holotype:problem:empty-gallery";
const AT_ONCE = 2; // requests under way: one is decoded while the other is encoded
const PHONE = matchMedia("(max-width: 620px)"); // as in the style sheets
const STOPPED = "Stopped before it was answered.";

export const MAX_QUERIES = 2000; // that a page holds; the command line takes any number

export class Session extends EventTarget {
  cards = [];
  chosen = null; // options that somebody changed; for the others the defaults of the day hold
  options = null; // form fields by name; until they are known, queries wait
  view = { order: "doubt", layout: PHONE.matches ? "table" : "grid", label: "", only: "all", selected: new Set() }; // of many answers
  bounds = { maxImages: 64, maxBytes: 2 ** 26 };
  #stopper = new AbortController();
  #waiting = [];
  #running = 0;
  #kept = null; // what outlives a reload

  /** The bounds of a request, as the gallery states them. */
  set gallery({ max_images: maxImages, max_body_bytes: maxBytes }) {
    this.bounds = { maxImages: maxImages ?? this.bounds.maxImages, maxBytes: maxBytes ?? this.bounds.maxBytes };
  }

  /** Bring back what this tab held of this gallery before it was loaded again; once. */
  restore(gallery) {
    this.restored ??= this.#restore(gallery);
    return this.restored;
  }

  /** Choose the options of what is asked from now on. */
  configure(options) {
    const waited = this.options === null;
    this.options = options;
    if (waited) this.#queue(this.cards.filter((card) => card.state === "waiting"));
  }

  get pending() {
    return this.cards.filter((card) => card.state === "waiting").length;
  }

  /** Classify files; the newest come first. */
  ask(files) {
    const taken = files.slice(0, Math.max(0, MAX_QUERIES - this.cards.length));
    if (taken.length < files.length) {
      say(`This page holds ${plural(MAX_QUERIES, "answer")}: ${plural(files.length - taken.length, "image")} left out. `
        + "The command “classify query FOLDER --csv” takes any number.", "error");
    }
    const cards = taken.map((file) => new Card(file, this));
    this.#number(cards);
    this.cards.unshift(...cards);
    this.#changed("cards");
    this.#keepFiles(cards);
    if (this.options !== null) this.#queue(cards);
  }

  /** Classify everything again, because the options changed; nothing, where all was asked with them already. */
  askAgain() {
    const now = JSON.stringify(this.options);
    if (this.cards.every((card) => card.askedWith === now)) return;
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
    const stopped = this.cards.filter((card) => card.state === "waiting");
    for (const card of stopped) card.fail(STOPPED, { remedy: "retry" });
    this.keep(stopped);
  }

  clear() {
    this.stop();
    for (const card of this.cards) card.forget();
    this.cards = [];
    Object.assign(this.view, { label: "", only: "all" }).selected.clear();
    this.#kept?.clear();
    this.#changed("cards");
  }

  /**
   * Add pictures under a label; the outcomes land on the cards. Resolves to how many were added.
   * A picture that the gallery holds under another label stays as it is, unless told otherwise.
   */
  async add(cards, label, { onConflict = "error", action, signal } = {}) {
    try {
      return await addAll(cards.filter((card) => card.file !== null), {
        label, onConflict, action, signal, bounds: this.bounds, each: (card, outcome) => card.added(outcome) });
    } finally {
      changed();
    }
  }

  /** Keep what changed of these for a reload, and let the page show it. */
  keep(cards) {
    this.dispatchEvent(new CustomEvent("answers", { detail: cards }));
    this.#kept?.putRecords(cards.filter((card) => card.key !== null).map((card) => [card.key, card.record]));
  }

  async #restore(gallery) {
    this.#kept = await Kept.open(gallery);
    const kept = await this.#kept?.all().catch(() => []) ?? [];
    const fresh = this.cards; // dropped while the page was loading
    const old = kept.map(([key, record, file]) => {
      const card = Card.from(record, file, this);
      card.key = key;
      if (card.state === "waiting" && file === null) card.fail(STOPPED);
      return card;
    });
    this.cards = [...fresh, ...old];
    this.#number(fresh);
    this.#keepFiles(fresh);
  }

  /** Keys that put these before all others. */
  #number(cards) {
    const first = Math.min(0, ...this.cards.map((card) => card.key ?? 0)) - cards.length;
    for (const [i, card] of cards.entries()) card.key = first + i;
  }

  async #keepFiles(cards) {
    await this.#kept?.putRecords(cards.map((card) => [card.key, card.record]));
    await this.#kept?.putFiles(cards.map((card) => [card.key, card.file]));
  }

  #queue(cards) {
    const sendable = [];
    for (const card of cards) {
      const reason = card.file === null ? "Choose this picture again: its file was too much to keep." : tooLarge(card.file, this.bounds);
      if (reason) card.fail(reason);
      else sendable.push(card);
    }
    this.#waiting.push(...piecesOf(sendable, this.bounds));
    this.keep(cards);
    while (this.#running < Math.min(AT_ONCE, this.#waiting.length + this.#running)) this.#work();
  }

  async #work() {
    this.#running += 1;
    let last = null;
    while (this.#waiting.length) last = await this.#classify(this.#waiting.shift(), this.#stopper.signal) ?? last;
    this.#running -= 1;
    if (this.#running || !last) return;
    say(this.cards.length === 1 || last.length === 1 ? last.at(-1).verdict : this.#summary(), "heard");
    changed();
  }

  /** The cards of a piece, answered; null if it was stopped. */
  async #classify(piece, signal) {
    try {
      // Only the service can tell what is in a file that this browser does not show.
      const options = { ...this.options, thumbnails: true };
      for (const card of piece) card.askedWith = JSON.stringify(this.options);
      const { results } = await api.classify(piece.map((card) => card.file), options, signal);
      results.forEach((result, i) => piece[i].fill(result));
    } catch (error) {
      if (signal.aborted) return null;
      const remedy = error.type === NOTHING_THERE ? "first" : isOffline(error) || error.status >= 500 ? "retry" : null;
      for (const card of piece) card.fail(error.message, { remedy });
    }
    this.keep(piece);
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

/** A query: its picture, its answer, and the one click that puts it into the gallery. */

import { api, newAction } from "./api.js";
import { answerView, perhaps, readAnswer } from "./answer.js";
import { lookAtQuery } from "./compare.js";
import { busy, changed, el, focusOn, named, percent, say } from "./dom.js";
import { kindOf, pathOf } from "./files.js";
import { conflictView, labelField, typedLabel } from "./forms.js";
import { picture } from "./pictures.js";
import { sayDone } from "./undo.js";

const NO_ANSWER = { state: "unknown", label: null, closest: null };
const IN_GALLERY = ["added", "already_present", "relabelled", "kept"];
const CONFLICT = "label_conflict";
const NOT_KEPT = "The page was loaded again, and the file of this picture was too much to keep: choose it again.";

export class Card {
  key = null; // names it among those that are kept, the newest lowest; null once it is cleared
  state = "waiting"; // or "answered", "failed"
  answer = null;
  raw = null; // the answer as the service sent it
  askedWith = null; // the options it was asked with last
  error = null;
  remedy = null; // of a failure: "retry", "first"
  held = null; // the reference that this picture became: id, label, outcome, before
  conflict = null; // the labels between which somebody has to choose: present, label
  thumbnail = null; // the service's own small picture, a Blob
  #known = null; // the label under which the gallery holds this picture, as far as this card was told
  #urls = new Map(); // addresses of Blobs
  #view = null; // picture, body, article: made when somebody looks, for most of many are never opened

  /** `file` is null where the answer alone outlived a reload. */
  constructor(file, session) {
    this.file = file;
    this.name = file?.name;
    this.path = file && pathOf(file); // in the folder that it came in
    this.session = session;
  }

  /** What is kept for a reload, the file aside. */
  get record() {
    const { name, path, state, raw, error, remedy, held, conflict, thumbnail } = this;
    return { name, path, state, raw, error, remedy, held, conflict, thumbnail, known: this.#known };
  }

  /** A card out of its record; `file` may be null. */
  static from({ known, ...record }, file, session) {
    const card = new Card(file, session);
    Object.assign(card, record);
    card.answer = card.raw && readAnswer(card.raw);
    card.#known = known;
    return card;
  }

  get node() {
    if (this.#view === null) {
      this.#view = { picture: el("div.picture", this.#enlarging(), el("p.name", named(this.name))), body: el("div.body") };
      this.#view.article = el("article.card", { "aria-label": this.name }, this.#view.picture, this.#view.body);
      this.#show();
    }
    return this.#view.article;
  }

  /** Address of a small picture of it, or of the file until there is one, or null. */
  get smallUrl() {
    const blob = this.thumbnail ?? this.file;
    return blob && this.#urlOf(blob);
  }

  /** The answer in a sentence, for those who hear the page. */
  get verdict() {
    if (this.state === "failed") return `${this.name}: ${this.error}`;
    const { state, closest } = this.answer;
    const likely = perhaps(this.answer).map(({ label, score }) => `${label}, ${percent(score)}`).join(", ");
    const said = { answered: likely, unsure: `unsure, perhaps ${likely}`,
      unknown: closest === null ? "unknown" : `unknown, looks most like ${closest.label}` };
    return `${this.name}: ${said[state]}`;
  }

  wait() {
    Object.assign(this, { state: "waiting", answer: null, raw: null, error: null, remedy: null });
    this.#show();
  }

  fill({ answer, error, thumbnail = null }) {
    if (thumbnail !== null) this.#keepThumbnail(thumbnail);
    if (error || !answer) {
      this.fail(error?.detail ?? "The service gave no answer.");
      return;
    }
    Object.assign(this, { state: "answered", raw: answer, answer: readAnswer(answer) });
    this.#known = this.answer.knownAs;
    this.#show();
  }

  fail(error, { remedy = null } = {}) {
    Object.assign(this, { state: "failed", error, remedy });
    this.#show();
  }

  /** Take in what became of the picture; false if it was not added. */
  async added(outcome) {
    if (outcome.outcome === CONFLICT) return this.#overrule(outcome);
    if (!IN_GALLERY.includes(outcome.outcome)) {
      say(`${this.name}: ${outcome.reason}`, "error");
      return false;
    }
    const before = this.#known;
    const label = outcome.outcome === "kept" ? before : outcome.label;
    this.held = { id: outcome.id, label, outcome: outcome.outcome, before };
    this.conflict = null;
    this.#known = label;
    this.#showHeld();
    this.#showInstead(picture("img.query", () => api.thumbnail(outcome.id), { alt: this.#description }));
    this.session.keep([this]);
    return true;
  }

  /** The gallery holds the picture under another label: what this card has shown may be changed. */
  async #overrule({ id, label }) {
    const { label: present } = await api.reference(id);
    if (present === this.#known) return await this.session.add([this], label, { onConflict: "replace" }) > 0;
    this.#known = present;
    this.conflict = { present, label };
    this.form?.querySelector("[data-choice]")?.remove();
    this.form?.append(this.#choice());
    this.session.keep([this]);
    say(`${this.name} is in the gallery as “${present}”: keep that, or change it`, "error");
    return false;
  }

  #choice() {
    const choose = async (onConflict) => {
      const action = newAction("add");
      await this.session.add([this], this.conflict.label, { onConflict, action });
      if (this.held) this.#sayHeld(action);
    };
    return conflictView({ ...this.conflict, keep: () => choose("keep"), replace: () => choose("replace") });
  }

  forget() {
    this.key = null;
    for (const url of this.#urls.values()) URL.revokeObjectURL(url);
    this.#urls.clear();
  }

  #urlOf(blob) {
    if (!this.#urls.has(blob)) this.#urls.set(blob, URL.createObjectURL(blob));
    return this.#urls.get(blob);
  }

  #show() {
    if (this.#view === null) return;
    const { body } = this.#view;
    if (this.state === "waiting") body.setAttribute("aria-busy", "true");
    else body.removeAttribute("aria-busy");
    body.replaceChildren(...this.#contents().filter(Boolean));
  }

  #contents() {
    if (this.state === "waiting") return [el("p.waiting", "Looking…")];
    if (this.state === "answered") return [...answerView(this.answer, this), this.#corrections()];
    // There is nothing to compare it with: it may become the first of its class.
    if (this.remedy === "first") {
      return [el("h2.label.unknown", "Nothing to compare it with"), el("p", this.error), this.#corrections()];
    }
    return [el("h2.label.problem", "No answer"), el("p", this.error), this.remedy === "retry"
      ? el("button", { type: "button", onclick: () => this.session.askAbout([this]) }, "Ask again") : null];
  }

  /** The picture, to be clicked for a closer look, where there is one. */
  #enlarging() {
    const blob = this.file ?? this.thumbnail;
    return blob === null ? this.#placeholder() : el("button.enlarge", { type: "button", "aria-label": `Look closely at ${this.name}`,
      onclick: () => lookAtQuery(this) }, this.#preview());
  }

  #preview() {
    const blob = this.file ?? this.thumbnail;
    const image = el("img.query", { src: this.#urlOf(blob), alt: this.#description, decoding: "async" });
    image.addEventListener("error", () => {
      image.replaceWith(this.#placeholder());
      if (this.thumbnail !== null) this.#showInstead(this.#own());
    });
    return image;
  }

  #placeholder() {
    return el("div.query.none", { role: "img", "aria-label": `${this.#description}, without a preview` },
      el("span", `${kindOf(this)}: no preview in this browser`));
  }

  #keepThumbnail(base64) {
    const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
    this.thumbnail = new Blob([bytes], { type: "image/jpeg" });
    this.#showInstead(this.#own());
  }

  /** Where the browser cannot show the file, the service's own small picture can be shown. */
  #showInstead(image) {
    this.#view?.picture.querySelector(".query.none")?.replaceWith(image);
  }

  #own() {
    return el("img.query", { src: this.#urlOf(this.thumbnail), alt: this.#description });
  }

  get #description() {
    return `The query ${this.name}`;
  }

  #corrections() {
    const { state, closest } = this.answer ?? NO_ANSWER;
    this.form = el("form.correct", { onsubmit: (event) => { event.preventDefault(); this.#add(typedLabel(this.form)); } },
      this.file === null ? el("p.fine", NOT_KEPT) : [
        state === "answered" ? el("button.primary", { type: "button", onclick: () => this.#add(closest.label) },
          "Correct: add as ", named(closest.label)) : null,
        // What looks most like a stranger is not what it is: its label is typed.
        state === "unsure" ? perhaps(this.answer).map(({ label }) => el("button", { type: "button", onclick: () => this.#add(label) },
          "Add as ", named(label))) : null,
        el("div.other",
          labelField({ text: `Label to add ${this.name} under`, hiddenText: true, placeholder: state === "unknown" ? "label" : "another label" }),
          el("button", "Add")),
        this.conflict ? this.#choice() : null]);
    if (this.held) this.#showHeld();
    return this.form;
  }

  async #add(label) {
    const action = newAction("add");
    await busy(this.form, () => this.session.add([this], label, { action }));
    if (this.held) this.#sayHeld(action);
    else focusOn(this.form.querySelector("[data-choice] button"));
  }

  #sayHeld(action) {
    const words = `${this.name} is in the gallery as “${this.held.label}”`;
    if (this.#undoing === null) say(words);
    else sayDone(words, action.id, () => this.takenBack());
    focusOn(this.form.querySelector("button"));
  }

  /** What takes back that it was added, or null. */
  get #undoing() {
    const { id, outcome, before } = this.held;
    if (outcome === "added") return () => api.remove([id]);
    return outcome === "relabelled" && before !== null ? () => api.relabel([id], before) : null;
  }

  #showHeld() {
    const { label } = this.held;
    this.form?.replaceChildren(
      el("p.done", "In the gallery as ", el("a", { href: `#/gallery/${encodeURIComponent(label)}` }, named(label))),
      this.#undoing === null ? "" : el("button.quiet", { type: "button", onclick: () => this.#undo() }, "Undo"),
      el("button.quiet", { type: "button", onclick: () => this.#offerAgain() }, "Change the label"));
  }

  async #undo() {
    await busy(this.form, async () => {
      await this.#undoing();
      this.takenBack();
      say("Undone");
      changed();
    });
  }

  /** The gallery is as it was before this card was added. */
  takenBack() {
    if (!this.held) return; // by the other button
    this.#known = this.held.before;
    this.#offerAgain();
  }

  #offerAgain() {
    const old = this.form;
    this.held = null;
    this.session.keep([this]);
    if (!old) return; // nobody has opened this card
    old.replaceWith(this.#corrections());
    focusOn(this.form.querySelector("button, input"));
  }
}

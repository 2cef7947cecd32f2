/** A query: its picture, its answer, and the one click that puts it into the gallery. */

import { api } from "./api.js";
import { answerView, perhaps, readAnswer } from "./answer.js";
import { busy, changed, el, focusOn, named, percent, say } from "./dom.js";
import { kindOf } from "./files.js";
import { conflictView, labelField, typedLabel } from "./forms.js";
import { picture } from "./pictures.js";

const NO_ANSWER = { state: "unknown", label: null, closest: null };
const IN_GALLERY = ["added", "already_present", "relabelled", "kept"];
const CONFLICT = "label_conflict";

export class Card {
  state = "waiting"; // or "answered", "failed"
  answer = null;
  error = null;
  held = null; // the reference that this picture became: id, label, undo
  #known = null; // the label under which the gallery holds this picture, as far as this card was told
  #thumbnail = null; // address of the service's own small picture

  constructor(file, session) {
    this.file = file;
    this.session = session;
    this.url = URL.createObjectURL(file);
    this.picture = el("div.picture", this.#preview(), el("p.name", named(file.name)));
    this.body = el("div.body");
    this.node = el("article.card", { "aria-label": file.name }, this.picture, this.body);
    this.wait();
  }

  /** Under which heading this query is counted. */
  get verdictKey() {
    if (this.state === "failed") return "failed";
    if (this.state === "waiting") return "waiting";
    const { state, label } = this.answer;
    return state === "answered" ? `label:${label}` : state;
  }

  /** The answer in a sentence, for those who hear the page. */
  get verdict() {
    if (this.state === "failed") return `${this.file.name}: ${this.error}`;
    const { state, closest } = this.answer;
    const likely = perhaps(this.answer).map(({ label, score }) => `${label}, ${percent(score)}`).join(", ");
    const said = { answered: likely, unsure: `unsure, perhaps ${likely}`,
      unknown: closest === null ? "unknown" : `unknown, looks most like ${closest.label}` };
    return `${this.file.name}: ${said[state]}`;
  }

  wait() {
    this.state = "waiting";
    this.answer = null;
    this.body.setAttribute("aria-busy", "true");
    this.body.replaceChildren(el("p.waiting", "Looking…"));
  }

  fill({ answer, error, thumbnail = null }) {
    if (thumbnail !== null) this.#keepThumbnail(thumbnail);
    if (error || !answer) {
      this.fail(error?.detail ?? "The service gave no answer.");
      return;
    }
    this.state = "answered";
    this.answer = readAnswer(answer);
    this.#known = this.answer.knownAs;
    this.#show(...answerView(this.answer), this.#corrections());
  }

  /** There is nothing to compare it with: it may become the first of its class. */
  alone(reason) {
    this.state = "failed";
    this.error = reason;
    this.#show(el("h2.label.unknown", "Nothing to compare it with"), el("p", reason), this.#corrections());
  }

  fail(reason, { retry = false } = {}) {
    this.state = "failed";
    this.error = reason;
    this.#show(el("h2.label.problem", "No answer"), el("p", reason),
      retry || reason.startsWith("Stopped")
        ? el("button", { type: "button", onclick: () => this.session.askAbout([this]) }, "Ask again") : null);
  }

  /** Take in what became of the picture; false if it was not added. */
  async added(outcome) {
    if (outcome.outcome === CONFLICT) return this.#overrule(outcome);
    if (!IN_GALLERY.includes(outcome.outcome)) {
      say(`${this.file.name}: ${outcome.reason}`, "error");
      return false;
    }
    const { id } = outcome;
    const before = this.#known;
    const label = outcome.outcome === "kept" ? before : outcome.label;
    const undo = {
      added: () => api.remove([id]),
      relabelled: before === null ? null : () => api.relabel([id], before),
    }[outcome.outcome] ?? null;
    this.held = { id, label, undo, before };
    this.#known = label;
    this.#showHeld();
    this.#showInstead(picture("img.query", () => api.thumbnail(id), { alt: this.#description }));
    return true;
  }

  /** The gallery holds the picture under another label: what this card has shown may be changed. */
  async #overrule({ id, label }) {
    const { label: present } = await api.reference(id);
    const choose = async (onConflict) => {
      await this.session.add([this], label, onConflict);
      if (this.held) this.#sayHeld();
    };
    if (present === this.#known) return await this.session.add([this], label, "replace") > 0;
    this.#known = present;
    this.form.querySelector("[data-choice]")?.remove();
    this.form.append(conflictView({ present, label, keep: () => choose("keep"), replace: () => choose("replace") }));
    say(`${this.file.name} is in the gallery as “${present}”: keep that, or change it`, "error");
    return false;
  }

  forget() {
    URL.revokeObjectURL(this.url);
    if (this.#thumbnail !== null) URL.revokeObjectURL(this.#thumbnail);
  }

  #show(...nodes) {
    this.body.removeAttribute("aria-busy");
    this.body.replaceChildren(...nodes.filter(Boolean));
  }

  #preview() {
    const image = el("img.query", { src: this.url, alt: this.#description, decoding: "async" });
    image.addEventListener("error", () => {
      image.replaceWith(this.#placeholder());
      if (this.#thumbnail !== null) this.#showInstead(this.#own());
    });
    return image;
  }

  #placeholder() {
    return el("div.query.none", { role: "img", "aria-label": `${this.#description}, without a preview` },
      el("span", `${kindOf(this.file)}: no preview in this browser`));
  }

  #keepThumbnail(base64) {
    if (this.#thumbnail !== null) URL.revokeObjectURL(this.#thumbnail);
    const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
    this.#thumbnail = URL.createObjectURL(new Blob([bytes], { type: "image/jpeg" }));
    this.#showInstead(this.#own());
  }

  /** Where the browser cannot show the file, the service's own small picture can be shown. */
  #showInstead(image) {
    this.picture.querySelector(".query.none")?.replaceWith(image);
  }

  #own() {
    return el("img.query", { src: this.#thumbnail, alt: this.#description });
  }

  get #description() {
    return `The query ${this.file.name}`;
  }

  #corrections() {
    const { state, closest } = this.answer ?? NO_ANSWER;
    this.form = el("form.correct", { onsubmit: (event) => { event.preventDefault(); this.#add(typedLabel(this.form)); } },
      state === "answered" ? el("button.primary", { type: "button", onclick: () => this.#add(closest.label) },
        "Correct: add as ", named(closest.label)) : null,
      // What looks most like a stranger is not what it is: its label is typed.
      state === "unsure" ? perhaps(this.answer).map(({ label }) => el("button", { type: "button", onclick: () => this.#add(label) },
        "Add as ", named(label))) : null,
      el("div.other",
        labelField({ text: `Label to add ${this.file.name} under`, hiddenText: true, placeholder: this.answer ? "another label" : "label" }),
        el("button", "Add")));
    if (this.held) this.#showHeld();
    return this.form;
  }

  async #add(label) {
    await busy(this.form, () => this.session.add([this], label));
    if (this.held) this.#sayHeld();
    else focusOn(this.form.querySelector("[data-choice] button"));
  }

  #sayHeld() {
    say(`${this.file.name} is in the gallery as “${this.held.label}”`);
    focusOn(this.form.querySelector("button"));
  }

  #showHeld() {
    const { label, undo } = this.held;
    this.form?.replaceChildren(
      el("p.done", "In the gallery as ", el("a", { href: `#/gallery/${encodeURIComponent(label)}` }, named(label))),
      undo === null ? "" : el("button.quiet", { type: "button", onclick: () => this.#undo() }, "Undo"),
      el("button.quiet", { type: "button", onclick: () => this.#offerAgain() }, "Change the label"));
  }

  async #undo() {
    const { undo, before } = this.held;
    await busy(this.form, async () => {
      await undo();
      this.#known = before;
      this.#offerAgain();
      say("Undone");
      changed();
    });
  }

  #offerAgain() {
    const old = this.form;
    this.held = null;
    old.replaceWith(this.#corrections());
    focusOn(this.form.querySelector("button, input"));
  }
}

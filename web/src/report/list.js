// A list of items in pages, with filters and a search over their texts.
import { debounced, el, labelledSelect } from "../shared/dom.js";
import { itemElement } from "./item.js";

const kPageSizes = [25, 100, 500];

/**
 * Shows items inside `root`. `view` says what there is:
 *   select(): {items, places, arms, badge(place), note} for the present choice, without subject and search
 *   controls: elements to put before the common filters
 *   label: what is filtered, for readers of screens
 * The list is drawn anew with refresh(); refresh(true) also offers the subjects anew.
 */
export class ItemList {
  constructor(root, labels, view) {
    this.labels = labels;
    this.view = view;
    this.page = 0;
    this.size = kPageSizes[0];
    this.words = "";
    this.turn = 0; // of searches: only the latest may draw
    const subject = labelledSelect("Subject", [["", "All subjects"]], () => this.refresh());
    this.subject = subject.select;
    this.subjectLabel = subject.label;
    this.input = el("input", { type: "search", autocomplete: "off", spellcheck: "false", oninput: debounced(() => {
      this.words = this.input.value.trim();
      this.refresh();
    }, 200) });
    this.status = el("p", { class: "status", role: "status" });
    this.list = el("div", { class: "items" });
    this.pagers = [el("div", { class: "pager" }), el("div", { class: "pager" })];
    root.replaceChildren(
      el("div", { class: "controls", role: "search", "aria-label": view.label }, view.controls, this.subjectLabel,
        el("label", { class: "wide" }, "Search in questions and answers", this.input)),
      this.status, this.pagers[0], this.list, this.pagers[1],
    );
  }

  offerSubjects({ items, places }) {
    const present = new Set();
    for (const place of places) present.add(items.subjectOf[place]);
    const chosen = this.subject.value;
    this.subject.replaceChildren(el("option", { value: "" }, "All subjects"));
    const named = [...present].map((s) => [String(s), items.subjects[s]]).sort((a, b) => a[1].localeCompare(b[1]));
    for (const [value, name] of named) this.subject.append(el("option", { value }, name));
    if (present.has(Number(chosen)) && chosen !== "") this.subject.value = chosen;
    this.subjectLabel.hidden = items.subjects.length < 2;
  }

  /** Chooses a subject by name, where the present choice has it. */
  setSubject(name) {
    const option = [...this.subject.options].find((each) => each.text === name);
    this.subject.value = option ? option.value : "";
    this.refresh();
  }

  async refresh(subjectsToo = false) {
    const turn = ++this.turn;
    const choice = this.view.select();
    if (subjectsToo) this.offerSubjects(choice);
    let places = choice.places;
    if (this.subject.value !== "") {
      const subject = Number(this.subject.value);
      places = places.filter((place) => choice.items.subjectOf[place] === subject);
    }
    if (this.words) {
      const stale = () => turn !== this.turn;
      const tell = (done) => (this.status.textContent = `Searching … ${Math.round((100 * done) / places.length)}%`);
      places = await choice.items.search(places, this.words, choice.arms, tell, stale);
      if (places === null || stale()) return;
    }
    this.choice = choice;
    this.places = places;
    this.page = 0;
    this.status.textContent = choice.note(places);
    this.draw();
  }

  get pages() {
    return Math.max(1, Math.ceil(this.places.length / this.size));
  }

  draw() {
    const { items, arms, badge } = this.choice;
    const shown = this.places.slice(this.page * this.size, (this.page + 1) * this.size);
    this.list.replaceChildren(...shown.map((place) => itemElement(items, place, arms, this.labels, this.words, badge?.(place))));
    for (const pager of this.pagers) this.fillPager(pager);
    this.pagers[0].hidden = shown.length < 10;
  }

  turnTo(page, pager) {
    this.page = Math.min(Math.max(0, page), this.pages - 1);
    this.draw();
    // The button that was pressed was drawn anew: the focus goes to its successor.
    const place = this.pagers.indexOf(pager);
    this.pagers[place].querySelector("button:not(:disabled)")?.focus({ preventScroll: true });
    if (place === 1) this.status.scrollIntoView({ block: "start" });
  }

  fillPager(pager) {
    const number = el("input", { type: "number", min: 1, max: this.pages, value: this.page + 1, "aria-label": "Page",
      onchange: () => this.turnTo((Number(number.value) || 1) - 1, pager) });
    const size = el("select", { "aria-label": "Items on a page", onchange: () => {
      this.size = Number(size.value);
      this.page = 0;
      this.draw();
    } });
    for (const each of kPageSizes) size.append(el("option", { value: each, selected: each === this.size }, `${each} a page`));
    const opened = [...this.list.children].some((item) => item.open);
    const all = el("button", { type: "button", onclick: () => {
      const open = ![...this.list.children].some((item) => item.open);
      for (const item of this.list.children) item.open = open;
      all.textContent = open ? "Close all" : "Open all";
    } }, opened ? "Close all" : "Open all");
    pager.replaceChildren(
      el("button", { type: "button", disabled: this.page === 0, onclick: () => this.turnTo(this.page - 1, pager) }, "Previous"),
      el("span", {}, number, ` of ${this.pages}`),
      el("button", { type: "button", disabled: this.page >= this.pages - 1, onclick: () => this.turnTo(this.page + 1, pager) }, "Next"),
      size, all,
    );
    for (const part of [pager.children[0], pager.children[1], pager.children[2]]) part.hidden = this.pages === 1;
    pager.children[3].hidden = this.places.length <= kPageSizes[0];
    pager.hidden = this.places.length === 0;
  }
}

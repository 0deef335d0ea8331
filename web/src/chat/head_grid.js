// A cell for each layer and head, shaded by one number of each; a grid to walk through by keys.
import { el } from "../shared/dom.js";

export class HeadGrid {
  /** `onchoose(layer, head)`, places or null for all. */
  constructor({ onchoose }) {
    this.onchoose = onchoose;
    this.chosen = [null, null];
    this.element = el("div", { class: "heads", role: "grid", "aria-label": "Layers and heads" });
    this.element.addEventListener("click", (event) => {
      const cell = event.target.closest("[data-layer]");
      if (cell) this.choose(Number(cell.dataset.layer), Number(cell.dataset.head));
    });
    this.element.addEventListener("keydown", (event) => this.key(event));
  }

  key(event) {
    const cell = event.target.closest("[data-layer]");
    const steps = { ArrowDown: [1, 0], ArrowUp: [-1, 0], ArrowRight: [0, 1], ArrowLeft: [0, -1], Home: [0, -Infinity], End: [0, Infinity] };
    if (!cell) return;
    if (event.key in steps) {
      event.preventDefault();
      const within = (at, count) => Math.max(0, Math.min(count - 1, at));
      const [down, right] = steps[event.key];
      const [layer, head] = [within(Number(cell.dataset.layer) + down, this.cells.length), within(Number(cell.dataset.head) + right, this.cells[0].length)];
      this.choose(layer, head);
      this.cells[layer][head].focus();
    } else if (event.key === "Escape") {
      this.choose(null, null);
    }
  }

  choose(layer, head) {
    const same = layer === this.chosen[0] && head === this.chosen[1];
    this.chosen = same ? [null, null] : [layer, head];
    this.tell();
    this.onchoose(...this.chosen);
  }

  tell() {
    const [layer, head] = this.chosen;
    this.cells?.forEach((cells, l) => cells.forEach((cell, h) => {
      const isChosen = l === layer && h === head;
      cell.setAttribute("aria-selected", String(isChosen));
      cell.tabIndex = isChosen || (layer === null && l === 0 && h === 0) ? 0 : -1;
    }));
  }

  /** values[layer][head]; `layers` and `heads` are their numbers, `text(value)` says one. */
  show(values, layers, heads, text) {
    const most = Math.max(...values.flat(), 1e-9);
    const fits = this.cells?.length === values.length && this.cells[0].length === values[0].length;
    if (!fits) {
      this.cells = values.map((row, l) => row.map((_, h) => el("span", { role: "gridcell", class: "head", "data-layer": l, "data-head": h, tabindex: "-1" })));
      const numbers = el("div", { role: "row", class: "numbers" }, el("span", { role: "columnheader", class: "corner" }, el("span", { class: "unseen" }, "layer")), (heads ?? [""]).map((head) => el("span", { role: "columnheader" }, heads ? String(head) : "mean")));
      this.element.replaceChildren(numbers, ...this.cells.map((cells, l) => el("div", { role: "row" }, el("span", { role: "rowheader" }, String(layers[l])), cells)));
    }
    this.cells.forEach((cells, l) => cells.forEach((cell, h) => {
      const value = values[l][h];
      cell.style.setProperty("--weight", `${Math.round(100 * Math.max(0, value) / most)}%`);
      cell.title = `layer ${layers[l]}, ${heads ? `head ${heads[h]}` : "all heads"}: ${text(value)}`;
      cell.setAttribute("aria-label", cell.title);
    }));
    this.tell();
  }
}

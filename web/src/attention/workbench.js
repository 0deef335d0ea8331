// The grid of heads and the large map beside it: they follow the state, and turn what is done to them into changes
// of it.
import { el } from "../shared/dom.js";
import { fileName, save } from "../shared/export.js";
import { help } from "../shared/help.js";
import { termOf } from "../shared/terms.js";
import { css, onTheme, palette, paletteOf } from "./colour.js";
import { legendTicks, signNote } from "./axes.js";
import { subtract } from "./data.js";
import { mapPng, mapSvg } from "./export.js";
import { Grid } from "./grid.js";
import { MapView } from "./map.js";
import { bound, gridChoices, toggle, views } from "./page.js";
import { fieldsOf, Readout } from "./readout.js";
import { comparable } from "./state.js";

/** The maps that a state needs: {after, before, other, mask, shown, kind}; shown is what is drawn, kind "weights",
 * "signed" (all weights of an arm that has negative ones, so that its maps can be compared) or "difference". */
export async function mapsOf(data, { arm, other, layer, head, view }) {
  const [after, mask, before, second] = await Promise.all([
    data.map(arm, layer, head), data.hasMasks ? data.mask(arm, head) : null, data.capture.before ? data.map(arm, layer, head, true) : null,
    comparable(data, arm, other) && other !== arm ? data.map(other, layer, head) : null,
  ]);
  const shown = { weights: () => after, before: () => before, change: () => subtract(after, before), difference: () => subtract(after, second) }[view]();
  const kind = { weights: data.arms[arm].negative ? "signed" : "weights", before: "weights" }[view] ?? "difference";
  return { after, before, other: second, mask, shown, kind };
}

function comparablePairs(data) {
  return data.arms.filter((arm) => arm.comparable).length > 1;
}

export class Workbench {
  constructor(data, state) {
    Object.assign(this, { data, state });
    this.build();
    state.onChange((changed) => this.follow(changed));
    onTheme(() => {
      this.grid.recolour();
      this.map?.draw();
      this.drawLegend();
    });
  }

  build() {
    const { data, state } = this;
    const arms = data.arms.map((arm, place) => [String(place), arm.short]);
    const common = el("div", { class: "controls" },
      arms.length > 1 ? bound(state, "Arm", "arm", arms, Number) : null,
      data.hasMaps && (data.capture.before || comparablePairs(data)) ? bound(state, "Show", "view", views(data, comparablePairs(data))) : null,
      data.hasMaps && comparablePairs(data) ? (this.otherLabel = bound(state, "Less", "other", arms, Number)) : null);
    const gridCanvas = el("canvas", { id: "grid", tabindex: "0", role: "application", "aria-label": "Heads: arrow keys choose one", "aria-describedby": "grid-readout" });
    const box = el("div", { class: "scroll grid-scroll" }, gridCanvas);
    const readout = el("p", { class: "readout", id: "grid-readout", "aria-live": "polite" });
    this.grid = new Grid(data, { canvas: gridCanvas, box, readout, onPick: (layer, head) => state.update({ layer, head }) });
    const left = el("section", { id: "heads", "aria-labelledby": "heads-title" }, el("h2", { id: "heads-title", tabindex: "-1" }, "Layers and heads"),
      el("div", { class: "controls" }, bound(state, "Cells", "show", gridChoices(data)), (this.help = help(null)), bound(state, "Order", "sort", [["place", "By layer and head"], ["falling", "Largest first"], ["rising", "Smallest first"]]),
        (this.sortLabel = bound(state, "By", "sortBy", data.statisticNames().map((name) => [name, gridChoices(data).find(([n]) => n === name)[1]])))),
      readout, state.telling ? el("p", { class: "note", id: "telling" }, `The page opens at layer ${data.layers[state.telling.layer]}, head ${data.heads[state.telling.head]}: ${state.telling.reason}.`) : "", box);
    this.element = el("div", { class: "workbench-frame" }, common, el("div", { class: data.hasMaps ? "workbench" : "" }, left, data.hasMaps ? this.buildMap() : ""));
  }

  buildMap() {
    const { data, state } = this;
    const canvas = el("canvas", { "aria-hidden": "true" });
    const overlay = el("canvas", { id: "map", class: "overlay", tabindex: "0", role: "application", "aria-describedby": "map-keys" });
    this.overlay = overlay;
    this.box = el("div", { class: "map-box" }, canvas, overlay);
    this.map = new MapView({ canvas, overlay, box: this.box, onCell: (cell, how) => this.look(cell, how) });
    this.title = el("h2", { id: "map-title", tabindex: "-1" });
    this.legend = el("div", { class: "map-legend", "aria-hidden": "true" });
    this.signs = el("p", { class: "note", id: "map-signs" });
    this.fields = el("dl", { class: "facts cell" });
    this.readout = new Readout(this.fields);
    this.spoken = el("p", { class: "unseen", "aria-live": "polite" });
    this.message = el("p", { class: "note", role: "status" });
    const button = (text, label, action) => el("button", { type: "button", class: "quiet", "aria-label": label, onclick: action }, text);
    const number = (list, place) => [String(place), String(list[place])];
    return el("section", { id: "map-section", "aria-labelledby": "map-title" }, this.title,
      el("div", { class: "controls" },
        bound(state, "Layer", "layer", data.layers.map((_, i) => number(data.layers, i)), Number),
        bound(state, "Head", "head", data.heads.map((_, i) => number(data.heads, i)), Number),
        bound(state, "Scale", "scale", [["log", "Logarithmic"], ["linear", "Linear"]]), data.hasMasks ? el("span", { class: "with-help" }, toggle(state, "Show M", "mask"), help("mask")) : ""),
      this.fields, this.spoken, this.box,
      el("div", { class: "below-map" }, this.legend, el("div", { class: "exports" },
        button("−", "Zoom out", () => this.map.zoom(1 / 1.5)), button("+", "Zoom in", () => this.map.zoom(1.5)),
        button("Fit", "Fit: show the whole map", () => (this.map.fit(), this.map.draw())),
        button("PNG", "Save the visible map as PNG", () => this.savePng()), button("SVG", "Save the visible map as SVG", () => this.saveSvg()))),
      this.signs, this.message,
      el("p", { class: "note", id: "map-keys" }, "Queries go down, keys across. Click a cell to hold its row; then the wheel zooms and a drag moves the map. Keys: arrows (with Shift by 10), + − 0, Enter."));
  }

  async start() {
    await Promise.all([this.showGrid(), this.data.hasMaps ? this.showMap() : null]);
  }

  follow(changed) {
    const has = (...names) => names.some((name) => changed.has(name));
    if (has("arm", "other", "view", "show", "sort", "sortBy")) this.showGrid();
    else if (has("layer", "head")) this.grid.select(this.state.layer, this.state.head);
    if (!this.data.hasMaps) return;
    if (has("arm", "other", "layer", "head", "view", "scale", "mask")) this.showMap();
    else if (has("query", "key")) this.pin();
  }

  async showGrid() {
    const { data, state } = this;
    const { arm, other, view, show, sort, sortBy } = state;
    if (this.otherLabel) this.otherLabel.hidden = view !== "difference";
    this.sortLabel.hidden = show !== "maps" || sort === "place";
    const name = show !== "maps" ? show : sort !== "place" ? sortBy : null;
    this.help.show(name ? termOf(name) : null);
    const values = name ? await data.statistic(arm, name) : null;
    // There are pictures of differences to the first arm; of others the weights are shown.
    let difference = null;
    if (view === "difference" && other === 0) difference = { arm, sign: 1 };
    if (view === "difference" && arm === 0) difference = { arm: other, sign: -1 };
    this.grid.selected = { layer: state.layer, head: state.head };
    // A statistic that this arm does not have has no values, which is no reason to show maps.
    const shown = show !== "maps" ? values ?? data.layers.map(() => data.heads.map(() => null)) : null;
    await this.grid.show({ arm, difference, statistic: shown, sortBy: values, name, sort });
    this.grid.tell(null);
  }

  async showMap() {
    const { data, state } = this;
    const wanted = { arm: state.arm, other: state.other, layer: state.layer, head: state.head, view: state.view };
    this.wanted = wanted;
    const maps = await mapsOf(data, wanted);
    if (this.wanted !== wanted) return; // another one was chosen meanwhile
    this.maps = maps;
    const arm = data.arms[state.arm];
    this.title.textContent = this.describe();
    this.overlay.setAttribute("aria-label", `Map of ${this.describe()}: arrow keys move from cell to cell`);
    this.content = { map: maps.shown, mask: state.mask ? maps.mask : null, arm, kind: maps.kind, view: state.view, scale: state.scale };
    this.map.show(this.content);
    this.message.textContent = "";
    this.drawLegend();
    this.pin();
    this.onMaps?.(maps, arm);
  }

  describe() {
    const { data, state } = this;
    return `Layer ${data.layers[state.layer]}, head ${data.heads[state.head]}`;
  }

  drawLegend() {
    if (!this.content) return;
    const { kind, scale, map } = this.content;
    const stops = palette(paletteOf(kind)).filter((_, i) => i % 15 === 0).map(css);
    const ticks = legendTicks(kind, scale, map.largest);
    this.signs.textContent = signNote(kind);
    this.legend.replaceChildren(el("div", { class: "bar", style: `background:linear-gradient(to right,${stops.join(",")})` }),
      el("div", { class: "ticks" }, ticks.map(([, text]) => el("span", {}, text))));
  }

  // The held row and cell.
  pin() {
    const { state } = this;
    const arm = this.data.arms[state.arm];
    const row = arm.rowOf.get(state.query);
    this.map.pinned = row === undefined ? null : { row, key: state.key };
    if (this.map.view) this.map.drawOverlay();
    this.tell(this.map.cursor ?? this.map.pinned);
  }

  look(cell, how) {
    if (how === "pick" && cell) {
      this.state.update({ query: this.data.arms[this.state.arm].queries[cell.row], key: cell.key });
    }
    const fields = this.tell(cell ?? this.map.pinned);
    if (how === "key" && fields) this.spoken.textContent = fields.map(([, label, text]) => `${label} ${text}`).join(", ");
  }

  tell(cell) {
    if (!cell || !this.maps) return null;
    const arm = this.data.arms[this.state.arm];
    const key = cell.key ?? arm.queries[cell.row];
    const fields = fieldsOf({ data: this.data, arm, other: this.data.arms[this.state.other], row: cell.row, key, maps: this.maps });
    this.readout.show(fields);
    return fields;
  }

  caption() {
    const { data, state } = this;
    const arm = data.arms[state.arm].short;
    const what = { weights: arm, before: `${arm}, before`, change: `${arm}, change`, difference: `${arm} − ${data.arms[state.other]?.short}` }[state.view];
    return `${this.describe()}: ${what}`;
  }

  nameOf(ending) {
    const { data, state } = this;
    return fileName(["attention", data.arms[state.arm].name, `layer${data.layers[state.layer]}`, `head${data.heads[state.head]}`, state.view], ending);
  }

  async savePng() {
    save(await mapPng(this.map, this.caption()), this.nameOf("png"));
  }

  saveSvg() {
    const text = mapSvg(this.map, this.caption());
    this.message.textContent = text ? "" : "More than 100,000 cells are in view, too many for a drawing: zoom in, or save as PNG.";
    if (text) save(new Blob([text], { type: "image/svg+xml" }), this.nameOf("svg"));
  }
}

// One map, large: queries down, keys across. Pans, zooms, and tells which cell is looked at.
import { textWidth } from "../shared/text.js";
import { axisLabels } from "./axes.js";
import { differenceScale, ink, originColours, packed, paletteOf, signedScale, weightScale } from "./colour.js";
import { isolated, visible } from "./tokens.js";
import { paint, rasterise } from "./raster.js";

const kLargestCell = 72;
const kStripe = 6;
export const kSmallestOutline = 12; // smaller cells of M have a dot

export class MapView {
  /** `onCell(cell, how)`: {row, key} or null; how is "hover", "key" or "pick". */
  constructor({ canvas, overlay, box, onCell }) {
    Object.assign(this, { canvas, overlay, box, onCell });
    this.cursor = null;
    this.pinned = null;
    this.pointers = new Map();
    this.listen();
    new ResizeObserver(() => this.resize()).observe(box);
  }

  /** `content`: {map, mask | null, arm, kind: "weights" | "signed" | "difference", scale}, "signed" being weights of an
   * arm that has negative ones; the place is kept for a map of the same size. */
  show(content) {
    const before = this.content;
    this.content = content;
    const same = before && before.arm.keys === content.arm.keys && before.arm.queries === content.arm.queries;
    this.measure();
    if (!same) this.fit();
    this.draw();
  }

  get none() {
    return this.content.kind === "weights" ? 1 : 128;
  }

  scaleOf() {
    const { kind, scale, map } = this.content;
    return { weights: weightScale, signed: signedScale, difference: differenceScale }[kind](scale, map.largest);
  }

  // Room for labels, and the plot that is left.
  measure() {
    const { arm } = this.content;
    this.width = Math.max(200, this.box.clientWidth);
    const font = `12px ${ink().sans}`;
    const few = arm.tokens.length > 300 ? arm.tokens.slice(0, 300) : arm.tokens;
    const widest = few.reduce((most, token) => Math.max(most, textWidth(visible(token), font)), 30);
    const room = Math.min(widest + (arm.tokens.length > 40 ? 34 : 0), this.width < 480 ? 72 : 112);
    this.font = font;
    // Between labels and plot, where each token is from.
    this.stripe = arm.tokens[0]?.origin === undefined ? 0 : kStripe;
    this.left = Math.ceil(room) + 8 + this.stripe;
    this.top = Math.ceil(room) + 8 + this.stripe;
    this.plotWidth = this.width - this.left - 1;
    const rows = arm.queries.length;
    // Few queries of many keys would be a thread: their rows are drawn higher than wide.
    this.stretch = rows * 4 < arm.keys ? Math.min(40, (arm.keys * 0.25) / rows) : 1;
    const wanted = (this.plotWidth / arm.keys) * rows * this.stretch;
    const most = Math.max(260, Math.min(innerHeight - this.top - 230, 900));
    this.plotHeight = Math.round(Math.min(most, Math.max(60, Math.min(wanted, rows * this.stretch * kLargestCell))));
    this.height = this.top + this.plotHeight + 1;
    this.least = Math.min(this.plotWidth / arm.keys, this.plotHeight / (rows * this.stretch), kLargestCell);
  }

  resize() {
    if (!this.content || this.box.clientWidth === this.width) return;
    const fitted = this.view.size <= this.least * 1.001;
    this.measure();
    if (fitted) this.fit();
    this.draw();
  }

  fit() {
    this.view = { x: 0, y: 0, size: this.least };
  }

  get across() {
    return this.view.size;
  }

  get down() {
    return this.view.size * this.stretch;
  }

  // Keeps the cell under (x, y) of the plot where it is.
  zoom(factor, x = this.plotWidth / 2, y = this.plotHeight / 2) {
    const most = Math.max(kLargestCell / Math.max(1, this.stretch / 4), this.least);
    const size = Math.min(most, Math.max(this.least, this.view.size * factor));
    const [column, row] = [this.view.x + x / this.across, this.view.y + y / this.down];
    this.view.size = size;
    this.view.x = column - x / this.across;
    this.view.y = row - y / this.down;
    this.clamp();
    this.draw();
  }

  clamp() {
    const { arm } = this.content;
    const keep = (at, cells, seen) => Math.max(0, Math.min(at, cells - seen));
    this.view.size = Math.max(this.view.size, this.least);
    this.view.x = keep(this.view.x, arm.keys, this.plotWidth / this.across);
    this.view.y = keep(this.view.y, arm.queries.length, this.plotHeight / this.down);
    this.canvas.parentElement.style.touchAction = this.view.size > this.least * 1.01 ? "none" : "pan-y";
  }

  pan(dx, dy) {
    this.view.x -= dx / this.across;
    this.view.y -= dy / this.down;
    this.clamp();
    this.draw();
  }

  reveal(row, key) {
    const { view } = this;
    const [columns, rows] = [this.plotWidth / this.across, this.plotHeight / this.down];
    if (key < view.x) view.x = key;
    if (key + 1 > view.x + columns) view.x = key + 1 - columns;
    if (row < view.y) view.y = row;
    if (row + 1 > view.y + rows) view.y = row + 1 - rows;
    this.clamp();
  }

  draw() {
    if (!this.content || this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      const scale = Math.max(1, devicePixelRatio);
      for (const canvas of [this.canvas, this.overlay]) {
        const [width, height] = [Math.round(this.width * scale), Math.round(this.height * scale)];
        if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
        canvas.style.width = `${this.width}px`;
        canvas.style.height = `${this.height}px`;
      }
      this.paintInto(this.canvas.getContext("2d"), scale, ink(), packed(paletteOf(this.content.kind)));
      // Where cells are, for tests: the plot's corner, the cell there, pixels per cell.
      this.overlay.dataset.plot = [this.left, this.top, this.view.x, this.view.y, this.across, this.down].join(" ");
      this.drawOverlay();
    });
  }

  /** The visible part with its axes, at `scale` device pixels. */
  paintInto(context, scale, colours, pixels) {
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, context.canvas.width, context.canvas.height);
    const [width, height] = [Math.round(this.plotWidth * scale), Math.round(this.plotHeight * scale)];
    if (this.places?.length !== width * height) this.places = new Uint8Array(width * height);
    const view = { x: this.view.x, y: this.view.y, across: this.across * scale, down: this.down * scale };
    rasterise(this.content.map, view, { width, height, scale: this.scaleOf(), none: this.none }, this.places);
    const image = context.createImageData(width, height);
    paint(this.places, pixels, image);
    context.putImageData(image, Math.round(this.left * scale), Math.round(this.top * scale));
    context.setTransform(scale, 0, 0, scale, 0, 0);
    this.paintMask(context, colours);
    this.paintAxes(context, colours);
  }

  /** Calls visit(x, y) of the plot for M's cells in view. */
  eachMaskCell(visit) {
    const { mask } = this.content;
    if (!mask) return;
    const last = Math.min(mask.offsets.length - 1, Math.ceil(this.view.y + this.plotHeight / this.down));
    const lastKey = this.view.x + this.plotWidth / this.across;
    for (let row = Math.max(0, Math.floor(this.view.y)); row < last; row++) {
      for (let i = mask.offsets[row]; i < mask.offsets[row + 1]; i++) {
        const key = mask.keys[i];
        if (key + 1 > this.view.x && key < lastKey) visit((key - this.view.x) * this.across, (row - this.view.y) * this.down);
      }
    }
  }

  paintMask(context, colours) {
    context.save();
    context.beginPath();
    context.rect(this.left, this.top, this.plotWidth, this.plotHeight);
    context.clip();
    context.translate(this.left, this.top);
    const outlined = this.across >= kSmallestOutline;
    context.fillStyle = context.strokeStyle = colours.broken;
    context.lineWidth = Math.min(2, this.across / 6);
    const inset = context.lineWidth / 2 + 0.5;
    this.eachMaskCell((x, y) => {
      if (outlined) context.strokeRect(x + inset, y + inset, this.across - 2 * inset, this.down - 2 * inset);
      else {
        const dot = Math.max(1, Math.min(3, this.across / 3));
        context.fillRect(x + (this.across - dot) / 2, y + (this.down - dot) / 2, dot, dot);
      }
    });
    context.restore();
  }

  /** Labels of both axes, as axisLabels gives them. */
  labels() {
    const { arm } = this.content;
    this.keyPositions = this.keyPositions?.length === arm.keys ? this.keyPositions : Array.from({ length: arm.keys }, (_, i) => i);
    const common = { tokens: arm.tokens, font: this.font };
    return {
      keys: axisLabels({ ...common, positions: this.keyPositions, begin: this.view.x, cell: this.across, length: this.plotWidth, room: this.top - 8 - this.stripe }),
      queries: axisLabels({ ...common, positions: arm.queries, begin: this.view.y, cell: this.down, length: this.plotHeight, room: this.left - 8 - this.stripe }),
    };
  }

  /** The stripes of both axes: [{x, y, width, height, origin}] in the plot's coordinates; cells of one origin together. */
  stripes() {
    const { arm } = this.content;
    if (this.stripe === 0) return [];
    const along = (positions, begin, cell, length) => {
      const out = [];
      const last = Math.min(positions.length, Math.ceil(begin + length / cell));
      for (let place = Math.max(0, Math.floor(begin)); place < last; place++) {
        const { origin } = arm.tokens[positions[place]];
        const from = Math.max(0, (place - begin) * cell);
        const to = Math.min(length, (place + 1 - begin) * cell);
        if (out.at(-1)?.origin === origin) out.at(-1).to = to;
        else out.push({ origin, from, to });
      }
      return out;
    };
    const deep = { y: -this.stripe - 1, height: this.stripe - 1 };
    return [...along(this.keyPositions, this.view.x, this.across, this.plotWidth).map(({ origin, from, to }) => ({ ...deep, x: from, width: to - from, origin })),
      ...along(arm.queries, this.view.y, this.down, this.plotHeight).map(({ origin, from, to }) => ({ x: deep.y, width: deep.height, y: from, height: to - from, origin }))];
  }

  paintAxes(context, colours) {
    const { keys, queries } = this.labels();
    context.font = this.font;
    context.direction = "ltr";
    context.fillStyle = colours.text;
    context.textBaseline = "middle";
    context.textAlign = "right";
    for (const { at, text } of queries) context.fillText(isolated(text), this.left - 6 - this.stripe, this.top + at);
    context.textAlign = "left";
    for (const { at, text } of keys) {
      context.save();
      context.translate(this.left + at, this.top - 6 - this.stripe);
      context.rotate(-Math.PI / 2);
      context.fillText(isolated(text), 0, 0);
      context.restore();
    }
    const colourOf = originColours(this.content.arm.tokens, Boolean(colours.dark));
    for (const { x, y, width, height, origin } of this.stripes()) {
      context.fillStyle = colourOf.get(origin).strong;
      context.fillRect(this.left + x, this.top + y, width, height);
    }
    context.strokeStyle = colours.line;
    context.lineWidth = 1;
    context.strokeRect(this.left - 0.5, this.top - 0.5, this.plotWidth + 1, this.plotHeight + 1);
  }

  // The row and column that are looked at.
  drawOverlay() {
    const context = this.overlay.getContext("2d");
    const scale = Math.max(1, devicePixelRatio);
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, this.overlay.width, this.overlay.height);
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.beginPath();
    context.rect(this.left, this.top, this.plotWidth, this.plotHeight);
    context.clip();
    const colours = ink();
    if (this.pinned) this.band(context, this.pinned, colours.accent, 0.9);
    if (this.cursor) this.band(context, this.cursor, colours.strong, 0.9);
    const cell = this.cursor ?? this.pinned;
    if (!cell || cell.key === null) return;
    const [x, y] = [this.left + (cell.key - this.view.x) * this.across, this.top + (cell.row - this.view.y) * this.down];
    for (const [width, colour] of [[4, colours.page], [2, colours.text]]) {
      context.lineWidth = width;
      context.strokeStyle = colour;
      context.strokeRect(x - 1, y - 1, Math.max(3, this.across) + 2, Math.max(3, this.down) + 2);
    }
  }

  band(context, { row, key }, colour, alpha) {
    context.globalAlpha = alpha;
    context.strokeStyle = colour;
    context.lineWidth = 1;
    const y = this.top + (row - this.view.y) * this.down;
    context.strokeRect(this.left, y - 0.5, this.plotWidth, Math.max(2, this.down) + 1);
    if (key !== null) {
      const x = this.left + (key - this.view.x) * this.across;
      context.strokeRect(x - 0.5, this.top, Math.max(2, this.across) + 1, this.plotHeight);
    }
    context.globalAlpha = 1;
  }

  cellAt(event) {
    const bounds = this.overlay.getBoundingClientRect();
    const [x, y] = [event.clientX - bounds.left - this.left, event.clientY - bounds.top - this.top];
    if (x < 0 || y < 0 || x >= this.plotWidth || y >= this.plotHeight) return null;
    const row = Math.floor(this.view.y + y / this.down);
    const key = Math.floor(this.view.x + x / this.across);
    const { arm } = this.content;
    return row < arm.queries.length && key <= arm.queries[row] ? { row, key } : null;
  }

  // The cell that keys go on from: of a held row without a key the one that is told, the query's own.
  place() {
    const { row, key } = this.cursor ?? this.pinned ?? { row: 0, key: 0 };
    return { row, key: key ?? this.content?.arm.queries[row] ?? 0 };
  }

  look(cell, how) {
    this.cursor = cell;
    this.drawOverlay();
    this.onCell(cell, how);
  }

  listen() {
    const { overlay } = this;
    overlay.addEventListener("pointerdown", (event) => this.press(event));
    overlay.addEventListener("pointermove", (event) => this.move(event));
    for (const name of ["pointerup", "pointercancel"]) overlay.addEventListener(name, (event) => this.up(event));
    overlay.addEventListener("pointerleave", () => this.pointers.size === 0 && this.look(null, "hover"));
    overlay.addEventListener("keydown", (event) => this.key(event));
    overlay.addEventListener("focus", () => this.look(this.place(), "key"));
    // Two fingers are for the map, wherever the page could scroll.
    for (const name of ["touchstart", "touchmove"]) overlay.addEventListener(name, (event) => event.touches.length > 1 && event.preventDefault(), { passive: false });
    overlay.addEventListener("blur", () => this.look(null, "hover"));
    // The wheel scrolls the page until the map has been chosen by a click or a key, so that nobody is caught in it.
    overlay.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && document.activeElement !== overlay) return;
      event.preventDefault();
      const bounds = overlay.getBoundingClientRect();
      const lines = event.deltaMode === 1 ? 16 : 1;
      this.zoom(Math.exp(-event.deltaY * lines * (event.ctrlKey ? 0.01 : 0.002)), event.clientX - bounds.left - this.left, event.clientY - bounds.top - this.top);
    }, { passive: false });
  }

  press(event) {
    this.pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    this.moved = this.pointers.size > 1 ? Infinity : 0;
  }

  move(event) {
    const last = this.pointers.get(event.pointerId);
    if (!last) {
      this.look(this.cellAt(event), "hover");
      return;
    }
    const [dx, dy] = [event.clientX - last.x, event.clientY - last.y];
    if (this.pointers.size === 2) this.pinch(event);
    else {
      this.moved += Math.abs(dx) + Math.abs(dy);
      if (this.moved > 4) {
        this.overlay.setPointerCapture(event.pointerId);
        this.pan(dx, dy);
      }
    }
    this.pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
  }

  pinch(event) {
    const other = [...this.pointers].find(([id]) => id !== event.pointerId)[1];
    const last = this.pointers.get(event.pointerId);
    const distance = (p) => Math.hypot(p.x - other.x, p.y - other.y);
    const now = { x: event.clientX, y: event.clientY };
    const bounds = this.overlay.getBoundingClientRect();
    this.zoom(distance(now) / Math.max(1, distance(last)), (now.x + other.x) / 2 - bounds.left - this.left, (now.y + other.y) / 2 - bounds.top - this.top);
  }

  up(event) {
    const clicked = this.pointers.delete(event.pointerId) && this.moved <= 4 && event.type === "pointerup";
    if (!clicked) return;
    const cell = this.cellAt(event);
    if (cell) this.look(cell, "pick");
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { queries } = this.content.arm;
    const at = this.place();
    const step = event.shiftKey ? 10 : 1;
    const moves = { ArrowLeft: [0, -step], ArrowRight: [0, step], ArrowUp: [-step, 0], ArrowDown: [step, 0], Home: [0, -Infinity], End: [0, Infinity] };
    const actions = { "+": () => this.zoom(1.5), "=": () => this.zoom(1.5), "-": () => this.zoom(1 / 1.5), 0: () => (this.fit(), this.draw()), Enter: () => this.look(at, "pick"), " ": () => this.look(at, "pick") };
    const move = moves[event.key];
    if (!move && !actions[event.key]) return;
    event.preventDefault();
    if (!move) {
      actions[event.key]();
      return;
    }
    const row = Math.max(0, Math.min(queries.length - 1, at.row + move[0]));
    const key = Math.max(0, Math.min(queries[row], at.key + move[1]));
    const { x, y } = this.view;
    this.reveal(row, key);
    if (x !== this.view.x || y !== this.view.y) this.draw();
    this.look({ row, key }, "key");
  }
}

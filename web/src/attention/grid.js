// Layers x heads as small pictures, or as one number each; a click or the arrow keys choose one.
import { css, differenceScale, ink, packed, palette } from "./colour.js";
import { number, statisticTitle } from "./tokens.js";

const kGap = 2;

export class Grid {
  constructor(data, { canvas, box, readout, onPick }) {
    Object.assign(this, { data, canvas, box, readout, onPick });
    this.pictures = new Map(); // of an arm and layer: thumbnails as they come out of the page
    this.drawn = new Map(); // the same as canvases in the colours of now
    this.selected = { layer: 0, head: 0 };
    this.order = [];
    canvas.addEventListener("click", (event) => this.pick(this.placeAt(event)));
    canvas.addEventListener("pointermove", (event) => this.tell(this.placeAt(event)));
    canvas.addEventListener("pointerleave", () => this.tell(null));
    canvas.addEventListener("keydown", (event) => this.key(event));
    new ResizeObserver(() => this.draw()).observe(box);
  }

  get columns() {
    return this.data.heads.length;
  }

  /** `view`: {arm, difference: null | {arm, sign}, statistic: [layers, heads] | null, name, sort}. */
  async show(view) {
    this.view = view;
    this.sortPlaces();
    this.draw();
    if (view.statistic || !this.data.hasMaps) return;
    for (let layer = 0; layer < this.data.layers.length && this.view === view; layer++) {
      if (await this.load(layer)) this.draw(layer);
    }
  }

  source() {
    const { arm, difference } = this.view;
    return difference ? difference.arm : arm;
  }

  async load(layer) {
    const key = `${this.source()}-${layer}`;
    if (this.pictures.has(key)) return false;
    this.pictures.set(key, await this.data.thumbnails(this.source(), layer));
    return true;
  }

  recolour() {
    this.drawn.clear();
    this.draw();
  }

  select(layer, head) {
    this.selected = { layer, head };
    this.draw();
    this.tell(null);
  }

  sortPlaces() {
    const { statistic, sort } = this.view;
    this.order = [];
    for (let layer = 0; layer < this.data.layers.length; layer++) {
      for (let head = 0; head < this.columns; head++) this.order.push({ layer, head, value: statistic?.[layer]?.[head] ?? this.view.sortBy?.[layer]?.[head] ?? null });
    }
    if (sort === "place") return;
    const sign = sort === "rising" ? 1 : -1;
    this.order.sort((a, b) => (a.value === null) - (b.value === null) || sign * (a.value - b.value));
  }

  // A layer's thumbnails side by side, in colour.
  strip(layer) {
    const sign = this.view.difference?.sign ?? 0;
    const diverging = sign !== 0 || this.data.arms[this.source()].negative;
    const key = `${this.source()}-${layer}-${sign}`;
    if (this.drawn.has(key)) return this.drawn.get(key);
    const found = this.pictures.get(`${this.source()}-${layer}`);
    if (!found) return null;
    const { rows, columns } = found;
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [columns * this.columns, rows];
    const context = canvas.getContext("2d");
    const image = context.createImageData(canvas.width, rows);
    const pixels = new Uint32Array(image.data.buffer);
    const colours = packed(diverging ? "diverging" : "sequential");
    for (let head = 0; head < this.columns; head++) {
      const bytes = sign ? found.difference(head) : found.head(head);
      if (!bytes) continue;
      for (let i = 0; i < bytes.length; i++) {
        const value = sign < 0 && bytes[i] ? 256 - bytes[i] : bytes[i];
        const at = Math.floor(i / columns) * canvas.width + head * columns + (i % columns);
        if (value) pixels[at] = colours[Math.min(255, value)];
      }
    }
    context.putImageData(image, 0, 0);
    const strip = { canvas, rows, columns };
    this.drawn.set(key, strip);
    return strip;
  }

  layout() {
    const left = 34;
    const top = 22;
    const width = this.box.clientWidth;
    const fit = Math.floor((width - left) / this.columns);
    const cell = Math.max(15, Math.min(84, fit));
    return { left, top, cell, width: left + cell * this.columns, height: top + cell * Math.ceil(this.order.length / this.columns) };
  }

  draw(only = -1) {
    if (!this.view) return;
    const { left, top, cell, width, height } = (this.at = this.layout());
    const scale = Math.max(1, devicePixelRatio);
    const context = this.canvas.getContext("2d");
    if (only < 0 || this.view.sort !== "place") {
      this.canvas.style.width = `${width}px`;
      this.canvas.style.height = `${height}px`;
      [this.canvas.width, this.canvas.height] = [width * scale, height * scale];
      context.setTransform(scale, 0, 0, scale, 0, 0);
      this.labels(context);
    }
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.imageSmoothingQuality = "high";
    const range = this.range();
    this.order.forEach((place, i) => {
      if (only >= 0 && place.layer !== only) return;
      const [x, y] = [left + (i % this.columns) * cell, top + Math.floor(i / this.columns) * cell];
      this.drawCell(context, place, x, y, cell - kGap, range);
    });
    this.outline(context);
  }

  labels(context) {
    const { left, top, cell } = this.at;
    const colours = ink();
    context.fillStyle = colours.muted;
    context.font = `12px ${colours.sans}`;
    context.textBaseline = "middle";
    if (this.view.sort !== "place") {
      context.textAlign = "left";
      context.fillText(this.view.sort === "falling" ? "largest first" : "smallest first", left, top / 2);
      return;
    }
    const every = Math.ceil(20 / cell);
    context.textAlign = "center";
    this.data.heads.forEach((head, i) => i % every === 0 && context.fillText(head, left + (i + 0.5) * cell, top / 2));
    context.textAlign = "right";
    this.data.layers.forEach((layer, i) => context.fillText(layer, left - 8, top + (i + 0.5) * cell));
  }

  range() {
    const values = this.view.statistic?.flat().filter((v) => v !== null) ?? [];
    return { low: values.reduce((a, b) => Math.min(a, b), Infinity), high: values.reduce((a, b) => Math.max(a, b), -Infinity) };
  }

  // From the least value to the largest; with zero in the middle where there are values below it.
  colourOf(value, { low, high }) {
    if (low < 0) return css(palette("diverging")[differenceScale("linear", Math.max(-low, high))(value)]);
    return css(palette("sequential")[1 + Math.round(254 * (high > low ? (value - low) / (high - low) : 0.5))]);
  }

  drawCell(context, { layer, head, value }, x, y, size, range) {
    if (this.view.statistic) {
      context.clearRect(x, y, size, size);
      if (value === null) this.cross(context, x, y, size);
      else {
        context.fillStyle = this.colourOf(value, range);
        context.fillRect(x, y, size, size);
      }
      return;
    }
    context.fillStyle = ink().raised;
    context.fillRect(x, y, size, size);
    const strip = this.strip(layer);
    if (!strip) return;
    context.imageSmoothingEnabled = size * devicePixelRatio < strip.columns;
    context.drawImage(strip.canvas, head * strip.columns, 0, strip.columns, strip.rows, x, y, size, size);
  }

  // A cell without a value, which no colour of the scale may stand for.
  cross(context, x, y, size) {
    context.strokeStyle = ink().line;
    context.lineWidth = 1;
    context.beginPath();
    context.moveTo(x, y + size);
    context.lineTo(x + size, y);
    context.stroke();
    context.strokeRect(x + 0.5, y + 0.5, size - 1, size - 1);
  }

  outline(context) {
    const place = this.order.findIndex((p) => p.layer === this.selected.layer && p.head === this.selected.head);
    if (place < 0) return;
    const { left, top, cell } = this.at;
    const [x, y] = [left + (place % this.columns) * cell, top + Math.floor(place / this.columns) * cell];
    const colours = ink();
    context.lineWidth = 4;
    context.strokeStyle = colours.page;
    context.strokeRect(x - 1, y - 1, cell, cell);
    context.lineWidth = 2.5;
    context.strokeStyle = colours.broken;
    context.strokeRect(x - 1, y - 1, cell, cell);
  }

  placeAt(event) {
    const bounds = this.canvas.getBoundingClientRect();
    const { left, top, cell } = this.at;
    const column = Math.floor((event.clientX - bounds.left - left) / cell);
    const row = Math.floor((event.clientY - bounds.top - top) / cell);
    if (column < 0 || column >= this.columns || row < 0) return null;
    return this.order[row * this.columns + column] ?? null;
  }

  pick(place) {
    if (place) this.onPick(place.layer, place.head);
  }

  describe({ layer, head, value }) {
    const where = `Layer ${this.data.layers[layer]}, head ${this.data.heads[head]}`;
    const name = this.view.name;
    return name ? `${where}: ${statisticTitle(name)} ${value === null ? "has no value" : number(value, 4)}` : where;
  }

  tell(place) {
    const shown = place ?? this.order.find((p) => p.layer === this.selected.layer && p.head === this.selected.head);
    this.readout.textContent = shown ? this.describe(shown) : "";
  }

  key(event) {
    const at = this.order.findIndex((p) => p.layer === this.selected.layer && p.head === this.selected.head);
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -this.columns, ArrowDown: this.columns, Home: -at, End: this.order.length - 1 - at };
    const step = steps[event.key];
    if (step === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const place = this.order[at + step];
    if (!place) return;
    this.pick(place);
    this.tell(place);
  }
}

// A map as pixels: every cell that falls into a pixel is seen there, the strongest wins.

/** Colour places (see colour.js) of the pixels of a plot of width x height device pixels, 0 where no key is at or
 * before its query. `view`: {x, y} the cell at the upper left corner, {across, down} pixels per cell. `none` is the
 * place of no weight: 1, or 128 for differences. */
export function rasterise(map, view, { width, height, scale, none }, out) {
  out.fill(0);
  const rows = map.offsets.length - 1;
  const first = Math.max(0, Math.floor(view.y));
  const last = Math.min(rows, Math.ceil(view.y + height / view.down));
  const firstKey = Math.floor(view.x);
  const lastKey = Math.ceil(view.x + width / view.across);
  for (let row = first; row < last; row++) {
    const top = Math.max(0, Math.round((row - view.y) * view.down));
    const bottom = Math.min(height, Math.max(top + 1, Math.round((row + 1 - view.y) * view.down)));
    const end = Math.min(width, Math.round((map.queries[row] + 1 - view.x) * view.across));
    const begin = Math.max(0, Math.round(-view.x * view.across));
    for (let y = top; y < bottom; y++) {
      for (let i = y * width + begin; i < y * width + end; i++) if (out[i] === 0) out[i] = none;
    }
    for (let i = map.offsets[row]; i < map.offsets[row + 1]; i++) {
      const key = map.keys[i];
      if (key < firstKey) continue;
      if (key >= lastKey) break;
      const value = scale(map.weights[i]);
      if (value === none) continue;
      const left = Math.max(0, Math.round((key - view.x) * view.across));
      const right = Math.min(width, Math.max(left + 1, Math.round((key + 1 - view.x) * view.across)));
      fillCell(out, width, { top, bottom, left, right }, value, none);
    }
  }
  return out;
}

function fillCell(out, width, { top, bottom, left, right }, value, none) {
  const strength = Math.abs(value - none);
  for (let y = top; y < bottom; y++) {
    for (let i = y * width + left; i < y * width + right; i++) {
      if (strength >= Math.abs(out[i] - none) || out[i] === 0) out[i] = value;
    }
  }
}

/** Colours for the places; 0 stays transparent. */
export function paint(places, colours, image) {
  const pixels = new Uint32Array(image.data.buffer);
  for (let i = 0; i < places.length; i++) pixels[i] = places[i] === 0 ? 0 : colours[places[i]];
}

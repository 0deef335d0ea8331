// Text in pictures: how wide it is, and cutting it to what there is room for.

let measuring = null;

/** The width of a text in pixels; `font` as of a canvas. */
export function textWidth(text, font) {
  measuring ??= document.createElement("canvas").getContext("2d");
  measuring.font = font;
  return measuring.measureText(text).width;
}

/** `text` cut to `width`, as `measure` counts it. */
export function cut(text, width, measure) {
  if (measure(text) <= width) return text;
  const characters = [...text];
  let [low, high] = [0, characters.length];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (measure(`${characters.slice(0, middle).join("")}…`) <= width) low = middle;
    else high = middle - 1;
  }
  return `${characters.slice(0, low).join("")}…`;
}

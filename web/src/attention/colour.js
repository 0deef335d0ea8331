// Colour scales, made here in Oklab (Ottosson, 2020), where equal steps look equally large.
//
// Sequential: lightness falls evenly from the page's colour to a strong one, while the hue turns from yellow through
// green and blue to violet; in the dark it rises instead, so that little weight looks like the page in both themes.
// Diverging: blue below zero, orange above (told apart by those who see red and green alike), the page's lightness at
// zero. Chroma is cut where sRGB has no such colour, never the lightness.

function toSrgb(lightness, chroma, hue) {
  const angle = (hue * Math.PI) / 180;
  const [a, b] = [chroma * Math.cos(angle), chroma * Math.sin(angle)];
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  return [
    4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
    -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
    -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s,
  ];
}

/** [red, green, blue] from 0 to 255. */
export function oklch(lightness, chroma, hue) {
  let linear = toSrgb(lightness, chroma, hue);
  for (let cut = chroma; linear.some((c) => c < -1e-4 || c > 1.0001) && cut > 0; ) {
    cut = Math.max(0, cut - 0.004);
    linear = toSrgb(lightness, cut, hue);
  }
  return linear.map((c) => {
    const clamped = Math.min(1, Math.max(0, c));
    return Math.round(255 * (clamped <= 0.0031308 ? 12.92 * clamped : 1.055 * clamped ** (1 / 2.4) - 0.055));
  });
}

function sequential(dark) {
  return Array.from({ length: 256 }, (_, i) => {
    const t = i / 255;
    const lightness = dark ? 0.25 + 0.68 * t : 0.965 - 0.7 * t;
    const chroma = 0.01 + 0.15 * Math.sin(Math.PI * Math.min(1, 0.03 + 0.85 * t));
    return oklch(lightness, chroma, dark ? 285 - 185 * t : 100 + 185 * t);
  });
}

function diverging(dark) {
  return Array.from({ length: 256 }, (_, i) => {
    const d = (i - 128) / 127;
    const strength = Math.min(1, Math.abs(d));
    const lightness = dark ? 0.27 + 0.53 * strength : 0.965 - 0.48 * strength;
    return oklch(lightness, 0.17 * strength ** 0.8, d < 0 ? 255 : 55);
  });
}

/** Whether the page is dark now. */
export function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

const made = new Map();

/** The palette of a kind of map: "weights", "signed" or "difference". */
export const paletteOf = (kind) => (kind === "weights" ? "sequential" : "diverging");

/** 256 colours as [r, g, b]; `kind` is "sequential" or "diverging". */
export function palette(kind, dark = isDark()) {
  const key = `${kind}-${dark}`;
  if (!made.has(key)) made.set(key, kind === "diverging" ? diverging(dark) : sequential(dark));
  return made.get(key);
}

export const css = ([r, g, b]) => `#${[r, g, b].map((c) => c.toString(16).padStart(2, "0")).join("")}`;

/** The same as numbers for an ImageData of 32-bit pixels. */
export function packed(kind, dark = isDark()) {
  const key = `packed-${kind}-${dark}`;
  if (!made.has(key)) {
    made.set(key, Uint32Array.from(palette(kind, dark), ([r, g, b]) => ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0));
  }
  return made.get(key);
}

const originsOf = new WeakMap();

/** Colours of the origins of tokens, by their text: {strong, soft}, the soft one to stand behind text. Neighbours in
 * the order of their first token differ most; what a template wrote is grey. */
export function originColours(tokens, dark = isDark()) {
  const made = originsOf.get(tokens) ?? {};
  originsOf.set(tokens, made);
  if (made[dark]) return made[dark];
  const out = new Map();
  let data = 0;
  for (const { origin } of tokens) {
    if (origin === undefined || out.has(origin)) continue;
    const grey = /^(template|tokenizer)\b/.test(origin);
    const hue = (55 + 137.508 * (grey ? out.size : data++)) % 360; // the golden angle
    out.set(origin, { strong: css(oklch(dark ? 0.72 : 0.62, grey ? 0.02 : 0.14, hue)), soft: css(oklch(dark ? 0.34 : 0.92, grey ? 0.008 : 0.06, hue)) });
  }
  made[dark] = out;
  return out;
}

/** The colours of a theme's style sheet that canvases draw with. */
export function ink() {
  const style = getComputedStyle(document.documentElement);
  const of = (name) => style.getPropertyValue(name).trim();
  return { dark: isDark(), page: of("--page"), raised: of("--raised"), text: of("--text"), muted: of("--muted"), line: of("--line"),
    strong: of("--strong-line"), accent: of("--accent"), broken: of("--broken"), sans: of("--sans"), mono: of("--mono") };
}

/** Calls `action` when the page turns light or dark. */
export function onTheme(action) {
  new MutationObserver(action).observe(document.documentElement, { attributeFilter: ["data-theme"] });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", action);
}

/** Places of weights on a scale of 1 to 255; 0 is for no weight at all. */
export function weightScale(kind, largest) {
  if (kind === "log") return (w) => (w > 0 ? 1 + Math.round(254 * Math.min(1, Math.max(0, (4 + Math.log10(w)) / 4))) : 1);
  const most = largest > 0 ? largest : 1;
  return (w) => 1 + Math.round(254 * Math.min(1, Math.max(0, w / most)));
}

/** Places of weights that may be negative, and of differences: 128 is none. */
export function signedScale(kind, largest) {
  if (kind !== "log") return differenceScale(kind, largest);
  return (w) => (w === 0 ? 128 : 128 + Math.round(127 * Math.sign(w) * Math.min(1, Math.max(0, (4 + Math.log10(Math.abs(w))) / 4))));
}

/** Places of differences: 128 is none. */
export function differenceScale(kind, largest) {
  const most = largest > 0 ? largest : 1;
  return (d) => {
    const part = Math.min(1, Math.abs(d) / most);
    return 128 + Math.round(127 * Math.sign(d) * (kind === "log" ? Math.sqrt(part) : part));
  };
}

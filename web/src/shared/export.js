// Files of what a page shows: pictures for papers, always on white whatever the page looks like, and tables.
import { el } from "./dom.js";

export const paper = { page: "#ffffff", raised: "#ffffff", text: "#1b2026", muted: "#56606b", line: "#d5dae0", strong: "#7d8791",
  accent: "#0a58a8", fixed: "#0b6a4c", broken: "#a33b00", sans: "Helvetica, Arial, 'Liberation Sans', sans-serif",
  series: ["#0a58a8", "#b34700", "#0b6a4c", "#8a2f8f", "#6b5a00", "#a32350"] };

/** The same names for what is drawn into the page and follows its theme. */
export const screen = { page: "var(--page)", raised: "var(--raised)", text: "var(--text)", muted: "var(--muted)", line: "var(--line)", strong: "var(--strong-line)",
  accent: "var(--accent)", fixed: "var(--fixed)", broken: "var(--broken)", sans: "inherit",
  series: [1, 2, 3, 4, 5, 6].map((i) => `var(--series-${i})`) };

export const escaped = (text) => text.replace(/[&<>"]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[c]).replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, "\ufffd");

export function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

/** A name that every file system takes. */
export function fileName(parts, ending) {
  return `${parts.filter(Boolean).join("-").replace(/[^\w.=-]+/g, "_").slice(0, 100)}.${ending}`;
}

/** Rows of texts and numbers as CSV; what is missing is empty. */
export function csvText(rows) {
  const cell = (value) => {
    const text = value === null || value === undefined ? "" : String(value);
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return rows.map((row) => `${row.map(cell).join(",")}\n`).join("");
}

/** A drawing of the page as the text of a file of its own. */
export function svgText(svg) {
  const copy = svg.cloneNode(true);
  copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  copy.setAttribute("style", `background:#fff;color:${paper.text};font-family:${paper.sans}`);
  return new XMLSerializer().serializeToString(copy);
}

/** A drawing as a picture of twice its size. */
export async function svgPng(text, width, height) {
  const image = new Image();
  image.src = `data:image/svg+xml;base64,${btoa(String.fromCodePoint(...new TextEncoder().encode(text)))}`;
  await image.decode();
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [2 * width, 2 * height];
  const context = canvas.getContext("2d");
  context.fillStyle = paper.page;
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(image, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}

/** Buttons that save a picture and its numbers: `draw()` gives the drawing on white, `rows()` the table, header first. */
export function saveButtons(title, name, { draw, rows }) {
  const button = (kind, make) => el("button", { type: "button", class: "quiet", "aria-label": `Save ${title} as ${kind}`,
    onclick: async () => save(await make(), fileName(name, kind.toLowerCase())) }, kind);
  return el("span", { class: "exports screen" },
    button("SVG", () => new Blob([svgText(draw())], { type: "image/svg+xml" })),
    button("PNG", () => {
      const drawing = draw();
      return svgPng(svgText(drawing), drawing.width.baseVal.value, drawing.height.baseVal.value);  // in px, whatever its unit
    }),
    rows ? button("CSV", () => new Blob([csvText(rows())], { type: "text/csv" })) : null);
}

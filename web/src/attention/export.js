// Maps as pictures for papers.
import { escaped, paper } from "../shared/export.js";
import { css, originColours, packed, palette, paletteOf } from "./colour.js";
import { legendTicks, signNote } from "./axes.js";
import { kSmallestOutline } from "./map.js";
import { isolated } from "./tokens.js";

const kMostRects = 100000;
const kTitle = 30;
const kLegend = 44;
const kNote = 16; // what the colours of two sides mean, below the legend

// Colour bar and ticks below a map.
const legendHeight = (view) => kLegend + (signNote(view.content.kind) ? kNote : 0);

function legendOf(view, colours) {
  const { content } = view;
  const ticks = legendTicks(content.kind, content.scale, content.map.largest);
  const width = Math.min(240, view.plotWidth);
  return { ticks, width, colours, x: view.left, y: kTitle + view.height + 12, note: signNote(content.kind) };
}

/** The visible part of a map at twice its size. */
export function mapPng(view, title) {
  const canvas = document.createElement("canvas");
  const scale = 2;
  [canvas.width, canvas.height] = [view.width * scale, (kTitle + view.height + legendHeight(view)) * scale];
  const inner = document.createElement("canvas");
  [inner.width, inner.height] = [view.width * scale, view.height * scale];
  const own = view.places;
  view.places = null;
  view.paintInto(inner.getContext("2d"), scale, paper, packed(paletteOf(view.content.kind), false));
  view.places = own;
  const context = canvas.getContext("2d");
  context.fillStyle = paper.page;
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(inner, 0, kTitle * scale);
  context.scale(scale, scale);
  context.fillStyle = paper.text;
  context.font = `600 14px ${paper.sans}`;
  context.fillText(isolated(title), 8, 20, view.width - 16);
  const { ticks, width, x, y, note } = legendOf(view, paper);
  palette(paletteOf(view.content.kind), false).forEach((colour, i) => {
    context.fillStyle = css(colour);
    context.fillRect(x + (i * width) / 256, y, width / 256 + 0.5, 10);
  });
  context.fillStyle = paper.text;
  context.font = `11px ${paper.sans}`;
  for (const [at, text] of ticks) {
    context.textAlign = at === 0 ? "left" : at === 1 ? "right" : "center";
    context.fillText(text, x + at * width, y + 23);
  }
  context.textAlign = "left";
  context.fillText(note, x, y + 23 + kNote);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}

function rectsOf(view, scale, colours) {
  const { map } = view.content;
  const rects = [];
  const [across, down] = [view.across, view.down];
  const last = Math.min(map.offsets.length - 1, Math.ceil(view.view.y + view.plotHeight / down));
  for (let row = Math.max(0, Math.floor(view.view.y)); row < last; row++) {
    for (let i = map.offsets[row]; i < map.offsets[row + 1]; i++) {
      const x = (map.keys[i] - view.view.x) * across;
      const place = scale(map.weights[i]);
      if (place === view.none || x + across <= 0 || x >= view.plotWidth) continue;
      if (rects.length >= kMostRects) return null;
      rects.push(`<rect x="${x.toFixed(2)}" y="${((row - view.view.y) * down).toFixed(2)}" width="${across.toFixed(2)}" height="${down.toFixed(2)}" fill="${css(colours[place])}"/>`);
    }
  }
  return rects;
}

// Where keys are at or before their query: a staircase, as one path.
function stairs(view) {
  const { arm } = view.content;
  let path = `M${(-view.view.x * view.across).toFixed(2)} ${(-view.view.y * view.down).toFixed(2)}`;
  arm.queries.forEach((query) => (path += `H${((query + 1 - view.view.x) * view.across).toFixed(2)}v${view.down.toFixed(2)}`));
  return `${path}H${(-view.view.x * view.across).toFixed(2)}Z`;
}

/** The visible part of a map as vectors; null where it has too many cells for a drawing. */
export function mapSvg(view, title) {
  const colours = palette(paletteOf(view.content.kind), false);
  const rects = rectsOf(view, view.scaleOf(), colours);
  if (!rects) return null;
  const mask = [];
  const inset = Math.min(2, view.across / 6) / 2;
  const dotted = view.across < kSmallestOutline;
  const dot = Math.max(1, Math.min(3, view.across / 3));
  if (dotted) view.eachMaskCell((x, y) => mask.push(`M${(x + (view.across - dot) / 2).toFixed(2)} ${(y + (view.down - dot) / 2).toFixed(2)}h${dot.toFixed(2)}v${dot.toFixed(2)}h-${dot.toFixed(2)}z`));
  else view.eachMaskCell((x, y) => mask.push(`M${(x + inset).toFixed(2)} ${(y + inset).toFixed(2)}h${(view.across - 2 * inset).toFixed(2)}v${(view.down - 2 * inset).toFixed(2)}h-${(view.across - 2 * inset).toFixed(2)}z`));
  const { keys, queries } = view.labels();
  const colourOf = originColours(view.content.arm.tokens, false);
  const stripes = view.stripes().map((one) => `<rect x="${one.x.toFixed(2)}" y="${one.y.toFixed(2)}" width="${one.width.toFixed(2)}" height="${one.height.toFixed(2)}" fill="${colourOf.get(one.origin).strong}"/>`);
  const text = (at, attributes) => `<text ${attributes}>${escaped(isolated(at.text))}</text>`;
  const { ticks, width, x, y, note } = legendOf(view, paper);
  const stops = [0, 32, 64, 96, 128, 160, 192, 224, 255].map((i) => `<stop offset="${(i / 255).toFixed(3)}" stop-color="${css(colours[i])}"/>`);
  const anchor = (at) => (at === 0 ? "start" : at === 1 ? "end" : "middle");
  const [w, h] = [view.width, kTitle + view.height + legendHeight(view)];
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${w}" height="${h}" viewBox="0 0 ${w} ${h}" font-family="${escaped(paper.sans)}" font-size="12" fill="${paper.text}">
<rect width="${w}" height="${h}" fill="#ffffff"/>
<text x="8" y="20" font-size="14" font-weight="600">${escaped(isolated(title))}</text>
<defs><clipPath id="plot"><rect width="${view.plotWidth}" height="${view.plotHeight}"/></clipPath><linearGradient id="scale">${stops.join("")}</linearGradient></defs>
<g transform="translate(${view.left} ${kTitle + view.top})"><g clip-path="url(#plot)" shape-rendering="crispEdges">
<path d="${stairs(view)}" fill="${css(colours[view.none])}"/>
${rects.join("\n")}
${mask.length ? `<path d="${mask.join("")}" shape-rendering="auto" ${dotted ? `fill="${paper.broken}"` : `fill="none" stroke="${paper.broken}" stroke-width="${Math.min(2, view.across / 6).toFixed(2)}"`}/>` : ""}
</g><rect width="${view.plotWidth}" height="${view.plotHeight}" fill="none" stroke="${paper.line}"/>
${stripes.join("\n")}
${queries.map((at) => text(at, `x="${-6 - view.stripe}" y="${at.at.toFixed(2)}" text-anchor="end" dominant-baseline="central"`)).join("\n")}
${keys.map((at) => text(at, `transform="translate(${at.at.toFixed(2)} ${-6 - view.stripe}) rotate(-90)" dominant-baseline="central"`)).join("\n")}
</g>
<rect x="${x}" y="${y}" width="${width}" height="10" fill="url(#scale)"/>
${ticks.map(([at, label]) => `<text x="${(x + at * width).toFixed(2)}" y="${y + 23}" font-size="11" text-anchor="${anchor(at)}">${escaped(label)}</text>`).join("\n")}
${note && `<text x="${x}" y="${y + 23 + kNote}" font-size="11">${escaped(note)}</text>`}
</svg>
`;
}

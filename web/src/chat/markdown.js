// Markdown as elements, block by block. What a model wrote becomes text nodes only; addresses lead to http and https,
// and only where somebody follows them.
import { el } from "../shared/dom.js";
import { blocksOf } from "./blocks.js";
import { inlineOf } from "./inline.js";

const kTags = { emphasis: "em", strong: "strong", struck: "del", code: "code" };

class Builder {
  constructor(leaf) {
    this.leaf = leaf;
  }

  nodes(nodes, inLink = false) {
    return nodes.flatMap((node) => {
      if (node.type === "text") return inLink ? [node.text] : this.leaf(node.text, node.at);
      if (node.type === "break") return [el("br")];
      if (node.type === "link") return [el("a", { href: node.href, rel: "noopener noreferrer nofollow", target: "_blank" }, this.nodes(node.children, true))];
      return [el(kTags[node.type], {}, this.nodes(node.children, inLink))];
    });
  }

  inline(lines, open) {
    return this.nodes(inlineOf(lines, open));
  }

  list({ type, start, items, loose }) {
    const list = el(type === "ordered" ? "ol" : "ul", { start: type === "ordered" && start !== 1 ? start : null });
    for (const blocks of items) list.append(el("li", {}, blocks.map((block) => (block.type === "paragraph" && !loose ? el("span", {}, this.inline(block.lines, block.open)) : this.block(block)))));
    return list;
  }

  table({ head, align, rows, open }) {
    const cell = (tag, row) => ({ text, at }, i) => {
      const element = el(tag, { class: align[i] === "right" ? "n" : null, scope: tag === "th" ? "col" : null }, this.inline([{ text, at }], open && row));
      return element;
    };
    return el("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": "Table" },
      el("table", {}, el("thead", {}, el("tr", {}, head.map(cell("th", rows.length === 0)))),
        el("tbody", {}, rows.map((row, i) => el("tr", {}, row.map(cell("td", i + 1 === rows.length)))))));
  }

  code({ info, lines }) {
    const text = lines.flatMap((line, i) => {
      const end = i + 1 < lines.length ? ["\n"] : [];
      return line.text ? [...this.leaf(line.text, line.at), ...end] : end;
    });
    return el("pre", { "data-language": info || null }, el("code", {}, text));
  }

  block(block) {
    switch (block.type) {
      case "heading": return el("h4", { class: `level-${block.level}` }, this.inline(block.lines, block.open));
      case "paragraph": return el("p", {}, this.inline(block.lines, block.open));
      case "code": return this.code(block);
      case "quote": return el("blockquote", {}, block.blocks.map((inside) => this.block(inside)));
      case "table": return this.table(block);
      case "rule": return el("hr");
      default: return this.list(block);
    }
  }
}

/** Elements of a text; leaf(text, at) gives the nodes of a piece of it. */
export function markdown(source, { open = false, leaf = (text) => [text] } = {}) {
  const builder = new Builder(leaf);
  return blocksOf(source, open).map((block) => builder.block(block));
}

/** Shows a text that grows in `place`: blocks that are as they were stay. `mark(block)` is another reason to make one anew. */
export class GrowingMarkdown {
  constructor(place) {
    this.place = place;
    this.shown = [];
  }

  update(source, { open, leaf, mark }) {
    const builder = new Builder(leaf);
    const blocks = blocksOf(source, open);
    this.shown.splice(blocks.length).forEach(({ element }) => element.remove());
    blocks.forEach((block, i) => {
      const key = `${block.type} ${block.from} ${block.to} ${block.open} ${source.slice(block.from, block.to)} ${mark(block)}`;
      if (this.shown[i]?.key === key) return;
      const element = builder.block(block);
      if (this.shown[i]) this.shown[i].element.replaceWith(element);
      else this.place.append(element);
      this.shown[i] = { key, element };
    });
  }
}

// Markdown within a line: emphasis, code, links; no HTML, and no picture is ever loaded. Gives nodes that know where
// their text stands in the source: {type: "text", text, at}, {type: "code" | "emphasis" | "strong" | "struck",
// children}, {type: "link", href, children}, {type: "break"}.

const kDeepest = 12;
const kPunctuation = /[!-/:-@[-`{-~]/;
const kWordCharacter = /[\p{L}\p{N}]/u;
const isSpace = (c) => c === undefined || /\s/.test(c);

/** The address if it leads to the web, else null. */
export function webAddress(text) {
  try {
    const url = new URL(text);
    return url.protocol === "http:" || url.protocol === "https:" ? url.href : null;
  } catch {
    return null;
  }
}

// The lines of a block as one text, and where each character of it stands.
class Reader {
  constructor(lines, open) {
    this.open = open;
    this.text = "";
    this.places = [];
    lines.forEach((line, n) => {
      for (let i = 0; i < line.text.length; i++) this.places.push(line.at + i);
      this.text += line.text;
      if (n + 1 === lines.length) return;
      this.places.push(line.at + line.text.length);
      this.text += "\n";
    });
  }

  // Text from `from` to `to`, in pieces that are whole in the source.
  pieces(from, to) {
    const out = [];
    for (let i = from; i < to; ) {
      let end = i + 1;
      while (end < to && this.places[end] === this.places[end - 1] + 1) end++;
      out.push({ type: "text", text: this.text.slice(i, end), at: this.places[i] });
      i = end;
    }
    return out;
  }

  run(i, to) {
    let end = i + 1;
    while (end < to && this.text[end] === this.text[i]) end++;
    return end - i;
  }

  parse(from, to, depth) {
    const { text } = this;
    const nodes = [];
    const failed = new Set(); // what has no end from here on has none further on either
    let plain = from;
    let i = from;
    const add = (end, next, ...more) => {
      nodes.push(...this.pieces(plain, end), ...more);
      plain = i = next;
    };
    while (i < to) {
      const c = text[i];
      if (c === "\\" && i + 1 < to && (kPunctuation.test(text[i + 1]) || text[i + 1] === "\n")) {
        if (text[i + 1] === "\n") add(i, i + 2, { type: "break" });
        else {
          add(i, i + 1);
          i++;
        }
      } else if (c === "\n") {
        const trimmedEnd = i - (text.slice(plain, i).match(/ {2,}$/)?.[0].length ?? 0);
        if (trimmedEnd < i) add(trimmedEnd, i + 1, { type: "break" });
        else i++;
      } else {
        const found = depth < kDeepest ? this.special(i, to, depth, failed) : null;
        if (found) add(i, found.end, ...found.nodes);
        else i += "`*_~".includes(c) ? this.run(i, to) : 1;
      }
    }
    nodes.push(...this.pieces(plain, to));
    return nodes;
  }

  special(i, to, depth, failed) {
    const c = this.text[i];
    if (c === "`") return this.code(i, to, failed);
    if (c === "*" || c === "_" || c === "~") return this.emphasis(i, to, depth, failed);
    if (c === "[" || (c === "!" && this.text[i + 1] === "[")) return this.link(i, to, depth, failed);
    if (c === "<" || (c === "h" && !kWordCharacter.test(this.text[i - 1] ?? " "))) return this.address(i, to);
    return null;
  }

  code(i, to, failed) {
    const count = this.run(i, to);
    const key = `code ${count}`;
    let end = to;
    let found = false;
    if (!failed.has(key)) {
      for (let j = i + count; j < to; ) {
        if (this.text[j] !== "`") j++;
        else {
          const closing = this.run(j, to);
          if (closing === count) [end, found] = [j, true];
          if (found) break;
          j += closing;
        }
      }
    }
    if (!found) failed.add(key);
    if (!found && !(this.open && to === this.text.length)) return null;
    let [from, until] = [i + count, end];
    const inside = this.text.slice(from, until);
    if (inside.trim() && inside.startsWith(" ") && inside.endsWith(" ")) [from, until] = [from + 1, until - 1];
    const nodes = from < until ? [{ type: "code", children: this.pieces(from, until) }] : [];
    return { end: found ? end + count : to, nodes };
  }

  // Where a run of marks that ends what begins at `i` stands, or -1. Code and longer or shorter runs within are passed.
  closing(i, to, mark, count) {
    for (let j = i; j < to; ) {
      const c = this.text[j];
      if (c === "\\") j += 2;
      else if (c === "`") {
        const ticks = this.run(j, to);
        const end = this.text.indexOf("`".repeat(ticks), j + ticks);
        j = end >= 0 && end < to ? end + ticks : j + ticks;
      } else if (c !== mark) j++;
      else {
        const length = this.run(j, to);
        const ends = j > i && !isSpace(this.text[j - 1]) && (mark !== "_" || !kWordCharacter.test(this.text[j + length] ?? " "));
        if (ends && (length === count || length === 3)) return j + (length === 3 && count < 3 ? 3 - count : 0);
        j += length;
      }
    }
    return -1;
  }

  emphasis(i, to, depth, failed) {
    const mark = this.text[i];
    const length = this.run(i, to);
    if (length > 3 || (mark === "~" && length !== 2)) return null;
    const after = i + length;
    if (after === to && this.open && to === this.text.length && isSpace(this.text[i - 1])) return { end: to, nodes: [] };
    if (after >= to || isSpace(this.text[after]) || (mark === "_" && kWordCharacter.test(this.text[i - 1] ?? " "))) return null;
    const key = `${mark}${length}`;
    const end = failed.has(key) ? -1 : this.closing(after, to, mark, length);
    if (end < 0) failed.add(key);
    if (end < 0 && !(this.open && to === this.text.length && !(mark === "*" && length === 1 && /\d/.test(this.text[after])))) return null;
    // A closing run that has begun to come.
    const until = end < 0 ? to - (this.text.slice(after, to).match(/[*_~]*$/)?.[0].length ?? 0) : end;
    let children = this.parse(after, until, depth + 1);
    if (mark === "~") children = [{ type: "struck", children }];
    else {
      if (length !== 2) children = [{ type: "emphasis", children }];
      if (length >= 2) children = [{ type: "strong", children }];
    }
    return { end: end < 0 ? to : end + length, nodes: children };
  }

  link(i, to, depth, failed) {
    if (failed.has("[")) return null;
    const from = i + (this.text[i] === "!" ? 2 : 1);
    let deep = 1;
    let end = from;
    for (; end < to; end++) {
      const c = this.text[end];
      if (c === "\\") end++;
      else if (c === "[") deep++;
      else if (c === "]" && --deep === 0) break;
    }
    if (end >= to) {
      failed.add("[");
      return null;
    }
    if (this.text[end + 1] !== "(") return null;
    const rest = this.text.slice(end + 2, to);
    const target = rest.match(/^[ \t]*(?:<([^<>\n]*)>|((?:[^\s()\\]|\\.|\((?:[^\s()\\]|\\.)*\))*))(?:\s+(?:"[^"]*"|'[^']*'|\([^)]*\)))?[ \t]*\)/);
    const label = () => this.parse(from, end, depth + 1);
    if (!target) return this.open && to === this.text.length && !rest.includes("\n") && !rest.includes(")") ? { end: to, nodes: label() } : null;
    const href = webAddress(target[1] ?? target[2]);
    return { end: end + 2 + target[0].length, nodes: href ? [{ type: "link", href, children: withoutLinks(label()) }] : label() };
  }

  address(i, to) {
    const angled = this.text[i] === "<";
    const from = angled ? i + 1 : i;
    const found = this.text.slice(from, Math.min(to, from + 2000)).match(angled ? /^https?:\/\/[^\s<>]+(?=>)/ : /^https?:\/\/[^\s<>]+/);
    if (!found) return null;
    let address = found[0];
    if (!angled) {
      address = address.replace(/[.,;:!?'"*_~]+$/, "");
      if (address.endsWith(")") && !address.includes("(")) address = address.slice(0, -1);
    }
    const href = webAddress(address);
    if (!href) return null;
    const end = from + address.length;
    return { end: angled ? end + 1 : end, nodes: [{ type: "link", href, children: this.pieces(from, end) }] };
  }
}

const withoutLinks = (nodes) => nodes.flatMap((node) => (node.type === "link" ? node.children : node.children ? [{ ...node, children: withoutLinks(node.children) }] : [node]));

/** The nodes of lines {text, at}. */
export function inlineOf(lines, open = false) {
  const reader = new Reader(lines, open);
  return reader.parse(0, reader.text.length, 0);
}

// Markdown's blocks: the part of CommonMark that models write (paragraphs, headings, code, lists, quotes, tables,
// rules), without HTML. Each line keeps where it stands in the source, so that what is shown can be traced to tokens.
//
// `open` says that more text will come. What is not closed yet is then taken for closed at the end, and a last line that
// is nothing but the beginning of a mark is held back, so that nothing that was shown is taken back.

const kFence = /^( {0,3})(`{3,}|~{3,})[ \t]*([^`]*)$/;
const kHeading = /^ {0,3}(#{1,6})(?:[ \t]+(.*?))??(?:[ \t]+#+)?[ \t]*$/;
const kRule = /^ {0,3}([-*_])(?:[ \t]*\1){2,}[ \t]*$/;
const kQuote = /^ {0,3}> ?/;
const kItem = /^( {0,3})([-*+]|\d{1,9}[.)])(?:([ \t]+)(.*))?$/;
const kDelimiters = /^[ \t]*\|?[ \t]*:?-+:?[ \t]*(\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*$/;
const kBegun = /^[ \t]*([-*+]|\d{1,9}[.)]?|#{1,6}|`{1,2}|~{1,2}|>|=+|-+|\*+|_+)[ \t]*$/;
const kDeepest = 8;

/** The source's lines: {text, at}. */
export function linesOf(source) {
  let at = 0;
  return source.split("\n").map((text) => {
    const line = { text: text.endsWith("\r") ? text.slice(0, -1) : text, at };
    at += text.length + 1;
    return line;
  });
}

const isBlank = (line) => line.text.trim() === "";
const cutFrom = (line, count) => ({ text: line.text.slice(count), at: line.at + count });
const indentOf = (line) => line.text.match(/^ */)[0].length;

// A table's row as cells {text, at}; `\|` is no border.
function cellsOf(line) {
  const cells = [];
  const { text } = line;
  let begin = text.search(/\S/);
  let end = text.trimEnd().length;
  if (text[begin] === "|") begin++;
  if (end > begin && text[end - 1] === "|" && text[end - 2] !== "\\") end--;
  let from = begin;
  for (let i = begin; i <= end; i++) {
    if (i < end && !(text[i] === "|" && text[i - 1] !== "\\")) continue;
    const cell = text.slice(from, i);
    const lead = cell.length - cell.trimStart().length;
    cells.push({ text: cell.trim(), at: line.at + from + lead });
    from = i + 1;
  }
  return cells;
}

function beginsTable(lines, i, open) {
  if (!lines[i].text.includes("|")) return false;
  const next = lines[i + 1];
  if (!next) return open && lines[i].text.trimStart().startsWith("|");
  const last = open && i + 2 === lines.length;
  if (last && lines[i].text.trimStart().startsWith("|") && /^[ \t|:-]*$/.test(next.text)) return true;
  return next.text.includes("-") && kDelimiters.test(next.text) && cellsOf(next).length === cellsOf(lines[i]).length;
}

function interrupts(lines, i, open) {
  const { text } = lines[i];
  if (kFence.test(text) || kHeading.test(text) || kRule.test(text) || kQuote.test(text)) return true;
  const item = text.match(kItem);
  if (item && item[4]?.trim() && (!/\d/.test(item[2]) || Number.parseInt(item[2], 10) === 1)) return true;
  return beginsTable(lines, i, open);
}

function readFence(lines, i, [, indent, mark, info]) {
  const closing = new RegExp(`^ {0,3}\\${mark[0]}{${mark.length},}[ \\t]*$`);
  const inside = [];
  let end = i + 1;
  while (end < lines.length && !closing.test(lines[end].text)) {
    inside.push(cutFrom(lines[end], Math.min(indent.length, indentOf(lines[end]))));
    end++;
  }
  return [{ type: "code", info: info.trim().split(/\s/)[0], lines: inside, closed: end < lines.length }, Math.min(end + 1, lines.length)];
}

function readQuote(lines, i, open, depth) {
  const inside = [];
  let end = i;
  for (; end < lines.length; end++) {
    const mark = lines[end].text.match(kQuote);
    if (!mark) break;
    inside.push(cutFrom(lines[end], mark[0].length));
  }
  return [{ type: "quote", blocks: parse(inside, open && end === lines.length, depth + 1) }, end];
}

// The lines of one item, its mark taken off, and where they end.
function readItem(lines, i, open) {
  const [, indent, mark, space] = lines[i].text.match(kItem);
  const width = indent.length + mark.length + (space && space.length <= 4 ? space.length : 1);
  const inside = [cutFrom(lines[i], Math.min(width, lines[i].text.length))];
  let end = i + 1;
  for (; end < lines.length; end++) {
    const line = lines[end];
    if (isBlank(line)) {
      let next = end + 1;
      while (next < lines.length && isBlank(lines[next])) next++;
      if (next === lines.length || indentOf(lines[next]) < 2) break;
      inside.push(line);
    } else if (indentOf(line) >= 2) {
      // Two are enough below "1." too, as many models write it.
      inside.push(cutFrom(line, Math.min(width, indentOf(line))));
    } else if (kItem.test(line.text) || interrupts(lines, end, open) || isBlank(lines[end - 1])) {
      break;
    } else {
      inside.push(line);
    }
  }
  return [inside, end];
}

function readList(lines, i, open, depth) {
  const [, , first] = lines[i].text.match(kItem);
  const kind = first.at(-1);
  const list = { type: /\d/.test(first) ? "ordered" : "bullets", start: Number.parseInt(first, 10), items: [], loose: false };
  let end = i;
  while (end < lines.length) {
    const item = lines[end].text.match(kItem);
    if (!item || item[2].at(-1) !== kind || kRule.test(lines[end].text)) break;
    const [inside, next] = readItem(lines, end, open);
    list.items.push(parse(inside, open && next === lines.length, depth + 1));
    end = next;
    let after = end;
    while (after < lines.length && isBlank(lines[after])) after++;
    if (after === lines.length || lines[after].text.match(kItem)?.[2].at(-1) !== kind) break;
    if (after > end) list.loose = true;
    end = after;
  }
  return [list, end];
}

function readTable(lines, i) {
  const head = cellsOf(lines[i]);
  const align = lines[i + 1] ? cellsOf(lines[i + 1]).map(({ text }) => (text.endsWith(":") ? (text.startsWith(":") ? "center" : "right") : "left")) : [];
  const rows = [];
  let end = i + 2;
  for (; end < lines.length && !isBlank(lines[end]) && lines[end].text.includes("|"); end++) rows.push(cellsOf(lines[end]).slice(0, head.length));
  return [{ type: "table", head, align, rows }, Math.min(end, lines.length)];
}

function readParagraph(lines, i, open) {
  let end = i + 1;
  while (end < lines.length && !isBlank(lines[end])) {
    const under = lines[end].text.match(/^ {0,3}(=|-){3,}[ \t]*$/);
    if (under) return [{ type: "heading", level: under[1] === "=" ? 1 : 2, lines: trimmed(lines.slice(i, end)) }, end + 1];
    if (interrupts(lines, end, open)) break;
    end++;
  }
  return [{ type: "paragraph", lines: trimmed(lines.slice(i, end)) }, end];
}

// Space before a paragraph's lines means nothing; two behind one break it.
function trimmed(lines) {
  return lines.map((line, i) => {
    const out = cutFrom(line, line.text.length - line.text.trimStart().length);
    return i + 1 === lines.length ? { ...out, text: out.text.trimEnd() } : out;
  });
}

function readBlock(lines, i, open, depth) {
  const { text } = lines[i];
  const fence = text.match(kFence);
  if (fence) return readFence(lines, i, fence);
  const heading = text.match(kHeading);
  if (heading) {
    const at = heading[2] ? text.indexOf(heading[2], text.indexOf(heading[1]) + heading[1].length) : text.length;
    return [{ type: "heading", level: heading[1].length, lines: [{ text: heading[2] ?? "", at: lines[i].at + at }] }, i + 1];
  }
  if (kRule.test(text)) return [{ type: "rule" }, i + 1];
  if (depth < kDeepest && kQuote.test(text)) return readQuote(lines, i, open, depth);
  if (depth < kDeepest && kItem.test(text)) return readList(lines, i, open, depth);
  if (beginsTable(lines, i, open)) return readTable(lines, i);
  return readParagraph(lines, i, open);
}

function parse(lines, open, depth) {
  const blocks = [];
  let i = 0;
  while (i < lines.length) {
    if (isBlank(lines[i])) {
      i++;
      continue;
    }
    const [block, end] = readBlock(lines, i, open, depth);
    const last = lines[end - 1];
    blocks.push({ ...block, from: lines[i].at, to: last.at + last.text.length, open: open && end === lines.length });
    i = end;
  }
  return blocks;
}

/** The blocks of a text: {type, from, to, open} and what the type has. */
export function blocksOf(source, open = false) {
  const lines = linesOf(source);
  if (open && kBegun.test(lines.at(-1).text)) lines.pop();
  return parse(lines, open, 0);
}

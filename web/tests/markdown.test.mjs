// The page's Markdown: what it makes of texts, whole and while they are written, and of texts that mean harm.
import assert from "node:assert/strict";
import { test } from "node:test";
import { blocksOf } from "../src/chat/blocks.js";
import { inlineOf, webAddress } from "../src/chat/inline.js";

// Nodes in short: *emphasis*, **strong**, ~~struck~~, `code`, [text](address), ⏎ for a break.
const kMarks = { emphasis: ["<em>", "</em>"], strong: ["<b>", "</b>"], struck: ["<del>", "</del>"], code: ["<code>", "</code>"] };
const short = (nodes) => nodes.map((node) => {
  if (node.type === "text") return node.text;
  if (node.type === "break") return "⏎";
  if (node.type === "link") return `<a ${node.href}>${short(node.children)}</a>`;
  return kMarks[node.type][0] + short(node.children) + kMarks[node.type][1];
}).join("");
const inline = (text, open = false) => short(inlineOf([{ text, at: 0 }], open));

const block = (each) => {
  const lines = (list) => short(inlineOf(list, each.open));
  switch (each.type) {
    case "heading": return `h${each.level}(${lines(each.lines)})`;
    case "paragraph": return `p(${lines(each.lines)})`;
    case "code": return `code${each.info && ` ${each.info}`}(${each.lines.map(({ text }) => text).join("|")})`;
    case "quote": return `quote(${each.blocks.map(block).join(" ")})`;
    case "rule": return "rule";
    case "table": return `table(${[each.head, ...each.rows].map((row) => row.map((cell) => lines([cell])).join(",")).join("|")})`;
    default: return `${each.type === "ordered" ? `ol${each.start}` : "ul"}(${each.items.map((item) => item.map(block).join(" ")).join("|")})`;
  }
};
const blocks = (text, open = false) => blocksOf(text, open).map(block).join(" ");

for (const [text, expected] of [
  ["plain text", "plain text"],
  ["a *b* c", "a <em>b</em> c"],
  ["a **b** c", "a <b>b</b> c"],
  ["***both***", "<b><em>both</em></b>"],
  ["**a *b* c**", "<b>a <em>b</em> c</b>"],
  ["*a **b** c*", "<em>a <b>b</b> c</em>"],
  ["_a_ and snake_case_name", "<em>a</em> and snake_case_name"],
  ["2 * 3 * 4", "2 * 3 * 4"],
  ["**not closed", "**not closed"],
  ["~~gone~~ ~one~", "<del>gone</del> ~one~"],
  ["`a*b*` and ``x`y``", "<code>a*b*</code> and <code>x`y</code>"],
  ["`` ` ``", "<code>`</code>"],
  ["*a `*` b*", "<em>a <code>*</code> b</em>"],
  ["\\*a\\* \\q", "*a* \\q"],
  ["[x](https://a.example/b)", "<a https://a.example/b>x</a>"],
  ["[x](https://a.example/b_(c) \"title\")", "<a https://a.example/b_(c)>x</a>"],
  ["[a [b] c](http://d.example)", "<a http://d.example/>a [b] c</a>"],
  ["see https://a.example/x. (https://b.example)", "see <a https://a.example/x>https://a.example/x</a>. (<a https://b.example/>https://b.example</a>)"],
  ["<https://a.example>", "<a https://a.example/>https://a.example</a>"],
  ["one  ", "one  "],
]) test(`inline: ${text}`, () => assert.equal(inline(text), expected));

for (const [text, expected] of [
  ["![alt](https://evil.example/p.png)", "<a https://evil.example/p.png>alt</a>"],
  ["[x](javascript:alert(1))", "x"],
  ["[x](JaVaScRiPt:alert(1))", "x"],
  ["[x](data:text/html,<script>1</script>)", "x"],
  ["[x](//evil.example)", "x"],
  ["[x](file:///etc/passwd)", "x"],
  ["[x](  javascript:1)", "x"],
  ["<img src=x onerror=alert(1)>", "<img src=x onerror=alert(1)>"],
  ["<javascript:alert(1)>", "<javascript:alert(1)>"],
  ["[a [b](http://c.example) d](http://e.example)", "<a http://e.example/>a b d</a>"],
]) test(`nothing but links to the web: ${text}`, () => assert.equal(inline(text), expected));

test("addresses lead to the web or nowhere", () => {
  assert.equal(webAddress("https://a.example/ö"), "https://a.example/%C3%B6");
  for (const bad of ["javascript:1", "vbscript:1", "data:,x", "blob:https://a.example/1", "/a", "", "mailto:a@b.example", "ftp://a.example"]) assert.equal(webAddress(bad), null);
});

for (const [text, expected] of [
  ["a\nb\n\nc", "p(a\nb) p(c)"],
  ["a  \nb\\\nc", "p(a⏎b⏎c)"],
  ["# One\n### Three ###\ntext", "h1(One) h3(Three) p(text)"],
  ["Title\n===\nMore\n---", "h1(Title) h2(More)"],
  ["#tag", "p(#tag)"],
  ["a\n\n---\n\n* * *", "p(a) rule rule"],
  ["```js\nlet *a*;\n\n  x\n```\nafter", "code js(let *a*;||  x) p(after)"],
  ["~~~\n```\n~~~", "code(```)"],
  ["```\nnever closed", "code(never closed)"],
  ["- a\n- b\n  more\n\ntext", "ul(p(a)|p(b\nmore)) p(text)"],
  ["- a\n  - b\n    - c\n- d", "ul(p(a) ul(p(b) ul(p(c)))|p(d))"],
  ["3. a\n4. b", "ol3(p(a)|p(b))"],
  ["1. a\n  - b\n2. c", "ol1(p(a) ul(p(b))|p(c))"],
  ["1. a\n\n   ```\n   x\n   ```\n2. c", "ol1(p(a) code(x)|p(c))"],
  ["text\n- a", "p(text) ul(p(a))"],
  ["in 1990\n1990. was", "p(in 1990\n1990. was)"],
  ["- a\n* b", "ul(p(a)) ul(p(b))"],
  ["> a\n> - b\n\nc", "quote(p(a) ul(p(b))) p(c)"],
  ["| a | b |\n|---|:-:|\n| 1 | `x\\|y` |\n| 2 |", "table(a,b|1,<code>x\\|y</code>|2)"],
  ["a | b\n--|--\n1 | 2\n\nc", "table(a,b|1,2) p(c)"],
  ["| a | b |\nno table", "p(| a | b |\nno table)"],
  ["a\r\n\r\nb\r\n", "p(a) p(b)"],
  ["<script>alert(1)</script>", "p(<script>alert(1)</script>)"],
  ["", ""],
]) test(`blocks: ${JSON.stringify(text)}`, () => assert.equal(blocks(text), expected));

for (const [text, expected] of [
  ["**bold", "p(<b>bold</b>)"],
  ["**bold*", "p(<b>bold</b>)"],
  ["a **", "p(a )"],
  ["a *b **c", "p(a <em>b <b>c</b></em>)"],
  ["use `co", "p(use <code>co</code>)"],
  ["[label](https://a.exa", "p(label)"],
  ["text\n-", "p(text)"],
  ["text\n``", "p(text)"],
  ["a\n\n#", "p(a)"],
  ["- a\n-", "ul(p(a))"],
  ["| a | b", "table(a,b)"],
  ["| a | b |\n|--", "table(a,b)"],
  ["| a | b |\n|---|---|\n| **x", "table(a,b|<b>x</b>)"],
  ["2 * 3", "p(2 * 3)"],
]) test(`while it is written: ${JSON.stringify(text)}`, () => assert.equal(blocks(text, true), expected));

const kText = "# Rivers\n\nThe **Rhine** flows *north* by `Basel`, see [the map](https://a.example/m).\n\n1. one\n   - in **two**\n2. last\n\n> said *so*\n\n```py\nx = 1\n```\n\n| a | b |\n|---|---|\n| 1 | **2** |\n\nEnd.";

// The text that is shown of nodes and blocks, each piece with its place.
function pieces(value) {
  if (Array.isArray(value)) return value.flatMap(pieces);
  if (value.type === "text") return [value];
  if (value.type === "code" && value.lines) return value.lines.map(({ text, at }) => ({ text, at }));
  if (value.lines) return pieces(inlineOf(value.lines, value.open));
  if (value.head) return [value.head, ...value.rows].flat().flatMap((cell) => pieces(inlineOf([cell], value.open)));
  return pieces(value.items ?? value.blocks ?? value.children ?? []);
}

test("every piece stands in the source where it says", () => {
  for (const open of [false, true]) {
    for (let length = 0; length <= kText.length; length++) {
      const source = kText.slice(0, length);
      for (const { text, at } of pieces(blocksOf(source, open))) assert.equal(source.slice(at, at + text.length), text);
    }
  }
});

test("a text that grows never takes back what it showed as other kinds of blocks", () => {
  let shown = [];
  for (let length = 1; length <= kText.length; length++) {
    const now = blocksOf(kText.slice(0, length), true).map(({ type }) => type);
    assert.deepEqual(now.slice(0, shown.length), shown, JSON.stringify(kText.slice(0, length)));
    shown = now;
  }
});

test("marks are not shown before they close", () => {
  for (let length = 1; length <= kText.length; length++) {
    const said = pieces(blocksOf(kText.slice(0, length), true)).map(({ text }) => text).join("");
    assert.doesNotMatch(said.replace(/\[[^\]]*\]?/, ""), /\*\*|```|\]\(|^\||^#/, JSON.stringify(kText.slice(0, length)));
  }
});

test("texts that mean harm are read in time, and lose no letter", () => {
  const started = performance.now();
  for (const piece of ["**a ", "*a_ ", "[", "[a](", "![", "`a``b", "> ", "- ", "1. ", "|a\n", "- a\n\n", "~~x ", "<", "https://", "\\", "# ", "***", "- > "]) {
    for (const open of [false, true]) blocksOf(piece.repeat(20000), open).forEach((each) => pieces(each));
  }
  assert.ok(performance.now() - started < 60000);
  assert.equal(pieces(blocksOf("**a ".repeat(2000))).map(({ text }) => text).join(""), "**a ".repeat(2000).trim());
});

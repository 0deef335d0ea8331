// The project's own test texts for tokenizers: hand-written ones, and random ones from a fixed seed.

const written = [
  '', ' ', '  ', '\n', '\n\n', '\t', '\r\n', '\r', ' \n', '\n ', ' \n \n ', '\u0000', 'a\u0000b', '\u0000\u0000 \u0000',
  'Hello', ' Hello', '  Hello', 'Hello ', 'Hello  ', 'Hello world', 'Hello  world', 'Hello   world', 'Hello\nworld',
  'Hello \n world', 'Hello\n\n\nworld', 'Hello\r\nworld\r\n\r\n', 'Hello\t\tworld', '\tHello', '\n\nHello',
  // Contractions, in both cases, with the typographic apostrophe, and with letters that fold to s and k.
  "I'm, you're, he's, we've, they'll, I'd, don't", "I'M, YOU'RE, HE'S, WE'VE, THEY'LL, I'D, DON'T",
  "it'S it's it\u2019s 'sup 'Tis 'twas o'clock rock'n'roll", "it'\u017f it'\u017fx '\u212a 'Re 'rE 'lL 'Ll 'vE", "''' ''s 's's 't'T",
  // Numbers.
  '0 1 12 123 1234 12345 123456 1234567', '3.14159 1,000,000 1e-5 0x1F 1/2 50% $9.99 #1 №5', '\u00bd \u2167 \u2460 \u0663\u0664\u0665 \u0967\u0968\u0969 \u00b2\u00b3',
  '2024-01-31T23:59:59Z', 'a1b2c3 x86_64 utf8 3D 4th', '１２３４ ５６', '123abc456', '12 34  56   78',
  // Punctuation and symbols.
  '...', '?!?!', '--- === ***', '("quoted") [brackets] {braces} <angles>', '«guillemets» „German“ 「日本」', 'e.g., i.e.; etc.: (a) [b]',
  '!!!\n\n\n???', 'a,b;c:d', '\\n is not \n', '@user #tag http://example.org/a?b=c&d=e#f me@example.org', '™ © ® ° ± × ÷ ≠ ∞ ∑ √ ∂', '€ £ ¥ ₹ ₿',
  // Scripts.
  'Größe, façade, naïve, Ångström, Œuvre, Łódź, İstanbul, ßẞ', 'Привет, мир! Ёлка', 'Γειά σου Κόσμε', 'שלום עולם', 'مرحبا بالعالم، كيف الحال؟', 'नमस्ते दुनिया', 'สวัสดีชาวโลก',
  '你好，世界！这是一个测试。', 'こんにちは世界。カタカナ', '안녕하세요 세계', '안녕 \u1112\u1161\u11ab\u1100\u1173\u11af', 'Xin chào thế giới', 'გამარჯობა', 'Բարեւ', 'አማርኛ', 'ᠮᠣᠩᠭᠣᠯ ᠤᠨ', '𐍈𐌰𐌿𐍄', '𝒜𝓁𝓅𝒽𝒶 𝟙𝟚𝟛',
  // Combining marks, composed and decomposed; marks out of order; singletons; Hangul jamo.
  'e\u0301 \u00e9 E\u0301COLE', 'n\u0303 a\u0308 o\u0302\u0323 o\u0323\u0302', 'a\u0301\u0323\u0302', '\u0301 alone', '\u212b \u2126 \u212a', '\ufb01 \ufb03 \u2460 \uff21', '\u0344 \u0958 \u2adc', 'q\u0307\u0323', '\u1e9b\u0323',
  'Z\u0351\u036b\u0343\u036a\u0302\u036b\u033d\u034f\u0334\u0319\u0324\u031ea\u0340l\u0348g\u0315o',
  // Emoji: ZWJ sequences, skin tones, flags, key caps, variation selectors.
  '😀', '😀😀😀', '👨‍👩‍👧‍👦', '👩🏽‍🚀 to the 🌙', '🇩🇪🇫🇷', '1️⃣2️⃣', '❤️‍🔥', 'a😀b', '🏴󠁧󠁢󠁳󠁣󠁴󠁿', '☺︎☺️',
  // Code.
  'def f(x):\n    return x ** 2  # square\n\n\nprint(f(3))\n', 'for (int i = 0; i < n; ++i) {\n\ta[i] += b[i];\r\n}\n', '<div class="a">text</div>', 'SELECT * FROM t WHERE a >= 1;', '{"a": [1, 2.5, null], "b": {"c": "d\\n"}}', 'if(a&&b||!c)return;', '\tif x:\n\t\tpass\n', 'a = b    + c\n        d',
  '```cpp\nint main() {}\n```', '$x_{i+1} = \\frac{1}{2}\\sum_{j}^{n} y_j$',
  // White space: runs, Unicode spaces, separators, zero widths, the Mongolian vowel separator (no white space).
  ' '.repeat(7), ' '.repeat(64) + 'x', 'x' + ' '.repeat(65), '\n'.repeat(33), ' \t \t \n \t', 'a\u00a0b\u00a0\u00a0c', '\u2003em\u2009thin\u200a\u202f\u205f\u3000x', 'a\u2028b\u2029c', 'a\u0085b', 'a\u000bb\u000cc', 'a\u180eb \u180e c', 'a\u200bb\u200cc\u200dd\u2060e', '\ufeffBOM', 'x \u3000\n\u3000 y',
  '  \n  \n  indented', 'trailing   \n   \n', '\n \n  \n   \n', '   \r\n   \r\n', 'a\r\rb', '\r\n\r\n', ' \r\n x',
  // Long words.
  'a'.repeat(300), 'ab'.repeat(200), 'Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft', '字'.repeat(100), 'é'.repeat(100), '-'.repeat(100), '=-'.repeat(60), '1'.repeat(50), '😀'.repeat(30),
  'supercalifragilisticexpialidocious pneumonoultramicroscopicsilicovolcanoconiosis', 'AaBbCcDd CamelCase snake_case SCREAMING_CASE kebab-case',
  // What looks like tokens of several tokenizers.
  '<s>', '</s>', '<unk>', ' <s> ', 'a<s>b', '<s></s>', '<0x0A>', '<0x41>', '[INST] Hi [/INST]', '<<SYS>>', '▁', '▁▁a', 'a▁b', 'Ġ', 'ĊĠa', 'Ä Ģ', '\ufffd', 'a\ufffdb\ufffd\ufffd',
  '<|begin_of_text|>', '<|begin_of_text|>Hello<|eot_id|>', '<|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>', ' <|eot_id|> ', '<|reserved_special_token_0|><|reserved_special_token_10|>', '<|begin_of_text', 'begin_of_text|>',
  '<|im_start|>user\nHi<|im_end|>\n', '<|endoftext|>', '<tool_call>\n{"name": "f"}\n</tool_call>', '<think>\n\n</think>\n\nYes', 'a <tool_call> b', '<|fim_prefix|>x<|fim_suffix|>y<|fim_middle|>', '<tool_call', '<<tool_call>>', '<|im_start|><|im_start|>',
  // As a prompt of an evaluation.
  'Question: Which of these is prime?\nA. 4\nB. 6\nC. 7\nD. 9\nAnswer:', 'The following are multiple choice questions (with answers) about  high school physics.\n\n',
];

// A small generator with a fixed seed (mulberry32).
function generator(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

function randomTexts(count) {
  const next = generator(2024);
  const below = (n) => Math.floor(next() * n);
  const atoms = [
    () => ' ', () => ' ', () => '  ', () => '\n', () => '\t', () => '\r\n', () => '\u00a0',
    () => String.fromCharCode(0x61 + below(26)), () => String.fromCharCode(0x61 + below(26)), () => String.fromCharCode(0x41 + below(26)),
    () => String.fromCharCode(0x30 + below(10)), () => String.fromCharCode(0x21 + below(94)), () => "'",
    () => ['the', 'ing', 'and', 'tion', 'his', 'model', 'attention', "n't", '<|', '|>', '</'][below(11)],
    () => String.fromCodePoint(0xc0 + below(0x180)), () => String.fromCodePoint(0x300 + below(0x70)), () => String.fromCodePoint(0x391 + below(25)),
    () => String.fromCodePoint(0x410 + below(64)), () => String.fromCodePoint(0x5d0 + below(27)), () => String.fromCodePoint(0x627 + below(36)),
    () => String.fromCodePoint(0x905 + below(70)), () => String.fromCodePoint(0x2010 + below(0x50)), () => String.fromCodePoint(0x3041 + below(150)),
    () => String.fromCodePoint(0x4e00 + below(0x5000)), () => String.fromCodePoint(0xac00 + below(0x2b00)), () => String.fromCodePoint(0x1100 + below(0x100)),
    () => String.fromCodePoint(0x1f300 + below(0x300)), () => '\u200d', () => '\ufe0f',
  ];
  const texts = [];
  for (let i = 0; i < count; ++i) {
    let text = '';
    const length = 1 + below(60);
    // Runs of one kind are commoner than a new kind at every place.
    let atom = atoms[below(atoms.length)];
    for (let k = 0; k < length; ++k) {
      if (next() < 0.6) atom = atoms[below(atoms.length)];
      text += atom();
    }
    texts.push(text);
  }
  return texts;
}

export const texts = [...written, ...randomTexts(300)];
export { generator };

"""Makes Jinja templates by a grammar, the same ones for the same seed: for goldens and for comparing implementations.

Most expressions are of the type that stands where they stand; some are of any type, so that errors are met too."""
import random

CONTEXT = {
    "s": "Hello World", "t": "  two  words\nand a line \n", "u": "Stra\u00dfe \u00c9t\u00e9 \u0141\u00f3d\u017a \u65e5\u672c \U0001f600",
    "e": "", "q": "it's \"quoted\" <b>&amp;</b> {{ x }} {% if %}", "n": 7, "m": -3, "z": 0, "f": 2.5, "g": 1e16, "b": True, "c": False,
    "o": None, "l": [3, 1, 2, 2], "w": ["b", "A", "c", "a b", ""], "k": [], "d": {"a": 1, "b": "two", "c": [1, 2], "items": 5},
    "p": [{"name": "ann", "age": 3, "tags": ["x", "y"]}, {"name": "Bob", "age": 1, "tags": []}, {"name": "cy", "age": 3}],
}
TEXTS = ["s", "t", "u", "e", "q"]
NUMBERS = ["n", "m", "z", "f"]
LISTS = ["l", "w", "k", "p"]
ROUND = ["", "1", "2", "-1", "0, 'floor'", "1, 'ceil'"]
DICT_FILTERS = ["items", "dictsort", "dictsort(reverse=true)", "dictsort(false, 'value')", "list"]
BLOCK_FILTERS = ["upper", "trim", "indent(2)", "replace('a', 'A') | trim", "title", "length"]


class Grammar:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.names = []  # set by the template itself

    def pick(self, *options):
        return self.random.choice(options)

    def chance(self, share):
        return self.random.random() < share

    # --- expressions ---
    def any(self, depth):
        return self.pick(self.text, self.number, self.list, self.bool, self.dict, self.odd)(depth)

    def odd(self, depth):
        return self.pick("o", "nope", "d.nope", "none", "true", "l[9]", "s.nope", "p[0]", "(1, 'x')", "range(3)", "n / 2", "d.items()",
                         "d.keys() | list", "p[0].tags", "d['items']", "d.get('z')", "d.get('z', 4)", "p[-1].tags")

    def literal(self):
        return self.pick("'a'", "\"b c\"", "'x\\ny'", "''", "'%s-%s'", "'<i>'", "\"it's\"", "'A'", "'{}'", "'1'", "'2.5'", "' '")

    def text(self, depth):
        if depth <= 0 or self.chance(0.25):
            return self.pick(*TEXTS, *TEXTS, *self.names, self.literal())
        d = depth - 1
        return self.pick(
            lambda: f"({self.text(d)} ~ {self.any(d)})", lambda: f"({self.text(d)} + {self.text(d)})",
            lambda: f"{self.text(d)} | {self.text_filter(d)}", lambda: f"{self.text(d)} | {self.text_filter(d)}",
            lambda: f"{self.postfix(self.text(d))}.{self.text_method(d)}", lambda: f"{self.postfix(self.text(d))}.{self.text_method(d)}",
            lambda: f"{self.postfix(self.text(d))}[{self.slice(d)}]", lambda: f"({self.text(d)} if {self.bool(d)} else {self.text(d)})",
            lambda: f"{self.list(d)} | join({self.literal()})", lambda: f"{self.any(d)} | string",
            lambda: f"({self.text(d)} * {self.pick('2', '0', '3', '-1')})", lambda: f"{self.json(d)} | tojson{self.json_arguments()}",
            lambda: f"('%s|%d|%5.2f|%r' % ({self.text(d)}, {self.number(d)}, {self.number(d)}, {self.text(d)}))",
            lambda: f"'%s and %s' | format({self.any(d)}, {self.text(d)})",
            lambda: f"'{{}} {{}}'.format({self.text(d)}, {self.number(d)})",
            lambda: f"{self.any(d)} | default({self.text(d)}{self.pick('', ', true')})")()

    def postfix(self, expression):
        return f"({expression})"

    def text_filter(self, d):
        return self.pick("upper", "lower", "title", "capitalize", "trim", "length | string", "reverse", "replace('a', 'bb')",
                         f"replace({self.literal()}, {self.literal()})", "replace('l', '', 1)", "indent(2)", "indent(3, true)",
                         "indent(1, first=true, blank=true)", "truncate(8)", "truncate(5, true, '..', 0)", "center(15)", "wordcount | string",
                         "e", "first", "last", "urlencode", "wordwrap(5)", "list | join('-')", "trim('He ')", "int | string", "float | string",
                         "wordwrap(7, break_long_words=false)", "string", "safe")

    def text_method(self, d):
        return self.pick("strip()", "lstrip()", "rstrip()", "strip('Hd ')", "upper()", "lower()", "title()", "capitalize()", "swapcase()",
                         "replace('o', '0')", "replace(' ', '_', 1)", "replace('', '.')", "split() | join('/')", "split('o') | join('0')",
                         "split(' ', 1) | last", "rsplit(' ', 1)[0]", "splitlines() | join('|')", "partition(' ')[2]", "rpartition('o')[0]",
                         "removeprefix('He')", "removesuffix('ld')", "zfill(15)", "center(16, '*')", "ljust(14) ~ '|'", "rjust(14)",
                         "find('o') | string", "rfind('l') | string", "count('l') | string", "join(w)", "casefold()", "expandtabs(4)",
                         "index('o') | string", "splitlines(true) | join('|')")

    def slice(self, d):
        part = lambda: self.pick("", "", "0", "1", "2", "-1", "-2", "5", "100", "n")
        return self.pick(lambda: f"{part()}:{part()}", lambda: f"{part()}:{part()}:{self.pick('1', '2', '-1', '-2', '')}", lambda: "::-1")()

    def number(self, depth):
        if depth <= 0 or self.chance(0.3):
            return self.pick(*NUMBERS, *NUMBERS, "1", "2", "0", "10", "2.0", "1.5", "-4")
        d = depth - 1
        return self.pick(
            lambda: f"({self.number(d)} {self.pick('+', '-', '*', '/', '//', '%')} {self.number(d)})",
            lambda: f"({self.number(d)} ** {self.pick('2', '0', '3', '-1')})",
            lambda: f"{self.text(d)} | length", lambda: f"{self.list(d)} | length", lambda: f"{self.text(d)} | int", lambda: f"{self.text(d)} | float",
            lambda: f"(-{self.number(0)})", lambda: f"{self.number(d)} | abs", lambda: f"{self.number(d)} | round({self.pick(*ROUND)})",
            lambda: f"{self.pick('l', '[1, 2.5]', 'range(4)')} | {self.pick('sum', 'min', 'max', 'first', 'last')}",
            lambda: f"p | sum(attribute='age')", lambda: f"({self.number(d)} if {self.bool(d)} else {self.number(d)})")()

    def bool(self, depth):
        if depth <= 0 or self.chance(0.2):
            return self.pick("b", "c", "true", "false", "s", "e", "k", "n", "z", "nope", "nope is defined", "s is defined", "o is none")
        d = depth - 1
        return self.pick(
            lambda: f"({self.bool(d)} {self.pick('and', 'or')} {self.bool(d)})", lambda: f"(not {self.bool(d)})",
            lambda: f"({self.number(d)} {self.pick('<', '<=', '>', '>=', '==', '!=')} {self.number(d)})",
            lambda: f"({self.text(d)} {self.pick('<', '==', '!=', '>=')} {self.text(d)})",
            lambda: f"({self.text(d)} {self.pick('in', 'not in')} {self.text(d)})", lambda: f"({self.any(d)} in {self.list(d)})",
            lambda: f"({self.number(d)} < {self.number(d)} <= {self.number(d)})", lambda: f"({self.any(d)} == {self.any(d)})",
            lambda: f"({self.any(d)} is {self.pick('', 'not ')}{self.test()})", lambda: f"({self.any(d)} is {self.pick('', 'not ')}{self.test()})",
            lambda: f"({self.number(d)} is {self.pick('odd', 'even', 'divisibleby 3', 'divisibleby(2)', 'gt 1', 'eq 7', 'in [1, 7]')})",
            lambda: f"({self.text(d)} is {self.pick('lower', 'upper')})",
            lambda: f"{self.postfix(self.text(d))}.{self.pick('startswith', 'endswith')}({self.pick(self.literal(), '(' + self.literal() + ', ' + self.literal() + ')')})",
            lambda: f"{self.postfix(self.text(d))}.{self.pick('isdigit', 'isalpha', 'isupper', 'islower', 'isspace', 'isalnum', 'istitle')}()")()

    def test(self):
        return self.pick("defined", "undefined", "none", "string", "number", "integer", "float", "boolean", "mapping", "iterable", "sequence",
                         "callable", "true", "false", "sameas none", "filter", "escaped")

    def list(self, depth):
        if depth <= 0 or self.chance(0.3):
            return self.pick(*LISTS, "[1, 2, 3]", "['b', 'a']", "range(4)", "[]", "('x', 'y', 'z')", "[[1, 2], [3]]", "[1, 'a', none]")
        d = depth - 1
        return self.pick(
            lambda: f"[{self.any(d)}, {self.any(d)}]", lambda: f"({self.list(d)} + {self.list(d)})", lambda: f"{self.postfix(self.list(d))}[{self.slice(d)}]",
            lambda: f"{self.list(d)} | {self.list_filter(d)}", lambda: f"{self.list(d)} | {self.list_filter(d)}",
            lambda: f"{self.postfix(self.text(d))}.split({self.pick('', repr(' '), repr('o'))})", lambda: f"{self.text(d)} | list",
            lambda: f"p | map(attribute='{self.pick('name', 'age', 'tags', 'tags.0')}') | list",
            lambda: f"p | {self.pick('select', 'reject')}attr('age', '{self.pick('gt', 'eq', 'ne', 'odd')}'{self.pick(', 1', ', 3', '')}) | list",
            lambda: f"w | map('{self.pick('upper', 'length', 'trim', 'first', 'default')}') | list",
            lambda: f"{self.dict(d)} | {self.pick(*DICT_FILTERS)} | list",
            lambda: f"({self.list(d)} if {self.bool(d)} else {self.list(d)})", lambda: f"({self.list(d)} * 2)")()

    def list_filter(self, d):
        return self.pick("list", "sort", "sort(reverse=true)", "reverse | list", "unique | list", "batch(2) | list", "batch(2, 'x') | list",
                         "slice(2) | list", "slice(3, 0) | list", "map('string') | list", "select | list", "reject | list", "select('odd') | list",
                         "select('string') | list", "reject('none') | list", "sort(case_sensitive=true)", "sort(attribute='age') | map(attribute='name') | list",
                         "groupby('age') | list", "groupby('age', default=0) | map('first') | list", "map('upper') | list", "selectattr('tags') | list")

    def dict(self, depth):
        if depth <= 0 or self.chance(0.4):
            return self.pick("d", "p[0]", "{}", "{'k': 1}", "{'b': s, 'a': [n]}", "dict(x=1, y='z')", "{1: 'one', none: 2}")
        return f"{{'{self.pick('a', 'b')}': {self.any(depth - 1)}, 'z': {self.any(depth - 1)}}}"

    def json(self, depth):
        return self.pick(self.text, self.number, self.list, self.dict, self.bool)(depth)

    def json_arguments(self):
        return self.pick("", "", "(indent=2)", "(indent=4)", "(sort_keys=true)", "(ensure_ascii=true)", "(separators=(',', ':'))", "(indent=0)")

    # --- statements ---
    def blank(self):
        return self.pick("", "", "-", "-", "+")

    def tag(self, inside):
        first, last = self.blank(), self.pick("", "", "-", "+")
        return f"{{%{first} {inside} {last}%}}"

    def output(self, depth):
        return f"{{{{{self.pick('', '', '-')} {self.any(depth)} {self.pick('', '', '-')}}}}}"

    def words(self):
        return self.pick("", "x", " ", "\n", "  \n  ", "a b\n", "<|t|>", "\t- ", "{ }", "\n\n")

    def body(self, depth):
        return "".join(self.words() + self.statement(depth) for _ in range(self.random.randint(1, 2))) + self.words()

    def statement(self, depth):
        if depth <= 0:
            return self.output(2)
        d = depth - 1
        return self.pick(self.output, self.output, self.if_, self.for_, self.for_, self.set_, self.set_, self.space, self.macro, self.with_, self.filter_,
                         self.raw, self.comment, self.call)(d)

    def if_(self, d):
        out = self.tag(f"if {self.bool(2)}") + self.body(d)
        if self.chance(0.4):
            out += self.tag(f"elif {self.bool(1)}") + self.body(d)
        if self.chance(0.6):
            out += self.tag("else") + self.body(d)
        return out + self.tag("endif")

    def for_(self, d):
        loop = self.pick("loop.index", "loop.first", "loop.last", "loop.length", "loop.revindex0", "loop.cycle('a', 'b')", "loop.previtem", "loop.nextitem",
                         "loop.changed(i)", "loop.index0 is odd", "loop.depth")
        if self.chance(0.25):
            head = f"for i, j in {self.pick('d.items()', 'd | dictsort', 'p[0] | items', '[(1, 2), (3, 4)]')}"
        else:
            head = f"for i in {self.list(1)}"
            if self.chance(0.25):
                head += f" if {self.pick('i', 'i is string', 'loop is undefined', 'i != 2', 'b')}"
        inner = f"{{{{ i }}}}{self.pick('', '{{ ' + loop + ' }}', '{{ ' + loop + ' }}')}"
        if self.chance(0.2):
            inner += self.tag(f"if {self.pick('loop.index > 1', 'i == 2', 'i')}") + self.tag(self.pick("break", "continue")) + self.tag("endif")
        out = self.tag(head) + inner + (self.body(d) if self.chance(0.6) else "")
        if self.chance(0.3):
            out += self.tag("else") + self.body(d)
        return out + self.tag("endfor")

    def set_(self, d):
        name = self.pick("v", "s2", "x", "y")
        if self.chance(0.25):
            out = self.tag(f"set {name}{self.pick('', ' | upper', ' | trim')}") + self.body(d) + self.tag("endset")
        else:
            out = self.tag(f"set {name} = {self.any(2)}")
        if self.chance(0.5):
            out += f"{{{{ {name} }}}}"
        return out

    def space(self, d):
        start = self.tag(f"set ns = namespace(a={self.any(1)}, k=0)")
        return start + self.tag(f"for i in {self.list(1)}") + self.tag(f"set ns.{self.pick('a', 'k', 'new')} = {self.pick('i', 'ns.k + 1', 'loop.index')}") + self.tag("endfor") + "{{ ns.a }}{{ ns.k }}"

    def macro(self, d):
        name = self.pick("f", "g2")
        signature = self.pick("", "a", "a, b='d'", "a=1, b=s", "a, b")
        body = self.pick("{{ a }}{{ b }}", "[{{ a }}]", "{{ varargs }}{{ a }}", "{{ kwargs }}", "{{ caller() if caller else '-' }}{{ a }}")
        call = self.pick(f"{name}()", f"{name}({self.any(1)})", f"{name}({self.any(1)}, {self.any(1)})", f"{name}(b={self.any(1)})", f"{name}(1, 2, 3)", f"{name}(a=2, c=3)")
        return self.tag(f"macro {name}({signature})") + body + self.tag("endmacro") + f"{{{{ {call} }}}}"

    def call(self, d):
        return (self.tag("macro h(a)") + "<{{ caller(a) }}|{{ caller(1) }}>" + self.tag("endmacro") + self.tag(f"call(x) h({self.any(1)})") + "{{ x }}" +
                self.body(d) + self.tag("endcall"))

    def with_(self, d):
        return self.tag(f"with {self.pick('v', 'x')} = {self.any(2)}{self.pick('', ', y = 2', ', w = s')}") + "{{ v }}{{ x }}" + self.body(d) + self.tag("endwith")

    def filter_(self, d):
        return self.tag(f"filter {self.pick(*BLOCK_FILTERS)}") + self.body(d) + self.tag("endfilter")

    def raw(self, d):
        return self.tag("raw") + self.pick("{{ x }}", " {% if %} ", "\n{# #}\n") + self.tag("endraw")

    def comment(self, d):
        return f"{{#{self.pick('', '-', '+')} note {self.pick('', '-', '+')}#}}"

    def template(self):
        out = "".join(self.words() + self.statement(self.random.randint(0, 2)) for _ in range(self.random.randint(1, 3)))
        return out + self.words()


def templates(seed, count):
    return [Grammar(f"{seed}-{i}").template() for i in range(count)]

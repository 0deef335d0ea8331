"""Templates of each feature by itself, over the context of grammar.py; (template, settings) or the template alone."""
FEATURES = r"""
{{ s }}|{{- s -}}|{{ 1 }}
a {{- 1 -}} b
{{ 'a' 'b' "c" }}
{{ '\n\t\\\'\"\x41\u00e9\101\q' }}
{{ 1_000 }}{{ 0x1F }}{{ 0b101 }}{{ 0o17 }}{{ 1.5e3 }}{{ 1e-7 }}{{ 2_0.5_0 }}
{{ 1e16 }} {{ 1e15 }} {{ 123456789.123 }} {{ 0.1 + 0.2 }} {{ 1e22 }} {{ 5e-324 }} {{ -0.0 }} {{ 1/3 }}
{{ [1, 2,] }}{{ (1,) }}{{ () }}{{ {'a': 1,} }}{{ {} }}{{ {1: 2, none: true, 1.5: 'x'} }}
{{ true }}{{ True }}{{ none }}{{ None }}{{ false }}
{{ 7 // 2 }} {{ -7 // 2 }} {{ 7 % -3 }} {{ -7 % 3 }} {{ 2 ** 10 }} {{ 2 ** -1 }} {{ 7 / 2 }} {{ 7.5 // 2 }} {{ -7.5 % 2 }} {{ 2 ** 3 ** 2 }} {{ -2 ** 2 }}
{{ 1 // 0 }}
{{ 1 % 0 }}
{{ 1.0 / 0 }}
{{ 'ab' * 3 }}{{ 2 * 'x' }}{{ [1] * 2 }}{{ [1] + [2] }}{{ (1,) + (2,) }}{{ true + 1 }}
{{ 'a' + 1 }}
{{ [1] + (2,) }}
{{ 1 < 2 < 3 }}{{ 1 < 3 < 2 }}{{ 'a' < 'b' }}{{ [1, 2] < [1, 3] }}{{ 1 == 1.0 }}{{ 1 == true }}{{ 'a' == 1 }}{{ none == none }}
{{ 1 < 'a' }}
{{ 'a' in 'abc' }}{{ 2 in [1, 2] }}{{ 'a' in d }}{{ 'z' not in d }}{{ 1 in 'abc' }}
{{ 1 if true }}{{ 1 if false }}{{ 1 if false else 2 }}{{ 'a' if 0 else 'b' if 0 else 'c' }}
{{ 'x' ~ 1 ~ none ~ 2.0 ~ [1, 'a'] }}
{{ not true }}{{ not not 1 }}{{ 1 and 0 }}{{ 0 or 'x' }}{{ '' or none }}{{ true and 'y' }}
{{ d.a }}{{ d['a'] }}{{ d.b.upper() }}{{ d.items }}
{{ d['items'] }}{{ d.get('a') }}{{ d.get('q') }}{{ d.get('q', 1) }}
{{ d.items() }}{{ d.keys() }}{{ d.values() }}{{ d.keys() | list }}
{{ p[0].name }}{{ p[-1]['name'] }}{{ p[7] }}{{ p.0.name }}
{{ nope }}{{ nope.x }}
{{ d.nope }}{{ d.nope.more }}
{{ none.x }}{{ (1).x }}{{ 'a'.x }}{{ 'a'['upper']() }}
{{ s[0] }}{{ s[-1] }}{{ s[1:3] }}{{ s[::-1] }}{{ s[::2] }}{{ s[5:1:-1] }}{{ u[-2:] }}{{ l[1:] }}{{ l[::-1] }}{{ (1, 2, 3)[:2] }}{{ s[100:] }}{{ range(10)[2:8:3] }}
{{ s['x'] }}|{{ l['0'] }}|{{ l[none] }}|{{ d[l] }}
{{ o[1:] }}
{{ nope[1:] }}
{% if s %}y{% endif %}{% if e %}n{% else %}z{% endif %}{% if e %}1{% elif n %}2{% else %}3{% endif %}
{% for i in l %}{{ i }}{% if not loop.last %}, {% endif %}{% else %}none{% endfor %}
{% for i in [] %}x{% else %}none{% endfor %}
{% for i in l if i > 1 %}{{ loop.index }}/{{ loop.length }}:{{ i }} {% endfor %}
{% for i in l %}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.depth }}{{ loop.depth0 }}{{ loop.previtem }}{{ loop.nextitem }};{% endfor %}
{% for i in l %}{{ loop.cycle('a', 'b', 'c') }}{{ loop.changed(i) }}{% endfor %}
{% for i in l %}{{ loop['index'] }}{{ loop._x }}{{ loop.nope }}{% endfor %}
{% for a, b in [(1, 2), [3, 4], 'xy'] %}{{ a }}-{{ b }};{% endfor %}
{% for a, b in [(1, 2, 3)] %}{{ a }}{% endfor %}
{% for (a, b), c in [((1, 2), 3)] %}{{ a }}{{ b }}{{ c }}{% endfor %}
{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}{% for k in d %}{{ k }}{% endfor %}
{% for c in u %}{{ c }}.{% endfor %}
{% for i in none %}{% endfor %}
{% for i in nope %}x{% endfor %}done
{% for i in 5 %}x{% endfor %}
{% for x in [[1, [2, 3]], [4]] recursive %}{{ loop.depth }}({% if x is iterable %}{{ loop(x) }}{% else %}{{ x }}{% endif %}){% endfor %}
{% for x in [1] %}{{ loop(x) }}{% endfor %}
{% for i in range(10) %}{% if i == 2 %}{% continue %}{% endif %}{% if i == 5 %}{% break %}{% endif %}{{ i }}{% endfor %}
{% for i in [1] %}{% break %}{% else %}e{% endfor %}|{% for i in [1, 2] %}{% continue %}{% else %}e{% endfor %}
{% break %}
{% for i in l %}{% macro f() %}{% break %}{% endmacro %}{% endfor %}
{% set x = 1 %}{% for i in l %}{% set x = i %}{{ x }}{% endfor %}{{ x }}
{% if true %}{% set x = 1 %}{% endif %}{{ x }}
{% if false %}{% set s = 1 %}{% endif %}{{ s }}
{% for i in l %}{{ y }}{% set y = i %}{% endfor %}
{% for i in [1] %}{{ s }}{% endfor %}{% set s = 2 %}{{ s }}
{{ s }}{% set s = 2 %}{% for i in [1] %}{{ s }}{% set s = 3 %}{{ s }}{% endfor %}{{ s }}
{% set s %}{{ s }}!{% endset %}{{ s }}
{% set v | upper | trim %} a {{ s }} {% endset %}[{{ v }}]
{% set a, b = 1, 2 %}{{ a }}{{ b }}{% set c = 1, %}{{ c }}
{% set a, b = [1] %}
{% set ns = namespace(x=1) %}{% for i in l %}{% set ns.x = ns.x + i %}{% endfor %}{{ ns.x }}{{ ns.nope }}{{ ns['x'] }}
{% set ns = namespace({'a': 1}, b=2) %}{{ ns.a }}{{ ns.b }}{% set ns.a, ns.b = 3, 4 %}{{ ns.a }}{{ ns.b }}
{% set d.x = 1 %}
{% set ns = namespace() %}{% set ns._x = 1 %}
{% set ns.x = 1 %}
{% macro f(a, b=2, c='x') %}{{ a }}{{ b }}{{ c }}{% endmacro %}{{ f(1) }}{{ f(1, c=3) }}{{ f() }}
{% macro f(a) %}{{ a }}{% endmacro %}{{ f(1, 2) }}
{% macro f(a) %}{{ a }}{% endmacro %}{{ f(b=2) }}
{% macro f() %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ f(1, 2, x=3) }}
{% macro f(n) %}{{ n }}{% if n > 0 %}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(3) }}
{% macro f(a, b=a) %}{{ a }}{{ b }}{% endmacro %}{{ f(1) }}{{ f(1, 2) }}
{% macro f(a=b, b=1) %}{{ a }}{{ b }}{% endmacro %}{{ f() }}
{% set x = 1 %}{% macro f() %}{{ x }}{% endmacro %}{% set x = 2 %}{{ f() }}
{% macro f() %}{{ caller() }}{% endmacro %}{% call f() %}in {{ s }}{% endcall %}
{% macro f() %}{{ caller('a', k='b') }}{% endmacro %}{% call(x, k='z') f() %}{{ x }}{{ k }}{% endcall %}
{% macro f() %}{{ caller is defined }}{{ caller() }}{% endmacro %}{{ f() }}
{% macro f(caller) %}{{ caller() }}{% endmacro %}
{% macro f(a, a) %}{% endmacro %}
{% macro f(a=1, b) %}{% endmacro %}
{% macro f() %}x{% endmacro %}{{ f.name }}{{ f is callable }}{{ f() | upper }}
{% filter upper %}a{{ s }}{% endfilter %}{% filter replace('a', 'b') | trim %} aa {% endfilter %}
{% with a = 1, b = 2 %}{{ a }}{{ b }}{% endwith %}{{ a }}
{% set a = 5 %}{% with a = 1, b = a %}{{ a }}{{ b }}{% set a = 9 %}{% endwith %}{{ a }}
{% with %}{% set q = 1 %}{{ q }}{% endwith %}
{% print 1, 'a' %}
{% raw %}{{ x }}{% endraw %}{%- raw -%} a {%- endraw -%} b
{# comment #}a{#- x -#} b
x {#- c #} y
a
    {% if true %}
  b
    {% endif %}
c
  {%+ if true %} x{% endif %}
  {{ 1 }}
 {%- set x = 1 +%}
z
a{% if true -%}
  b
{%- endif %}
c
{{ f }}{{ g }}{{ m }}{{ o }}{{ b }}
{{ s is defined }}{{ nope is defined }}{{ nope is undefined }}{{ o is none }}{{ s is string }}{{ n is number }}{{ b is number }}{{ n is integer }}{{ b is integer }}{{ f is float }}{{ b is boolean }}{{ d is mapping }}{{ s is iterable }}{{ n is iterable }}{{ l is sequence }}{{ d is sequence }}{{ range is callable }}{{ true is true }}{{ 1 is true }}{{ false is false }}
{{ 3 is odd }}{{ 3 is even }}{{ 9 is divisibleby 3 }}{{ 9 is divisibleby(2) }}{{ 1 is eq 1 }}{{ 1 is equalto(2) }}{{ 1 is ne 2 }}{{ 1 is lt 2 }}{{ 1 is gt 2 }}{{ 1 is ge 1 }}{{ 1 is le 0 }}{{ 1 is lessthan 3 }}{{ 2 is greaterthan 3 }}{{ 1 is in [1] }}{{ 'a' is lower }}{{ 'A' is upper }}{{ none is sameas none }}{{ 'upper' is filter }}{{ 'nope' is filter }}{{ 'odd' is test }}
{{ 1 is not odd }}{{ s is not none and s is string }}{{ 1 is odd is even }}
{{ 1 is nope }}
{{ 1 | nope }}
{% if false %}{{ 1 | nope }}{% endif %}ok
{% if true %}{{ 1 | nope }}{% endif %}ok
{% for i in [] %}{{ 1 | nope }}{% endfor %}ok
{{ (1 | nope) if false else 2 }}
{{ -3 | abs }}{{ -3.5 | abs }}{{ 'a' | abs }}
{{ d | attr('a') }}{{ s | attr('upper') is callable }}{{ nope | attr('x') }}
{{ l | batch(2) | list }}{{ l | batch(3, 0) | list }}{{ [] | batch(2) | list }}
{{ 'hello WORLD' | capitalize }}{{ 'hello-world foo(bar' | title }}{{ "it's" | title }}{{ "it's a".title() }}
{{ 'x' | center(5) }}|{{ 'xy' | center(5) }}|{{ 'xyz'.center(6) }}|{{ 'x'.center(4) }}|
{{ l | count }}{{ u | length }}{{ d | length }}{{ 5 | length }}
{{ nope | d('x') }}{{ e | default('x') }}{{ e | default('x', true) }}{{ o | d('y', boolean=true) }}
{{ {'b': 1, 'A': 2} | dictsort }}{{ {'b': 1, 'A': 2} | dictsort(true) }}{{ {'b': 1, 'A': 2} | dictsort(by='value', reverse=true) }}
{{ q | e }}{{ q | escape | escape }}{{ q | forceescape | forceescape }}{{ ('<' | e) + '>' }}{{ '<b>' | safe + '<' }}{{ ('<' | e) ~ '>' }}{{ ('%s' | safe) % '<' }}{{ ('<b>' | safe).replace('b', '<') }}
{{ (q | e) | length }}{{ ('<' | e) is escaped }}{{ ['<' | e] }}{{ ('a,b' | safe).split(',') }}
{{ 1 | filesizeformat }}|{{ 999 | filesizeformat }}|{{ 1000 | filesizeformat }}|{{ 1234567 | filesizeformat }}|{{ 1234567 | filesizeformat(true) }}
{{ l | first }}{{ l | last }}{{ s | first }}{{ s | last }}{{ [] | first }}{{ d | first }}{{ d | last }}
{{ '3.7' | int }}{{ 'x' | int }}{{ 'x' | int(5) }}{{ ' 42 ' | int }}{{ '0x1f' | int(0, 16) }}{{ '101' | int(base=2) }}{{ 3.9 | int }}{{ none | int }}{{ '1_000' | int }}{{ true | int }}{{ '-5' | int }}
{{ '3.5' | float }}{{ 'x' | float }}{{ '1e3' | float }}{{ 3 | float }}{{ 'inf' | float }}{{ '-nan' | float }}{{ none | float(1.5) }}
{{ '%s is %d' | format('x', 3) }}{{ '%(a)s' | format(a=1) }}{{ 'x' | format }}
{{ '%s' | format(1, 2) }}
{{ p | groupby('age') }}
{% for g in p | groupby('age') %}{{ g.grouper }}:{{ g.list | map(attribute='name') | join(',') }};{% endfor %}{% for k, v in [{'a': 'X'}, {'a': 'x'}] | groupby('a') %}{{ k }}{{ v | length }}{% endfor %}
{{ 'a\nb\n\nc' | indent }}|{{ 'a\nb\n\nc' | indent(2, true, true) }}|{{ 'a\nb' | indent('--') }}|{{ 'a\n' | indent }}|{{ '' | indent(2, true) }}
{{ d | items | list }}{{ nope | items | list }}{{ l | items | list }}
{{ l | join }}{{ l | join('-') }}{{ p | join(',', attribute='name') }}{{ 'abc' | join('.') }}
{{ d | list }}{{ 'abc' | list }}{{ 5 | list }}
{{ w | map('upper') | list }}{{ p | map(attribute='age') | list }}{{ p | map(attribute='tags.0', default='-') | list }}{{ w | map('replace', 'a', 'o') | list }}{{ [[1, 2], [3]] | map('sum') | list }}
{{ l | max }}{{ l | min }}{{ w | max }}{{ ['b', 'A'] | min }}{{ ['b', 'A'] | min(case_sensitive=true) }}{{ [] | max }}{{ p | max(attribute='age') }}
{{ l | reject('odd') | list }}{{ p | rejectattr('tags') | list }}{{ l | select('gt', 1) | list }}{{ w | select | list }}{{ p | selectattr('name', 'eq', 'Bob') | map(attribute='age') | list }}
{{ 'aXbX' | replace('X', '-') }}{{ 'aXbX' | replace('X', '-', 1) }}{{ 'ab' | replace('', '.') }}{{ 123 | replace(2, 5) }}
{{ s | reverse }}{{ l | reverse | list }}{{ d | reverse | list }}
{{ 2.5 | round }}{{ 3.5 | round }}{{ 2.675 | round(2) }}{{ 42 | round }}{{ 1234 | round(-2) }}{{ 42.1 | round(0, 'ceil') }}{{ 42.19 | round(1, 'floor') }}{{ -2.5 | round }}{{ 1250 | round(-2) }}{{ 0.5 | round(0) | int }}
{{ l | slice(2) | list }}{{ l | slice(3, 'x') | list }}{{ range(10) | slice(3) | list }}
{{ l | sort }}{{ w | sort }}{{ w | sort(true, true) }}{{ p | sort(attribute='age,name') | map(attribute='name') | list }}{{ p | sort(attribute='age', reverse=true) | map(attribute='name') | list }}
{{ [1, 'a'] | sort }}
{{ 1 | string }}{{ none | string }}{{ s | string }}
{{ '<p>a  <b>b</b>\n<!-- c -->d</p>' | striptags }}
{{ l | sum }}{{ p | sum(attribute='age') }}{{ l | sum(start=10) }}{{ [] | sum }}{{ [[1], [2]] | sum(start=[]) }}
{{ d | tojson }}{{ u | tojson }}{{ q | tojson }}{{ [1.0, 1e16, none, true, 'a"\\\n'] | tojson }}{{ l | tojson(indent=2) }}{{ d | tojson(indent=4) }}{{ {'b': 1, 'a': [{}, []]} | tojson(sort_keys=true, indent=1) }}{{ u | tojson(ensure_ascii=true) }}{{ d | tojson(separators=(',', ':')) }}{{ {1: 2, none: 3, true: 4, 1.5: 5} | tojson }}
{{ nope | tojson }}
{{ '  a ' | trim }}|{{ 'xxaxx' | trim('x') }}|{{ '\u00a0a\u2003' | trim }}|
{{ 'foo bar baz qux' | truncate(9) }}|{{ 'foo bar baz qux' | truncate(9, true) }}|{{ 'foo bar baz qux' | truncate(11) }}|{{ 'foo bar baz qux' | truncate(11, false, '...', 0) }}|{{ 'foo' | truncate(1) }}
{{ l | unique | list }}{{ ['a', 'A', 'b'] | unique | list }}{{ ['a', 'A'] | unique(true) | list }}{{ p | unique(attribute='age') | list }}{{ [[1], [1]] | unique | list }}
{{ u | upper }}{{ u | lower }}{{ '\u00df\ufb01\u01c6\u0130\u03a3\u0391\u03a3 \u1e9e' | upper }}{{ '\u00df\ufb01\u01c6\u0130\u03a3\u0391\u03a3 \u1e9e' | lower }}{{ '\ufb01\u01c6a'.title() }}{{ '\u01c6A'.capitalize() }}{{ 'aB\u00df'.swapcase() }}{{ '\u00df\u0130\u017f'.casefold() }}
{{ 'a b/c?\u00e9&' | urlencode }}{{ {'a b': 'c/d', 'e': 1} | urlencode }}{{ [('x', 'y z')] | urlencode }}
{{ 'one two-three, four' | wordcount }}{{ '' | wordcount }}
{{ 'the quick brown fox-jumps over' | wordwrap(10) }}|{{ 'abcdefghijkl mn' | wordwrap(5) }}|{{ 'abcdefghijkl mn' | wordwrap(5, false) }}|{{ 'a b\nc d e' | wordwrap(3, wrapstring='/') }}|{{ 'well-known foo--bar' | wordwrap(6) }}
{{ ' a '.strip() }}{{ 'xay'.strip('xy') }}{{ ' a '.lstrip() }}|{{ ' a '.rstrip() }}|{{ 'aab'.lstrip('a') }}{{ 'abb'.rstrip('b') }}{{ 'a'.strip(none) }}
{{ 'a b  c'.split() }}{{ 'a,b,c'.split(',') }}{{ 'a,b,c'.split(',', 1) }}{{ 'a,b,c'.rsplit(',', 1) }}{{ ' a b '.split(' ') }}{{ 'a b c'.split(maxsplit=1) }}{{ 'a b c'.rsplit(none, 1) }}{{ ''.split() }}{{ ''.split(',') }}
{{ 'a'.split('') }}
{{ 'a\nb\r\nc\n'.splitlines() }}{{ 'a\nb'.splitlines(true) }}{{ 'a=b=c'.partition('=') }}{{ 'a=b=c'.rpartition('=') }}{{ 'abc'.partition('x') }}{{ 'abc'.rpartition('x') }}
{{ 'abc'.startswith('a') }}{{ 'abc'.startswith(('x', 'ab')) }}{{ 'abc'.endswith('c') }}{{ 'abc'.startswith('b', 1) }}{{ 'abc'.endswith('b', 0, 2) }}
{{ 'aXbX'.replace('X', '-') }}{{ 'aXbX'.replace('X', '-', 1) }}{{ 'abc'.find('c') }}{{ 'abc'.find('x') }}{{ 'abcb'.rfind('b') }}{{ 'abc'.index('b') }}{{ 'abab'.count('ab') }}{{ 'aaa'.count('') }}
{{ 'abc'.index('x') }}
{{ ','.join(['a', 'b']) }}{{ ','.join('ab') }}{{ '1'.zfill(3) }}{{ '-1'.zfill(4) }}{{ 'abc'.removeprefix('a') }}{{ 'abc'.removesuffix('c') }}{{ 'a\tb'.expandtabs(4) }}{{ 'x'.ljust(3, '.') }}{{ 'x'.rjust(3) }}
{{ ','.join([1]) }}
{{ 'abc'.isalpha() }}{{ 'a1'.isalnum() }}{{ '12'.isdigit() }}{{ '\u00b2'.isdigit() }}{{ '\u00b2'.isdecimal() }}{{ '\u00bd'.isnumeric() }}{{ 'Ab'.istitle() }}{{ 'ab'.islower() }}{{ 'A1'.isupper() }}{{ ' \n'.isspace() }}{{ ''.isalpha() }}{{ 'a'.isascii() }}{{ '\u200b'.isprintable() }}
{{ '{} {}'.format(1, 'a') }}{{ '{1}{0}'.format(1, 2) }}{{ '{a.name}{a[age]}'.format(a=p[0]) }}{{ '{:>5}|{:<5}|{:^5}|{:*^7}'.format('a', 'b', 'c', 'd') }}{{ '{:05d}|{:+}|{:,}|{:x}|{:#b}|{:.2f}|{:e}|{:%}|{:g}'.format(42, 5, 1234567, 255, 5, 3.14159, 12345.678, 0.25, 1e10) }}{{ '{{}}{!r}{!s}'.format('a', 'b') }}{{ '{:{}}'.format('a', 4) }}{{ '{:.3}'.format('abcdef') }}{{ '{:.3}|{:10.4}|{}'.format(3.14159, 2.0, 1e16) }}
{{ '{}'.format() }}
{{ '{} {0}'.format(1) }}
{{ '{0.__class__}'.format(1) }}
{{ '%5s|%-5s|%05d|%+d|%x|%X|%o|%#x|%e|%g|%.3f|%c|%r|%%|%5.1f' % ('a', 'b', 42, 5, 255, 255, 8, 255, 1234.5, 0.0001, 3.14159, 'z', 'q', 2.25) }}{{ '%s' % 'a' }}{{ '%s' % [1] }}{{ '%(a)s' % {'a': 1} }}{{ 'x' % {} }}{{ '%d' % 3.99 }}{{ '%s %s' % ('a', none) }}{{ '%*d' % (5, 42) }}{{ '%c' % 65 }}{{ '%.2s|' % 'abc' }}{{ '% d' % 5 }}
{{ '%s %s' % 'a' }}
{{ '%d' % 'a' }}
{{ 'a' % 1 }}
{{ l.append(1) }}
{{ l.append }}|{{ d.update }}|{{ d.pop }}|{{ s.__class__ }}|{{ d.__nope__ }}
{{ s.__class__.__mro__ }}
{{ l.index(1) }}{{ l.count(2) }}{{ (1, 2).index(2) }}{{ l.copy() }}{{ d.copy() }}
{{ range(3) | list }}{{ range(1, 7, 2) | list }}{{ range(3, 0, -1) | list }}{{ range(3) }}{{ range(1, 7, 2) }}{{ range(0) | list }}{{ range(5)[1] }}{{ range(5) | length }}{{ 3 in range(5) }}
{{ range(100001) | list }}
{{ range(1, 2, 0) }}
{{ dict(a=1, b='x') }}{{ dict({'a': 1}, b=2) }}{{ dict([('a', 1)]) }}
{{ raise_exception('no ' ~ s) }}
{{ strftime_now('%d %b %Y %H:%M:%S %j %A') }}{{ strftime_now is defined }}{{ strftime_now('') }}
{% set j = joiner('; ') %}{% for i in l %}{{ j() }}{{ i }}{% endfor %}
{% set f = w | map('upper') %}{{ f | list }}{{ f | list }}{{ f is iterable }}{{ f is sequence }}
{% set f = range(6) | select('odd') %}{% for i in f %}{{ i }}{{ loop.length }}{{ loop.last }}{% endfor %}
{{ [1, 2, 3] | map('string') | first }}
{{ w | map('nope') }}x
{% set _ = w | map('nope') %}x
{{ (1, 2) == (1, 2) }}{{ [1] == (1,) }}{{ {'a': 1} == {'a': 1.0} }}{{ range(3) == range(0, 3) }}{{ nope == nada }}{{ nope == none }}
{{ nope + 1 }}
{{ nope ~ 'a' }}{{ nope or 'x' }}{{ nope | upper }}{{ nope | length }}{{ nope | list }}{{ nope | join }}{{ nope in [1] }}{{ 'a' in nope }}{{ nope | first is undefined }}{{ not nope }}
{{ nope() }}
{{ nope < 1 }}
{{ 'a'() }}
{{ f(*[1], **{'a': 2}) }}
{% macro f(a, b, c=0) %}{{ a }}{{ b }}{{ c }}{% endmacro %}{{ f(*[1, 2], **{'c': 3}) }}{{ f(1, *(2,), c=4) }}{{ f(b=1, a=2,) }}
{% macro f(a) %}{% endmacro %}{{ f(a=1, **{'a': 2}) }}
{{ f(a=1, 2) }}
{% set x = {'a': {'b': [1, {'c': 'deep'}]}} %}{{ x.a.b[1].c }}{{ x['a']['b'][-1]['c'] }}
{{ [[1, 'a', none, true, 1.0, {'k': ('t',)}]] }}{{ ["it's", 'say "x"', 'both \'"', 'nl\n', '\u00e9\u200b\U0001f600\x07'] }}
{% if l %}{% if d %}{% for i in l[:1] %}{% with x = i %}{% filter trim %}{% set y = x %} {{ y }} {% endfilter %}{% endwith %}{% endfor %}{% endif %}{% endif %}
{{ messages }}{{ tools }}{{ loop }}
{% if %}{% endif %}
{% for %}{% endfor %}
{% if true %}
{% endif %}
{{ 1
{% set x = %}
{{ }}
{{ 1 2 }}
{{ 'a }}
{{ (1 }}
{{ 1) }}
{{ [1} }}
{{ a! }}
{# open
{% raw %} open
{% nope %}
{% include 'x' %}
{% extends 'x' %}
{% import 'x' as y %}
{% set true = 1 %}
{% for loop in l %}{{ loop }}{% endfor %}
{% for i in l %}{% set loop = 1 %}{% endfor %}
{{ {[]: 1} }}
{{ {'a': 1}[[]] }}x
{{ s.upper }}x
{{ '\ud800' }}
{% call 1 %}{% endcall %}
{% macro f() %}[{{ caller() }}]{% endmacro %}{% macro g() %}{% call f() %}{{ caller() }}{% endcall %}{% endmacro %}{% call g() %}x{% endcall %}
{% for i in [1, 2] %}{% set ns = namespace(v=i) %}{{ ns.v }}{% endfor %}{{ ns }}
{%- set t2 = '</think>' %}{{ ('<think>a</think>b' ).split(t2)[-1].lstrip('\n') }}
{% for message in [{'role': 'user', 'content': 'hi'}, {'role': 'assistant', 'content': none}] %}{{ '<|' + message['role'] + '|>' }}{{ message.content if message.content is string else 'none' }}{% endfor %}
"""

# Several lines each.
LONG = [
    "a\n  {% if true %}\n  b\n  {% endif %}\n  c\n",
    "a\n  {%- if true %}\n  b\n  {%- endif -%}\n  c\n\n",
    "a\n  {%+ if true %}\n  b\n  {% endif +%}\n  c\n",
    "a\r\nb\rc{% if true %}\r\nd{% endif %}\r\n",
    "{% for i in l %}\n  {{ i }}\n{% endfor %}\n\n",
    "  {# c #}\n  x\n  {#+ c +#}\n y {#- c -#}  \n z",
    "  {% raw %}\n {{ x }}\n  {% endraw %}\n y",
    "x\n\n{%- raw -%}\n a \n{%- endraw -%}\n y",
    "{% generation %}\nabc{{ s }}\n{% endgeneration %}\nx",
    "{% for i in l %}u{{ i }}{% generation %}a{{ s }}{% endgeneration %}{% endfor %}",
    "{% macro f() %}{% generation %}x{% endgeneration %}{% endmacro %}a{{ f() }}b{{ f() | upper }}",
    "{% for i in [1, 2] %}{% generation %}{% break %}{% endgeneration %}{% endfor %}",
    "\n", "", "\n\n", "a\n", "{{ 1 }}\n\n", "\t{% if true %}\tx{% endif %}\n",
]

# In the settings of tasks.
TASK = r"""
{{ s }}
Question: {{ s }}\nAnswer:
{{ nope }}
{{ nope is defined }}{{ nope | default('x') }}
{% if nope %}{% endif %}
{% for i in nope %}{% endfor %}
{{ d.nope }}
{{ nope == 1 }}
{{ nope ~ 'a' }}
{{ 'x' if false }}
{{ [nope] }}
{{ nope in [1] }}
{{ [nope] | length }}
{{ s | regex_replace('o', '0') }}{{ s | regex_replace('(\\w)(\\w)', '\\2\\1') }}{{ s | regex_replace('(?P<a>l+)', '<\\g<a>>', 1) }}{{ 'aXbX' | regex_replace('[A-Z]', '') }}{{ 'abc' | regex_replace('x*', '-') }}{{ 'a\nb' | regex_replace('^', '> ') }}{{ '\u00e9a' | regex_replace('\\w', 'w') }}
{{ s | regex_replace('(', '') }}
{{ d | tojson }}{{ q | tojson }}{{ u | tojson }}{{ l | tojson(2) }}{{ ('<' | tojson) + '<' }}
{% break %}
{% for i in l %}{% continue %}{% endfor %}
{{ raise_exception('x') }}
{% set ns = namespace(_a=1) %}{% set ns._b = 2 %}x
{{ ['A', 'B', 'C'][n % 3] }}{{ w[1:] | join(' ') | trim | capitalize }}
{% if s %}
x
{% endif %}
{{ p | map(attribute='name') | join(', ') }}
{{ nope.x }}
{{ nope | upper }}
{{ nope | length }}
{{ nope is none }}{{ nope is string }}
{{ nope is iterable }}
{{ nope and 1 }}
{{ {'a': nope} }}
{{ d.get(nope) }}
{{ nope | list }}
{{ nope is sequence }}
{{ 1 if nope is defined else 2 }}
"""


def lines(text):
    return [line for line in text.split("\n") if line]


def features():
    return [(t, "chat") for t in lines(FEATURES) + LONG] + [(t, "task") for t in lines(TASK)] + [(t, "plain") for t in LONG]

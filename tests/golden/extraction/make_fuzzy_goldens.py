#!/usr/bin/env python3
"""Makes fuzzy_scores.jsonl, published_cases.jsonl and characters.json beside this file: what RapidFuzz, thefuzz and
Python's re say of texts made to be nasty.

Run with Python 3.11 (Unicode 14.0), thefuzz 0.22.1 and rapidfuzz 3.14. The tests read only the files. `--hunt N`
makes N cases of a new seed and writes nothing: with `refocus extract` it compares many more than the files hold."""
import hashlib
import importlib.metadata
import json
import logging
import pathlib
import random
import re
import subprocess
import sys
import unicodedata

import _sre
from rapidfuzz import fuzz
from rapidfuzz.utils import default_process
from re import _casefix
from thefuzz import process, utils

HERE = pathlib.Path(__file__).resolve().parent
SCORERS = (fuzz.ratio, fuzz.partial_ratio, fuzz.token_ratio, fuzz.partial_token_ratio, fuzz.WRatio)
ODD = ("µ μ σ ς Σ İ ı ſ K Å å é ß ẞ ÿ Ÿ ǅ ǆ ﬅ ﬆ ι \u0345 \u1fbe Ⓐ ⓐ 中 文 … “ ’ — ² ½ ª _ \u00a0 \u2003 \u200b \u0301 \x1c \x85 "
       "\ufffd \U0001d7d8 \U0001f600 \U00010400 \U00010428 \u0870 Ⅷ").split(" ") + ["\u00a0", "\u2003", "\x1c", "\0"]
WORDS = ["the", "answer", "is", "choice", "choose", "Choose", "not", "n't", "correct", "right", "be", ":", "A", "B", "C", "D",
         "a", "cat", "quick", "42", "Answer", "Choice:", ".", ",", "=", "\n", "isn’t", "kg", "é", "_"]


# The published rules as docs/extraction.md states them; answer and name of the rule.
def published(choices, response):
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[:len(choices)]
    for i in sorted(range(len(choices)), key=lambda i: -len(choices[i])):
        text = re.compile(re.escape(choices[i].rstrip(".")), re.IGNORECASE)
        response = text.sub(letters[i], response)
    one, other = f"([{letters}])", f"[^{letters}]"
    stated = (f"(?:[Cc]hoose|(?:[Aa]nswer|[Cc]hoice)(?!{other}{{0,20}}?(?:n't|not)){other}{{0,10}}?\\b(?:|is|:|be)\\b)"
              f"{other}{{0,20}}?\\b{one}\\b")
    verdict = (f"\\b{one}\\b(?!{other}{{0,8}}?(?:n't|not){other}{{0,5}}?(?:correct|right))"
               f"{other}{{0,10}}?\\b(?:correct|right)\\b")
    for name, rule in (("answer", stated), ("verdict", verdict), ("opening", f"\\A{one}(?:[.,:]|$)"),
                       ("first_letter", f"(?<![a-zA-Z]){one}(?![a-zA-Z=])")):
        if found := re.search(rule, response):
            return found[1], name
    return letters[choices.index(process.extractOne(response, choices)[0])], "most_similar"


def text(rng, length):
    kind = rng.randrange(7)
    if kind == 0:
        return "".join(rng.choice(ODD + list("ab. ")) for _ in range(rng.randrange(length)))
    if kind == 1:
        return " ".join(rng.choice(WORDS) for _ in range(rng.randrange(length // 3 + 1)))
    if kind == 2:
        return "".join(rng.choice(WORDS + ODD + [" "]) for _ in range(rng.randrange(length // 2 + 1)))
    if kind == 3:
        return "".join(rng.choice("ab ") for _ in range(rng.randrange(length)))
    if kind == 4:
        return "".join(rng.choice("fgh ij") for _ in range(rng.randrange(length)))
    return " ".join("".join(rng.choice("eiostr") for _ in range(rng.randrange(1, 7))) for _ in range(rng.randrange(length // 4 + 1)))


def in_other_cases(rng, text):
    return "".join(rng.choice((c, c.upper(), c.lower(), c.swapcase())) for c in text)


def changed(rng, text):
    out = list(text)
    for _ in range(rng.choice((0, 1, 2, 5, 20))):
        at = rng.randrange(len(out) + 1)
        out[at:at + rng.randrange(2)] = rng.choice(("", "a", "b", " "))
    return "".join(out)


def score_line(rng):
    length = rng.choice((8, 30, 70, 140, 260))
    a = text(rng, length)
    b = rng.choice((lambda: text(rng, length), lambda: changed(rng, a), lambda: changed(rng, a * 2),
                    lambda: changed(rng, a[len(a) // 3:]), lambda: " ".join(sorted(a.split(), reverse=True))))()
    if rng.random() < 0.5:
        a, b = b, a
    best = fuzz.WRatio(a, b)
    cutoff = rng.choice((best, best + 1e-9, best - 1e-9, rng.uniform(0, 100)))
    return dict(a=a, b=b, scores=[f(a, b).hex() for f in SCORERS], cutoff=cutoff,
                above=[f(a, b, score_cutoff=cutoff).hex() for f in SCORERS])


def case_line(rng):
    choices = [text(rng, rng.choice((4, 10, 30, 90))) for _ in range(rng.choice((4, 4, 4, 3, 2)))]
    k = rng.randrange(len(choices))
    if rng.random() < 0.2:
        choices[k] = choices[0]
    if rng.random() < 0.2:
        choices[k] += "..."
    response = rng.choice((lambda: text(rng, 60), lambda: in_other_cases(rng, choices[k]), lambda: text(rng, 250),
                           lambda: text(rng, 20) + in_other_cases(rng, choices[k]) + text(rng, 20),
                           lambda: "".join(c for c in choices[k] if rng.random() < 0.9)))()
    if rng.random() < 0.3:  # words of the rules, and options that do not get in their way
        choices = [f"zqv{i}" for i in range(len(choices))]
        response = "".join(rng.choice(WORDS) + rng.choice(("", " ")) for _ in range(rng.randrange(25)))
        if rng.random() < 0.5:
            response = re.sub("[A-D]", lambda m: m[0] if rng.random() < 0.3 else "", response)
    answer, rule = published(choices, response)
    return dict(choices=choices, response=response, answer=answer, rule=rule)


# One digest for each 4096 characters of the decimal numbers that `value` gives for them.
def digests(value):
    blocks = [" ".join(str(int(value(c))) for c in range(first, first + 4096)) for first in range(0, 0x110000, 4096)]
    return [hashlib.sha256(block.encode()).hexdigest()[:8] for block in blocks]


def least_that_match():
    """For each character the least one that re.IGNORECASE takes for it."""
    by_lower, least = {}, {}
    for c in range(0x110000):
        by_lower.setdefault(_sre.unicode_tolower(c), []).append(c)
    for c in range(0x110000):
        lower = _sre.unicode_tolower(c)
        others = [lower, *_casefix._EXTRA_CASES.get(lower, ())] if _sre.unicode_iscased(c) else []
        alike = {c, *(x for o in others for x in by_lower.get(o, ()))}
        assert len(alike) == 1 or all(re.fullmatch(re.escape(chr(c)), chr(x), re.IGNORECASE) for x in alike)
        least[c] = min(alike)
    return least


def between(prepare):
    """What becomes of a character inside a text; 0 where nothing does."""
    def one(c):
        inner = prepare(f"x{chr(c)}x")[1:-1]
        return ord(inner) if inner else 0
    return one


def characters():
    least = least_that_match()
    return dict(alphanumeric=digests(lambda c: chr(c).isalnum()), white_space=digests(lambda c: chr(c).isspace()),
                default_process=digests(between(default_process)),
                full_process=digests(between(lambda text: utils.full_process(text, force_ascii=True))),
                ignoring_case=digests(least.__getitem__))


def write_lines(name, lines):
    (HERE / name).write_text("".join(json.dumps(line) + "\n" for line in lines))


def hunt(count):
    seed = random.SystemRandom().randrange(10**9)
    rng = random.Random(seed)
    tasks, wrong = {4: "mmlu", 3: "siqa", 2: "piqa"}, 0
    cases = [case_line(rng) for _ in range(count)]
    for size, task in tasks.items():
        some = [c for c in cases if len(c["choices"]) == size]
        lines = "".join(json.dumps(c) + "\n" for c in some)
        found = subprocess.run(["build/release/refocus", "extract", "--task", task, "--rules", "published", "-"],
                               input=lines, capture_output=True, text=True, check=True).stdout.splitlines()
        assert len(found) == len(some)
        for case, line in zip(some, map(json.loads, found)):
            if (case["answer"], case["rule"]) != (line["answer"], line["rule"]):
                wrong += 1
                print(json.dumps(case), "but", line)
    print(f"seed {seed}: {wrong} of {count} differ")


def main():
    assert sys.version_info[:2] == (3, 11) and unicodedata.unidata_version == "14.0.0"
    assert importlib.metadata.version("thefuzz") == "0.22.1"
    assert importlib.metadata.version("rapidfuzz").startswith("3.14.")
    logging.disable(logging.CRITICAL)
    if sys.argv[1:2] == ["--hunt"]:
        return hunt(int(sys.argv[2]))
    rng = random.Random(22)
    write_lines("fuzzy_scores.jsonl", [score_line(rng) for _ in range(SCORE_LINES)])
    write_lines("published_cases.jsonl", [case_line(rng) for _ in range(CASE_LINES)])
    (HERE / "characters.json").write_text(json.dumps(characters(), indent=0) + "\n")


SCORE_LINES, CASE_LINES = 90, 240
main()

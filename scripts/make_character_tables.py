#!/usr/bin/env python3
"""Writes src/eval/text/character_tables.h: the characters as Python's str and re know them, and RapidFuzz.

Run with Python 3.11 (Unicode 14.0) and the package rapidfuzz 3.14; then `scripts/check_style --fix`. Nothing of it is
needed to build or to test: tests/golden/extraction/make_fuzzy_goldens.py asks the same peers about every character."""
import pathlib
import sys
import unicodedata

import _sre
from rapidfuzz.utils import default_process
from re import _casefix

OUT = pathlib.Path(__file__).resolve().parent.parent / "src" / "eval" / "text" / "character_tables.h"
ALL = range(0x110000)

HEAD = """\
// The characters of Unicode 14.0 as Python 3.11 knows them, made by scripts/make_character_tables.py.
#pragma once

#include <cstdint>

namespace refocus {

// Characters with another lower case: first, first + step ... last, each `shift` away from its own.
struct LowerCaseRun {
  std::uint32_t first, last, step;
  std::int32_t shift;
};

struct CharacterPair {
  std::uint32_t from, to;
};

"""


def borders(holds):
    """Where runs of characters that hold begin and end, by turns."""
    out, inside = [], False
    for c in ALL:
        if holds(c) != inside:
            out.append(c)
            inside = not inside
    return out + [len(ALL)] * inside


def lower_case_runs():
    pairs = [(c, _sre.unicode_tolower(c)) for c in ALL if _sre.unicode_tolower(c) != c]
    runs = []
    for c, lower in pairs:
        last = runs[-1] if runs else None
        step = c - last[1] if last else 0
        if last and lower - c == last[3] and step in (1, 2) and last[2] in (0, step):
            last[1], last[2] = c, step
        else:
            runs.append([c, c, 0, lower - c])
    return [(first, last, step or 1, shift) for first, last, step, shift in runs]


def folds():
    """Lower-case characters that re.IGNORECASE takes for another one, each with the least of its class."""
    pairs = []
    for c, others in sorted(_casefix._EXTRA_CASES.items()):
        least = min((c, *others))
        if c != least:
            pairs.append((c, least))
    return pairs


def table(comment, declaration, items):
    body = ", ".join(items)
    return f"// {comment}\ninline constexpr {declaration} = {{{body}}};\n\n"


def main():
    assert sys.version_info[:2] == (3, 11) and unicodedata.unidata_version == "14.0.0"
    known = {c for c in ALL if default_process(chr(c))}
    assert all(chr(c).isalnum() for c in known)
    text = HEAD
    text += table("Where runs of letters and numbers (str.isalnum) begin and end, by turns.",
                  "std::uint32_t kAlphanumericBorders[]", map(hex, borders(lambda c: chr(c).isalnum())))
    text += table("The same for those of them that are new in Unicode 14.0: RapidFuzz 3.14 knows 13.0.",
                  "std::uint32_t kNewAlphanumericBorders[]",
                  map(hex, borders(lambda c: chr(c).isalnum() and c not in known)))
    text += table("Simple lower case, the first character of it where str.lower() makes two.",
                  "LowerCaseRun kLowerCaseRuns[]",
                  (f"{{{hex(a)}, {hex(b)}, {step}, {shift}}}" for a, b, step, shift in lower_case_runs()))
    text += table("Lower-case characters that match another one ignoring case, with the least of those.",
                  "CharacterPair kFolds[]", (f"{{{hex(a)}, {hex(b)}}}" for a, b in folds()))
    OUT.write_text(text + "}  // namespace refocus\n")


main()

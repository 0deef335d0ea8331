#!/usr/bin/env python3
"""Writes src/template/case_tables.h: what Python's str knows of characters besides their category and simple case.

Run with Python 3.11 (Unicode 14.0); then `scripts/check_style --fix`. Nothing of it is needed to build or to test."""
import pathlib
import sys
import unicodedata

OUT = pathlib.Path(__file__).resolve().parent.parent / "src" / "template" / "case_tables.h"
ALL = [c for c in range(0x110000) if unicodedata.category(chr(c)) not in ("Cn", "Cs")]

HEAD = """\
// Characters of Unicode 14.0 as Python 3.11 knows them, where their category and simple case do not say it; made by
// scripts/make_case_tables.py.
#pragma once

#include <cstdint>

namespace refocus::jinja {

// A character that becomes several; 0 where there are only two.
struct CaseExpansion {
  std::uint32_t from, to[3];
};

struct CharacterRange {
  std::uint32_t first, last;
};

"""


def expansions(convert):
    for c in ALL:
        out = [ord(x) for x in convert(chr(c))]
        if len(out) > 1:
            yield "{" + hex(c) + ", {" + ", ".join(map(hex, (out + [0])[:3])) + "}}"


def ranges(holds):
    runs = []
    for c in ALL:
        if holds(chr(c)):
            if runs and runs[-1][1] == c - 1:
                runs[-1][1] = c
            else:
                runs.append([c, c])
    return (f"{{{hex(a)}, {hex(b)}}}" for a, b in runs)


def table(comment, declaration, items):
    return f"// {comment}\ninline constexpr {declaration} = {{{', '.join(items)}}};\n\n"


def main():
    assert sys.version_info[:2] == (3, 11) and unicodedata.unidata_version == "14.0.0"
    category = unicodedata.category
    text = HEAD
    text += table("Upper case.", "CaseExpansion kUpperExpansions[]", expansions(str.upper))
    text += table("Title case.", "CaseExpansion kTitleExpansions[]", expansions(str.title))
    text += table("Lower case besides Ll (Other_Lowercase).", "CharacterRange kOtherLower[]",
                  ranges(lambda c: c.islower() and category(c) != "Ll"))
    text += table("Upper case besides Lu (Other_Uppercase).", "CharacterRange kOtherUpper[]",
                  ranges(lambda c: c.isupper() and category(c) != "Lu"))
    text += table("str.isdigit besides Nd.", "CharacterRange kOtherDigits[]",
                  ranges(lambda c: c.isdigit() and category(c) != "Nd"))
    text += table("str.isnumeric besides Nd, Nl and No: ideographs.", "CharacterRange kOtherNumeric[]",
                  ranges(lambda c: c.isnumeric() and category(c) not in ("Nd", "Nl", "No")))
    OUT.write_text(text + "}  // namespace refocus::jinja\n")


main()

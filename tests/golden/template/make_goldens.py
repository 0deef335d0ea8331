#!/usr/bin/env python3
"""Writes templates.json: what jinja2 3.1.6 makes of templates, in the settings of transformers 5.24 and lm-evaluation-harness.

Run with Python 3.11, these two, and nothing else; the rest of the project does not need them."""
import json
import pathlib

import features
import grammar
import oracle

HERE = pathlib.Path(__file__).resolve().parent


def cases():
    for template, settings in features.features():
        yield template, settings, True
    for template in grammar.templates("golden", 600):
        yield template, "chat", False


def main():
    out, size = [], 0
    for template, settings, always in cases():
        text = oracle.rendered(template, grammar.CONTEXT, settings)
        if not oracle.is_told(text) or (not always and (len(template) > 260 or len(text or "") > 260)):
            continue
        case = [settings, template, text]
        size += len(json.dumps(case, ensure_ascii=False).encode())
        if size > 140_000:
            break
        out.append(case)
    body = ",\n".join(json.dumps(case, ensure_ascii=False) for case in out)
    context = json.dumps(grammar.CONTEXT, ensure_ascii=False)
    (HERE / "templates.json").write_text(f'{{"context": {context},\n"cases": [\n{body}\n]}}\n')
    print(len(out), "cases,", sum(case[2] is None for case in out), "refused")


main()

#!/usr/bin/env python3
"""Makes pairs.jsonl, which `refocus heads examples/pairs.yaml --by patch` reads, of facts.jsonl: the corrupted prompt is the
same question about a world in which the right option and another one have changed places, so that the other one is right.
Both have as many words, and nothing after the world changes.

  examples/make_pairs.py examples/facts.jsonl 200 > examples/pairs.jsonl
"""
import json
import re
import sys


def exchanged(text, a, b):
    return re.sub(rf"\b({re.escape(a)}|{re.escape(b)})\b", lambda m: b if m[0] == a else a, text)


def pair_of(fact):
    options = {letter: fact[letter] for letter in "ABCD"}
    right = fact["answer"]
    facts, offers = fact["text"].split("\nA. ", 1)
    world, question = facts.rsplit(". ", 1)
    for letter, other in options.items():
        corrupted = exchanged(world, options[right], other)
        if letter == right or corrupted == world or len(other.split()) != len(options[right].split()):
            continue
        if exchanged(question, options[right], other) != question or re.search(rf"\b{re.escape(other)}\b", offers.split("\nAnalysis:")[1]):
            continue  # the question is not to change, nor what is asked of
        return {"clean": fact["text"], "corrupted": f"{corrupted}. {question}\nA. {offers}", **options, "answer": right, "corrupted_answer": letter}
    return None


pairs = [pair for pair in (pair_of(json.loads(line)) for line in open(sys.argv[1], encoding="utf-8")) if pair]
for pair in pairs[: int(sys.argv[2])]:
    print(json.dumps(pair))

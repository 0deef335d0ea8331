#!/usr/bin/env python3
"""Makes facts.jsonl, which `refocus heads examples/facts.yaml` reads: questions about small worlds that need one fact, with
the fact begun and the word that ends it left for the model to find among four.

  refocus dataset worlds --split validation --form cot --least-facts 1 --most-facts 1 --questions 700 --seed 7 -o worlds.jsonl
  examples/make_facts.py worlds.jsonl 400 > examples/facts.jsonl
"""
import json
import re
import sys


def fact_of(line):
    pair = json.loads(line)
    options = dict(re.findall(r"^([A-D])\. (.+)$", pair["prompt"], re.M))
    answer = pair["response"][-1]
    step, found, _ = pair["response"].partition(". so ")
    if not found or not step.endswith(" " + options[answer]):
        return None  # the step does not end with the answer, or takes several facts
    return {"text": pair["prompt"] + step[: -len(options[answer]) - 1], **options, "answer": answer}


facts = [fact for fact in map(fact_of, open(sys.argv[1], encoding="utf-8")) if fact]
for fact in facts[: int(sys.argv[2])]:
    print(json.dumps(fact))

#!/usr/bin/env python3
"""Writes what lm-evaluation-harness makes of its own task files, of small made-up data: tasks.json, and of its
parts: parts.json.

    PYTHON make_goldens.py          (a Python with lm-eval 0.4.13; the tests need only the files)

tasks.json: for each case the task's YAML (that of the package with its includes merged, and local data in the place
of a hub's), the data files, and for some numbers of examples: contexts, continuations, right answers, and the metrics
of made-up log-likelihoods or responses. Where the package's YAML needs Python (winogrande, hellaswag), the expected
values are the package's, and the YAML under test is that of data/harness.

parts.json: random.sample, ast.literal_eval, YAML scalars, filters, exact_match, CSV columns.
"""
import ast, copy, hashlib, json, os, pathlib, random, sys, tempfile

sys.dont_write_bytecode = True
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_DATASETS_OFFLINE"] = "1"
import yaml
import lm_eval
from lm_eval.api.metrics import exact_match_hf_evaluate, mean_stderr
from lm_eval.api.task import ConfigurableTask
from lm_eval.evaluator_utils import _compute_task_aggregations
from lm_eval.filters import build_filter_ensemble
from lm_eval.tasks._yaml_loader import load_yaml

HERE = pathlib.Path(__file__).resolve().parent
TASKS = pathlib.Path(lm_eval.__file__).parent / "tasks"
WORDS = ("river stone lamp seven blue wide «quoted» naïve 東京 it's \"said\" back\\slash tab\tbed 3.5 A. <|im_end|> "
         "over under [title] ladder {brace} 12 no yes").split(" ")
rng = random.Random(20)


def text(least=2, most=7):
    return " ".join(rng.choice(WORDS) for _ in range(rng.randint(least, most)))


def number_of(*key):
    """A number in (0, 1) that is a function of the key."""
    digest = hashlib.sha256("|".join(map(str, key)).encode()).digest()
    return (int.from_bytes(digest[:6], "big") + 1) / (2**48 + 2)


def rows(count, make):
    return [make(i) for i in range(count)]


def mmlu(i):
    return {"question": rng.choice(["", " ", "\n"]) + text() + rng.choice(["?", "? "]), "subject": "anatomy",
            "choices": [text(1, 3) for _ in range(4)], "answer": rng.randrange(4)}


def arc(i):
    n = 3 + i % 3
    labels = list("ABCDE"[:n]) if i % 4 else list("12345"[:n])
    return {"id": f"x{i}", "question": text(), "choices": {"text": [text(1, 3) for _ in range(n)], "label": labels},
            "answerKey": rng.choice(labels)}


def piqa(i):
    return {"goal": text(), "sol1": text(), "sol2": text(), "label": rng.randrange(2)}


def siqa(i):
    return {"context": text(), "question": text() + "?", "answerA": text(), "answerB": text(), "answerC": text(),
            "label": str(rng.randint(1, 3))}


def winogrande(i):
    return {"sentence": text() + " _ " + text() + " _x .", "option1": text(1, 2), "option2": text(1, 2),
            "answer": str(rng.randint(1, 2))}


def openbookqa(i):
    return {"id": str(i), "question_stem": text(), "choices": {"text": [text(1, 3) for _ in range(4)],
            "label": list("ABCD")}, "answerKey": rng.choice(["A", "B", " C", "D"])}


def boolq(i):
    return {"question": text(), "passage": text(9, 15), "idx": i, "label": rng.randrange(2)}


def gsm8k(i):
    n = rng.randint(-50, 5000)
    return {"question": text(), "answer": f"{text()} <<{n}+0={n}>>{n}\n#### {n:,}"}


def truthfulqa(i):
    n = 2 + i % 4
    return {"question": text() + "?", "mc1_targets": {"choices": [text() for _ in range(n)], "labels": [1] + [0] * (n - 1)}}


def lambada(i):
    return {"text": text(5, 12)}


def hellaswag(i):
    return {"ind": i, "activity_label": rng.choice(["Roof shingle removal", "Baking [step] cookies", " Élan"]),
            "ctx_a": text(), "ctx_b": rng.choice(["", "he is  Using WRAP [header] to", "élan [title] of It"]),
            "endings": [rng.choice(["[substeps] ", " ", ""]) + text() + rng.choice(["", "  twice", " [title] x."])
                        for _ in range(4)], "label": str(rng.randrange(4))}


def page(i):
    return {"page": "\n".join(text(4, 9) for _ in range(3)) + "\n "}


def listed(i):
    return {"q": text(), "good": [text(1, 2) for _ in range(1 + i % 3)], "hint": rng.choice(["It is", "So ", ""])}


OWN = {
    "rolling": """
task: rolling
output_type: loglikelihood_rolling
test_split: test
doc_to_text: ""
doc_to_target: "{{page}}"
metric_list:
  - metric: word_perplexity
  - metric: byte_perplexity
  - metric: bits_per_byte
""",
    # Several right answers, a beginning of the answer, other delimiters in examples, map and majority_vote.
    "listed": """
task: listed
output_type: generate_until
test_split: test
fewshot_split: test
description: "Answer {{q|length}} times.\\n"
doc_to_text: q
doc_to_target: good
gen_prefix: hint
target_delimiter: " ->"
fewshot_delimiter: "\\n--\\n"
fewshot_config:
  sampler: default
  target_delimiter: " =>"
repeats: 3
generation_kwargs: {until: ["\\n", "--"], max_gen_toks: 8}
metric_list:
  - {metric: exact_match, ignore_case: true, ignore_numbers: true}
filter_list:
  - name: vote
    filter: [{function: lowercase}, {function: majority_vote}, {function: take_first}]
  - name: two
    filter:
      - {function: take_first_k, k: 2}
      - {function: map, mapping_dict: {"12": river, "yes": "12"}, default_value: none of them}
      - {function: take_first}
""",
    # Several right options, by place, and numbers as texts.
    "several": """
task: several
output_type: multiple_choice
training_split: train
validation_split: validation
doc_to_text: "{{goal}}:"
doc_to_choice: [one, "two", "1.5", "sol"]
doc_to_target: "{{ [label, label + 1] }}"
target_delimiter: ""
metric_list:
  - metric: acc
  - metric: acc_norm
  - metric: acc_bytes
  - metric: exact_match
""",
    "mutual": """
task: mutual
output_type: multiple_choice
training_split: train
validation_split: validation
test_split: test
doc_to_text: "{{goal}}"
doc_to_choice: ["no", "maybe"]
doc_to_target: label
metric_list:
  - metric: acc
  - metric: acc_mutual_info
  - metric: f1
""",
}

# name, YAML of the package (or None: OWN), rows by split, numbers of examples
CASES = [
    ("mmlu_anatomy", "mmlu/default/mmlu_anatomy.yaml", mmlu, {"dev": 5, "test": 5}, [0, 3]),
    ("mmlu_anatomy_generative", "mmlu/generative/mmlu_anatomy.yaml", mmlu, {"dev": 5, "test": 5}, [0, 2]),
    ("arc_easy", "arc/arc_easy.yaml", arc, {"train": 40, "validation": 2, "test": 6}, [0, 3]),
    ("arc_challenge_chat", "arc/arc_challenge_chat.yaml", arc, {"train": 4, "validation": 2, "test": 4}, [0]),
    ("piqa", "piqa/piqa.yaml", piqa, {"train": 30, "validation": 6}, [0, 2, 8]),
    ("social_iqa", "siqa/siqa.yaml", siqa, {"train": 8, "validation": 4}, [0, 2]),
    ("winogrande", "winogrande/default.yaml", winogrande, {"train": 8, "validation": 4}, [0, 2]),
    ("openbookqa", "openbookqa/openbookqa.yaml", openbookqa, {"train": 8, "validation": 2, "test": 4}, [0, 2]),
    ("boolq", "super_glue/boolq/default.yaml", boolq, {"train": 8, "validation": 4}, [0, 2]),
    ("gsm8k", "gsm8k/gsm8k.yaml", gsm8k, {"train": 9, "test": 4}, [None, 1]),
    ("gsm8k_cot", "gsm8k/gsm8k-cot.yaml", gsm8k, {"test": 3}, [None, 2]),
    ("truthfulqa_mc1", "truthfulqa/truthfulqa_mc1.yaml", truthfulqa, {"validation": 4}, [0, 2]),
    ("lambada_openai", "lambada/lambada_openai.yaml", lambada, {"test": 5}, [0, 2]),
    ("hellaswag", "hellaswag/hellaswag.yaml", hellaswag, {"train": 8, "validation": 6}, [0, 2]),
    ("rolling", None, page, {"test": 3}, [0]),
    ("listed", None, listed, {"test": 9}, [0, 2]),
    ("several", None, piqa, {"train": 6, "validation": 4}, [0]),
    ("mutual", None, piqa, {"train": 6, "validation": 4, "test": 5}, [0, 1]),
]
COPIES = {"winogrande", "hellaswag"}  # under test: data/harness/NAME.yaml


def json_lines(items):
    return "".join(json.dumps(item, ensure_ascii=False) + "\n" for item in items)


def response_of(task, doc, target, k):
    """Something a model could say: sometimes right, in several dresses."""
    pick = int(number_of(task, json.dumps(doc), k) * 6)
    right = str(target[0] if isinstance(target, list) else target)
    last = right.split("#### ")[-1]
    return [f" {right}", f"The answer is {last}. Then $12,5.", right.upper() + ".", f"#### {last}\nQ: no 7",
            " 12", "nothing"][pick]


def expected_of(task, shots):
    if shots is not None and task.config.num_fewshot != 0:  # as lm_eval/evaluator.py has it
        task.config.num_fewshot = shots
    if task.config.num_fewshot is None:
        task.config.num_fewshot = 0
    task.set_fewshot_seed(1234)
    task.build_all_requests()
    by_doc = {}
    for instance in task.instances:
        by_doc.setdefault(instance.doc_id, []).append(instance)
    name, kind, docs, raw = task.config.task, task.OUTPUT_TYPE, [], {}
    for doc_id, instances in sorted(by_doc.items()):
        instances.sort(key=lambda one: one.idx)
        doc = instances[0].doc
        target = task.doc_to_target(doc)
        out = {"target": str(target)}
        if kind == "loglikelihood_rolling":
            out["rolling"] = instances[0].args[0]
            out["loglikelihood"] = -100 * number_of(name, doc_id)
            results = {"none": [out["loglikelihood"]]}
        elif kind == "generate_until":
            out["contexts"] = [instances[0].args[0]]
            out["generation"] = {key: instances[0].args[1].get(key) for key in ("until", "max_gen_toks")}
            out["responses"] = [response_of(name, doc, target, k) for k in range(task.config.repeats)]
            instances[0].resps = out["responses"]
            results = None
        else:
            out["contexts"] = [one.args[0] for one in instances]
            out["continuations"] = [one.args[1] for one in instances]
            out["likelihoods"] = [[-10 * number_of(name, doc_id, k), number_of(name, doc_id, k, "greedy") < 0.4]
                                  for k in range(len(instances))]
            results = {"none": [tuple(one) for one in out["likelihoods"]]}
        if results is None:
            for ensemble in task._filters:
                ensemble.apply(instances)
            results = {f.name: [instances[0].filtered_resps[f.name]] for f in task._filters}
            out["filtered"] = {key: value[0] for key, value in results.items()}
        out["metrics"] = {}
        for key, value in results.items():
            metrics = task.process_results(doc, value)
            for metric, one in metrics.items():
                raw.setdefault((metric, key), []).append(one)
            out["metrics"][key] = {m: [float(x) for x in v] if isinstance(v, tuple) else [float(v), 1.0]
                                   for m, v in metrics.items()}
        docs.append(out)
    totals, _ = _compute_task_aggregations(task, raw, bootstrap_iters=0)
    totals = {key: float(value) for key, value in totals.items() if "_stderr" not in key}
    errors = {f"{m},{k}": float(mean_stderr(v)) for (m, k), v in raw.items()
              if task.aggregation()[m].__name__ == "mean" and len(v) > 1}
    return {"shots": shots, "documents": docs, "totals": totals, "errors": errors}


def make_case(name, path, make, sizes, shots, folder):
    files = {split: rows(count, make) for split, count in sizes.items()}
    if name in ("piqa", "several"):  # a document that is among the examples, twice
        files["train"][3] = files["train"][5] = files["validation"][1]
    texts = {f"{name}_{split}.jsonl": json_lines(items) for split, items in files.items()}
    for file, content in texts.items():
        (folder / file).write_text(content)
    # The harness takes a table's types from the library datasets, so it reads the files themselves.
    local = {"data_files": {split: f"{name}_{split}.jsonl" for split in files}}
    absolute = {"data_files": {split: str(folder / f) for split, f in local["data_files"].items()}}
    config = load_yaml(TASKS / path) if path else yaml.safe_load(OWN[name])
    plain = load_yaml(TASKS / path, resolve_func=False) if path else yaml.safe_load(OWN[name])
    if name in COPIES:
        plain = yaml.safe_load((HERE.parents[2] / "data" / "harness" / f"{name}.yaml").read_text())
    for one in (config, plain):
        one.update(dataset_path="json", dataset_name=None)
        one.pop("tag", None)
    plain["dataset_kwargs"] = local
    expected = []
    for count in shots:
        full = copy.deepcopy(config)
        full["dataset_kwargs"] = copy.deepcopy(absolute)
        expected.append(expected_of(ConfigurableTask(config=full), count))
    return {"name": name, "yaml": yaml.dump(plain, allow_unicode=True, sort_keys=False, width=110), "files": texts,
            "expected": expected}


def sample_cases():
    out = []
    for seed in (0, 1, 1234, 4294967295):
        for n, k in ((1, 1), (5, 3), (21, 5), (22, 5), (22, 3), (100, 5), (85, 6), (86, 6), (1000, 25), (277, 25), (64, 2)):
            generator = random.Random(seed)
            drawn = [generator.sample(range(n), k) for _ in range(3)]
            out.append({"seed": seed, "n": n, "k": k, "drawn": drawn})
    return out


def literal_cases():
    texts = ["['a', 'b']", "['it\\'s', \"q\"]", " [1, -2, 3.5, 1e3, True, None]", "('x',)", "('x')", "()", "1, 2", "1,",
             "{'a': [1], 'b': {}}", "'a' 'b'", "'''x\ny'''", "r'\\n'", "u'\\u00e9\\x41\\101\\q'", "'\\N{DASH}'", "0x1f",
             "1_000", "007", "000", "[1 2]", "['a'", "a", "[a]", "b'x'", "{1, 2}", "1+2j", "'a\nb'", "[\n'a',\n]", "[,]",
             "", "  ", "'\\ud800'", "99999999999999999999", "-5", "--5", "\"\\\n\"", "'é' \"東\"", ".5", "5.", "1__0", "[]"]
    texts += [repr([text(), text()]) for _ in range(6)]
    out = []
    for one in texts:
        try:
            value = ast.literal_eval(one)
            shown = json.dumps(value)  # sets, bytes and complex numbers fail
            if isinstance(value, int) and abs(value) > 2**63 - 1 or "\\ud800" in shown:
                raise ValueError
            out.append({"text": one, "value": json.loads(shown), "repr": repr(value)})
        except (ValueError, SyntaxError, TypeError):
            out.append({"text": one})
    return out


def yaml_cases():
    texts = ["yes", "No", "on", "OFF", "true", "y", "0", "-12", "+7", "007", "0o17", "0x1F", "0b101", "1_000", "1:30",
             "3.5", "1e5", "1.0e+5", "-.5", "~x", "null x", "1.", "12a", "'yes'", '"0"', "0.", "190:20:30.15",
             "9223372036854775807", "'a\n\n  b'", "'a\n\n\n  b'", "'a\n\n\n\n  '", "'\n\n  '", "'\n\n\n  x'", "'a ''b''\n  c'",
             "'a  \n   b'", '"a\n\n\n  b"', '"a\\\n\n  b"', '"a\\\n  \\  b\\n\n  é\\u00e9\\x41"', '"\n\n  "', "|\n  a\n\n\n  b\n",
             ">-\n  a\n  b\n\n\n  c\n", ">\n  a\n\n  b\n\n"]
    return [{"text": one, "value": yaml.load(f"k: {one}\n", Loader=yaml.CSafeLoader)["k"]} for one in texts]


def filter_cases():
    responses = ["#### 12,5", "x #### -3. #### 4", "none", "", " The answer is (B) yes", "A: c", " ÉTÉ ß ", "It's $12.50, or 7",
                 "The Answer: C", "choice: a b", "first. «alpha», beta", "12\n13", "Alpha beta"]
    pipelines = [
        [("regex", {})],
        [("regex", {"regex_pattern": "(-?[$0-9.,]{2,})|(-?[0-9]+)", "group_select": -1})],
        [("regex", {"regex_pattern": "^(.*?)(?=\\n|$)", "fallback": "?"}), ("remove_whitespace", {})],
        [("regex", {"regex_pattern": "[A-Z]"}), ("lowercase", {})],
        [("uppercase", {})], [("lowercase", {})],
        [("map", {"mapping_dict": {"none": "x", "": "empty"}, "default_value": "d"})],
        [("map", {"mapping_dict": {"none": "x"}}), ("map", {"mapping_dict": {"x": "y"}, "default_value": "z"})],
        [("multi_choice_regex", {"regex_pattern": "(\\([A-Z]\\))", "ignore_case": True, "ignore_punctuation": True})],
        [("multi_choice_regex", {"regex_pattern": "(\\([A-Z]\\))", "group_select": -1, "regexes_to_ignore": ["\\$", "b"]})],
    ]
    choices = ["alpha", "Alpha beta", "c", "12.50"]
    out = []
    for steps in pipelines:
        steps = steps + [("take_first", {})]
        ensemble = build_filter_ensemble("x", [[f, k] for f, k in steps])
        class One:
            pass
        instances = []
        for response in responses:
            one = One()
            one.resps, one.doc, one.filtered_resps = [response], {"choices": choices}, {}
            instances.append(one)
        ensemble.apply(instances)
        out.append({"steps": yaml.dump([{"name": "x", "filter": [{"function": f, **k} for f, k in steps]}]),
                    "choices": choices, "responses": responses, "filtered": [one.filtered_resps["x"] for one in instances]})
    return out


def match_cases():
    pairs = [("A", "a"), ("1,000", "1000"), ("Yes.", "yes"), ("x #### 5", "5"), ("a-b c", "ab c"), ("v1", "v2"), ("ẞ", "ß"),
             ("same", "same"), ("$5.", "5"), ("l1\nl2 #### 5", "5")]
    options = [{}, {"ignore_case": True}, {"ignore_punctuation": True}, {"ignore_numbers": True},
               {"regexes_to_ignore": [",", "\\$", "(?s).*#### ", "\\.$"]},
               {"ignore_case": True, "ignore_punctuation": True, "regexes_to_ignore": ["\\s"]}]
    return [{"options": yaml.dump([{"metric": "exact_match", **one}]), "pairs": pairs,
             "scores": [float(exact_match_hf_evaluate([a], [b], **one)["exact_match"]) for a, b in pairs]} for one in options]


def csv_cases(folder):
    import datasets
    texts = ["question,answer,n\nwhat,0,1\nwhy,2,\n", "a,b\nTrue,x\nfalse,\n", "a,b\n1.5,007\n2,8\n", "a\nNA\nNone\n",
             'q,a\n"x, ""y""\nz",1e3\n w ,2\n', "a,b\n1,x\ny,2\n", "a,b\n 1,+5\n2 ,-3\n"]
    out = []
    for i, content in enumerate(texts):
        path = folder / f"csv_{i}.csv"
        path.write_text(content)
        table = datasets.load_dataset("csv", data_files=str(path), cache_dir=str(folder / "cache"))["train"]
        out.append({"text": content, "rows": list(table)})
    return out


def write(name, value):
    """A case a line, so that differences can be read."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    lines = [(json.dumps(key) + ": " if isinstance(value, dict) else "") + json.dumps(one, ensure_ascii=False)
             for key, one in items]
    open_, close = "{}" if isinstance(value, dict) else "[]"
    (HERE / name).write_text(open_ + "\n" + ",\n".join(lines) + "\n" + close + "\n")


def main():
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        os.environ["HF_DATASETS_CACHE"] = str(folder / "cache")
        write("tasks.json", [make_case(*case, folder) for case in CASES])
        write("parts.json", {"sample": sample_cases(), "literal": literal_cases(), "yaml": yaml_cases(),
                             "filters": filter_cases(), "exact_match": match_cases(), "csv": csv_cases(folder)})


if __name__ == "__main__":
    main()

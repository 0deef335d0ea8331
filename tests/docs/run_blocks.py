#!/usr/bin/env python3
"""Runs the commands of a Markdown file as a reader would, and compares what they print with what the file shows.

usage: run_blocks.py REFOCUS FILE.md [--slow] [--line N] [--show]

A block of code says what it is behind its opening fence:
  console    commands behind `$ `, each with what it prints; a line `...` stands for any lines
  sh         commands alone; each has to succeed
  text, yaml, ...   no commands
and behind that, for console and sh:
  slow       run with --slow only
  small      run with a benchmark of three questions in place of the bundled one
  with=NAME  needs NAME, a model of scripts/fetch_models
  fails      the last command has to fail
  elsewhere  not to be run here: installs or builds, or needs a GPU, a cluster or the network
The blocks of a file share one folder, which has the files that make_folder writes, and variables of the shell.
Numbers with decimals may differ by two in their last place, since instruction sets sum in different orders; times
and rates are not compared. --line runs one block after those before it; --show prints what was printed.
"""
import argparse, os, pathlib, re, shutil, subprocess, sys, tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
KINDS = {"console", "sh"}
WORDS = {"slow", "small", "fails", "elsewhere"}
FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.M | re.S)
COMMAND = re.compile(r"^(\$ |refocus |scripts/|bench/|build/)", re.M)
MARK = "@@@ end of a command:"


class Block:
    def __init__(self, path, line, info, body):
        words = info.split()
        self.where = f"{path}:{line}"
        self.line, self.body = line, body
        self.kind = words[0] if words else ""
        self.model = next((w.removeprefix("with=") for w in words[1:] if w.startswith("with=")), None)
        self.words = {w for w in words[1:] if not w.startswith("with=")}

    def fault(self):
        if self.kind == "" and COMMAND.search(self.body):
            return "expected console, sh or text behind ```, got nothing; say what the block is"
        if self.kind in KINDS and self.words - WORDS:
            return f"expected words of {sorted(WORDS)} behind ```{self.kind}, got {sorted(self.words - WORDS)}; correct them"
        return None

    def steps(self):
        """[(command, lines that it prints or None)]"""
        out, lines = [], self.body.splitlines()
        if self.kind == "sh":
            command = ""
            for line in lines:
                command += line + "\n"
                if not line.endswith("\\") and whole(command):
                    if command.strip():
                        out.append((command, None))
                    command = ""
            return out
        while lines:
            line = lines.pop(0)
            if not line.startswith("$ "):
                if not out:
                    raise SystemExit(f"{self.where}: expected '$ ' first, got '{line}'; begin with a command")
                out[-1][1].append(line)
                continue
            command = line[2:] + "\n"
            while lines and (command.endswith("\\\n") or not whole(command)):
                command += lines.pop(0) + "\n"
            out.append((command, []))
        return out


def whole(command):
    """Whether no quotation, loop or here-document is open: what bash would run."""
    read = subprocess.run(["bash", "-n"], input=command, text=True, capture_output=True)
    return read.returncode == 0 and "here-document" not in read.stderr


def blocks_of(path):
    text = path.read_text()
    name = path.relative_to(ROOT)
    return [Block(name, text[: m.start()].count("\n") + 1, m[1].strip(), m[2]) for m in FENCE.finditer(text)]


NUMBER = re.compile(r"(?<![\w.])[-+]?\d+(?:\.(\d+))?(?:e[-+]?\d+)?")
# Times, rates and shares of them.
DURATION = r"\d+ (?:s|min|h)\b(?: \d+ (?:s|min)\b)?"
TIMES = [(re.compile(p), r) for p, r in [
    (r'("\w+_tps"):[\d.e+]+', r"\1:0"), (r"\d+(\.\d+)? (a|tokens a) second", r"0 \2 second"),
    (rf"(done )?in {DURATION}", "in 0 s"), (r"\d{8}-\d{6}(-\d+)?", "DAY"),
    (rf"about \d+ MB\b|about {DURATION}( to {DURATION})?", "about 0"), (r"\d+ questions measured", "0 questions measured"),
    (r"answers of \d+ tokens( to \d+, since \d+ went on when the measurement ended)?", "answers of 0 tokens"),
    (r"\d+ (tokens of prompts and) \d+ (of answers a second)", r"0 \1 0 \2")]]


def same_number(a, b, decimals):
    if decimals is None or a == b:
        return a == b
    exponent = int(a.split("e")[1]) if "e" in a else 0
    return abs(float(a) - float(b)) <= 2.01 * 10.0 ** (exponent - len(decimals))


def same(expected, got):
    """A line shown and one printed; of a shown one that ends in ... only what comes before."""
    for pattern, by in TIMES:
        expected, got = pattern.sub(by, expected.rstrip()), pattern.sub(by, got.rstrip())
    if expected.endswith("...") and expected != "...":
        expected = expected[:-3]
        got = got[: len(expected)]
    if expected == got:
        return True
    if NUMBER.sub("#", expected).split() != NUMBER.sub("#", got).split():
        return False
    return all(same_number(a[0], b[0], a[1]) for a, b in zip(NUMBER.finditer(expected), NUMBER.finditer(got)))


def difference(expected, out, err):
    """Of shown lines from those printed; None where there is none. Lines of standard error may be left out."""
    places = {0}  # how many printed lines may be read so far
    for line in expected:
        if line == "...":
            places = set(range(min(places), len(out) + 1))
            continue
        next_places = {at + 1 for at in places if at < len(out) and same(line, out[at])}
        if not next_places and any(same(line, e) for e in err):
            next_places = places
        if not next_places:
            at = min(places)
            return f"expected {line!r}\n     got {out[at] if at < len(out) else 'the end'!r}"
        places = next_places
    if len(out) not in places:
        return f"expected the end\n     got {out[max(places)]!r}"
    return None


def short_benchmark(at):
    (at / "test").mkdir(parents=True)
    for subject in ("codes", "codes_unseen"):
        (at / f"test/{subject}_test.csv").write_text(
            "Who?,Ann,Bob,Cy,Di,B\nWhere?,in,on,by,at,C\nWhen?,at noon,at one,at two,at three,A\n")
    (at / "categories.json").write_text('{"codes":"stem","codes_unseen":"stem"}')


def mmlu(at):
    (at / "mmlu/test").mkdir(parents=True)
    for subject in ("anatomy", "astronomy"):
        rows = "".join(f"Which is {n}?,{n},x,y,z,A\n" for n in ("one", "two", "three", "four"))
        (at / f"mmlu/test/{subject}_test.csv").write_text(rows)
    (at / "mmlu/dev").mkdir()
    for subject in ("anatomy", "astronomy"):
        (at / f"mmlu/dev/{subject}_dev.csv").write_text("".join(f"Which is {n}?,{n},x,y,z,A\n" for n in "abcde"))


def piqa(at):
    (at / "piqa").mkdir()
    (at / "piqa/dev.jsonl").write_text('{"goal":"To cool tea","sol1":"wait","sol2":"boil it"}\n' * 8)
    (at / "piqa/dev-labels.lst").write_text("0\n1\n" * 4)


def arc(at):
    (at / "tasks/arc").mkdir(parents=True)
    (at / "tasks/arc/arc_easy.yaml").write_text("""task: arc_easy
dataset_path: allenai/ai2_arc
dataset_name: ARC-Easy
output_type: multiple_choice
test_split: test
doc_to_text: "Question: {{question}}\\nAnswer:"
doc_to_target: "{{choices.label.index(answerKey)}}"
doc_to_choice: "{{choices.text}}"
metric_list:
  - metric: acc
""")
    (at / "data/arc_easy").mkdir()
    (at / "data/arc_easy/test.jsonl").write_text(
        '{"question": "Where is the key?", "choices": {"text": ["in the box", "on the shelf"], "label": ["A", "B"]}, "answerKey": "A"}\n' * 3)


def training(at):
    line = '{"prompt": "Who has the key? ", "response": "Ann"}\n'
    for name in ("train", "held-out", "more"):
        (at / f"{name}.jsonl").write_text(line * 4)
    (at / "config.json").write_text((at / "models/small-worlds/config.json").read_text())
    (at / "TOKENIZER").symlink_to("models/small-worlds")


def make_folder(at):
    """The folder that a reader stands in: the checkout's bundled files, and what the documents name besides."""
    for part, to in (("models/small-worlds", "models/small-worlds"), ("data/worlds", "bundled"), ("examples", "examples")):
        shutil.copytree(ROOT / part, at / to)
    (at / "data").mkdir()
    shutil.copytree(ROOT / "data/cloze", at / "data/cloze")
    for name in ("MODEL", "M", "Llama-2-7b-chat-hf"):
        (at / name).symlink_to("models/small-worlds")
    mmlu(at / "data")
    piqa(at / "data")
    sentence = "Nina Fox reports to Hugo West. Oscar East reports to Fiona Reed. "
    (at / "text.txt").write_text(sentence * 40)
    (at / "prompts.jsonl").write_text('{"prompt": "The blue crate"}\n{"prompt": "Who?"}\n')
    (at / "pairs.jsonl").write_text('{"context": "The key is with Ann.", "question": "Who has the key?", '
                                    '"other_question": "Where is the box?", "answer": "Ann"}\n' * 4)
    (at / "LOOK_UP").symlink_to("models/small-worlds")
    arc(at)
    training(at)
    short_benchmark(at / "small")
    for model in pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")).glob("refocus/models/*.gguf"):
        (at / model.name).symlink_to(model)


def python_with_numpy():
    """Where several are installed, not every one has it."""
    for python in (sys.executable, shutil.which("python3"), "/usr/bin/python3"):
        if python and subprocess.run([python, "-c", "import numpy"], capture_output=True).returncode == 0:
            return python
    raise SystemExit("run_blocks.py: expected a Python with NumPy, got none; scripts/setup installs it")


class Reader:
    def __init__(self, program, folder, tools, show):
        self.folder, self.show, self.variables = folder, show, ""
        (tools / "python3").symlink_to(python_with_numpy())
        path = f"{program.parent}:{tools}:{os.environ['PATH']}"
        self.environment = os.environ | {"PATH": path, "COLUMNS": "100", "NO_COLOR": "1"}

    def run(self, block):
        steps = block.steps()
        worlds = self.folder / "data/worlds"
        worlds.unlink(missing_ok=True)
        worlds.symlink_to("../small" if "small" in block.words else "../bundled")
        for number, (command, expected) in enumerate(steps, 1):
            fails = "fails" in block.words and number == len(steps)
            script = self.variables + command
            done = subprocess.run(["bash", "-c", script], cwd=self.folder, text=True, capture_output=True,
                                  env=self.environment | {"REFOCUS_HOME": str(self.folder)}, stdin=subprocess.DEVNULL)
            if re.match(r"[A-Z_]+=", command):
                self.variables += command
            if self.show:
                print(f"$ {command}{done.stdout}{done.stderr}")
            if (done.returncode != 0) != fails:
                return f"{block.where}: expected {'a failure' if fails else 'success'}, got {done.returncode}\n$ {command}{done.stdout[-2000:]}{done.stderr[-2000:]}"
            if expected is None:
                continue
            wrong = difference(expected, done.stdout.splitlines(), re.split(r"[\n\r]", done.stderr))
            if wrong:
                return f"{block.where}: {wrong}\n$ {command}"
        return None


def main():
    options = argparse.ArgumentParser(usage=__doc__)
    options.add_argument("program", type=pathlib.Path)
    options.add_argument("file", type=pathlib.Path)
    options.add_argument("--slow", action="store_true")
    options.add_argument("--line", type=int)
    options.add_argument("--show", action="store_true")
    chosen = options.parse_args()
    blocks = blocks_of(chosen.file.resolve())
    faults = [f"{b.where}: {fault}" for b in blocks if (fault := b.fault())]
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as tools:
        make_folder(pathlib.Path(folder))
        reader = Reader(chosen.program.resolve(), pathlib.Path(folder), pathlib.Path(tools), chosen.show)
        for block in blocks:
            if block.kind not in KINDS or "elsewhere" in block.words or ("slow" in block.words and not chosen.slow):
                continue
            if chosen.line and block.line > chosen.line:
                continue
            if block.model and not (pathlib.Path(folder) / block.model).exists():
                print(f"{block.where}: left out: {block.model} is not there; scripts/fetch_models fetches it")
                continue
            if fault := reader.run(block):
                faults.append(fault)
    print("\n".join(faults), file=sys.stderr)
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()

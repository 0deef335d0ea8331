"""lm-evaluation-harness, its own program in a process of its own: every sum equals that of `refocus eval`, bit for bit.

The harness asks for scores through local-completions, with the server's tokenizer (which adds no BOS) and with one of its own (which
does), and for texts through local-completions and local-chat-completions.
"""
import json, os, pathlib, shutil, subprocess, sys

import served
from served import ARM, BASE, MODEL, SPEC, ask, expect, expect_true
from tokenizer_directory import make_tokenizer_directory

TASKS = pathlib.Path(__file__).resolve().parent / "tasks"
SCRATCH = pathlib.Path(os.environ["REFOCUS_SCRATCH"])
PATH = pathlib.Path(os.environ["REFOCUS_MODEL_PATH"])
CHAT_TEMPLATE = [] if PATH.is_file() else ["--chat-template", TASKS.parent / "chat.jinja"]
ITEMS = 28


def logged(command, **more):
    print("$", *command, file=sys.stderr, flush=True)
    if status := subprocess.run(command, stdout=sys.stderr, **more).returncode:
        raise AssertionError(f"{pathlib.Path(command[0]).name}: expected exit status 0, got {status}")


def responses_of(directory, task):
    """doc -> what came back for each of its requests: [log-likelihood, whether greedy], or a text."""
    files = list(directory.rglob(f"samples_{task}*.jsonl"))
    expect(f"files with samples of {task} in {directory.name}", len(files), 1)
    out = {}
    for line in files[0].read_text().splitlines():
        sample = json.loads(line)
        out[sample["doc_id"]] = [(float(r[0][0]), str(r[0][1])) if isinstance(r[0], list) else r[0] for r in sample["resps"]]
    expect(f"items of {task} in {directory.name}", len(out), ITEMS)
    return out


def without_bos():
    """The served model with a tokenizer that adds nothing, as the harness uses that of a server."""
    if PATH.is_file():  # SmolLM2 has none
        expect("tokens before a text", ask("/tokenize", {"prompt": "a"})["tokens"], ask("/tokenize", {"prompt": "a", "add_special_tokens": False})["tokens"])
        return PATH
    copy = SCRATCH / "without-bos"
    shutil.copytree(PATH, copy)
    config = copy / "tokenizer_config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"add_bos_token": False}))
    return copy


def evaluated(name, task, model, *arguments):
    """(responses without an intervention, and with it) of `refocus eval`."""
    run = SCRATCH / name
    logged([os.environ["REFOCUS_PROGRAM"], "eval", TASKS / f"{task}.yaml", "-m", model, "--intervene", "none", "--intervene", SPEC, "-o", run,
            "--quiet", "--context", os.environ["REFOCUS_CONTEXT"], *arguments])
    arms = sorted((run / "arms").iterdir(), key=lambda arm: not arm.name.endswith("none"))
    expect("arms", len(arms), 2)
    return [responses_of(arm, task) for arm in arms]


def harness(name, task, model, at_once, kind="local-completions", path="/completions", options=(), **more):
    """The responses that the harness got."""
    out = SCRATCH / name
    arguments = {"model": model, "base_url": BASE + path, "num_concurrent": at_once} | more
    logged([pathlib.Path(sys.executable).with_name("lm_eval"), "run", "--model", kind, "--model_args", json.dumps(arguments), "--tasks", task,
            "--include_path", TASKS, "--log_samples", "--output_path", out, *options],
           cwd=TASKS, env=os.environ | {"HF_HOME": str(SCRATCH / "hub"), "HF_DATASETS_OFFLINE": "1"})
    return responses_of(out, task)


def chats(spec):
    """What `refocus generate` answers to the questions of worlds_text as conversations, in place of `refocus eval`, which asks none."""
    letters = "ABCD"
    asked, answers = SCRATCH / "chats.jsonl", SCRATCH / "answers.jsonl"
    with open(asked, "w") as file:
        for line in (TASKS / "worlds.jsonl").read_text().splitlines():
            doc = json.loads(line)
            options = "".join(f"{letter}. {choice}\n" for letter, choice in zip(letters, doc["choices"]))
            message = {"role": "user", "content": f"{doc['question']}\n{options}Analysis:"}
            file.write(json.dumps({"messages": [message]}) + "\n")
    answers.unlink(missing_ok=True)
    logged([os.environ["REFOCUS_PROGRAM"], "generate", "--batch", asked, "-m", PATH, "-n", "24", "--stop", "\n", "--intervene", spec, *CHAT_TEMPLATE,
            "-o", answers])
    return {i: [json.loads(line)["text"]] for i, line in enumerate(answers.read_text().splitlines())}


def own_tokenizer():
    directory = SCRATCH / "tokenizer"
    tokenizer = make_tokenizer_directory(PATH, directory)
    for line in (TASKS / "worlds.jsonl").read_text().splitlines():
        doc = json.loads(line)
        for text in [doc["question"] + "\nAnalysis:", *(f"{doc['question']}\nAnalysis: {c}" for c in doc["choices"])]:
            expect("tokens", tokenizer.encode(text, add_special_tokens=False), ask("/tokenize", {"prompt": text, "add_special_tokens": False})["tokens"])
    return {"tokenizer": str(directory), "tokenizer_backend": "huggingface", "add_bos_token": not PATH.is_file()}


def test_scores(bare):
    arguments = ["--no-chat", "--seam", "lm-eval"]
    plain, arm = evaluated("scores", "worlds_choice", bare, *arguments)
    expect_true("an intervention changes scores", all(plain[i] != arm[i] for i in plain))
    for at_once in (1, 8, 64):
        expect(f"scores at {at_once}", harness(f"remote-{at_once}", "worlds_choice", MODEL, at_once), plain)
    expect("scores of the arm", harness("remote-arm", "worlds_choice", ARM, 64), arm)
    shown(arm)
    plain, arm = evaluated("scores-bos", "worlds_choice", PATH, *arguments)
    own = own_tokenizer()
    expect("scores with its own tokenizer", harness("own", "worlds_choice", MODEL, 8, **own), plain)
    expect("scores of the arm with it", harness("own-arm", "worlds_choice", ARM, 64, **own), arm)


def test_texts(bare):
    plain, _ = evaluated("texts", "worlds_text", bare, "--no-chat")
    expect("texts", harness("texts-served", "worlds_text", MODEL, 8), plain)
    plain, arm = chats("none"), chats(SPEC)
    expect_true("an intervention changes texts", plain != arm)
    chat = {"kind": "local-chat-completions", "path": "/chat/completions", "options": ["--apply_chat_template"]}
    expect("texts of chats", harness("chats-served", "worlds_text", MODEL, 8, **chat), plain)
    expect("texts of the arm's chats", harness("chats-arm", "worlds_text", ARM, 64, **chat), arm)


def shown(arm):
    """The guide's command line, with a task that is here."""
    out = SCRATCH / "shown"
    line = served.guide("lm_eval run", "sh elsewhere").strip().replace("--tasks piqa", "--tasks worlds_choice")
    logged(["bash", "-c", f"'{sys.executable.rsplit('/', 1)[0]}'/{line} --include_path '{TASKS}' --log_samples --output_path '{out}'"],
           cwd=TASKS, env=os.environ | {"HF_HOME": str(SCRATCH / "hub"), "HF_DATASETS_OFFLINE": "1"})
    expect("scores of the guide's command", responses_of(out, "worlds_choice"), arm)


def test():
    bare = without_bos()
    test_scores(bare)
    test_texts(bare)


served.run(test)

#!/usr/bin/python3
"""scripts/study and scripts/study_page: plans that hold together, a small study from its runs to its page, and that
no page says what its results do not."""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
STUDIES = ROOT / "studies"

PLAN = """
name: small
page: docs/small.md
families:
  claim: {says: it helps, arms: [strong], steps: [one, two]}
models:
  worlds: {file: small-worlds, bundled: true, title: small-worlds, short: small-worlds}
tasks: {worlds: small worlds}
arms:
  pair: [none, "strong=boost:factor=9,keys={keys}"]
  swept: ["mine=boost:keys={keys}", "control=boost:keys=random:0:{keys}"]
power:
  claim: {items: [56, 1000], changed: [0.1], tests: 2}
figures:
  claim: {kind: forest, options: --across --arms strong, steps: [one, two]}
steps:
  - {name: one, model: worlds, arms: pair, keys: "field:question", n: 2, quick: 1, contrasts: true,
     run: "eval worlds --loglikelihood --limit {n}"}
  - {name: two, model: worlds, arms: pair, keys: "field:question", n: 2, quick: 1,
     run: "eval worlds --direct --limit {n} --max-new-tokens 8"}
  - {name: three, model: worlds, arms: swept, keys: "field:question", n: 2, quick: 1,
     run: "eval worlds --loglikelihood --limit {n} --sweep boost:factor=2,9"}
"""

PAGE = """# {{ plan.name }}
{% for row in families.claim %}
{{ row.run }} {{ row.n }} {{ row.difference|points }} {{ row.difference_interval|interval }} {{ row.p_holm|p }}
{% endfor %}
{% for s in sweeps.three.selection %}
{{ s.name }} {{ s.tried }}
{% endfor %}
{% for row in contrasts.one %}
from {{ row.baseline_accuracy|percent }} to {{ row.arm_accuracy|percent }} of {{ row.n }}
{% endfor %}
{{ holds(families.claim|length == 2, "Both were asked.") }}
{{ holds(families.claim|length == 3, "All three were asked.") }}
smallest {{ (100 * power.claim.designs[1].smallest_difference)|round(2) }}
{{ captions.claim }}
"""


def run(script, *words):
    return subprocess.run(
        [sys.executable, str(ROOT / "scripts" / script), *map(str, words)], capture_output=True, text=True, check=False
    )


class Plans(unittest.TestCase):
    """Every plan that is kept here names only what it has."""

    def test_names(self):
        for path in sorted(STUDIES.glob("*/*.yaml")):
            plan = yaml.safe_load(path.read_text())
            if "steps" not in plan:
                continue
            with self.subTest(plan=str(path.relative_to(ROOT))):
                steps = {step["name"]: step for step in plan["steps"]}
                self.assertEqual(len(steps), len(plan["steps"]), "a name comes twice")
                for step in steps.values():
                    self.assertIn(step["model"], plan["models"])
                    self.assertLess(step["quick"], step["n"])
                    self.assertIn("{n}", step["run"])
                    arms = plan["arms"][step["arms"]] if "arms" in step else []
                    self.assertEqual("keys" in step, any("{keys}" in arm for arm in arms), step["name"])
                for name, family in plan["families"].items():
                    for step in family["steps"]:
                        arms = {arm.split("=")[0] for arm in plan["arms"][steps[step]["arms"]]}
                        self.assertTrue(arms & set(family["arms"]), f"{name}: none of its arms is in {step}")
                for figure in plan["figures"].values():
                    self.assertLessEqual(set(figure["steps"]), set(steps))

    def test_commands(self):
        """All words of the large and of the quick study are such that the program takes them."""
        with tempfile.TemporaryDirectory() as folder:
            models = pathlib.Path(folder)
            for path in (STUDIES / "rebalancing/plan.yaml", STUDIES / "rebalancing/cluster.yaml"):
                plan = yaml.safe_load(path.read_text())
                for model in plan["models"].values():
                    (models / model["file"]).touch()
                for quick in ([], ["--quick"]):
                    words = ["--plan", path, "--list", "--models", models, "-o", models / "out"]
                    listed = run("study", *words, *quick)
                    self.assertEqual(listed.returncode, 0, listed.stderr)
                    self.assertEqual(listed.stdout.count("refocus "), len(plan["steps"]))
                    self.assertNotIn("{", listed.stdout)


class SmallStudy(unittest.TestCase):
    """Of the bundled model, from the plan to the page."""

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        here = pathlib.Path(self.folder.name)
        self.plan, self.runs, self.out = here / "plan.yaml", here / "runs", here / "out"
        self.out.mkdir()
        self.plan.write_text(PLAN)
        (here / "page.md.j2").write_text(PAGE)
        (here / "readme.md.j2").write_text("")

    def study(self, *words):
        done = run("study", "--plan", self.plan, "-o", self.runs, *words)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done

    def page(self):
        done = run("study_page", "--plan", self.plan, "--runs", self.runs, "-o", self.out)
        self.assertEqual(done.returncode, 0, done.stderr)
        return (self.out / "small.md").read_text()

    def test_from_the_plan_to_the_page(self):
        self.study("--quick", "--only", "two")
        self.study("--quick")
        page = self.page()
        one = json.loads((self.runs / "one/comparison.json").read_text())
        numbers = one["tasks"][0]["comparisons"][0]["sets"][-1]
        low, high = (f"{100 * end:+.1f}" for end in numbers["difference_interval"])
        self.assertIn(f"one {numbers['n']} {100 * numbers['difference']:+.1f} [{low}, {high}]", page.replace(" 0.0 ", " +0.0 "))
        first, second = next(s for s in one["tasks"][0]["sets"] if s["kind"] == "all")["arms"]
        both = (f"{100 * arm['accuracy']:.1f}" for arm in (first, second))
        self.assertIn("from {} to {} of ".format(*both) + str(numbers["n"]), page)
        self.assertIn("mine 2", page)
        self.assertIn("control 2", page)
        self.assertIn("after Holm over all 2 rows", page)
        self.assertIn("<svg", (self.out / "figures/small/claim.svg").read_text())
        self.assertIn("\nBoth were asked.\n[not so in these runs: All three were asked.]\n", page)
        self.refused()
        before = (self.runs / "one/journal.db").read_bytes()
        again = self.study("--quick")
        self.assertIn("All steps are done", again.stdout)
        self.assertEqual((self.runs / "one/journal.db").read_bytes(), before, "nothing is asked again")
        self.assertEqual(self.page(), page)

    def refused(self):
        """There is no page of a repository, here a copy's, that says what its results do not."""
        shutil.copytree(self.out / "results", self.plan.parent / "results")
        root = pathlib.Path(self.folder.name) / "root"
        for name in ("scripts", "docs"):
            (root / name).mkdir(parents=True)
        shutil.copy(ROOT / "scripts/study_page", root / "scripts")
        front = "<!-- study: made by scripts/study_page -->\n<!-- /study -->\n"
        (root / "README.md").write_text(front)
        for how in ("--write", "--check"):
            done = run(root / "scripts/study_page", "--plan", self.plan, how)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn("do not bear what", done.stderr)
            self.assertIn("'All three were asked.'", done.stderr)
            self.assertEqual((root / "README.md").read_text(), front)
            self.assertEqual(list((root / "docs").iterdir()), [])

    def test_says_what_is_wrong(self):
        done = run("study", "--plan", self.plan, "-o", self.runs, "--only", "four")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("'four'; there are one, two, three", done.stderr)
        self.assertFalse(self.runs.exists() and any(self.runs.iterdir()))
        done = run("study_page", "--plan", self.plan, "--runs", self.runs, "-o", self.out)
        self.assertIn("none of one; run scripts/study", done.stderr)
        self.plan.write_text(PLAN.replace("boost:factor=9", "bust:factor=9"))
        done = run("study", "--plan", self.plan, "-o", self.runs)
        self.assertIn("step one ended with 2", done.stderr)


def without_findings(value):
    """The same results with every p at 1."""
    if isinstance(value, dict):
        return {k: 1.0 if k in ("p", "p_holm") and v is not None else without_findings(v) for k, v in value.items()}
    return [without_findings(v) for v in value] if isinstance(value, list) else value


@unittest.skipUnless((STUDIES / "rebalancing/results").is_dir(), "the study has no results yet")
class Page(unittest.TestCase):
    """The page and the front page are what the results say."""

    def test_is_what_the_results_say(self):
        done = run("study_page", "--check")
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_is_made_of_results_beyond_which_nothing_is(self):
        """A rehearsal with few questions finds no difference; its page says so and is made."""
        with tempfile.TemporaryDirectory() as folder:
            out = pathlib.Path(folder)
            (out / "results").mkdir()
            for path in (STUDIES / "rebalancing/results").glob("*.json"):
                (out / "results" / path.name).write_text(json.dumps(without_findings(json.loads(path.read_text()))))
            done = run("study_page", "-o", out)
            self.assertEqual(done.returncode, 0, done.stderr)
            page = (out / "rebalancing-study.md").read_text()
            self.assertIn("[not so in these runs: **The paper's formula (alpha 1) can do harm.**]", page)
            self.assertIn("[not so in these runs: , where the random ones do the more harm]", page)
            self.assertNotIn("[not so in these runs: Nowhere does it help", page)


if __name__ == "__main__":
    os.environ.setdefault("REFOCUS", str(ROOT / "build/release/refocus"))
    unittest.main()

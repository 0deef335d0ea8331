#!/usr/bin/env python3
"""examples/slurm under a real Slurm (slurm_cluster.py): jobs that end, that are requeued, that are told to stop, arrays
and their join, and the container's way. Each has to give the answers of one process outside Slurm.

usage: slurm_test.py REFOCUS MESSAGE_TIMES [TEST...]
"""
import json, os, pathlib, shutil, sqlite3, subprocess, sys, tempfile, unittest

import slurm_cluster
from slurm_cluster import SlurmCluster, until

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
EXAMPLES = ROOT / "examples/slurm"
TASKS = 3  # ranks of an evaluation
# Long enough to be interrupted, and short enough to be waited for.
QUESTIONS = ["--cot", "--intervene", "none", "--intervene", "rebalance", "--limit", "12", "-q"]


def answers_of(run):
    with sqlite3.connect(f"file:{run}/journal.db?mode=ro", uri=True) as journal:
        return sorted(journal.execute("select arm, subject, item, prompt, response, finish_reason, prompt_tokens, generated_tokens from responses"))


def count_of(run):
    try:
        return len(answers_of(run))
    except sqlite3.Error:  # not there yet
        return 0


class Jobs(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.work = pathlib.Path(tempfile.mkdtemp(prefix="slurm-test-"))
        cls.addClassCleanup(shutil.rmtree, cls.work)
        subprocess.run([PROGRAM, "eval", *QUESTIONS, "-o", "alone"], cwd=cls.work, check=True, stdout=subprocess.DEVNULL)
        cls.expected = answers_of(cls.work / "alone")
        cls.slurm = SlurmCluster(processors=4)
        cls.addClassCleanup(cls.slurm.stop)

    def submit(self, name, *more, tasks=TASKS, **environment):
        return self.slurm.submit(f"--ntasks={tasks}", f"--ntasks-per-node={tasks}", f"--output={name}.log", *more, EXAMPLES / "eval.sbatch",
                                 *QUESTIONS, "-o", name, cwd=self.work, **{"REFOCUS": PROGRAM} | environment)

    def log(self, name):
        path = self.work / f"{name}.log"
        return path.read_text() if path.exists() else "no log"

    def check_end(self, job, name, restarts):
        self.assertEqual(self.slurm.end_of(job), "COMPLETED", self.log(name) + self.slurm.logs())
        self.assertEqual(answers_of(self.work / name), self.expected, self.log(name))
        self.assertEqual(self.slurm.fact(job, "Restarts"), str(restarts))
        asked = [session["to_ask"] for session in json.loads((self.work / name / "run.json").read_text())["sessions"]]
        self.assertEqual(asked[0], len(self.expected))
        self.assertEqual(len(asked), restarts + 1)
        for before, after in zip(asked, asked[1:]):  # what was answered is not asked again
            self.assertTrue(0 < after < before, asked)

    def when_under_way(self, name):
        until("the first answers", lambda: count_of(self.work / name) > 0)
        self.assertLess(count_of(self.work / name), len(self.expected), "the job was over before it could be stopped")

    def test_a_job_runs_to_its_end(self):
        self.check_end(self.submit("whole"), "whole", restarts=0)
        ranks = json.loads((self.work / "whole/run.json").read_text())["sessions"][0]["ranks"]
        self.assertEqual(len(ranks), TASKS, ranks)

    def test_a_requeued_job_goes_on(self):
        job = self.submit("requeued")
        self.when_under_way("requeued")
        subprocess.run(["scontrol", "requeue", job], check=True)
        self.check_end(job, "requeued", restarts=1)

    def test_a_job_whose_time_is_nearly_over_stops_and_comes_again(self):
        job = self.submit("signalled")
        self.when_under_way("signalled")
        subprocess.run(["scancel", "--batch", "--signal=USR1", job], check=True)
        self.check_end(job, "signalled", restarts=1)

    def test_a_job_that_fails_is_not_requeued(self):
        job = self.submit("wrong", "--requeue", REFOCUS="/bin/false")
        self.assertEqual(self.slurm.end_of(job), "FAILED")
        self.assertEqual(self.slurm.fact(job, "Restarts"), "0")

    def test_srun_brings_all_ranks_together(self):
        stand_in = self.work / "three"
        stand_in.write_text(f"#!/bin/bash\nexec {MESSAGE_TIMES} --rounds 20 --bytes 1000\n")
        stand_in.chmod(0o755)
        self.assertEqual(self.slurm.end_of(self.submit("together", tasks=3, REFOCUS=str(stand_in))), "COMPLETED", self.log("together"))
        self.assertEqual(json.loads(self.log("together"))["ranks"], 3)

    def test_an_array_and_its_join_make_the_same_run(self):
        done = subprocess.run([EXAMPLES / "submit_array", "2", "parts", *QUESTIONS], cwd=self.work, capture_output=True, text=True,
                              env=os.environ | {"REFOCUS": PROGRAM})
        self.assertEqual(done.returncode, 0, done.stderr)
        join = done.stdout.split()[1]
        self.assertEqual(self.slurm.end_of(join), "COMPLETED", self.slurm.logs())
        self.assertEqual(answers_of(self.work / "parts/whole"), self.expected)
        self.assertLess(count_of(self.work / "parts/part1"), len(self.expected))

    def test_an_image_is_run_by_apptainer_with_the_folders_that_it_needs(self):
        """No image can be built here: a stand-in of apptainer notes what it is told, and runs the program."""
        stand_in = self.work / "bin/apptainer"
        stand_in.parent.mkdir()
        stand_in.write_text('#!/bin/bash\nwhile [ "$1" != refocus ]; do printf "%s " "$1" >>told; shift; done\nshift\n'
                            f'exec {PROGRAM} "$@"\n')
        stand_in.chmod(0o755)
        path = f"{stand_in.parent}:{os.environ['PATH']}"
        self.check_end(self.submit("image", tasks=1, IMAGE="refocus.sif", PATH=path), "image", restarts=0)
        self.assertRegex((self.work / "told").read_text(),
                         rf"^exec --bind /tmp,{self.slurm.folder}/spool/pmix\.[^,]+,{self.work} --pwd {self.work} refocus\.sif $")


class Scripts(unittest.TestCase):
    def test_shellcheck_finds_nothing(self):
        if shutil.which("shellcheck") is None:
            self.skipTest("expected shellcheck, got none; scripts/setup installs it")
        scripts = [path for path in EXAMPLES.iterdir() if path.read_text().startswith("#!/bin/bash")]
        self.assertGreaterEqual(len(scripts), 3)
        done = subprocess.run(["shellcheck", "--severity=warning", *scripts], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout)

    def test_submit_array_says_what_it_wants(self):
        for wrong in ([], ["0", "runs"], ["many", "runs"], ["4"]):
            done = subprocess.run([EXAMPLES / "submit_array", *wrong], capture_output=True, text=True)
            self.assertEqual(done.returncode, 2)
            self.assertIn("[submit_array] expected N RUNS EVAL_ARGUMENT...", done.stderr)


if __name__ == "__main__":
    if why := slurm_cluster.missing():
        print(f"left out: {why}")
        sys.exit(77)
    slurm_cluster.isolate()
    PROGRAM, MESSAGE_TIMES = (str(pathlib.Path(sys.argv.pop(1)).resolve()) for _ in range(2))
    unittest.main()

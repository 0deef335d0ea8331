#!/usr/bin/env python3
"""scripts/cluster_hosts: hosts differ, links delay, and nothing is left of them.

usage: cluster_hosts_test.py MESSAGE_TIMES REFOCUS [TEST...]
"""
import json, os, pathlib, select, shutil, signal, subprocess, sys, tempfile, unittest

HOSTS = pathlib.Path(__file__).resolve().parent.parent.parent / "scripts/cluster_hosts"


def run(*arguments):
    return subprocess.run([HOSTS, *map(str, arguments)], capture_output=True, text=True)


class Links(unittest.TestCase):
    def times(self, *options):
        done = run(*options, "--", MESSAGE_TIMES, "--rounds", 40, "--bytes", 1_000_000)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout), done.stderr

    def test_messages_cross_links_that_delay_and_have_a_rate(self):
        for options in ((), ("--link", "switch")):
            out, said = self.times("--hosts", 3, "--rtt", 12, "--rate", 80, *options)
            self.assertEqual([pair["hosts"] for pair in out["pairs"]], [["node1", "node2"], ["node1", "node3"]])
            for pair in out["pairs"]:
                self.assertGreaterEqual(pair["shortest_round_trip_ms"], 12, said)
                self.assertLessEqual(pair["megabytes_a_second"], 10, said)
            self.assertGreaterEqual(out["gather_ms"], 6, said)

    def test_without_a_delay_there_is_none(self):
        slow, _ = self.times("--rtt", 50, "--rate", 0)
        fast, _ = self.times("--rtt", 0, "--rate", 0)
        self.assertLess(fast["pairs"][0]["shortest_round_trip_ms"], slow["pairs"][0]["shortest_round_trip_ms"])
        self.assertGreater(fast["pairs"][0]["megabytes_a_second"], slow["pairs"][0]["megabytes_a_second"])

    def test_netem_delays_where_the_kernel_has_it(self):
        done = run("--link", "netem", "--rtt", 12, "--", MESSAGE_TIMES, "--rounds", 40)
        if done.returncode == 0:
            self.assertGreaterEqual(json.loads(done.stdout)["pairs"][0]["shortest_round_trip_ms"], 12)
        else:
            self.assertRegex(done.stderr, r"\[cluster_hosts\] expected a kernel with netem.*, got one without; ")


class Processes(unittest.TestCase):
    def test_ranks_are_dealt_by_host_and_talk_by_tcp_alone(self):
        say = 'echo "$OMPI_COMM_WORLD_RANK $(hostname) $(ip -4 -o addr show eth0 | grep -o "10\\.[0-9.]*" | head -1) $OMPI_MCA_pml $OMPI_MCA_btl"'
        done = run("--hosts", 2, "--ranks-per-host", 2, "--rtt", 0, "--rate", 0, "--", "sh", "-c", say)
        self.assertEqual(sorted(done.stdout.splitlines()), [f"{rank} node{rank // 2 + 1} 10.77.0.{rank // 2 + 1} ob1 tcp,self" for rank in range(4)],
                         done.stderr)

    def test_an_evaluation_over_hosts_is_that_of_one_process(self):
        asked = [REFOCUS, "eval", "--cot", "--limit", "2", "--threads", "1", "-q", "-o"]
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([*asked, f"{folder}/alone"], check=True, stdout=subprocess.DEVNULL)
            done = run("--hosts", 3, "--", *asked, f"{folder}/hosts")
            self.assertEqual(done.returncode, 0, done.stderr)
            ranks = json.loads(pathlib.Path(folder, "hosts/run.json").read_text())["sessions"][0]["ranks"]
            self.assertEqual([rank["rank"] for rank in ranks], ["rank 0 (node1)", "rank 1 (node2)", "rank 2 (node3)"])
            self.assertEqual(subprocess.run(["diff", "-r", f"{folder}/alone/arms", f"{folder}/hosts/arms"]).returncode, 0)

    def test_the_status_is_the_command_s(self):
        self.assertEqual(run("--rtt", 0, "--rate", 0, "--", "sh", "-c", "exit 7").returncode, 7)

    def test_nothing_outlives_it(self):
        interfaces = sorted(os.listdir("/sys/class/net"))
        for number in (signal.SIGKILL, signal.SIGTERM):
            with tempfile.TemporaryDirectory() as folder:
                fifo = f"{folder}/fifo"
                os.mkfifo(fifo)
                reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
                # Every rank keeps the pipe open, so that it ends when the last of them has.
                program = subprocess.Popen([HOSTS, "--", "sh", "-c", f"exec 9>{fifo}; echo up >&9; exec sleep 1000"],
                                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                said = b""
                while said.count(b"up") < 2:
                    select.select([reader], [], [], 1)
                    try:
                        said += os.read(reader, 100)
                    except BlockingIOError:
                        pass
                    self.assertIsNone(program.poll())
                program.send_signal(number)
                self.assertNotEqual(program.wait(), 0)
                self.assertTrue(select.select([reader], [], [], 60)[0], "a rank is still there")
                self.assertEqual(os.read(reader, 100), b"")
                os.close(reader)
        self.assertEqual(sorted(os.listdir("/sys/class/net")), interfaces)

    def test_what_cannot_be_is_said(self):
        self.assertEqual(run("--hosts", 0, "--", "true").returncode, 2)
        done = run("--link", "plain", "--", "true")
        self.assertEqual(done.returncode, 2)
        self.assertIn("--rtt 0 --rate 0", done.stderr)


if __name__ == "__main__":
    MESSAGE_TIMES, REFOCUS = (str(pathlib.Path(sys.argv.pop(1)).resolve()) for _ in range(2))
    namespaces = ["unshare", "--map-root-user", "--net", "--uts", "--pid", "--fork", "--mount-proc", "true"]
    if any(shutil.which(name) is None for name in ("mpirun", "ip", "unshare")) or subprocess.run(namespaces).returncode != 0:
        print("left out: expected mpirun, ip, and leave to make namespaces, got less")
        sys.exit(77)
    unittest.main()

"""A Slurm of one node for the time of a test: munged, slurmctld and slurmd of this machine's packages, with files,
keys and ports of their own. Nothing of /etc is read or written, and no service of the system is touched.

isolate() first: then the daemons, and all that they start, are in a process namespace that ends with this process.
"""
import ctypes, os, pathlib, shutil, signal, socket, subprocess, sys, tempfile, time

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "scontrol", "scancel", "sinfo", "mpirun", "unshare", "ip")
CONFIGURATION = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.sock,cred_expire=5
SlurmctldPort={controller_port}
SlurmdPort={node_port}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
JobCompType=jobcomp/none
MailProg=/bin/true
MpiDefault=none
ReturnToService=2
KillWait=5
SchedulerParameters=sched_interval=1,bf_interval=1,batch_sched_delay=0
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
NodeName={host} NodeAddr=127.0.0.1 CPUs={processors} RealMemory=1000 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def missing():
    """Why Slurm cannot be tried here, or nothing."""
    path = os.environ["PATH"] + ":/usr/sbin:/sbin"
    lacking = [p for p in PROGRAMS if shutil.which(p, path=path) is None]
    if lacking:
        return f"expected {', '.join(lacking)}, got none; scripts/setup installs them"
    if os.getuid() != 0:
        return "expected root, which Slurm's daemons want, got another user"
    return None


def isolate():
    """Starts this program anew in namespaces of its own, where the machine allows that."""
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    if os.environ.get("REFOCUS_TEST_ISOLATED"):
        return
    # An address besides the loopback's: without one Slurm takes the machine for one without a network.
    network = "ip link set lo up && ip link add bridge type bridge && ip addr add 10.77.0.1/24 dev bridge && ip link set bridge up"
    own = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "--net", "sh", "-c", network + ' && exec "$@"', "sh"]
    if subprocess.run([*own, "true"], capture_output=True).returncode == 0:
        os.environ["REFOCUS_TEST_ISOLATED"] = "1"
        os.execvp(own[0], [*own, sys.executable, *sys.argv])


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def until(what, ready, seconds=300):
    """Asks until ready() says something true, which it returns. Fails long after any machine would have been ready."""
    end = time.monotonic() + seconds
    while True:
        if value := ready():
            return value
        if time.monotonic() > end:
            raise TimeoutError(f"expected {what} within {seconds} s, got none")
        time.sleep(0.05)


def die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


class SlurmCluster:
    def __init__(self, processors=4):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="slurm-"))
        self.host = socket.gethostname().split(".")[0]
        self.daemons = []
        try:
            self.start(processors)
        except BaseException:
            self.stop()
            raise

    def start(self, processors):
        for name in ("state", "spool"):
            (self.folder / name).mkdir()
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)
        configuration = self.folder / "slurm.conf"
        configuration.write_text(CONFIGURATION.format(host=self.host, folder=self.folder, processors=processors,
                                                      controller_port=free_port(), node_port=free_port()))
        os.environ["SLURM_CONF"] = str(configuration)
        munge = self.folder / "munge.sock"
        self.daemon("munged", "--foreground", "--force", f"--key-file={key}", f"--socket={munge}", f"--pid-file={self.folder}/munge.pid",
                    f"--log-file={self.folder}/munged.log", f"--seed-file={self.folder}/munge.seed")
        until("munge's socket", munge.exists, 60)
        self.daemon("slurmctld", "-D", "-i")
        self.daemon("slurmd", "-D", "-N", self.host)
        until("an idle node", self.has_idle_node, 120)

    def daemon(self, *command):
        with open(self.folder / f"{command[0]}.out", "w") as out:
            self.daemons.append(subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, preexec_fn=die_with_parent))

    def has_idle_node(self):
        for daemon in self.daemons:
            if daemon.poll() is not None:
                raise RuntimeError(f"{daemon.args[0]} ended with {daemon.returncode}\n{self.logs()}")
        return self.said("sinfo", "-h", "-o", "%T") == "idle"

    def said(self, *command):
        return subprocess.run(command, capture_output=True, text=True).stdout.strip()

    def submit(self, *arguments, cwd, **environment):
        done = subprocess.run(["sbatch", "--parsable", *map(str, arguments)], cwd=cwd, capture_output=True, text=True,
                              env=os.environ | environment)
        if done.returncode != 0:
            raise RuntimeError(f"sbatch: {done.stderr}")
        return done.stdout.strip()

    def fact(self, job, name):
        for word in self.said("scontrol", "--oneliner", "show", "job", job).split():
            if word.startswith(name + "="):
                return word.partition("=")[2]
        return ""

    def end_of(self, job):
        """The state of a job at its end; one that is requeued is none of these."""
        return until(f"the end of job {job}", lambda: (s := self.fact(job, "JobState")) in
                     ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY") and s)

    def logs(self):
        return "\n".join(f"== {p.name}\n{p.read_text()[-3000:]}" for p in sorted(self.folder.glob("*.log")))

    def stop(self):
        if len(self.daemons) == 3:
            subprocess.run(["scancel", "--user=root"], capture_output=True)
            try:
                until("no job", lambda: not self.said("squeue", "-h"), 60)
            except TimeoutError as late:
                print(late, file=sys.stderr)
        for daemon in reversed(self.daemons):
            daemon.kill()
            daemon.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

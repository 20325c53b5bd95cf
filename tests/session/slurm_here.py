"""A Slurm of two nodes on this machine, for tests: from the installed programs, private, and only as root."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

PROGRAMS = ("munged", "slurmctld", "slurmd")
PATH = f"{os.environ['PATH']}{os.pathsep}/usr/sbin"
NODES = ("one", "two")
ENDS = ("COMPLETED", "FAILED", "CANCELLED", "PREEMPTED", "NODE_FAIL", "TIMEOUT")
PATIENCE = 240  # seconds, for what takes a few on an idle machine

# JobRequeue=0: only those jobs are queued again that ask for it; and then they wait for `cred_expire` and a second.
# A job of the partition `high` takes the place of others. Those are told so by their own signal and have GraceTime to
# leave; `lowest` has none. Node two is taken first. It may have more CPUs than there are, as jobs mostly sleep here.
CONFIGURATION = """
ClusterName=here
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/%n/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/%n/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
MpiDefault=none
ReturnToService=2
MinJobAge=3600
JobRequeue=0
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SlurmctldParameters=preempt_send_user_signal
SchedulerParameters=sched_interval=1,sched_min_interval=0,batch_sched_delay=0,bf_interval=1
GresTypes=gpu
SlurmdParameters=config_overrides
NodeName={nodes[0]} NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs=8 Gres=gpu:2 Weight=2
NodeName={nodes[1]} NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} CPUs=8 Gres=gpu:2 Weight=1
PartitionName=low Nodes=ALL Default=YES PriorityTier=1 GraceTime=60
PartitionName=lowest Nodes=ALL PriorityTier=1 GraceTime=0
PartitionName=high Nodes=ALL PriorityTier=2
"""


def lacking():
    """Why no Slurm can be started here; nothing, where one can."""
    absent = [name for name in PROGRAMS if not shutil.which(name, path=PATH)]
    if absent:
        return f"Slurm is not installed: no {', '.join(absent)}"
    return "" if os.geteuid() == 0 else "Slurm is started by root only"


@contextlib.contextmanager
def started(folder):
    """Start a Slurm in a folder and give it; its commands are this process's until its processes have ended."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", PATH)
        patch.setenv("SLURM_CONF", str(folder / "slurm.conf"))
        slurm = Slurm(folder)
        try:
            slurm.start()
            yield slurm
        finally:
            slurm.end()


class Slurm:
    """A Slurm in a folder. What runs on a node was started in the folder with its name, or by what was."""

    def __init__(self, folder):
        self.folder = folder
        self.started = []

    def start(self):
        for name in ("state", *NODES):
            (self.folder / name).mkdir()
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)
        settings = {"folder": self.folder, "host": socket.gethostname(), "nodes": NODES, "ports": _free_ports(3)}
        (self.folder / "slurm.conf").write_text(CONFIGURATION.format(**settings))
        # devices that every machine has, in the place of GPUs
        (self.folder / "gres.conf").write_text("Name=gpu File=/dev/null\nName=gpu File=/dev/zero\n")
        names = {"socket": "munge.socket", "key-file": key.name, "seed-file": "munge.seed", "pid-file": "munge.pid"}
        files = [f"--{kind}={self.folder / name}" for kind, name in names.items()]
        # by force, for it wants a folder that others may look into
        self._start("munged", "--foreground", "--force", *files)
        self.wait((self.folder / "munge.socket").exists)
        self._start("slurmctld", "-D")
        for node in NODES:
            self.start_node(node)
        self.wait(lambda: self.asked("sinfo", "-h", "-t", "idle", "-o", "%D") in ("2", "2\n2"))

    def start_node(self, node):
        self._start("slurmd", "-D", "-N", node, folder=self.folder / node)

    def end_node(self, node):
        """End a node and all that runs there, as if its power were gone, and let Slurm know."""
        _kill(self.folder / node)
        self.asked("scontrol", "update", f"NodeName={node}", "State=DOWN", "Reason=dead")

    def end(self):
        for folder in (self.folder, *(self.folder / node for node in NODES)):
            _kill(folder)
        for process in self.started:
            process.wait()

    def asked(self, *command):
        """What a command of Slurm prints."""
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()

    def about(self, job):
        """What Slurm knows of a job, by its own names, such as JobState, Restarts and BatchHost."""
        words = self.asked("scontrol", "show", "job", "--oneliner", job.job_id).split()
        return dict(word.partition("=")[::2] for word in words)

    def ended(self, job):
        """Wait until a job has come to its end, whichever."""
        self.wait(lambda: self.about(job)["JobState"] in ENDS, lambda: self.about(job))

    def wait(self, so, seen=lambda: ""):
        """Wait until it is so; where that takes too long, fail with what was seen and what the programs said."""
        end = time.monotonic() + PATIENCE
        while not so():
            if time.monotonic() > end:
                logs = [path.read_text()[-2000:] for path in sorted(self.folder.rglob("*.log"))]
                pytest.fail("\n".join([f"not within {PATIENCE} seconds: {seen()}", *logs]))
            time.sleep(0.1)

    def _start(self, *command, folder=None):
        folder = folder or self.folder
        with (folder / f"{command[0]}.log").open("a") as log:
            self.started.append(subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, stdin=subprocess.DEVNULL))


def _kill(folder):
    """Kill the processes that were started in a folder, and all that they have started, until there are none.

    They are stopped first: otherwise one could still tell Slurm of the end of another.
    """
    while found := _processes(folder):
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for process in found:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, number)
        time.sleep(0.02)


def _processes(folder):
    parents, found = {}, set()
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            state, parent = (path / "stat").read_text().rpartition(")")[2].split()[:2]
            if state != "Z":
                parents[int(path.name)] = int(parent)
                found |= {int(path.name)} if (path / "cwd").readlink() == folder else set()
    while more := {process for process, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def _free_ports(count):
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]

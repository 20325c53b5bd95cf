"""The engine `local`: run commands as processes of this machine, each with a GPU or CPU threads of its own."""

import os
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from progbench.session.sharing import Shares
from progbench.session.submitting import LOST, TOLD_TO_END, TRIES, RunCommand, told

PATIENCE = 60  # seconds, for units that were told to end: they write a result, and remove their temporary folders


def run(commands: Sequence[RunCommand], workers: int, shares: Shares, say: Callable[[str], None]) -> list[int]:
    """Run commands, `workers` at a time, and give their exit codes; `say` is told their lines.

    A process that dies, by the kernel for its memory or by hand, is started again, TRIES times in all. An interrupt of
    this process is handed on: the running commands are told to end, and waited for.
    """
    return _Processes(workers, shares, say).run(commands)


class _Processes:
    def __init__(self, workers: int, shares: Shares, say: Callable[[str], None]) -> None:
        self.workers, self.shares, self.say = workers, shares, say
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[str]] = set()
        self._ending = False

    def run(self, commands: Sequence[RunCommand]) -> list[int]:
        with ThreadPoolExecutor(self.workers) as pool:
            made = [pool.submit(self._made, command) for command in commands]
            try:
                return [future.result() for future in made]
            except BaseException:
                self._end()
                pool.shutdown(cancel_futures=True)
                raise

    def _made(self, command: RunCommand) -> int:
        worker = threading.current_thread().name
        share = self.shares.take(worker)
        try:
            for left in reversed(range(TRIES)):
                code = self._tried(command, share)
                if self._ending:
                    return TOLD_TO_END
                if code >= 0:
                    break
                self.say(f"{command}: its process died (signal {-code}){'; it is started again' if left else ''}")
            final = code if code >= 0 else LOST
            self.say(told(command, final))
            return final
        finally:
            self.shares.give_back(worker)

    def _tried(self, command: RunCommand, share: Mapping[str, str]) -> int:
        with self._lock:
            if self._ending:
                return TOLD_TO_END
            process = subprocess.Popen(
                command.argv(), env={**os.environ, **share}, text=True, errors="replace",
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                process_group=0,  # Ctrl-C comes here alone, and is handed on once
            )  # fmt: skip
            self._running.add(process)
        try:
            with process:
                for line in process.stdout or ():
                    self.say(line.rstrip("\n"))
            return process.returncode
        finally:
            with self._lock:
                self._running.discard(process)

    def _end(self) -> None:
        """Tell every process to end, once: a second signal would disturb what the first began."""
        with self._lock:
            self._ending = True
            running = list(self._running)
        for process in running:
            process.terminate()
        for process in running:
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()

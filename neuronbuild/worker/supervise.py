"""Two processes in one group: one that works, and one that watches the builder and ends the group when it is gone.

A thread in the working process can't do that: it would wait for the interpreter's lock while a compiler hangs in C code.
The kernel's parent-death signal alone can't either: it doesn't reach the compiler's own children.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import sys

PR_SET_PDEATHSIG = 1
"""prctl(2): the signal that this process gets when its parent ends."""


def split(lifeline: int) -> None:
    """Fork. The child returns and works; the parent watches and never returns.

    `lifeline` is the reading end of a pipe whose writing end only the builder holds: it ends when the builder does, by
    whatever cause. Only then, or when the child has ended, does the watcher act.
    """
    waking, wake = os.pipe()  # told by signal: a pipe that ends with the child would be held open by what it forks
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    child = os.fork()
    if child == 0:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for unused in (waking, wake, lifeline):
            os.close(unused)
        die_with_parent()
        return
    for standard in (0, 1):
        os.close(standard)
    _watch(lifeline, waking, child)


def _watch(lifeline: int, waking: int, child: int) -> None:
    ended = status = 0
    while not ended:
        readable, _, _ = select.select([lifeline, waking], [], [])
        if lifeline in readable:
            os.killpg(0, signal.SIGKILL)
        os.read(waking, 64)
        ended, status = os.waitpid(child, os.WNOHANG)
    end_as(status)


def end_as(status: int) -> None:
    """End this process as another one has ended, by what `os.waitpid` says of it."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        signal.signal(number, signal.SIG_DFL) if number not in (signal.SIGKILL, signal.SIGSTOP) else None
        os.kill(os.getpid(), number)
    os._exit(os.WEXITSTATUS(status))


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent ends."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)

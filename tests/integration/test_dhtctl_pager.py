"""Help on a terminal that is too low for it goes through a pager, with the manners of git."""
import fcntl
import os
import pty
import subprocess
import sys
import termios

import pytest

from harness import PATIENCE, ctl_binary, die_with_parent
from manners import NOWHERE, Terminal, run

LOW, HIGH = (24, 80), (200, 80)
TEXT = b"usage: dhtctl [OPTIONS] get KEY..."


class Nowhere:
    url = NOWHERE


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch):
    for name in ("DHT_PAGER", "PAGER", "LESS"):
        monkeypatch.delenv(name, raising=False)


def shown(*args, screen=LOW, code=0):
    ended, text, _, error = Terminal(Nowhere, *(args or ["get", "--help"]), stdout="tty", screen=screen).finish()
    assert ended == code, (ended, text, error)
    return text.replace(b"\r\n", b"\n")


def test_it_is_used_on_a_terminal_that_is_too_low(monkeypatch):
    monkeypatch.setenv("PAGER", "echo through it; cat")   # a shell runs it
    for args in (["get", "--help"], ["help", "get"], ["--help"], ["help"]):
        assert shown(*args).startswith(b"through it\nusage: dhtctl")
        assert shown(*args, screen=HIGH).startswith(b"usage: dhtctl")
        assert shown(*args, "--no-pager").startswith(b"usage: dhtctl")
    assert run(NOWHERE, "get", "--help").stdout.startswith(TEXT)   # no terminal
    lines = len(shown("get", "--help", "--no-pager").splitlines())
    assert shown(screen=(lines, 80)).startswith(b"through it")   # the prompt is below it
    assert shown(screen=(lines + 1, 80)).startswith(TEXT)
    monkeypatch.setenv("TERM", "dumb")
    assert shown().startswith(TEXT)


def test_which(monkeypatch):
    monkeypatch.setenv("PAGER", "echo general; cat")
    monkeypatch.setenv("DHT_PAGER", "echo our own; cat")
    assert shown().startswith(b"our own\nusage: ")
    for none in ("", "cat"):
        monkeypatch.setenv("DHT_PAGER", none)
        assert shown().startswith(TEXT)
    monkeypatch.delenv("DHT_PAGER")
    assert shown().startswith(b"general\nusage: ")
    monkeypatch.setenv("PAGER", "")
    assert shown().startswith(TEXT)


def test_less_if_it_is_there(monkeypatch, tmp_path):
    less = tmp_path / "less"
    less.write_text('#!/bin/sh\necho "less $LESS"\nexec cat\n')
    less.chmod(0o755)
    path = os.environ["PATH"]
    monkeypatch.setenv("PATH", f"{tmp_path}:{path}")
    assert shown().startswith(b"less FRX\nusage: ")
    monkeypatch.setenv("LESS", "-i")
    assert shown().startswith(b"less -i\nusage: ")
    monkeypatch.setenv("PATH", str(tmp_path / "none"))
    assert shown().startswith(TEXT)


def test_one_that_is_not_there_is_done_without(monkeypatch):
    monkeypatch.setenv("DHT_PAGER", "no-such-pager -R")
    whole = shown(screen=HIGH)
    ended, text, _, error = Terminal(Nowhere, "get", "--help", stdout="tty", screen=LOW).finish()
    assert (ended, text.replace(b"\r\n", b"\n")) == (0, whole) and b"no-such-pager" in error
    monkeypatch.setenv("DHT_PAGER", "/dev/null")
    assert shown() == whole


def test_one_that_has_seen_enough(monkeypatch):
    monkeypatch.setenv("PAGER", "head -n 1")
    assert shown() == TEXT + b"\n"
    monkeypatch.setenv("PAGER", "exit 3")   # it has had its say
    assert shown() == b""


WAIT = """import signal
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
print("begun", flush=True)
signal.sigwait([signal.SIGINT])
print("interrupted")"""


def test_ctrl_c_is_the_pagers(monkeypatch):
    monkeypatch.setenv("PAGER", f"exec {sys.executable} -c '{WAIT}'")
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, LOW)

    def prepare():
        die_with_parent()
        os.setsid()
        fcntl.ioctl(1, termios.TIOCSCTTY, 0)
    process = subprocess.Popen([ctl_binary(), "get", "--help"], stdin=theirs, stdout=theirs, preexec_fn=prepare)
    text = b""
    while b"begun" not in text:
        text += os.read(ours, 100)
    os.write(ours, b"\x03")
    assert process.wait(20 * PATIENCE) == 0
    assert b"interrupted" in os.read(ours, 100)
    os.close(theirs)
    os.close(ours)

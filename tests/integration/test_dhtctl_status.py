"""`dhtctl status`, and `--watch` of it and of `ring`: in a pipe, on a terminal, and while the broker is away."""
import contextlib
import fcntl
import json
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time

import pytest

from fake_ring import FakeNode, nodes
from harness import PATIENCE, ctl_binary, die_with_parent, wait_for
from manners import NO, NOWHERE, UNREACHABLE, refuses, run


def test_all_is_well(broker, make_fake):
    make_fake(*nodes(5, 6, 7))
    done = run(broker, "status")
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode() == (f"broker   {broker.url} (--broker)\nring     3 nodes, whole (3 active)\n"
                                    "records  3\n")
    assert json.loads(run(broker, "status", "--json").stdout) == {
        "healthy": True, "broker": broker.url, "broker_from": "--broker", "nodes": 3,
        "states": {"active": 3, "joining": 0, "leaving": 0, "suspect": 0}, "silent": 0, "records": 3, "problems": []}
    done = run(broker, "status", "--quiet")
    assert (done.returncode, done.stdout) == (0, b"")


def test_problems_come_first(broker, make_fake):
    members = nodes(1 << 30, 1 << 31, 3 << 30) + [FakeNode(9, "new", "NODE_JOINING")]
    del members[1]
    make_fake(*members)
    done = run(broker, "status")
    assert done.returncode == NO and done.stderr == b""
    lines = done.stdout.decode().splitlines()
    assert lines[0].startswith("problem: ") and "25.0% of the ring" in lines[0]
    assert "ring     3 nodes, not whole (2 active, 1 joining, 1 without an answer)" in lines
    done = run(broker, "status", "--json")
    told = json.loads(done.stdout)
    assert done.returncode == NO and told["healthy"] is False and told["problems"] == [lines[0].split(": ", 1)[1]]
    assert run(broker, "status", "--quiet").returncode == NO


@pytest.mark.parametrize("command", ["status", "ring"])
def test_a_problem_of_a_moment_is_none(broker, make_fake, command):
    """While nodes join, answers of before and after do not fit together."""
    fake, whole, looks = make_fake(), nodes(1 << 30, 1 << 31, 3 << 30), []
    torn = nodes(1 << 30, 1 << 31, 3 << 30)
    torn[1].state, torn[1].arc = "NODE_JOINING", None
    who = fake._on_who

    def answer(frame):
        looks.append(frame)
        fake.members = whole if len(looks) > 1 else torn
        who(frame)
    fake._on_who = answer
    done = run(broker, command)
    assert (done.returncode, len(looks)) == (0, 2) and b"problem" not in done.stdout, done
    looks.clear()
    done = run(broker, command, "--timeout", "700ms")
    assert b"problem" in done.stdout and len(looks) == 1, "no time for a second look"


def test_no_ring_and_no_broker(broker):
    refuses(run(broker, "status", "--timeout", "300ms"), NO, "no ring answers", broker.url, "start a node: 'dht-node ")
    refuses(run(NOWHERE, "status"), UNREACHABLE, "cannot reach broker", "refused", "is mosquitto running?")
    done = run(NOWHERE, "status", "--json")
    told = json.loads(done.stdout)
    assert done.returncode == UNREACHABLE and b"cannot reach broker" in done.stderr
    assert told["healthy"] is False and "refused" in told["problems"][0] and told["broker"] == NOWHERE


# --watch


class Watch:
    """dhtctl with its output in a pipe, or on a terminal of so many (rows, columns)."""

    def __init__(self, broker, *args, screen=None, term="xterm"):
        if screen:
            self.ours, theirs = pty.openpty()
            fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", *screen, 0, 0))
        else:
            self.ours, theirs = os.pipe()
        env = {k: v for k, v in os.environ.items() if k != "NO_COLOR"}
        self.process = subprocess.Popen([ctl_binary(), "--broker", broker.url, *args], stdin=subprocess.DEVNULL,
                                        stdout=theirs, stderr=subprocess.PIPE, preexec_fn=die_with_parent,
                                        env={**env, "TERM": term})
        os.close(theirs)
        self.text = ""

    def read(self, timeout):
        if select.select([self.ours], [], [], timeout)[0]:
            with contextlib.suppress(OSError):  # the terminal's last user has gone
                self.text += os.read(self.ours, 65536).decode()
        return self.text

    def until(self, *parts):
        """Until all of them have been shown, from here on; what was."""
        wait_for(lambda: f"{parts} in {self.text!r}", lambda: all(p in self.read(0.1) for p in parts))
        text, self.text = self.text, ""
        return text

    def end(self):
        """By Ctrl-C."""
        self.process.send_signal(signal.SIGINT)
        _, error = self.process.communicate(timeout=10 * PATIENCE)
        os.close(self.ours)
        assert (self.process.returncode, error) == (-signal.SIGINT, b"")


@pytest.fixture
def watch(broker):
    made = []

    def make(*args, **options):
        made.append(Watch(broker, *args, **options))
        return made[-1]
    yield make
    for w in made:
        w.process.kill()
        w.process.wait()


@pytest.mark.parametrize("command", ["status", "ring"])
def test_a_pipe_gets_what_has_changed(broker, make_fake, watch, command):
    fake = make_fake(*nodes(5, 6))
    w = watch(command, "--watch")
    first = w.until("2 nodes", "\n\n")
    assert first.startswith("20") and "\x1b" not in first  # the time
    end = time.monotonic() + 2.5
    while time.monotonic() < end:
        w.read(0.1)
    assert w.text == ""  # nothing has
    fake.members[0].records = 76
    assert "2 nodes" in w.until("77", "\n\n")
    fake.members[:] = nodes(5, 6, 7)
    w.until("3 nodes", "\n\n")
    w.end()


def test_a_pipe_gets_what_has_changed_of_copies(broker, make_fake, watch):
    """Nodes, arcs and records are as they were; and status shows none."""
    fake = make_fake(*nodes(5, 6))
    fake.members[0].copies = (1 << 32, 1, 2, 700)
    w, other = watch("ring", "--watch"), watch("status", "--watch", "--json")
    w.until("1 of 2", "700 records to go", "\n\n")
    other.until("\n")
    fake.members[0].copies = (1 << 32, 2, 2, 0)
    assert "to go" not in w.until("2 nodes", "\n\n")
    fake.members[0].records = 76
    assert other.until("77").count("\n") == 1
    w.end()
    other.end()


def test_a_broker_that_goes_away_is_waited_for(broker, make_fake, watch):
    fake = make_fake(*nodes(5, 6))
    w = watch("status", "--watch", "--json", "--timeout", "2s")
    assert json.loads(w.until("\n"))["healthy"] is True
    broker.stop()
    away = json.loads(w.until("\n").splitlines()[0])
    assert away["healthy"] is False and "broker" in away["problems"][0]
    broker.start()
    fake.close()
    make_fake(*nodes(5, 6))
    w.until('"healthy":true')
    w.end()


def test_a_terminal_is_redrawn_in_place(broker, make_fake, watch):
    fake = make_fake(*nodes(5, 6))
    w = watch("status", "--watch", screen=(24, 80))
    assert w.until("2 nodes").startswith("\x1b[2J\x1b[H")
    drawn = w.until("2 nodes", "records", "\x1b[?7h")  # again, though nothing has changed: it has the time
    assert "\x1b[H" in drawn and "\x1b[2J" not in drawn and "\x1b[J" in drawn
    assert "\x1b[32mwhole\x1b[m" in drawn
    fake.members[0].state = "NODE_SUSPECT"
    assert "not whole\x1b[m" in w.until("suspect", "not whole", "\x1b[?7h")
    w.end()


def test_a_terminal_that_does_not_obey_is_as_a_pipe(broker, make_fake, watch):
    fake = make_fake(*nodes(5, 6))
    w = watch("ring", "--watch", screen=(24, 80), term="dumb")
    assert "\x1b" not in w.until("2 nodes", "\r\n\r\n")
    fake.members[0].records = 76
    assert "\x1b" not in w.until("77", "\r\n\r\n")
    w.end()


def test_a_small_terminal_is_not_scrolled(broker, make_fake, watch):
    make_fake(*nodes(*range(1, 60)))
    w = watch("ring", "--watch", screen=(10, 60))
    w.until("\x1b[?7h")
    drawn = w.until("\x1b[?7h").split("\x1b[H")[-1]
    assert drawn.count("\n") <= 9
    w.end()


def test_a_reader_that_goes_away_ends_it(broker, make_fake, watch):
    fake = make_fake(*nodes(5, 6))
    w = watch("status", "--watch")
    w.until("2 nodes")
    os.close(w.ours)
    fake.members[0].records = 77
    assert w.process.wait(10 * PATIENCE) == -signal.SIGPIPE


@pytest.mark.parametrize("command", ["status", "ring"])
def test_a_reader_that_goes_away_ends_it_though_nothing_changes(broker, make_fake, watch, command):
    make_fake(*nodes(5, 6))
    w = watch(command, "--watch")
    w.until("2 nodes", "\n\n")
    os.close(w.ours)
    assert w.process.wait(10 * PATIENCE) == -signal.SIGPIPE

"""Ctrl-C and SIGTERM: what writes says how much was done, what measures tidies up, and then they end by the signal."""
import json
import os
import signal
import subprocess

import pytest

from fake_ring import OPERATIONS, TOKEN
from harness import PATIENCE, ctl_binary, die_with_parent, wait_for
from manners import run

AGAIN = "import it again (--resume if another ring wrote the file)\n"


@pytest.fixture
def start(broker):
    """start(*args, ignored=()): dhtctl with pipes for all its streams, which is sent signals."""
    made = []

    def make(*args, ignored=(), **options):
        def prepare():
            die_with_parent()
            for number in ignored:
                signal.signal(number, signal.SIG_IGN)
        streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        made.append(subprocess.Popen([ctl_binary(), "-b", broker.url, *args], preexec_fn=prepare, **streams))
        return made[-1]
    yield make
    for process in made:
        process.kill()
        process.communicate()


def feed(process, data):
    process.stdin.write(data)
    process.stdin.flush()


def ended(process, number, timeout=20):
    """What it printed on both streams, after that signal, which is what it ended by."""
    process.send_signal(number)
    process.wait(timeout * PATIENCE)
    out, error = process.stdout.read(), process.stderr.read().decode()
    assert process.returncode == -number, (process.returncode, out, error)
    return out, error


def records(fake, *wanted):
    wait_for(lambda: f"{wanted} in {fake.records}", lambda: all(key in fake.records for key in wanted))


def test_import_tells_what_was_done(fake, start):
    lines = b'{"key":1,"value":"x"}\n{"key":2,"value":"y"}\n'
    process = start("import")
    feed(process, lines)
    records(fake, b"1", b"2")
    out, error = ended(process, signal.SIGINT)
    assert out == b""
    assert error == "dhtctl: imported 2, failed 0; SIGINT ended it before the end of the input: " + AGAIN
    process = start("import", "--json")
    feed(process, lines.replace(b"2", b"3"))
    records(fake, b"3")
    out, error = ended(process, signal.SIGTERM)
    assert json.loads(out) == {"imported": 1, "kept": 1, "present": 1, "failed": 0, "whole": False}
    assert error == ""


def test_import_that_was_about_to_put_again(fake, start):
    """What is there is older than the file's, but a signal has come: it is not asked any more, so it is not unknown."""
    fake.counter, fake.records, fake.versions = 5, {b"k": b"x"}, {b"k": 5}

    def before(topic, request):
        if TOKEN in request:
            process.send_signal(signal.SIGINT)
    fake.before = before
    process = start("import")
    feed(process, b'{"name":"k","value":"y","version":"1/6"}\n')
    process.wait(20 * PATIENCE)
    assert process.returncode == -signal.SIGINT and fake.records == {b"k": b"x"}
    assert process.stderr.read() == (b"dhtctl: imported 0, failed 1 (first: line 1: key 'k': ended before it was asked; "
                                     b"it was not imported); SIGINT ended it before the end of the input: " + AGAIN.encode())


def test_lines_tell_what_was_done_and_what_may_have_been(fake, start):
    fake.before = lambda topic, request: not any(op[2] == b"b" for op in request[OPERATIONS])
    process = start("put", "-", "--json", "--timeout", "60s")
    feed(process, b"a\tx\n")
    assert json.loads(process.stdout.readline())["key"] == "a"
    feed(process, b"b\tx\n")
    wait_for("it to be asked", lambda: any(op[2] == b"b" for request in fake.requests for op in request[OPERATIONS]))
    out, error = ended(process, signal.SIGTERM)
    assert json.loads(out) == {"key": "b", "status": "unknown"}
    assert error == ("dhtctl: 1 stored, 1 not (first: line 2: key 'b': ended ahead of its answer; unknown: it may have "
                     "been stored); SIGTERM ended it before the end of standard input\n")


def test_given_keys_tell_it(fake, start):
    fake.answers = False
    process = start("put", "door", "open", "--timeout", "60s")
    wait_for("it to be connected", lambda: os.path.exists(f"/proc/{process.pid}") and caught(process))
    assert ended(process, signal.SIGINT)[1] == ("dhtctl: key 'door': ended ahead of its answer; unknown: it may have "
                                                "been stored\n")


def caught(process, number=signal.SIGINT, field="SigCgt:"):
    """Whether that is."""
    with open(f"/proc/{process.pid}/status") as f:
        mask = next(line for line in f if line.startswith(field))
    return int(mask.split()[1], 16) >> (number - 1) & 1


def test_lines_that_are_all_wrong_and_never_end(fake, start):
    """Nothing has to be waited for in the loop then."""
    wrong = subprocess.Popen(["yes"], stdout=subprocess.PIPE, preexec_fn=die_with_parent)
    process = start("put", "-", stdin=wrong.stdout)
    wait_for("it to be connected", lambda: caught(process))
    _, error = ended(process, signal.SIGINT)
    wrong.kill()
    wrong.communicate()
    assert "(first: line 1: no tab" in error and error.endswith("; SIGINT ended it before the end of standard input\n")


def test_a_signal_that_is_ignored_stays_so(fake, start):
    process = start("put", "-", ignored=[signal.SIGINT])
    feed(process, b"a\tx\n")
    records(fake, b"a")
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(b"b\tx\n", timeout=20 * PATIENCE)
    assert (process.returncode, error) == (0, b"dhtctl: 2 stored\n")


def test_a_signal_that_is_ignored_stays_so_behind_another(fake, start):
    """As of nohup: while what SIGTERM has ended is tidied up, the terminal may go."""
    fake.before = lambda topic, request: fake.counter < 5
    process = start("bench", "--timeout", "60m", "--inflight", "8", ignored=[signal.SIGHUP])
    wait_for("puts", lambda: fake.counter >= 5)
    process.send_signal(signal.SIGTERM)
    assert process.stderr.readline().startswith(b"dhtctl: SIGTERM ended it")
    assert caught(process, signal.SIGHUP, "SigIgn:")
    assert not caught(process)  # the second one ends it
    ended(process, signal.SIGINT)


@pytest.mark.parametrize("which, told", [("put", "2 of 5 keys were put, and stay; 0"),
                                         ("get", "5 of 5 keys were put, and stay; 2")])
def test_demo_tells_what_was_put(fake, start, which, told):
    """It writes, and what it wrote stays."""
    asked, put = [], fake._on_put

    def note(what):
        asked.append(what)
        if len(asked) == 3:  # and so the answers to two are here
            fake._publish = lambda *args, **options: None
    if which == "put":
        fake._on_put = lambda payload: note(payload) or put(payload)
    else:
        fake.answer = lambda key, value: note(key) or value
    process = start("demo", "--keys", "5", "--timeout", "60s")
    wait_for("the third", lambda: len(asked) == 3)
    out, error = ended(process, signal.SIGINT)
    assert (out, error) == (b"", f"dhtctl: SIGINT ended it: {told} of them were got back and equal\n")


@pytest.mark.parametrize("phase", ["preload", "run"])
def test_bench_deletes_its_keys(broker, ring, start, phase):
    r = ring(2)
    process = start("bench", *(["--keys", "10000000"] if phase == "preload" else ["--keys", "50", "--ops", "100000000"]))
    wait_for("keys", lambda: sum(node["records"] for node in r.look()) >= 50)
    out, error = ended(process, signal.SIGINT, timeout=60)
    assert out == b""
    assert error == "dhtctl: SIGINT ended it, nothing was measured; its keys are deleted now (the next signal leaves them)\n"
    assert run(broker, "ls", "bench:").stdout == b""


def test_the_second_signal_ends_bench_at_once(fake, start):
    fake.before = lambda topic, request: fake.counter < 5
    process = start("bench", "--timeout", "60m", "--inflight", "8")
    wait_for("puts", lambda: fake.counter >= 5)
    process.send_signal(signal.SIGTERM)
    assert process.stderr.readline().startswith(b"dhtctl: SIGTERM ended it")
    ended(process, signal.SIGINT)

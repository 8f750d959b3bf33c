"""dhtctl watch -- CMD: a command for each change, with all of it, one at a time, and an end that leaves nothing running."""
import contextlib
import fcntl
import json
import os
import pty
import signal
import subprocess
import sys
import termios
import time

import pytest

from harness import PATIENCE, ctl_binary, die_with_parent, wait_for
from manners import LOCAL, NOWHERE, PARTLY, TIMEOUT, USAGE, done, put_lines, refuses, run
from test_watching import Watch

# What it was given, as a line: its variables, and its standard input.
# Its line may be here before it has ended: Ctrl-C, handed on, ends it without a word.
TELL = """import json, os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
print(json.dumps([{k[4:]: os.fsencode(v).decode('latin-1') for k, v in os.environ.items()
                   if k in ('DHT_EVENT', 'DHT_KEY', 'DHT_VALUE', 'DHT_VERSION')},
                  sys.stdin.buffer.read().decode('latin-1')]))"""


@pytest.fixture
def watch(kv):
    made = []

    def make(*args):
        made.append(Watch(kv, *args))
        return made[-1].wait_begun()
    yield make
    for w in made:
        w.kill()


def shell(text):
    return ["--", "sh", "-c", text]


def told(w, n):
    """The last of n lines of TELL, without the version."""
    variables, value = json.loads(w.wait_lines(n)[n - 1])
    if variables["EVENT"] != "gap":
        number, _, counter = variables.pop("VERSION").partition("/")
        assert number.isdigit() and counter.isdigit()
    return variables, value


def test_it_is_given_all_of_a_change(kv, watch, key, monkeypatch):
    monkeypatch.setenv("DHT_VALUE", "of another change")
    w = watch(f"{key}*", "--", sys.executable, "-c", TELL)
    long = "x" * (131072 - len("DHT_VALUE=") - 1)   # the longest that an environment holds
    n = 0
    for name, value, in_environment in (
            (key, "hello", True), (key, "", True), (key + " ä=$(x)", "a\nb\\\t\xff", True), (key, "a\0b", False),
            (key, long, True), (key, long + "x", False), (key + "/2", "last", True)):
        n += 1
        done(kv, "put", name, input=value.encode("latin-1"))
        expected = {"EVENT": "put", "KEY": name.encode().decode("latin-1"), **({"VALUE": value} if in_environment else {})}
        assert told(w, n) == (expected, value)
    done(kv, "del", key)
    assert told(w, n + 1) == ({"EVENT": "del", "KEY": key}, "")
    done(kv, "--quiet", "put", "-", input=key.encode() + b"\\x00\tv\n")
    assert told(w, n + 2) == ({"EVENT": "put", "VALUE": "v"}, "v")
    assert w.interrupt() == -signal.SIGINT and w.errors == [b"dhtctl: watching; Ctrl-C ends it"]


def test_with_json_it_is_given_the_object(kv, watch, key):
    w = watch("--json", "-C", 2, f"{key}*", "--", sys.executable, "-c", TELL)
    done(kv, "put", key, input=b"\xff")
    done(kv, "del", key)
    assert w.end() == 0
    for line, event in zip(w.lines, ("put", "del")):
        variables, text = json.loads(line)
        given = json.loads(text)
        assert (given["event"], given["key"], given["version"]) == (event, key, variables["VERSION"])
        assert given.get("value_base64") == ("/w==" if event == "put" else None)


def test_a_number(kv, watch):
    w = watch("-C", 1, 4294967295, *shell('echo "$DHT_KEY $(cat)"'))
    done(kv, "put", 4294967295, "v")
    assert w.end() == 0 and w.lines == [b"4294967295 v"]


def test_where_the_command_begins(kv, watch, key):
    dashed, everything = watch("-C", 1, "--", f"-{key}", *shell("echo $DHT_KEY")), watch("-C", 1, *shell("echo $DHT_KEY"))
    ahead = watch("-C", 1, "--", f"-{key}")   # as everywhere: -- ends the options
    done(kv, "put", "--", f"-{key}", "v")
    for w in (dashed, everything):
        assert w.end() == 0 and w.lines == [b"-" + key.encode()]
    assert ahead.end() == 0 and ahead.lines == [b"put\t-%s\tv" % key.encode()]
    last = watch("-C", 1, key, "--")
    done(kv, "put", key, "v")
    assert last.end() == 0 and last.lines == [b"put\t%s\tv" % key.encode()]
    refuses(run(NOWHERE, "watch", "a", "b", "--", "true"), USAGE, "too many arguments")
    refuses(run(NOWHERE, "get", "--", "a", "--", "true", "-t"), 3)   # keys, all four


def test_no_such_program(key, tmp_path):
    """That is seen before anything is waited for."""
    refuses(run(NOWHERE, "watch", key, "--", "no-such-program"), LOCAL, "cannot run 'no-such-program'", "$PATH")
    plain = tmp_path / "plain"
    plain.write_text("")
    for name in (plain, tmp_path, "./none", ""):
        refuses(run(NOWHERE, "watch", key, "--", name), LOCAL, f"cannot run '{name}'")


def test_one_that_fails_is_told_and_the_next_is_run(kv, watch, key, tmp_path):
    script = tmp_path / "script"
    script.write_text("no program")   # and no #!
    script.chmod(0o755)
    w = watch("-C", 4, key, *shell('case $DHT_VALUE in 1) exit 3;; 2) kill -9 $$;; *) echo $DHT_EVENT;; esac'))
    other = watch("-C", 1, key, "--", script)
    for value in (1, 2, 3):
        done(kv, "put", key, value)
    done(kv, "del", key)
    assert w.end() == PARTLY and w.lines == [b"put", b"del"]
    start = f"dhtctl: 'sh' for put of key '{key}': "
    assert w.errors[1:] == [start.encode() + b"exit code 3", start.encode() + b"signal 9 ended it"]
    assert other.end() == PARTLY and b"cannot run it: exec format error" in other.errors[1]


def test_one_at_a_time_and_in_order(kv, watch, key, tmp_path):
    w = watch(key, *shell(f'mkdir {tmp_path}/one || echo two; echo $DHT_VALUE; rmdir {tmp_path}/one'))
    done(kv, "--quiet", "put", "-", input=b"".join(b"%s\t%d\n" % (key.encode(), i) for i in range(100)))
    wait_for("the last", lambda: w.lines and w.lines[-1] == b"99")
    assert b"two" not in w.lines and w.lines == sorted(w.lines, key=int) and len(set(w.lines)) == len(w.lines)


def test_the_last_is_waited_for(kv, watch, key, tmp_path):
    """And --idle counts from its end: it is no silence while a command runs."""
    gate, late = tmp_path / "gate", tmp_path / "late"
    os.mkfifo(gate)
    os.mkfifo(late)
    counted = watch("-C", 2, key, *shell(f'test $DHT_VALUE != 1 || cat {gate}; echo $DHT_VALUE'))
    idle = watch("--idle", "300ms", key, *shell(f'test $DHT_VALUE != 1 || cat {late}; date +%s.%N'))
    done(kv, "put", key, 1)
    done(kv, "put", key, 2)
    # the first runs for longer than there may be silence: as another sees, of a key that nobody changes
    wait_for("the first", lambda: children(idle.process))
    assert watch("--idle", "400ms", f"{key} other").end() == TIMEOUT
    late.write_text("")
    assert idle.end() == TIMEOUT and len(idle.lines) == 2 and time.time() - float(idle.lines[1]) >= 0.3
    assert counted.process.poll() is None and counted.lines == []
    gate.write_text("")
    assert counted.end() == 0 and counted.lines == [b"1", b"2"]


def test_what_is_there_first_waits_for_the_commands(kv, watch, key):
    """More than may wait: the listing goes on when there is room, and nothing is left out or told twice."""
    value = b"v" * (1 << 20)
    put_lines(kv, {f"{key} {i}": value for i in range(40)})
    w = watch("--initial", "-C", 40, f"{key}*", *shell("echo $DHT_EVENT $DHT_KEY $(wc -c)"))
    assert w.end() == 0
    assert sorted(w.lines) == sorted(b"put %s %d 1048576" % (key.encode(), i) for i in range(40))
    done(kv, "del", *(f"{key} {i}" for i in range(40)))


# Ends


def children(process):
    with open(f"/proc/{process.pid}/task/{process.pid}/children") as f:
        return f.read().split()


WAIT = """import signal
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
print('begun', flush=True)
signal.sigwait([signal.SIGTERM])
print('ended')"""


def test_a_signal_is_handed_on_and_waited_for(kv, watch, key):
    w = watch(key, "--", sys.executable, "-c", WAIT)
    done(kv, "put", key, 1)
    w.wait_lines(1)
    done(kv, "put", key, 2)   # this one waits, and is not run
    w.process.send_signal(signal.SIGTERM)
    assert w.end() == -signal.SIGTERM and w.lines == [b"begun", b"ended"] and len(w.errors) == 1
    # nothing runs: at once
    w = watch(key, "--", "true")
    done(kv, "put", key, 3)
    wait_for("no child", lambda: not children(w.process))
    w.process.send_signal(signal.SIGTERM)
    assert w.end() == -signal.SIGTERM


def test_a_second_signal_does_not_wait(kv, watch, key, tmp_path):
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    w = watch(key, *shell(f'trap "" TERM; echo begun; read line <{gate}'))
    done(kv, "put", key, 1)
    w.wait_lines(1)
    w.process.send_signal(signal.SIGTERM)
    wait_for("the first to be seen", lambda: not caught(w.process, signal.SIGTERM))
    w.process.send_signal(signal.SIGTERM)
    assert w.process.wait(20 * PATIENCE) == -signal.SIGTERM
    gate.write_text("\n")


def caught(process, number):
    with open(f"/proc/{process.pid}/status") as f:
        mask = next(line for line in f if line.startswith("SigCgt:"))
    return int(mask.split()[1], 16) >> (number - 1) & 1


# It tells when dhtctl has heeded the signal and waits again: one that is handed on has come by then.
INTERRUPTED = """import os, signal, sys
def status(name):
    with open(f'/proc/{os.getppid()}/status') as f:
        return next(line for line in f if line.startswith(name + ':')).split()[1]
def caught():
    return int(status('SigCgt'), 16) >> (signal.SIGINT - 1) & 1
seen = []
signal.signal(signal.SIGINT, lambda *_: seen.append(1))
if sys.argv[1] == 'apart':
    os.setpgid(0, 0)
print('begun', flush=True)
while caught():
    os.sched_yield()
while status('State') != 'S':
    os.sched_yield()
print('interrupts:', len(seen), flush=True)"""


@pytest.fixture
def on_terminal(kv):
    """on_terminal(*args): dhtctl watch on a terminal of its own, once it has begun; and a way to press Ctrl-C there."""
    ours, theirs = pty.openpty()
    made = []

    def prepare():
        die_with_parent()
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    def make(*args):
        made.append(subprocess.Popen([ctl_binary(), "-b", kv.url, "watch", *args], stdin=theirs, stdout=subprocess.PIPE,
                                     stderr=subprocess.PIPE, preexec_fn=prepare))
        assert made[0].stderr.readline().startswith(b"dhtctl: watching")
        return made[0], lambda: os.write(ours, b"\x03")
    yield make
    for process in made:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    os.close(ours)
    os.close(theirs)


def test_ctrl_c_ends_both(kv, key, on_terminal):
    """Neither is the one that ends by it told as a failure, nor is the next one begun."""
    process, press = on_terminal(key, *shell("echo begun; exec tail -f /dev/null"))
    done(kv, "put", key, 1)
    assert process.stdout.readline() == b"begun\n"
    done(kv, "put", key, 2)
    press()
    assert process.communicate(timeout=20 * PATIENCE) == (b"", b"") and process.returncode == -signal.SIGINT


@pytest.mark.parametrize("where, interrupts", [("beside", 1), ("apart", 0)])
def test_ctrl_c_is_the_terminals_to_send(kv, key, on_terminal, where, interrupts):
    """To all that run there: a second one, from us, might end at once what tidies up after the first."""
    process, press = on_terminal(key, "--", sys.executable, "-c", INTERRUPTED, where)
    done(kv, "put", key, 1)
    assert process.stdout.readline() == b"begun\n"
    press()
    assert process.communicate(timeout=20 * PATIENCE) == (b"interrupts: %d\n" % interrupts, b"")
    assert process.returncode == -signal.SIGINT


GIVEN = """import os
with open('/proc/net/tcp') as f:
    connections = {f'socket:[{line.split()[9]}]' for line in f}
for fd in os.listdir('/proc/self/fd'):
    try:
        print('connection', os.readlink(f'/proc/self/fd/{fd}') in connections)
    except FileNotFoundError:
        pass"""


def test_it_is_given_neither_the_connection_nor_what_it_ignores(kv, watch, key):
    """The transport ignores SIGPIPE; and a child that held the connection would keep it open after dhtctl's end."""
    w = watch("-C", 1, key, *shell(f"grep ^SigIgn /proc/$$/status; {sys.executable} -c \"$0\""), GIVEN)
    done(kv, "put", key, 1)
    assert w.end() == 0 and int(w.lines[0].split()[1], 16) >> (signal.SIGPIPE - 1) & 1 == 0
    assert len(w.lines) > 3 and set(w.lines[1:]) == {b"connection False"}, w.lines

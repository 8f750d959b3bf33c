"""dhtctl watch at a real ring: every change is seen, and where one may not have been there is a gap."""
import contextlib
import json
import os
import random
import subprocess
import threading

import pytest

import harness
from harness import PATIENCE, ctl_binary, die_with_parent, wait_for
from manners import LOCAL, NOWHERE, TIMEOUT, UNREACHABLE, USAGE, done, put_lines, refuses, run


class Watch:
    """dhtctl watch, from when it says that it has begun."""

    def __init__(self, broker, *args):
        self.process = subprocess.Popen([ctl_binary(), "-b", broker.url, "watch", *map(str, args)],
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=die_with_parent,
                                        process_group=0)
        self.lines, self.errors, self.begun = [], [], threading.Event()
        self.threads = [threading.Thread(target=self.read, args=a) for a in
                        ((self.process.stdout, self.lines), (self.process.stderr, self.errors))]
        for thread in self.threads:
            thread.start()

    def read(self, stream, lines):
        for line in stream:
            lines.append(line.rstrip(b"\n"))
            if line.startswith(b"dhtctl: watching"):
                self.begun.set()

    def wait_begun(self):
        assert self.begun.wait(20 * PATIENCE), self.errors
        return self

    def wait_lines(self, n):
        wait_for(lambda: f"{n} lines: {self.lines[-5:]} {self.errors}", lambda: len(self.lines) >= n)
        return self.lines

    def end(self):
        """The exit code; what it has printed is in lines."""
        code = self.process.wait(20 * PATIENCE)
        for thread in self.threads:
            thread.join()
        return code

    def interrupt(self):
        self.process.send_signal(harness.signal.SIGINT)
        return self.end()

    def kill(self):
        """With what it runs, which would hold its streams open."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, harness.signal.SIGKILL)
        return self.end()


@pytest.fixture
def watch(broker):
    made = []

    def make(*args):
        made.append(Watch(broker, *args))
        return made[-1].wait_begun()
    yield make
    for w in made:
        w.kill()


def test_watch_of_one_key(broker, ring, watch):
    ring(3)
    w = watch("mine")
    done(broker, "put", "other", "x")
    done(broker, "put", "mine", input=b"a\tb\\\n\xff")
    assert w.wait_lines(1) == [b"put\tmine\ta\\tb\\\\\\n\xff"]   # flushed
    done(broker, "put", "mine", "1")
    done(broker, "incr", "mine")
    w.wait_lines(3)
    done(broker, "del", "mine")
    w.wait_lines(4)
    done(broker, "put", "mine", "")
    assert w.wait_lines(5)[1:] == [b"put\tmine\t1", b"put\tmine\t2", b"del\tmine", b"put\tmine\t"]
    assert w.interrupt() == -harness.signal.SIGINT and w.errors == [b"dhtctl: watching; Ctrl-C ends it"]


def test_watch_of_prefixes_numbers_and_all(broker, ring, watch):
    ring(2)
    prefix, number, name, everything = watch("light/*"), watch(5), watch("--name", "a*"), watch("--json")
    for key in ("light/1", "lamp", "light/2", "light/", "a*", "ab"):
        done(broker, "put", key, "v")
    done(broker, "put", 5, "v")
    done(broker, "put", "--name", "5", "v")
    assert sorted(prefix.wait_lines(3)) == [b"put\tlight/\tv", b"put\tlight/1\tv", b"put\tlight/2\tv"]
    assert number.wait_lines(1) == [b"put\t5\tv"] and name.wait_lines(1) == [b"put\ta*\tv"]
    events = [json.loads(line) for line in everything.wait_lines(8)]
    assert [e["key"] for e in events] == ["light/1", "lamp", "light/2", "light/", "a*", "ab", 5, "5"]
    assert all(set(e) == {"event", "key", "value", "version"} and e["event"] == "put" for e in events)
    for w in (prefix, number, name, everything):
        assert w.interrupt() == -harness.signal.SIGINT
    assert (len(prefix.lines), len(number.lines), len(name.lines), len(everything.lines)) == (3, 1, 1, 8)


def test_a_star_that_stands_for_nothing_is_told(broker, ring, watch):
    ring(1)
    for args, noted in ((["a*b"], True), (["a*b*"], True), (["ab*"], False), (["--name", "a*b"], False)):
        w = watch(*args)
        done(broker, "put", "--name", "a*b" if "a*b" in args[-1] else "ab", "v")
        w.wait_lines(1)
        assert w.interrupt() == -harness.signal.SIGINT
        assert (len(w.errors), b"note: a '*'" in w.errors[0]) == (1 + noted, noted), w.errors
    noted = b"note: a '#' is a part of the name; names that begin with 'a/' are 'a/*'"
    assert noted in run(broker, "watch", "a/#", "--idle", "10ms").stderr
    assert b"note" not in run(broker, "watch", "--name", "a/#", "--idle", "10ms").stderr
    assert b"in 'a*b' it is a part of the name" in run(broker, "watch", "a*b", "--idle", "10ms").stderr
    assert b"note" not in run(broker, "watch", "a*b", "--idle", "10ms", "--quiet").stderr


def test_watch_tells_lives_and_their_end(broker, ring, watch):
    ring(1)
    w = watch("short", "--json", "-C", 2)
    done(broker, "put", "short", "v", "--ttl", "300ms")
    assert w.end() == 0
    put, gone = map(json.loads, w.lines)
    assert put["event"] == "put" and 0 < put["life"] <= 300
    assert gone["event"] == "del" and set(gone) == {"event", "key", "version"}


def test_watch_begins_with_what_is_there(broker, ring, watch):
    ring(3)
    put_lines(broker, {f"key {i}": b"v%d" % i for i in range(3000)} | {9: b"number"})
    everything, prefix = watch("--initial"), watch("--initial", "key 29*", "-C", "112")
    one, none = watch("--initial", "key 5"), watch("--initial", "absent")
    assert set(everything.wait_lines(3001)) == {b"put\tkey %d\tv%d" % (i, i) for i in range(3000)} | {b"put\t9\tnumber"}
    assert one.wait_lines(1) == [b"put\tkey 5\tv5"]
    for key in ("absent", "key 290000"):
        done(broker, "put", key, "now")
    assert none.wait_lines(1) == [b"put\tabsent\tnow"]
    assert prefix.end() == 0 and len(prefix.lines) == 112 and prefix.lines[-1] == b"put\tkey 290000\tnow"
    assert set(everything.wait_lines(3003)[3001:]) == {b"put\tabsent\tnow", b"put\tkey 290000\tnow"}


def test_watch_ends_when_nothing_happens(broker, ring, watch):
    ring(1)
    w = watch("--idle", "500ms")
    done(broker, "put", "a", "v")
    assert w.end() == TIMEOUT and w.lines == [b"put\ta\tv"]
    assert b"dhtctl: nothing has happened for 500ms" in b"\n".join(w.errors)
    assert run(broker, "watch", "-q", "--idle", "10ms").stderr == b""


def test_watch_that_cannot(broker, ring):
    refuses(run(NOWHERE, "watch"), UNREACHABLE, NOWHERE)
    refuses(run(broker, "watch", "--timeout", "300ms"), TIMEOUT, "nobody", "lets us watch", "300ms", "dhtctl ring")
    refuses(run(broker, "watch", "a", "b"), USAGE, "too many arguments", "watch [KEY|PREFIX*]")
    refuses(run(broker, "watch", ""), USAGE, "must not be empty")
    refuses(run(broker, "watch", "-5"), USAGE, "a number is a decimal")
    refuses(run(broker, "watch", "-C", "0"), USAGE, "--count")
    refuses(run(broker, "get", "-C", "1", "a"), USAGE, "'dhtctl get' has no option '--count'")
    ring(1)
    done(broker, "put", "a", "v")
    with open("/dev/full", "wb") as device:
        result = subprocess.run([ctl_binary(), "-b", broker.url, "watch", "-q", "--initial"], stdout=device,
                                stderr=subprocess.PIPE)
    assert result.returncode == LOCAL and b"cannot write to standard output: no space left" in result.stderr


def test_a_reader_that_goes_away_ends_watch_silently(broker, ring):
    ring(1)
    process = subprocess.Popen([ctl_binary(), "-b", broker.url, "watch", "-q"], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, preexec_fn=die_with_parent)
    process.stdout.close()

    def ended():
        run(broker, "put", "a", "v")
        return process.poll() is not None
    wait_for("its end", ended)
    assert (process.returncode, process.stderr.read()) == (-harness.signal.SIGPIPE, b"")
    process.stderr.close()


@pytest.mark.slow
def test_every_change_is_seen_while_nodes_come_and_go(broker, ring, watch):
    """And no gap is told: who watches moves with the arcs."""
    r = ring(3)
    everything, one = watch("--json"), watch("one")
    going, written = True, 0

    def churn():
        nonlocal going
        try:
            for _ in range(4):
                node = r.add()
                r.wait_whole(4)
                node.leave()
        finally:
            going = False
    thread = threading.Thread(target=churn)
    thread.start()
    while going or written < 1000:
        put_lines(broker, {f"key {i}": b"v" for i in range(written, written + 100)})
        written += 100
        done(broker, "put", "one", written)
    thread.join()
    seen = [json.loads(line) for line in everything.wait_lines(written + written // 100)]
    assert {e.get("key") for e in seen} == {f"key {i}" for i in range(written)} | {"one"}
    assert [line for line in one.wait_lines(written // 100)] == [b"put\tone\t%d" % i
                                                                for i in range(100, written + 1, 100)]
    assert len(seen) == written + written // 100   # each once, and not a single gap


@pytest.mark.slow
def test_a_gap_is_told_when_an_owner_is_killed(broker, ring, watch):
    r = ring(4)
    put_lines(broker, {f"key {i}": b"v" for i in range(100)})
    owner = json.loads(done(broker, "get", "--json", "key 5"))["owner"]
    everything, its, others = watch(), watch("key 5"), watch("nobody's", "--json")
    spared = json.loads(run(broker, "put", "nobody's", "v", "--json").stdout)["owner"] != owner
    r.by_id(owner).kill()
    r.wait_whole(3)
    wait_for("the gaps", lambda: any(line.startswith(b"gap\t") for line in everything.lines + its.lines))
    assert [line[:4] for line in its.wait_lines(1)] == [b"gap\t"] and b"dhtctl get" in its.lines[0]
    wait_for("the gap", lambda: [line for line in everything.lines if line.startswith(b"gap\t")])
    put_lines(broker, {f"key {i}": b"w" for i in range(100)})
    wait_for("all that follows", lambda: {line for line in everything.lines if line.endswith(b"\tw")}
             == {b"put\tkey %d\tw" % i for i in range(100)})
    assert sum(line.startswith(b"gap\t") for line in everything.lines) == 1, everything.lines
    assert its.wait_lines(2)[1] == b"put\tkey 5\tw"
    if spared:
        assert not [line for line in others.lines if b'"gap"' in line]


def test_a_gap_is_told_when_the_broker_was_away(broker, ring, watch):
    r = ring(2)
    w = watch("--json")
    done(broker, "put", "a", "1")
    w.wait_lines(1)
    broker.stop()
    wait_for("the loss", lambda: len(w.errors) == 2)
    assert w.errors[1].startswith(b"dhtctl: lost the connection to broker %s (--broker): " % broker.url.encode())
    assert w.errors[1].endswith(b"; trying again")
    broker.start()
    r.wait_whole(2)
    wait_for("the gap", lambda: len(w.lines) == 2)
    wait_for("the end of it", lambda: len(w.errors) == 3)
    assert w.errors[2] == b"dhtctl: back at broker %s (--broker)" % broker.url.encode()
    assert json.loads(w.lines[1]) == {"event": "gap", "todo": "list it again: dhtctl export, or ls"}
    done(broker, "put", "a", "2")
    assert json.loads(w.wait_lines(3)[2])["value"] == "2"


def test_a_watch_that_ends_without_its_broker_has_said_so(broker, ring, watch):
    ring(1)
    w = watch("--idle", "2s")
    broker.kill()
    assert w.end() == TIMEOUT
    assert len(w.errors) == 3 and b"lost the connection to broker" in w.errors[1]


@pytest.mark.slow
def test_a_watcher_that_does_not_read_is_told_of_a_gap(make_broker, make_ring):
    """What its broker gave up for it; and it goes on."""
    broker = make_broker(settings="max_queued_messages 100")
    r = make_ring(broker, 1)
    w = Watch(broker, "--json").wait_begun()
    try:
        w.process.send_signal(harness.signal.SIGSTOP)
        value = "v" * 20000
        for turn in range(8):
            put_lines(broker, {f"key {turn} {i}": value.encode() for i in range(200)})
        w.process.send_signal(harness.signal.SIGCONT)
        wait_for("the gap", lambda: run(broker, "put", "now", "v") and any(b'"gap"' in line for line in w.lines), 40)
        done(broker, "put", "last", "v")
        wait_for("the last", lambda: b'"last"' in w.lines[-1])
    finally:
        w.process.kill()
        w.end()
    assert not r.complaints()


class Copy:
    """The ring's keys and versions, kept as the manual has it: list, follow the events, list again at each gap."""

    def __init__(self, broker, watch):
        self.broker, self.watch, self.read, self.gaps = broker, watch, 0, 0
        self.versions = self.listed()

    def listed(self):
        rows = map(json.loads, done(self.broker, "ls", "--json", "--timeout", "30s").splitlines())
        return {row["key"]: self.version(row) for row in rows}

    @staticmethod
    def version(row):
        return tuple(map(int, row["version"].split("/")))

    def follow(self):
        while self.read < len(self.watch.lines):
            event = json.loads(self.watch.lines[self.read])
            self.read += 1
            if event["event"] == "gap":
                self.gaps += 1
                self.versions = self.listed()
            elif self.version(event) >= self.versions.get(event["key"], (0, 0)):
                self.versions[event["key"]] = self.version(event)
                if event["event"] == "del":
                    del self.versions[event["key"]]
        return self.versions


@pytest.mark.slow
def test_a_copy_kept_by_watching_is_right_whatever_happens(broker, ring, watch):
    """Nodes join, leave and die while keys are written and deleted: what is missed lies ahead of a gap."""
    r = ring(4)
    copy, dice, going = Copy(broker, watch("--json")), random.Random(harness.PATIENCE), True

    def write():
        while going:
            keys = [f"key {dice.randrange(300)}" for _ in range(20)]
            run(broker, "put", "-", "--timeout", "20s", input="".join(f"{k}\tv\n" for k in keys).encode(), timeout=60)
            run(broker, "del", "--timeout", "20s", *keys[:5], timeout=60)
    writer = threading.Thread(target=write)
    writer.start()
    try:
        for turn in range(4):
            r.add()
            r.wait_whole(5, 40)
            copy.follow()
            victim = dice.choice(r.living())
            if turn % 2:
                victim.leave()
            else:
                victim.kill()
            r.wait_whole(4, 40)
            copy.follow()
    finally:
        going = False
        writer.join()
    wait_for("the copy to be right", lambda: copy.follow() == copy.listed())
    assert 1 <= copy.gaps <= 2   # one for both, if the second died before all was watched again

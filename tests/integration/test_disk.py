"""Nodes with a data directory: what was acknowledged is there again, whoever was killed."""
import glob
import json
import os
import random
import re
import shutil
import subprocess
import time

import pytest

import harness
from harness import ctl, setting, wait_for
from test_core import spread

GAPS = random.Random()
FAKETIME = next(iter(glob.glob("/usr/lib/*/faketime/libfaketime.so.1")), None)
for_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounts, or becomes another user")


class Durable:
    """A ring whose nodes have directories."""

    def __init__(self, ring, folder, n, options=()):
        self.ring, self.folder, self.options = ring, str(folder), list(options)
        for i, id in enumerate(spread(n)):
            self.add(f"d{i}", id)
        if n:
            ring.wait_whole(n)

    def directory(self, name):
        return os.path.join(self.folder, "data-" + name)

    def add(self, name, id=None):
        return self.ring.add(name=name, id=id, args=["--data-dir", self.directory(name), *self.options])

    @property
    def nodes(self):
        return self.ring.nodes


@pytest.fixture
def durable(ring, tmp_path):
    """durable(n, options): a whole ring of n nodes with directories."""
    return lambda n, options=(): Durable(ring(), tmp_path, n, options)


def fill_and_delete(client, broker, n):
    """n records, and n that are deleted again (by a client that has tokens); and a counter at 3."""
    records = client.fill(n)
    gone = [f"gone-{i}" for i in range(n)]
    for key in gone:
        ctl(broker.url, "put", key, "x")
        ctl(broker.url, "del", key)
    for _ in range(3):
        ctl(broker.url, "incr", "counter")
    return records, gone


def check(client, broker, records, gone):
    client.check(records)
    assert ctl(broker.url, "get", "counter").stdout.strip() == b"3"
    back = [key for key in gone if ctl(broker.url, "get", key, check=False).returncode == 0]
    assert not back, f"deleted and there again: {back}"


def start_all(nodes, longest=0.5):
    """In any order, with gaps, the last one perhaps much later ($DHT_LATE, in seconds)."""
    order = list(nodes)
    GAPS.shuffle(order)
    for node in order:
        if node is order[-1]:
            time.sleep(GAPS.uniform(0, setting("DHT_LATE", 0.0)))
        node.start()
        time.sleep(GAPS.uniform(0, longest))  # which is what is tried


def doubts(broker):
    return json.loads(ctl(broker.url, "ring", "--json").stdout)["doubts"]


@pytest.mark.slow
@pytest.mark.parametrize("durability", ["fsync", "os"])
def test_all_nodes_and_the_broker_are_killed(durable, broker, client, make_hammer, durability):
    """kill -9 of everything under load, $DHT_KILLS_OF_ALL times, restarted in any order: every acknowledged value is there,
    nothing deleted is."""
    d = durable(5, ["--durability", durability])
    hammer = make_hammer(keys=60, timeout=4)
    records, gone = fill_and_delete(client, broker, 20)
    for _ in range(setting("DHT_KILLS_OF_ALL", 2)):
        hammer.wait_operations(100)
        for node in d.nodes:
            node.kill()
        broker.restart(kill=True)
        start_all(d.nodes)
        d.ring.wait_whole(5, timeout=40)
        check(client, broker, records, gone)
    hammer.wait_operations(100, timeout=40)
    hammer.finish(unanswered=True)


@pytest.mark.slow
def test_one_of_five_is_killed_and_restarted_under_load(durable, broker, client, make_hammer):
    d = durable(5)
    records = client.fill(50)
    hammer = make_hammer(keys=60, timeout=4)
    for node in GAPS.sample(d.nodes, 4):
        hammer.wait_operations(100)
        node.kill()
        hammer.wait_operations(GAPS.choice([1, 30, 300]))
        node.start()
        d.ring.wait_whole(5, timeout=40)
        client.check(records)
    hammer.finish(unanswered=True)


@pytest.mark.slow
def test_the_last_node_leaves_and_comes_back(durable, broker, client):
    """SIGTERM of one after the other: the last one keeps all, and needs no other to go on."""
    d = durable(2)
    records, gone = fill_and_delete(client, broker, 10)
    for node in d.nodes:
        node.leave()
    for node in reversed(d.nodes):
        node.start()
    d.ring.wait_whole(2, timeout=40)
    check(client, broker, records, gone)


@pytest.mark.slow
def test_one_of_five_never_comes_back(durable, broker, client):
    """A power cut, and one directory is lost with its node.  Its neighbours wait for it until an operator gives it up;
    there is another copy of everything."""
    d = durable(5)
    records, gone = fill_and_delete(client, broker, 20)
    for node in d.nodes:
        node.kill()
    broker.restart(kill=True)
    back = GAPS.sample(d.nodes, 4)
    start_all(back)
    wait_for("a neighbour to miss it", lambda: any("does not confirm it" in n.log_text() for n in back))
    lost = next(n for n in d.nodes if n not in back)
    wait_for("all that is in doubt to be told", lambda: doubts(broker) and all(
        doubt["waits_for"] == lost.id and doubt["copy"] and doubt["operator"] for doubt in doubts(broker)))
    ctl(broker.url, "recover", "all", "--yes", "--timeout", "60s", timeout=70)
    d.ring.wait_whole(4, timeout=60)
    check(client, broker, records, gone)


@pytest.mark.slow
@pytest.mark.parametrize("accepted", [False, True])
def test_who_has_all_copies_is_waited_for(durable, broker, client, accepted):
    """A power cut, and owner and backup of an arc stay away: it is not served as empty, until an operator says so.  Then
    what they have is merged when they come back after all."""
    d = durable(4)
    records = client.fill(40)
    for node in d.nodes:
        node.kill()
    broker.restart(kill=True)
    for node in d.nodes[:2]:
        node.start()
    low, high = spread(4)[1], spread(4)[2]  # owned by the third, kept by the fourth
    key = next(k for k in records if low < k <= high)
    wait_for("the two are connected", lambda: all("connected" in n.log_text().split("back with")[-1]
                                                  for n in d.nodes[:2]))
    with pytest.raises(harness.Timeout):
        client.get(key, timeout=13)  # beyond the time after which a node without a directory gives up
    told = ctl(broker.url, "--timeout", "2s", "get", key, check=False)
    assert told.returncode == 5 and re.search(
        rf"^dhtctl: key {key}: no answer within 2s: its arc \({low:08x}, {high:08x}\] is in doubt: node {high} gives no "
        rf"answer, and node \S+ waits for node {spread(4)[3]}, which may have on its disk what nobody else has -> start "
        r"them again, or see what 'dhtctl recover all' would give up\n$", told.stderr.decode()), told
    if accepted:
        ctl(broker.url, "recover", "all", "--yes", "--timeout", "60s", timeout=70)
        d.ring.wait_whole(2, timeout=40)
        assert client.get(key) == b""
    for node in d.nodes[2:]:
        node.start()
    d.ring.wait_whole(4, timeout=40)
    client.check(records)


@pytest.mark.slow
def test_a_ring_whose_nodes_are_all_away_is_waited_for(broker, left, make_ring, tmp_path):
    """Nobody founds another beside it, and the log says so, until an operator does."""
    r = make_ring(broker)
    node = r.add(id=9, args=["--data-dir", tmp_path / "nine"], env={"DHT_GRACE": "100ms"})
    wait_for("its word", lambda: "nobody answers -> waiting for its nodes" in node.log_text(), 40)
    assert node.log_text().count("-> waiting for its nodes") == 1 and not node.ready()
    told = ctl(broker.url, "recover", "all", "--yes", "--timeout", "40s", timeout=50)
    assert b"all records of it may be lost" in told.stderr and b"served again" in told.stdout
    r.wait_whole(1, timeout=40)


def test_no_connection_has_the_number_of_an_earlier_one(durable, broker):
    """Whenever the process dies: the number is reserved for good before it is told."""
    d = durable(1)
    node = d.nodes[0]
    seen = len(broker.connected_ids())  # its own and those of tools
    for i in range(6):
        node.kill()
        node.start()
        wait_for("its connection", lambda: len(broker.connected_ids()) > seen + i)
    numbers = [int(c[17:], 16) for c in broker.connected_ids()[seen:]]
    assert numbers == sorted(set(numbers)) and numbers[0] > 1, numbers
    d.ring.wait_whole(1)


def test_to_stop_while_there_is_no_broker(durable):
    """A node with a directory does not wait for one: it ends as in a power cut, and nothing is lost."""
    d = durable(2)
    for i in range(50):
        ctl(d.ring.broker.url, "put", f"k/{i}", f"value {i}")
    d.ring.broker.stop()
    for node in d.nodes:
        node.process.terminate()
    for node in d.nodes:
        assert node.process.wait(10 * harness.PATIENCE) == 0
        assert "there is no broker to leave by -> ending without it" in node.log_text()
    d.ring.broker.start()
    for node in list(d.nodes):
        node.start()
    d.ring.wait_whole(2)
    for i in range(50):
        assert ctl(d.ring.broker.url, "get", f"k/{i}").stdout == f"value {i}".encode()


# ---- directories that are no good ----

def run(broker, folder, *args, program=(), timeout=20):
    """A node that is expected to end by itself: its exit code and its log."""
    done = subprocess.run([*program, harness.node_binary(), "--broker", broker.url, *map(str, args)], text=True,
                          capture_output=True, timeout=timeout * harness.PATIENCE, cwd=str(folder),
                          preexec_fn=harness.die_with_parent)
    return done.returncode, done.stderr


@pytest.fixture
def left(ring, tmp_path):
    """The directory of a node with id 7 that has left in good order, with a record."""
    d = Durable(ring(), tmp_path, 0)
    node = d.add("seven", 7)
    d.ring.wait_whole(1)
    ctl(d.ring.broker.url, "put", "key", "value " * 100)
    node.leave()
    return d.directory("seven")


def refused(broker, tmp_path, directory, code, pattern, *args, **more):
    args = args or ("--id", "7", "--name", "seven")
    got, log = run(broker, tmp_path, *args, "--data-dir", directory, **more)
    assert got == code and re.search(pattern, log), f"exit code {got}\n{log}"
    assert " -> " in log, "it says what to do"
    assert len(log.splitlines()) == 1, log


def test_of_another_node(broker, left, tmp_path):
    refused(broker, tmp_path, left, 78, "is of node 7 .*not of node 8", "--id", "8", "--name", "seven")


def test_of_another_name(broker, left, tmp_path):
    refused(broker, tmp_path, left, 78, "is of node 7", "--id", "7", "--name", "eight")


def test_of_another_ring(broker, left, tmp_path):
    refused(broker, tmp_path, left, 78, "is of another ring", "--id", "7", "--name", "seven", "--topic-prefix", "other")


def test_truncated(broker, left, tmp_path):
    path = os.path.join(left, "data.mdb")
    os.truncate(path, 3 * 4096 + 100)
    refused(broker, tmp_path, left, 65, "data.mdb")


def test_empty_file(broker, left, tmp_path):
    os.truncate(os.path.join(left, "data.mdb"), 0)
    refused(broker, tmp_path, left, 65, "data.mdb")


def test_random_bytes_in_the_middle(broker, left, tmp_path):
    """Wherever they lie: refused, or nothing that is read lay there.  It never ends by a signal."""
    path = os.path.join(left, "data.mdb")
    whole = open(path, "rb").read()
    used = len(whole.rstrip(b"\0"))
    codes = []
    for at in range(0, used, max(used // 12, 1)):
        with open(path, "wb") as f:
            f.write(whole[:at] + os.urandom(512) + whole[at + 512:])
        node = subprocess.Popen([harness.node_binary(), "--broker", broker.url, "--id", "7", "--name", "seven",
                                 "--data-dir", left], stderr=subprocess.PIPE, text=True)
        for line in node.stderr:
            if "back with" in line:
                break
        node.terminate()
        codes.append(node.wait(20))
        node.stderr.close()
    assert set(codes) <= {0, 65} and 65 in codes, codes


@for_root
def test_read_only(broker, left, tmp_path):
    place = tmp_path / "ro"
    place.mkdir()
    subprocess.run(["mount", "--bind", left, place], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", place], check=True)
        refused(broker, tmp_path, place, 73, "Read-only")
    finally:
        subprocess.run(["umount", place], check=True)


@for_root
def test_unreadable(broker, left, tmp_path):
    """For a user to whom it does not belong."""
    for folder in [left, *list(tmp_path.parents)[:2], tmp_path]:
        os.chmod(folder, os.stat(folder).st_mode | 0o011)
    binary = os.path.join(left, "..", "dht-node")
    shutil.copy(harness.node_binary(), binary)
    got = subprocess.run(["setpriv", "--reuid=65534", "--clear-groups", binary, "--broker", broker.url, "--id", "7",
                          "--data-dir", left], capture_output=True, text=True, timeout=20)
    assert got.returncode == 73 and "Permission denied" in got.stderr, got


def test_no_directory_but_a_file(broker, tmp_path):
    (tmp_path / "file").write_text("x")
    refused(broker, tmp_path, tmp_path / "file", 73, "Not a directory")
    refused(broker, tmp_path, tmp_path / "nowhere" / "data", 73, "No such file")


def test_two_nodes_on_one_directory(durable, broker, tmp_path):
    d = durable(1)
    refused(broker, tmp_path, d.directory("d0"), 75, "in use by another process: %d" % d.nodes[0].pid)
    d.ring.wait_whole(1)


def test_durability_needs_a_directory(broker, tmp_path):
    code, log = run(broker, tmp_path, "--durability", "os")
    assert code == 64 and "--data-dir" in log
    code, log = run(broker, tmp_path, "--durability", "maybe", "--data-dir", tmp_path / "d")
    assert code == 64 and "maybe" in log


def test_none_is_refused_after_a_kill(durable, broker, tmp_path):
    """What it holds is an earlier time.  An end in good order is kept."""
    d = durable(1, ["--durability", "none"])
    node = d.nodes[0]
    ctl(broker.url, "put", "key", "value")
    node.leave()
    node.start()
    d.ring.wait_whole(1)
    assert ctl(broker.url, "get", "key").stdout.strip() == b"value"
    node.kill()
    refused(broker, tmp_path, d.directory("d0"), 65, "", "--id", node.id, "--name", node.name)


def test_the_directory_says_who(durable, broker, tmp_path):
    """Without id and name those of the directory are taken."""
    d = durable(1)
    node = d.nodes[0]
    ctl(broker.url, "put", "key", "value")
    node.kill()
    d.ring.add(anonymous=True, args=["--data-dir", d.directory("d0")])
    assert set(d.ring.wait_whole(1)) == {node.id}
    assert ctl(broker.url, "get", "key").stdout.strip() == b"value"


@pytest.mark.slow
def test_a_clock_ten_years_ahead(durable, broker, tmp_path):
    """Refused, and named, as whatever has a life would be gone; and the life goes on when the clock is right again."""
    d = durable(1)
    node = d.nodes[0]
    ctl(broker.url, "put", "key", "value", "--ttl", "1h")
    ctl(broker.url, "put", "for ever", "value")
    node.kill()
    wrong = {"LD_PRELOAD": FAKETIME, "FAKETIME": "+3650d", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    program = ["env", *(f"{name}={value}" for name, value in wrong.items())]
    code, log = run(broker, tmp_path, "--data-dir", d.directory("d0"), program=program)
    assert code == 75 and re.search(r"the clock says 20\d\d-\d\d-\d\d, .* was last written on 20\d\d-.* -> set the clock, "
                                    r"or start once with --accept-clock", log), log
    again = d.add("d0", node.id)
    d.ring.wait_whole(1)
    assert ctl(broker.url, "get", "key").stdout.strip() == b"value"
    again.kill()
    d.ring.add(name="d0", id=node.id, args=["--data-dir", d.directory("d0"), "--accept-clock"], env=wrong)
    d.ring.wait_whole(1)
    assert ctl(broker.url, "get", "for ever").stdout.strip() == b"value"
    assert ctl(broker.url, "get", "key", check=False).returncode == 1


# ---- no room ----

@pytest.fixture
def small(tmp_path):
    """A filesystem of 64 MiB."""
    place = tmp_path / "small"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "small", place], check=True)
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def put(broker, key, size=1 << 20):
    """Its value; None: there was no room, which is said at once."""
    value = chr(97 + key % 26) * size
    done = ctl(broker.url, "put", str(key), "--timeout", "10s", input=value.encode(), check=False)
    if done.returncode == 8:
        assert b"there is no room where it has to be" in done.stderr, done
        return None
    assert done.returncode == 0, done
    return value


@for_root
@pytest.mark.slow
@pytest.mark.parametrize("keeper", [False, True])
def test_no_room(ring, broker, client, small, tmp_path, keeper):
    """Of a node alone, or of one that keeps the copies of another: writers are told, what is there is read and deleted,
    and it goes on by itself when there is room."""
    r = ring()
    node = r.add(id=7, args=["--data-dir", small / "data"])
    if keeper:
        r.add(id=1 << 31, args=["--data-dir", tmp_path / "roomy"])
    r.wait_whole(1 + keeper)
    records = {}
    for key in range(8, 200):  # of the other, if there is one
        value = put(broker, key)
        if value is None:
            break
        records[key] = value
    assert len(records) > 10 and node.running()
    assert put(broker, 8) is None and put(broker, 300, 1) is None
    client.check(records)
    gone = records.popitem()[0]
    assert ctl(broker.url, "del", str(gone)).returncode == 0
    assert ctl(broker.url, "get", str(gone), check=False).returncode == 1
    assert node.log_text().count("no room in") == 1
    subprocess.run(["mount", "-o", "remount,size=512m", small], check=True)
    wait_for("room again", lambda: "has room" in node.log_text())
    wait_for("a write", lambda: put(broker, 1000, 5))
    node.kill()
    node.start()
    r.wait_whole(1 + keeper, timeout=40)
    client.check(records)
    assert ctl(broker.url, "get", str(gone), check=False).returncode == 1
    assert client.get(1000) == b"mmmmm"


# ---- a disk that is slow, or fails: strace(1) plays it ----

with_strace = pytest.mark.skipif(not shutil.which("strace"), reason="no strace")


def played(ring, folder, injection):
    """A node alone whose fdatasync() is as that says."""
    program = folder / "dht-node-played"
    program.write_text(f"#!/bin/sh\nexec strace -D -f -o {folder}/strace -e trace=fdatasync -e inject=fdatasync:{injection} "
                       f'{harness.node_binary()} "$@"\n')
    program.chmod(0o755)
    leaks = ":".join(filter(None, [os.environ.get("ASAN_OPTIONS"), "detect_leaks=0"]))  # not under ptrace
    node = harness.Node(ring.broker.url, folder, "played", 7, ["--data-dir", str(folder / "played")],
                        {"ASAN_OPTIONS": leaks}, str(program))
    ring.nodes.append(node.start())
    ring.wait_whole(1)
    return node


@with_strace
def test_nothing_is_answered_before_it_is_written(ring, client, tmp_path):
    """With a disk that takes half a second: a put waits for it, what is read behind nothing does not."""
    played(ring(), tmp_path, "delay_enter=500000")
    begin = time.monotonic()
    client.put(1, "value")
    written = time.monotonic()
    assert written - begin >= 0.5
    assert client.get(1) == b"value"
    assert time.monotonic() - written < 0.4 * harness.PATIENCE


@with_strace
def test_a_sync_that_fails_ends_the_process(ring, broker, client, tmp_path):
    """With a line, an exit code and its will; what it had acknowledged is there."""
    r = ring()
    node = played(r, tmp_path, "error=EIO:when=60+")
    records = {}
    with pytest.raises(harness.Timeout):
        for key in range(200):
            client.put(key, f"v{key}", timeout=2)
            records[key] = f"v{key}"
    assert node.wait() == 74
    assert node.log_text().count("cannot write to") == 1 and "Input/output error" in node.log_text()
    assert records
    node.program, node.env = harness.node_binary(), {}
    node.start()
    r.wait_whole(1)
    client.check(records)

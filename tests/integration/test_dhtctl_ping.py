"""`dhtctl ping` and `dhtctl check`: is the ring there, and is it well?  By rings that are only played; then real nodes."""
import json
import re
import signal
import subprocess
import time

import pytest

from fake_ring import FakeNode, nodes
from harness import PATIENCE, ctl_binary, die_with_parent, wait_for
from manners import NO, NOWHERE, PARTLY, TIMEOUT, UNREACHABLE, at_once, done, refuses, run

Q = 1 << 30
SHORT = ("--timeout", "1s")


@pytest.fixture
def house(make_fake):
    return make_fake(*nodes(5, Q, 2 * Q, n5="kitchen", n1073741824="attic"))


def silent_from(fake, question, *names):
    """From that question on (the first two are ping's look at the ring, if it is well: one) these say nothing."""
    who, asked = fake._on_who, []

    def answer(frame):
        asked.append(frame)
        if len(asked) >= question:
            fake.members = [n for n in fake.members if n.name not in names]
        who(frame)
    fake._on_who = answer


# ping


def test_ping(broker, house):
    *answers, last = done(broker, "ping").decode().splitlines()
    assert sorted(re.fullmatch(r"1  (\S+) +\d+\.\d{3} ms", line).group(1) for line in answers) == [
        "attic", "kitchen", "n2147483648"]
    assert len({line.index(" ms") for line in answers}) == 1, "a column"
    assert "at most 1/128 more is said" in " ".join(done(broker, "ping", "--help").decode().split())
    times = sorted(float(line.split()[2]) for line in answers)
    told = re.fullmatch(r"3 answers, 0 lost, p50 (\S+) ms, max (\S+) ms", last)
    assert float(told[1]) == pytest.approx(times[1], rel=0.01, abs=0.001) and float(told[2]) == times[2]
    assert done(broker, "ping", "--quiet") == b""


def test_ping_of_one(broker, house):
    for node, name in ((5, "kitchen"), ("n2147483648", "n2147483648")):
        lines = [line.split() for line in done(broker, "ping", node).decode().splitlines()]
        assert lines[0][:2] == ["1", name] and lines[1][:4] == ["1", "answer,", "0", "lost,"]
    lines = [line.split() for line in done(broker, "ping", "kitchen", "-c", 2).decode().splitlines()]
    assert [line[:2] for line in lines[:2]] == [["1", "kitchen"], ["2", "kitchen"]] and lines[2][:2] == ["2", "answers,"]
    assert house.looks == 2 + 2 + 3, "one to find it"


def test_ping_stands_in_columns(broker, house):
    """Of ten questions as of one, and a slow answer under a quick one."""
    who = house._on_who

    def answer(frame):
        heard = time.monotonic()
        wait_for("the third question is over 10 ms old", lambda: house.looks != 3 or time.monotonic() > heard + 0.01)
        who(frame)
    house._on_who = answer
    lines = done(broker, "ping", "kitchen", "-c", 10, "-t", "10s").decode().splitlines()[:-1]
    assert len({(len(line), line.index("kitchen")) for line in lines}) == 1, lines
    assert [line.split()[0] for line in lines] == [str(i + 1) for i in range(10)]
    assert max(float(line.split()[2]) for line in lines) > 10 > min(float(line.split()[2]) for line in lines)


def test_ping_for_programs(broker, house):
    told = [json.loads(line) for line in done(broker, "ping", "--json", "kitchen", "--times=2").splitlines()]
    assert [(t["round"], t["node"], t["name"]) for t in told[:-1]] == [(i, 5, "kitchen") for i in (1, 2)]
    assert told[-1]["answers"] == 2 and told[-1]["lost"] == 0
    assert told[-1]["max_us"] == max(t["us"] for t in told[:-1]) > 0
    silent_from(house, 2, "kitchen")
    told = [json.loads(line) for line in run(broker, *SHORT, "ping", "--json", "kitchen").stdout.splitlines()]
    assert told[-1] == {"answers": 0, "lost": 1, "p50_us": None, "max_us": None}


def test_ping_of_who_says_nothing(broker, house):
    silent_from(house, 2, "kitchen", "attic")
    result = run(broker, *SHORT, "ping", "kitchen")
    assert (result.returncode, result.stderr) == (TIMEOUT, b"dhtctl: node kitchen: no answer within 1s\n")
    assert result.stdout == b"0 answers, 1 lost\n", "no answer took no time"


def test_ping_of_some_that_say_nothing(broker, house):
    silent_from(house, 3, "kitchen", "attic")
    result = run(broker, *SHORT, "ping", "--json", "-c", 2)
    told = [json.loads(line) for line in result.stdout.splitlines()]
    assert result.returncode == PARTLY and result.stderr.count(b"no answer within 1s\n") == 2
    assert sorted(t["name"] for t in told[:-1] if t["us"] is None) == ["attic", "kitchen"]
    assert (told[-1]["answers"], told[-1]["lost"]) == (4, 2)


def test_a_neighbour_that_is_away_is_pinged_too(broker, house):
    del house.members[0]
    each, one, by_name = at_once(broker, (*SHORT, "ping", "-q"), (*SHORT, "ping", 5), ("ping", "kitchen"))
    assert (each.returncode, each.stdout) == (PARTLY, b"")
    assert each.stderr == b"dhtctl: node 5: no answer within 1s\n"
    assert one.returncode == TIMEOUT
    refuses(by_name, TIMEOUT, "no answer from node 'kitchen', but from 2 others")


def test_ping_where_nobody_is(broker):
    refuses(run(broker, "--timeout", "300ms", "ping"), TIMEOUT, "no ring answers", "start a node")
    refuses(run(NOWHERE, "ping"), UNREACHABLE, "cannot reach broker")


def test_ping_until_it_is_ended(broker, house):
    process = subprocess.Popen([ctl_binary(), "-b", broker.url, "ping", "kitchen", "-c", "1000000"], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, preexec_fn=die_with_parent)
    begun = time.monotonic()
    wait_for("two questions", lambda: house.looks >= 3, interval=0.005)
    assert time.monotonic() - begun >= 0.95, "one a second"
    process.send_signal(signal.SIGINT)
    out, error = process.communicate(timeout=20 * PATIENCE)
    assert process.returncode == -signal.SIGINT and error == b"" and b" 0 lost, p50 " in out.splitlines()[-1]


def test_ping_whose_reader_goes_away(broker, house):
    """The answers that are missing are not waited for then."""
    silent_from(house, 3, "kitchen")
    process = subprocess.Popen([ctl_binary(), "-b", broker.url, "ping", "-t", "10m", "-c", "1000000"],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=die_with_parent)
    for _ in house.members:
        process.stdout.readline()
    process.stdout.close()
    assert process.wait(20 * PATIENCE) == -signal.SIGPIPE and process.stderr.read() == b""
    process.stderr.close()


# check


def test_all_is_well(broker, house):
    assert done(broker, "check") == b""
    assert json.loads(done(broker, "check", "--json")) == {"healthy": True, "nodes": 3, "problems": []}


def test_what_is_wrong(broker, house):
    house.members.append(FakeNode(9, "shed", "NODE_SUSPECT"))
    del house.members[0]
    result, told, quiet = at_once(broker, ["check"], ["check", "--json"], ["check", "--quiet"])
    lines = result.stderr.decode().splitlines()
    assert (result.returncode, result.stdout, len(lines)) == (NO, b"", 2) and all(t.startswith("dhtctl: ") for t in lines)
    assert "node 5 gives no answer" in lines[0] and "node shed is suspect" in lines[1]
    assert (told.returncode, told.stderr) == (NO, b"")
    assert json.loads(told.stdout) == {"healthy": False, "nodes": 3, "problems": [t[len("dhtctl: "):] for t in lines]}
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (NO, b"", b"")


def test_copies_count(broker, house):
    """What 'status' takes for well: all is served, by fewer than it is to be."""
    for node in house.members:
        node.copies = (7, 2, 2, 0)
    assert done(broker, "check") == b""
    house.members[1].copies = (7, 1, 2, 40)
    assert run(broker, "status").returncode == 0
    error = refuses(run(broker, "check"), NO, "1 of 2 copies, 40 records to go")
    house.members[1].copies = (7, 3, 4, 0)
    assert run(broker, "status").returncode == 0
    error = refuses(run(broker, "check"), NO, "3 nodes, and 4 copies are asked for (--replicas)")
    assert json.loads(run(broker, "check", "--json").stdout)["problems"] == [error[len("dhtctl: "):-1]]
    for node in house.members:
        node.copies = (7, 1, 4, 0)
    assert run(broker, "check").stderr.count(b"\n") == 4


def test_no_ring_and_no_broker_to_check(broker):
    refuses(run(broker, "check", "--timeout", "300ms"), NO, "no ring answers", "start a node: 'dht-node ")
    result = run(broker, "check", "--quiet", "--timeout", "300ms")
    assert (result.returncode, result.stdout, result.stderr) == (NO, b"", b"")
    refuses(run(NOWHERE, "check", "--quiet"), UNREACHABLE, "cannot reach broker", "refused", "is mosquitto running?")
    result = run(NOWHERE, "check", "--json")
    told = json.loads(result.stdout)
    assert result.returncode == UNREACHABLE and told["healthy"] is False and "refused" in told["problems"][0]


# both


def test_a_real_ring(broker, ring):
    r = ring(3, env={"DHT_PING": "1m"})  # who hangs is not taken over from
    wait_for("copies of all", lambda: run(broker, "check", "--quiet").returncode == 0)
    assert len(done(broker, "ping", "-c", 2).splitlines()) == 7
    gone = r.nodes[0]
    gone.pause()
    error = run(broker, *SHORT, "ping")
    assert error.returncode == PARTLY and error.stderr.count(b"no answer within 1s") == 1
    assert run(broker, "check", "--quiet").returncode == NO
    gone.resume()
    wait_for("it is well again", lambda: run(broker, "check", "--quiet").returncode == 0, 40)

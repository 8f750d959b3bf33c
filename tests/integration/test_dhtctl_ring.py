"""`dhtctl ring` and `dhtctl leave`: what a healthy ring never does, by one that is only played; then real nodes."""
import datetime
import json
import os
import re
import time

import pytest

from fake_ring import FakeNode, nodes
from harness import PATIENCE
from manners import NO, REFUSED, TIMEOUT, USAGE, VALUES, Terminal, refuses, run


# ring


def ring_json(broker, *args):
    done = run(broker, "ring", "--json", *args)
    assert done.returncode == 0, done
    return json.loads(done.stdout)


def test_ring_of_json(broker, make_fake):
    quarter = 1 << 30
    make_fake(*nodes(quarter, 2 * quarter, 4 * quarter - 1))
    told = ring_json(broker)
    assert told["problems"] == [] and told["silent"] == []
    assert [n["id"] for n in told["nodes"]] == [quarter, 2 * quarter, 4 * quarter - 1]
    middle = told["nodes"][1]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", middle.pop("since"))
    assert middle == {"id": 2 * quarter, "name": f"n{2 * quarter}", "state": "active", "predecessor": quarter,
                      "successor": 4 * quarter - 1, "records": 1, "arc": [quarter, 2 * quarter], "share": 0.25,
                      "epoch": None, "copies": None, "wanted": None, "behind": None, "full": False, "bytes": 0, "limit": 0,
                      "software": "fake"}
    assert sum(n["share"] for n in told["nodes"]) == pytest.approx(1)


def test_ring_of_one(broker, make_fake):
    make_fake(FakeNode(0, "", arc=(0, 0)))
    told = ring_json(broker)
    assert told["problems"] == []
    assert (told["nodes"][0]["name"], told["nodes"][0]["share"]) == ("0", 1)


def test_ring_for_people(broker, make_fake):
    make_fake(*nodes(1 << 30, 1 << 31, n1073741824="first"))
    done = run(broker, "ring")
    text = done.stdout.decode()
    assert done.returncode == 0 and "problem" not in text
    assert "2 nodes" in text and "1 record" in text
    assert re.search(r"^a  first +1073741824  active +\(80000000, 40000000\] +75\.0% +0 +-  0 ms$", text, re.M), text
    assert re.search(r"^b  n2147483648 +2147483648  active +\(40000000, 80000000\] +25\.0% +1 +-  1 s$", text, re.M), text
    drawing, table = text.split("\n\n", 1)
    assert drawing.count("a") > 2.5 * drawing.count("b") > 10
    assert run(broker, "ring", "--quiet").stdout.decode() == table


def test_ring_of_epochs_and_copies(broker, make_fake):
    """Of each arc, and what is lacking first; too few nodes for all copies is said once."""
    members = nodes(1 << 30, 1 << 31, 3 << 30)
    for node, told in zip(members, ((0x100000007, 2, 2, 0), (0x100000005, 1, 3, 12345), (0x10000000b, 3, 3, 0))):
        node.copies = told
    fake = make_fake(*members)
    middle = ring_json(broker)["nodes"][1]
    assert (middle["epoch"], middle["copies"], middle["wanted"], middle["behind"]) == (0x100000005, 1, 3, 12345)
    text = run(broker, "ring").stdout.decode()
    assert text.startswith("note: (40000000, 80000000], 25.0% of the ring: 1 of 3 copies, 12345 records to go\n\n"), text
    assert re.search(r"^b  \S+ +2147483648  active +\(40000000, 80000000\] +25\.0% +1  1 of 3    100000005  1 s  "
                     r"\(12345 records to go\)$", text, re.M), text
    assert re.search(r" 2    100000007  0 ms$", text, re.M) and re.search(r" 3    10000000b  2 s$", text, re.M), text
    assert "note" not in run(broker, "ring", "--quiet").stdout.decode()
    assert run(broker, "status").returncode == 0  # nothing is unserved

    members[1].copies = (0x100000005, 3, 3, 0)
    members[2].copies = (0x10000000b, 3, 5, 0)
    text = run(broker, "ring").stdout.decode()
    assert text.startswith("note: 3 nodes, and 5 copies are asked for (--replicas): there are as many as nodes -> "
                           "add nodes\n\n"), text
    assert text.count("note:") == 1
    fake.members.append(FakeNode(9, "new", "NODE_JOINING"))
    assert "note: 4 nodes, and 5 copies" in run(broker, "ring").stdout.decode()


def test_ring_draws_64_nodes(broker, make_fake):
    make_fake(*nodes(*((i << 26) + 5 for i in range(64))))
    done = run(broker, "ring")
    assert done.returncode == 0 and b"64 nodes" in done.stdout and b"problem" not in done.stdout


@pytest.mark.parametrize("width, heads", [
    (40, "node state share records"), (50, "node state share records copies"),
    (60, "node id state share records copies"), (82, "node id state arc share records copies"),
    (90, "node id state arc share records copies since")])
def test_a_narrow_terminal_gets_the_columns_that_fit(broker, make_fake, width, heads):
    make_fake(*nodes(5, 6, 7))
    terminal = Terminal(broker, "ring", "--quiet", "--color=never", stdout="tty", screen=(24, width))
    lines = terminal.finish()[1].decode().split("\r\n")
    assert lines[0].split() == heads.split() and len(lines) == 5
    assert max(map(len, lines)) <= width


def test_moments_instead_of_how_long_ago(broker, make_fake):
    make_fake(*nodes(5, 6, 7))
    terminal = Terminal(broker, "ring", "--quiet", "--color=never", "--utc", stdout="tty", screen=(24, 102))
    lines = terminal.finish()[1].decode().split("\r\n")
    assert max(map(len, lines)) == 102
    for line, node in zip(lines[1:4], ring_json(broker)["nodes"]):
        shown, told = (datetime.datetime.fromisoformat(text) for text in (line.split()[-1], node["since"]))
        assert abs(told - shown) <= datetime.timedelta(seconds=30 * PATIENCE)
    narrow = Terminal(broker, "ring", "--quiet", "--color=never", "--utc", stdout="tty", screen=(24, 101))
    assert "since" not in narrow.finish()[1].decode()


def test_a_moment_is_the_same_whenever_one_asks(broker, make_fake):
    """Of a node that has been so for some seconds and a half, in either half of a second."""
    node = make_fake(*nodes(5)).members[0]
    begun, halves, status = int(time.time()) - 1000 + 0.5, set(), node.status

    def aged(*args):
        node.since = int((time.time() - begun) * 1000)
        return status(*args)
    node.status = aged
    while len(halves) < 2:
        before = int(time.time() * 2)
        told = datetime.datetime.fromisoformat(ring_json(broker)["nodes"][0]["since"])
        assert told.timestamp() == int(begun)
        if int(time.time() * 2) == before:
            halves.add(before % 2)


def problems_of(broker, make_fake, *members):
    make_fake(*members)
    told = ring_json(broker)
    text = run(broker, "ring").stdout.decode()
    assert text.startswith("problem: " + told["problems"][0]), text
    return told


def test_ring_names_holes(broker, make_fake):
    members = nodes(1 << 30, 1 << 31, 3 << 30)
    del members[1]
    told = problems_of(broker, make_fake, *members)
    assert told["silent"] == [1 << 31]
    assert [p for p in told["problems"] if "(40000000, 80000000]" in p and "25.0%" in p and "2147483648" in p]
    assert f"{1 << 31}  (no answer)" in run(broker, "ring").stdout.decode()


def test_ring_names_overlaps_and_wrong_neighbours(broker, make_fake):
    first, second = nodes(1 << 30, 1 << 31)
    second.arc, second.predecessor = (1 << 29, 1 << 31), 5
    told = problems_of(broker, make_fake, first, second)
    assert any("2 nodes serve (20000000, 40000000]" in p for p in told["problems"])
    assert any("which has 5 before it" in p for p in told["problems"])


def test_ring_names_suspects_and_joiners_have_no_arc(broker, make_fake):
    first, second = nodes(1 << 30, 1 << 31)
    second.state = "NODE_SUSPECT"
    told = problems_of(broker, make_fake, first, second, FakeNode(9, "new", "NODE_JOINING"))
    assert any("is suspect" in p for p in told["problems"])
    assert any("nobody serves (40000000, 80000000]" in p for p in told["problems"])
    assert told["nodes"][0]["arc"] is told["nodes"][0]["predecessor"] is None
    assert told["nodes"][0]["state"] == "joining"


def test_ring_of_two_founders(broker, make_fake):
    told = problems_of(broker, make_fake, FakeNode(5, "a", arc=(5, 5), predecessor=5, successor=5),
                       FakeNode(9, "b", arc=(9, 9), predecessor=9, successor=9))
    assert any("2 nodes serve" in p for p in told["problems"])


def test_no_ring(broker):
    before = time.monotonic()
    refuses(run(broker, "ring", "--timeout", "500ms"), TIMEOUT, "no ring answers", broker.url, "(--broker)", "500ms",
            "start a node: 'dht-node --broker URL', or 'systemctl start dht-node@NAME'")
    assert 0.4 < time.monotonic() - before < 5 * PATIENCE


def test_topic_prefix(broker, make_fake):
    inside, outside = make_fake(*nodes(5), prefix="house/one"), make_fake(*nodes(6))
    args = ["--topic-prefix", "house/one"]
    assert run(broker, *args, "put", 1, "x").returncode == 0
    assert (inside.records, outside.records) == ({b"1": b"x"}, {})
    assert run(broker, *args, "get", 1).stdout == b"x"
    assert [n["id"] for n in ring_json(broker, *args)["nodes"]] == [5]
    for bad in ("/a", "a/", "a//b", "a+", "#", "x" * 64):
        refuses(run(broker, "--topic-prefix", bad, "get", 1), USAGE, "prefix", bad)


def test_frames_of_strangers_are_dropped(broker, make_fake):
    fake = make_fake(*nodes(5))

    class Rubbish(FakeNode):
        def status(self, state=None):
            return os.urandom(50)
    fake.members += [Rubbish(1), Rubbish(2)]
    assert [n["id"] for n in ring_json(broker)["nodes"]] == [5]


# leave


@pytest.mark.parametrize("name", ["first", "1073741824"])
def test_leave(broker, make_fake, name):
    make_fake(*nodes(1 << 30, 1 << 31, n1073741824="first"))
    done = run(broker, "leave", name)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"node first has left\n", b"")
    assert json.loads(run(broker, "leave", name, "--json").stdout) == {"id": 1 << 30, "name": "first", "left": True}
    assert run(broker, "leave", name, "--quiet").stdout == b""


def test_an_id_is_stronger_than_a_name(broker, make_fake):
    make_fake(*nodes(5, 6, n5="6", n6="other"))
    assert run(broker, "leave", "6").stdout == b"node other has left\n"


def test_leave_that_fails(broker, make_fake):
    fake = make_fake(*nodes(5, 6))
    refuses(run(broker, "leave", "n7"), NO, "no node 'n7'")
    silent = fake.members.pop()
    refuses(run(broker, "leave", silent.name), TIMEOUT, "1 more do not")  # nobody can say that there is no such node
    fake.members.append(silent)
    fake.leaves = "refused"
    refuses(run(broker, "leave", "n5"), REFUSED, "n5", "only an active node")
    fake.leaves = "stays"
    refuses(run(broker, "leave", "n5", "--timeout", "600ms"), TIMEOUT, "n5", "begun to leave", "600ms")
    fake.members.clear()
    refuses(run(broker, "leave", "n5", "--timeout", "300ms"), TIMEOUT, "no ring")


def test_the_last_node_is_asked_by_force_alone(broker, make_fake):
    fake = make_fake(FakeNode(5, "n5", arc=(5, 5), predecessor=5, successor=5, records=20522))
    refuses(run(broker, "leave", "n5"), REFUSED, "n5", "only active", "20522 records would be gone", "data directory", "export", "--force")
    fake.members.append(FakeNode(9, "new", "NODE_JOINING"))
    refuses(run(broker, "leave", "n5"), REFUSED, "20522 records")
    assert run(broker, "leave", "--force", "n5").stdout == b"node n5 has left\n"
    fake.members[0].predecessor = fake.members[0].successor = 6  # a node of the reference, that would take them
    assert run(broker, "leave", "n5").returncode == 0
    fake.members[:] = [FakeNode(5, "n5", arc=(5, 5), predecessor=5, successor=5)]
    assert run(broker, "leave", "n5").returncode == 0  # it holds nothing


# Real nodes


def test_the_tools_and_real_nodes(broker, ring):
    nodes = ring(4).nodes
    told = ring_json(broker)
    assert told["problems"] == told["silent"] == []
    assert {n["name"] for n in told["nodes"]} == {n.name for n in nodes}
    assert sum(n["share"] for n in told["nodes"]) == pytest.approx(1)
    assert run(broker, "demo").stdout.startswith(b"100/100 ")
    assert sum(n["records"] for n in ring_json(broker)["nodes"]) == 100
    assert run(broker, "put", 5, input=VALUES["all bytes"]).returncode == 0
    assert run(broker, "get", 5).stdout == VALUES["all bytes"]
    refuses(run(broker, "get", 6), NO, "absent")
    for left, node in enumerate(nodes, 1):
        name = str(next(n["id"] for n in told["nodes"] if n["name"] == node.name)) if left % 2 else node.name
        if left == len(nodes):
            refuses(run(broker, "leave", name), REFUSED, "its 101 records would be gone")
        force = ["--force"] if left == len(nodes) else []
        assert run(broker, "leave", name, *force, "--timeout", "15s").stdout == f"node {node.name} has left\n".encode()
        assert node.wait() == 0
        if left < len(nodes):
            assert run(broker, "get", 5).stdout == VALUES["all bytes"]
    refuses(run(broker, "ring", "--timeout", "300ms"), TIMEOUT, "no ring answers")


def test_large_values_and_real_nodes(broker, ring):
    ring(2)
    for key, name in enumerate(("1 MiB", "16 MiB")):
        assert run(broker, "put", key, "--timeout", "15s", input=VALUES[name]).returncode == 0
        assert run(broker, "get", key, "--timeout", "15s").stdout == VALUES[name]

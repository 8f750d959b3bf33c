"""Clients in other languages, as the README has them: the protocol is enough to write one."""
import json
import pathlib
import re
import shutil
import subprocess
import threading

import cbor2
import pytest
import xxhash

from harness import wait_for

DONE, ABSENT, FAILED, WRONG = 1, 2, 3, 4
GET, LOOK, PUT, DELETE, ADD, SUB, LIST, DUMP, WATCH = range(1, 10)
README = pathlib.Path(__file__).parents[2] / "README.md"


@pytest.fixture
def make_python(broker):
    """make_python(): the README's client, connected."""
    source = re.search(r"```python\n(.*?class Ring.*?)```", README.read_text(), re.S).group(1)
    names, made = {}, []
    exec(compile(source, "README.md", "exec"), names)   # as it stands there

    def make():
        client = names["Ring"](port=broker.port)
        made.append(client)
        return client
    yield make
    for client in made:
        client.mqtt.disconnect()
        client.mqtt.loop_stop()


def test_its_length():
    source = re.search(r"```python\n(.*?class Ring.*?)```", README.read_text(), re.S).group(1)
    assert len([line for line in source.splitlines() if line.strip()]) <= 30


def test_every_operation(ring, make_python):
    r = ring(3)
    client = make_python()
    assert client.ask(GET, "greeting") == (ABSENT, [])
    assert client.ask(PUT, "greeting", b"hello")[0] == DONE
    status, (version, value) = client.ask(GET, "greeting")
    assert (status, value) == (DONE, b"hello")
    assert client.ask(LOOK, "greeting") == (DONE, [version])
    assert client.ask(PUT, "greeting", b"hallo", 0)[0] == FAILED       # only if there is none
    assert client.ask(DELETE, "greeting")[0] == DONE
    assert client.ask(GET, "greeting") == (ABSENT, [])
    assert client.ask(DELETE, "greeting")[0] == ABSENT
    assert client.ask(ADD, "visits", 2)[1][1] == 2
    assert client.ask(SUB, "visits", 5)[1][1] == -3
    assert client.ask(GET, "visits")[1][1] == b"-3"
    assert client.ask(PUT, 4294967295, b"a number")[0] == DONE
    assert client.ask(ADD, 4294967295, 1)[0] == WRONG
    assert not r.complaints()


def test_a_number_is_the_reference_s(ring, make_python, client):
    ring(3)
    ours = make_python()
    assert ours.ask(PUT, 77, b"from ours")[0] == DONE
    assert client.get(77) == b"from ours"
    client.put(77, "from the reference's")
    assert ours.ask(GET, 77)[1][1] == b"from the reference's"


def test_counting_while_nodes_come_and_go(ring, make_python):
    """Every add is done once, whoever owns the counter by then."""
    r = ring(3)
    clients, done = [make_python() for _ in range(3)], [0, 0, 0]
    going = True

    def count(i):
        while going:
            status, _ = clients[i].ask(ADD, "counter", 1)
            assert status == DONE
            done[i] += 1
    threads = [threading.Thread(target=count, args=(i,)) for i in range(3)]
    for t in threads:
        t.start()
    for _ in range(4):
        node = r.add()
        r.wait_whole(4)
        node.term()
        assert node.wait() == 0
        r.wait_whole(3)
    going = False
    for t in threads:
        t.join()
    assert min(done) > 10
    assert make_python().ask(GET, "counter")[1][1] == str(sum(done)).encode()


def listing(client, kind=LIST, *prefix):
    """All entries, page by page, and the number of pages."""
    position, entries, pages = 0, [], 0
    while True:
        status, (_, page), (_, hi) = client.ask_for_arc(kind, position, *prefix)
        assert status == DONE
        following, found = cbor2.loads(page)
        entries += found
        pages += 1
        if following is not None:
            position = following
        elif hi < (position if isinstance(position, int) else xxhash.xxh32_intdigest(position)) or hi == 2 ** 32 - 1:
            return entries, pages
        else:
            position = hi + 1


@pytest.mark.slow
def test_listing(ring, make_python):
    ring(3)
    client = make_python()

    def ask_for_arc(*args):
        answer = client.ask(*args)
        return *answer, client.arc
    client.ask_for_arc = ask_for_arc
    names = {f"name {i}".encode(): b"v%d" % i for i in range(3000)}
    numbers = {i * 1431655 % 2 ** 32: b"n%d" % i for i in range(300)} | {0: b"0", 2 ** 32 - 1: b"m"}
    for key, value in {**names, **numbers}.items():
        assert client.ask(PUT, key, value)[0] == DONE
    client.ask(DELETE, b"name 7")
    names.pop(b"name 7")
    entries, pages = listing(client, DUMP)
    assert {e[0]: e[4] for e in entries} == {**names, **numbers}
    assert len(entries) == len(names) + len(numbers) and pages >= 4
    entries, _ = listing(client, LIST, b"name 29")
    assert sorted(e[0] for e in entries) == sorted(n for n in names if n.startswith(b"name 29"))
    assert all(len(e) == 3 for e in entries)


class Watcher:
    """Hears the streams of all owners, and whether each is whole."""

    def __init__(self, client):
        self.client, self.last, self.changes, self.gaps = client, {}, [], []
        self.granted = threading.Event()
        client.mqtt.on_subscribe = lambda *args: self.granted.set()
        client.mqtt.message_callback_add("ev/+", self.on_event)
        client.mqtt.subscribe("ev/+")
        assert self.granted.wait(20)

    def on_event(self, client, user, message):
        frame = cbor2.loads(message.payload)
        stream, number = (frame[30], frame[32]), frame[33]
        if self.last.setdefault(stream, number - 1) != number - 1:
            self.gaps.append((stream, number))
        self.last[stream] = number
        self.changes += frame[34]

    def ask(self, key, *everything):
        status, (_, place) = self.client.ask(WATCH, key, *everything)
        assert status == DONE
        return cbor2.loads(place)

    def ask_all(self):
        position = 0
        while True:
            self.ask(position, b"*")
            lo, hi = self.client.arc
            if hi < position or hi == 2 ** 32 - 1:
                return
            position = hi + 1


def test_watching_one_key(ring, make_python):
    ring(3)
    writer, watcher = make_python(), Watcher(make_python())
    writer.ask(PUT, "other", b"x")
    stream, number = watcher.ask("mine")
    assert watcher.ask("mine") == [stream, number]
    writer.ask(PUT, "other", b"y")
    writer.ask(PUT, "mine", b"1")
    writer.ask(ADD, "mine", 1)
    writer.ask(DELETE, "mine")
    wait_for("three changes", lambda: len(watcher.changes) == 3)
    assert [(key, value) for key, _, _, _, value in watcher.changes] == [(b"mine", b"1"), (b"mine", b"2"),
                                                                        (b"mine", None)]
    versions = [change[1:3] for change in watcher.changes]
    assert versions == sorted(versions)
    assert [n for (_, s), n in watcher.last.items() if s == stream] == [number + 3] and not watcher.gaps


@pytest.mark.slow
def test_watching_everything_while_nodes_come_and_go(ring, make_python):
    """Who watches moves with the arcs, so that nothing is missed while all is well."""
    r = ring(2)
    writer, watcher = make_python(), Watcher(make_python())
    watcher.ask_all()
    written = 0
    for turn in range(3):
        node = r.add()
        for _ in range(150):
            assert writer.ask(PUT, f"key {written}", b"v")[0] == DONE
            written += 1
        r.wait_whole(3)
        node.term()
        for _ in range(150):
            assert writer.ask(PUT, f"key {written}", b"v")[0] == DONE
            written += 1
        assert node.wait() == 0
        r.wait_whole(2)
    wait_for("all changes", lambda: len({change[0] for change in watcher.changes}) == written)
    assert not watcher.gaps


def test_the_end_of_a_life_is_told(ring, make_python):
    ring(1)
    writer, watcher = make_python(), Watcher(make_python())
    watcher.ask("short")
    assert writer.ask(PUT, "short", b"v", None, 300)[0] == DONE
    wait_for("its end", lambda: [change[4] for change in watcher.changes] == [b"v", None])
    assert writer.ask(GET, "short") == (ABSENT, [])


@pytest.mark.slow
def test_javascript(ring, broker, client, tmp_path):
    """The README's second client, where npm has what it needs."""
    if not shutil.which("npm"):
        pytest.skip("no npm")
    (tmp_path / "package.json").write_text("{}")
    command = ["npm", "install", "--no-audit", "--no-fund", "--prefer-offline", "mqtt", "cbor-x", "xxhashjs"]
    got = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    if got.returncode:
        pytest.skip("npm does not get the packages: " + got.stderr[-200:])
    source = re.search(r"```js\n(.*?class Ring.*?)```", README.read_text(), re.S).group(1)
    (tmp_path / "ring.mjs").write_text(source)
    (tmp_path / "try.mjs").write_text("""
        import { Ring } from "./ring.mjs";
        const ring = await Ring.open(process.argv[2]);
        const seen = [];
        for (const question of [[3, "greeting", Buffer.from("hello")], [1, "greeting"], [4, "greeting"], [1, "greeting"],
                                [3, 4294967295, Buffer.from("a number")]])
          seen.push((await ring.ask(...question))[0]);
        const sums = await Promise.all([...Array(9000)].map(() => ring.ask(5, "visits", 1)));
        console.log(JSON.stringify({ seen, sums: new Set(sums.map(([, found]) => found[1])).size }));
        ring.mqtt.end();
    """)
    ring(3)
    done = subprocess.run(["node", "try.mjs", broker.url], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"seen": [1, 1, 1, 2, 1], "sums": 9000}
    assert client.get(4294967295) == b"a number"

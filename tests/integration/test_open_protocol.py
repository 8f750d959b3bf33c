"""Clients in other languages, as the README has them: the protocol is enough to write one."""
import pathlib
import re
import threading

import cbor2
import pytest
import xxhash

DONE, ABSENT, FAILED, WRONG = 1, 2, 3, 4
GET, LOOK, PUT, DELETE, ADD, SUB, LIST, DUMP = range(1, 9)
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

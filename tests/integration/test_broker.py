"""The broker goes away, or one connection does: the nodes come back by themselves, into the same ring, with records."""
import re
import signal
import socket
import threading
import time

import pytest

import frames
from harness import PATIENCE, Node, copies_fault, free_port, in_arc, wait_for
from test_core import spread
from test_death import SOON


@pytest.mark.parametrize("persistence", [False, True], ids=["nothing-kept", "retained-kept"])
@pytest.mark.parametrize("kill", [False, True], ids=["SIGTERM", "SIGKILL"])
def test_broker_restart(make_broker, make_ring, kill, persistence):
    import wire
    broker = make_broker(persistence=persistence)
    r = make_ring(broker, 4)
    before = wire.Client(broker.port)
    records = before.fill(200)
    arcs = {n["id"]: (n["predecessor"], n["records"]) for n in r.look()}
    before.close()
    broker.restart(kill=kill)
    nodes = r.wait_whole(4, timeout=30)
    after = wire.Client(broker.port)
    try:
        after.check(records)
    finally:
        after.close()
    assert {n["id"]: (n["predecessor"], n["records"]) for n in nodes.values()} == arcs


@pytest.mark.slow
@pytest.mark.parametrize("kill", [False, True], ids=["SIGTERM", "SIGKILL"])
@pytest.mark.parametrize("down", [0, 8])
def test_the_ring_stands_again_within_3_s(broker, ring, kill, down):
    """Of the broker's return, though it has sent everybody's will: nobody takes anybody for dead, nor asks everybody again
    and again."""
    import wire
    r = ring(8)
    r.wait_whole(8, timeout=40, fault=copies_fault)
    told = [len(n.log_text()) for n in r.nodes]
    broker.restart(kill=kill, down=down)
    back = time.monotonic()
    with wire.Spy(broker.port) as spy:
        r.wait_whole(8)
        assert time.monotonic() - back < 3 * PATIENCE
        finds = [m for m in spy.messages if frames.name(m.topic, m.payload) == "FIND"]
    said = "".join(n.log_text()[size:] for n, size in zip(r.nodes, told))
    assert not re.search("fencing|giving up|taken over|founded", said), r.tails()
    assert len(finds) <= 3 * 8, "about its own arc, and a few for what it does not know yet"


@pytest.mark.slow
def test_restarts_under_load(broker, ring, make_hammer):
    """Operations in flight may be lost, not lie."""
    r = ring(5)
    hammers = [make_hammer(keys=60, seed=i, timeout=5) for i in range(2)]
    for kill in (False, True, False):
        for h in hammers:
            h.wait_operations(100, timeout=40)
        broker.restart(kill=kill)
        r.wait_whole(5, timeout=40)
    for h in hammers:
        h.wait_operations(50, timeout=40)
        h.finish(unanswered=True)


def lines_with(node, text):
    return [x for x in node.log_text().splitlines() if text in x]


@pytest.mark.slow
def test_a_broker_that_is_away_for_some_time(broker, ring):
    import wire
    r = ring(3)
    client = wire.Client(broker.port)
    records = client.fill(50)
    client.close()
    broker.restart(down=6)
    r.wait_whole(3, timeout=40)
    for node in r.nodes:
        # One line for each kind of failure, none for each attempt, and one when it is back.
        told = lines_with(node, "trying again")
        assert 1 <= len(told) <= 3 and len({re.sub(r".*: (.*) -> .*", r"\1", x) for x in told}) == len(told), told
        assert len(lines_with(node, "connected again, after ")) == 1, node.tail()
    client = wire.Client(broker.port)
    try:
        client.check(records)
    finally:
        client.close()


@pytest.mark.slow
@pytest.mark.parametrize("kill", [False, True], ids=["SIGTERM", "SIGKILL"])
def test_restart_while_nodes_join_and_leave(broker, ring, kill, make_hammer):
    """Amid two joins and a leave: one ring in the end, and nothing acknowledged is lost."""
    r = ring(3)
    hammer = make_hammer(keys=80, timeout=6)
    hammer.wait_operations(100)
    r.add()
    r.add()
    r.nodes[0].term()
    wait_for("the joins are under way", lambda: len(r.look()) >= 3)
    broker.restart(kill=kill)
    assert r.nodes[0].wait(60) == 0
    r.wait_whole(4, timeout=60)
    hammer.wait_operations(50, timeout=40)
    hammer.finish(unanswered=True)


@pytest.mark.parametrize("replicas", [1, 2])
def test_a_broker_that_hangs_for_a_while(broker, ring, make_hammer, replicas):
    """Whoever waits for an answer meanwhile takes nobody for dead: everything is answered, and nobody fenced."""
    r = ring(3, env={"DHT_REPLICAS": str(replicas)})
    hammer = make_hammer(keys=60)
    hammer.wait_operations(50)
    broker.pause()
    time.sleep(3)
    broker.resume()
    hammer.wait_operations(50)
    r.wait_whole(3)
    hammer.finish()
    assert not [x for n in r.nodes for x in n.log_text().splitlines() if "fencing" in x]


def test_one_connection_is_cut(ring, make_proxy, make_hammer, client):
    """Again and again: it is back within the grace, with its records, and the others keep theirs."""
    ids = spread(3)
    r = ring()
    line = make_proxy()
    r.add(id=ids[0])
    r.add(id=ids[1], url=line.url)
    r.add(id=ids[2])
    r.wait_whole(3)
    records = client.fill(150)
    hammer = make_hammer(keys=40, key_range=(0, ids[0]))
    for i in range(5):
        accepted = line.accepted
        line.cut()
        wait_for("connected again", lambda: line.accepted > accepted)
        if i % 2:
            r.wait_whole(3)
    r.wait_whole(3, timeout=30)
    client.check(records)
    hammer.finish()


def test_all_connections_are_cut(ring, make_proxy, client):
    r = ring()
    line = make_proxy()
    for id in spread(4):
        r.add(id=id, url=line.url)
    r.wait_whole(4)
    records = client.fill(100)
    line.cut()
    wait_for("all connected again", lambda: line.accepted >= 8)
    r.wait_whole(4, timeout=30)
    client.check(records)


@pytest.mark.slow
def test_one_line_swallows_everything(ring, make_proxy, client, make_hammer):
    """No error, no end: it is found silent and fenced, the ring closes; when the line is whole it is in again."""
    ids = spread(3)
    r = ring(env=SOON)
    line = make_proxy()
    r.add(id=ids[0])
    r.add(id=ids[1], url=line.url)
    r.add(id=ids[2])
    r.wait_whole(3)
    records = client.fill(100)
    hammer = make_hammer(keys=40, key_range=(0, ids[0]))
    line.swallow = True
    r.wait_whole(2, timeout=60)
    client.check({k: v for k, v in records.items() if not in_arc(ids[0], ids[1], k)})
    line.swallow = False
    line.cut()
    r.wait_whole(3, timeout=40)
    key = next(k for k in records if in_arc(ids[0], ids[1], k))
    wait_for("its records are merged", lambda: client.get(key) == records[key].encode(), 20)
    client.check(records)
    hammer.finish()


@pytest.mark.slow
def test_a_line_that_delays(ring, make_proxy, make_hammer):
    """0.7 s each way to one member: slow, not dead; nobody is wrong about it, and answers only come late."""
    ids = spread(3)
    r = ring()
    line = make_proxy()
    r.add(id=ids[0])
    r.add(id=ids[1], url=line.url)
    r.add(id=ids[2])
    r.wait_whole(3)
    far = make_hammer(keys=10, key_range=(ids[0] + 1, ids[1]), timeout=30)
    near = make_hammer(keys=40, key_range=(ids[1] + 1, ids[2]), timeout=30)
    far.wait_operations(10)
    line.delay = 0.7
    far.wait_operations(4, timeout=40)
    line.delay = 0.0
    near.wait_operations(50)
    r.wait_whole(3, timeout=40)
    near.finish()
    far.stop().assert_clean(minimum=10)


# A broker that grants every subscription and delivers nothing (Mosquitto's acl_file), or throws away what is published.

TOPICS = ("join has_started ack-join put ack-put get res-get leave ack-leave ring founder in/# cut/# node/# to/# op/# ask/# ev/#").split()


def access_list(path, **special):
    """Everything that README.md names, with other rights (or none: "") for some; anybody's."""
    rights = {t: special.get(t.split("/")[0], "readwrite") for t in TOPICS}
    path.write_text("".join(f"topic {r} {t}\n" for t, r in rights.items() if r))
    return f"acl_file {path}"


def complaints_of_silence(node):
    return lines_with(node, "the broker has granted it")


@pytest.mark.slow
@pytest.mark.parametrize("topic,right", [
    ("in", ""), ("in", "read"), ("in", "write"), ("ring", ""), ("founder", "read"), ("founder", "write")])
def test_an_access_list_that_denies_in_silence(make_broker, make_ring, tmp_path, topic, right):
    """One line that names the topic, a sentence for the service manager, and a word when the list has been mended."""
    path = tmp_path / "acl"
    broker = make_broker(settings=access_list(path, **{topic: right}))
    node = make_ring(broker).add(id=0x2a)
    where = "in/0000002a" if topic == "in" else topic
    line = wait_for("a line about it", lambda: next(iter(complaints_of_silence(node)), None), timeout=20)
    assert "<3>" in line and f"{where}: the broker has granted it" in line
    wait_for("a sentence", lambda: any(where in x for x in node.notes.heard if x.startswith("STATUS=")))
    access_list(path)
    broker.process.send_signal(signal.SIGHUP)
    wait_for("active", lambda: "READY=1" in node.notes.heard, 30)
    assert f"{where}: what this node publishes there comes back" in node.log_text()
    assert len(complaints_of_silence(node)) == 1


def test_an_access_list_as_documented(make_broker, make_ring, tmp_path):
    """A ring forms, a node leaves it, and nobody complains."""
    r = make_ring(make_broker(settings=access_list(tmp_path / "acl")), 2)
    r.nodes[0].leave()
    r.wait_whole(1)
    assert not any(complaints_of_silence(n) for n in r.nodes)


# A broker that is none.

class FakeBroker:
    """Accepts, and answers the first bytes with what it was given (None: never answers); with hang_up, closes."""

    def __init__(self, answer, port=0, hang_up=False):
        self.answer = answer
        self.hang_up = hang_up
        self.accepted = 0
        self.listener = socket.create_server(("127.0.0.1", port))
        self.port = self.listener.getsockname()[1]
        self.open = []
        threading.Thread(target=self._run, daemon=True, name="fake-broker").start()

    def _run(self):
        while True:
            try:
                link, _ = self.listener.accept()
            except OSError:
                return
            self.accepted += 1
            self.open.append(link)
            if self.answer is not None:
                try:
                    link.recv(4096)
                    link.sendall(self.answer)
                    if self.hang_up:
                        link.close()
                except OSError:
                    pass

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for link in self.open:
            link.close()


HTTP = b"HTTP/1.1 400 Bad Request\r\nServer: x\r\n\r\n<html>"


@pytest.mark.parametrize("answer, hang_up, cause", [
    ("absent", False, "onnection refused"), (None, False, "connected, but no MQTT answer"),
    (HTTP, False, "connected, but no MQTT answer"), (HTTP, True, "connection closed by the broker"),
    (b"\x20\x02\x00\x05", False, "mqtt://user@host"), (b"\x20\x02\x00\x03", False, "broker unavailable"),
], ids=["nothing there", "hangs", "speaks HTTP", "speaks HTTP and hangs up", "not authorised", "unavailable"])
def test_what_is_there_is_no_broker_for_us(tmp_path, answer, hang_up, cause):
    """One clear line that names the broker and the trouble; the node goes on trying, or ends with a refusal's code."""
    fake = None if answer == "absent" else FakeBroker(answer, hang_up=hang_up)
    port = fake.port if fake else free_port()
    node = Node(f"mqtt://127.0.0.1:{port}", tmp_path, name="lonely").start()
    try:
        line = wait_for(lambda: "a line that names the broker\n" + node.tail(),
                        lambda: next((x for x in node.log_text().splitlines() if str(port) in x and "<6>" not in x),
                                     None), timeout=20)
        assert cause in line, line
        if fake and answer is not None:
            wait_for("another attempt, or the end", lambda: fake.accepted > 1 or not node.running(), 20)
        if not node.running():
            assert node.wait() in (69, 77), node.tail()
        else:
            node.term()
            assert node.wait() == 0, node.tail()
        assert node.complaint() is None
    finally:
        node.close()
        if fake:
            fake.close()


@pytest.mark.slow
def test_a_broker_that_takes_us_and_drops_us(make_broker, make_ring):
    """No line for each turn; and when a connection lasts, that is told."""
    broker = make_broker()
    broker.stop()
    fake = FakeBroker(b"\x20\x02\x00\x00", broker.port, hang_up=True)
    node = make_ring(broker).add()
    try:
        wait_for("some turns", lambda: fake.accepted >= 8, 30)
        assert len(lines_with(node, "trying again")) == 1, node.tail()
        assert len(lines_with(node, ": connected")) == 2, node.tail()  # the first, and the first return
    finally:
        fake.close()
    broker.start()
    wait_for("active", lambda: "READY=1" in node.notes.heard, 30)
    wait_for("a line that it is back", lambda: len(lines_with(node, ": connected")) == 3, 30)
    line = lines_with(node, ": connected")[-1]
    assert re.search(r"connected again, after .* and \d+ attempts that failed", line), line


def test_a_password_never_shows(tmp_path):
    port = free_port()
    node = Node(f"mqtt://somebody:s3cr3t@127.0.0.1:{port}", tmp_path, name="secret").start()
    try:
        wait_for("a line about the broker", lambda: str(port) in node.log_text())
        assert "s3cr3t" not in node.log_text()
        with open(f"/proc/{node.pid}/cmdline", "rb") as f:
            assert b"s3cr3t" not in f.read()
    finally:
        node.close()


def test_a_unix_socket(make_broker, make_ring):
    import tempfile
    import wire
    with tempfile.TemporaryDirectory() as folder:  # a socket's path has to be short
        path = f"{folder}/broker.sock"
        broker = make_broker(settings=f"listener 0 {path}")
        r = make_ring(broker)
        r.add(url=f"unix://{path}")
        r.add()
        r.wait_whole(2)
        client = wire.Client(broker.port)
        try:
            client.check(client.fill(20))
        finally:
            client.close()
        for node in r.nodes:
            node.leave()

"""dhtctl's manners: what it prints where, and its exit codes, against a ring that is only played and brokers that are
not there, refuse, hang or are no brokers."""
import contextlib
import json
import os
import pty
import re
import select
import signal
import socket
import subprocess
import threading
import time

import pytest

from fake_ring import FakeNode, FakeRing, nodes
from harness import PATIENCE, ctl, ctl_binary, die_with_parent, free_port, wait_for

NO, USAGE, UNREACHABLE, REFUSED, TIMEOUT, LOCAL = 1, 2, 3, 4, 5, 7


@pytest.fixture
def make_fake(broker):
    """make_fake(*members, prefix=""): a played ring at `broker`."""
    made = []

    def make(*members, prefix=""):
        made.append(FakeRing(broker.port, members, prefix))
        return made[-1]
    yield make
    for ring in made:
        ring.close()


@pytest.fixture
def fake(make_fake):
    return make_fake(*nodes(1 << 30, 1 << 31))


def run(broker, *args, **options):
    return ctl(broker if isinstance(broker, str) else broker.url, *args, check=False, **options)


def refuses(done, code, *parts):
    """Failed with that code, nothing on standard output, and one line that holds all the parts."""
    error = done.stderr.decode()
    assert done.returncode == code, (done.returncode, error)
    assert done.stdout == b""
    assert error.startswith("dhtctl: ") and error.endswith("\n") and error.count("\n") == 1, error
    assert not error.endswith(".\n")
    for part in parts:
        assert str(part) in error, error
    return error


class Terminal:
    """dhtctl with some of its standard streams on a terminal."""

    def __init__(self, broker, *args, stdin=None, stdout=None, stderr=None):
        self.ours, theirs = pty.openpty()
        pick = {"tty": theirs, None: subprocess.PIPE}
        self.process = subprocess.Popen([ctl_binary(), "--broker", broker.url, *map(str, args)], stdin=pick[stdin],
                                        stdout=pick[stdout], stderr=pick[stderr], preexec_fn=die_with_parent)
        os.close(theirs)

    def finish(self, timeout=20):
        """(exit code, what the terminal showed, what the pipes held)."""
        shown = b""
        end = time.monotonic() + timeout * PATIENCE
        with contextlib.suppress(OSError):  # the terminal's last user has gone
            while time.monotonic() < end:
                if not select.select([self.ours], [], [], 0.1)[0]:
                    continue
                data = os.read(self.ours, 65536)
                if not data:
                    break
                shown += data
        out, err = self.process.communicate(timeout=timeout * PATIENCE)
        os.close(self.ours)
        return self.process.returncode, shown, out or b"", err or b""


# put and get


VALUES = {
    "plain": b"hello",
    "spaces": b"  two  words ",
    "slashes": b"a/b//c/",
    "newline": b"one\ntwo\n",
    "nul": b"a\0b\0",
    "no utf-8": b"\xff\xfe\x80",
    "all bytes": bytes(range(256)),
    "1 MiB": os.urandom(1 << 20),
    "16 MiB": b"x" * (16 << 20),
}


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
def test_values_come_back_byte_for_byte(broker, fake, value):
    done = run(broker, "put", 7, input=value)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    done = run(broker, "get", 7)
    assert (done.returncode, done.stdout, done.stderr) == (0, value, b"")


@pytest.mark.parametrize("key", ["0", "4294967295", "007"])
def test_put_speaks_the_reference(broker, fake, key):
    assert run(broker, "put", key, "a value").returncode == 0
    assert re.fullmatch(rb"[A-Za-z0-9]{10}/%d a value" % int(key), fake.puts[0])
    assert run(broker, "get", key).stdout == b"a value"


def test_value_by_dash_from_standard_input(broker, fake):
    assert run(broker, "put", "7", "-", input=b"piped").returncode == 0
    assert run(broker, "put", "8", "--", "--json", input=b"not this").returncode == 0
    assert (fake.records[b"7"], fake.records[b"8"]) == (b"piped", b"--json")


def test_absent_is_the_only_no(broker, fake):
    refuses(run(broker, "get", 5), NO, "key 5: absent")
    done = run(broker, "get", 5, "--quiet")
    assert (done.returncode, done.stdout, done.stderr) == (NO, b"", b"")
    done = run(broker, "get", 5, "--json")
    assert (done.returncode, json.loads(done.stdout)) == (NO, {"key": 5, "value": None})


@pytest.mark.parametrize("value, told", [
    (b'q"uo\\te\n\x01', {"value": 'q"uo\\te\n\x01'}),
    ("ä€𐍈".encode(), {"value": "ä€𐍈"}),
    (b"\xff\x00\x10", {"value_base64": "/wAQ"}),
    (b"\xff\xff", {"value_base64": "//8="}),
    (b"\xed\xa0\x80\xc0\x80", {"value_base64": "7aCAwIA="}),  # a surrogate, an overlong NUL
    (b"\xf4\x90\x80\x80", {"value_base64": "9JCAgA=="}),  # U+110000
    (b"\xe0\x80\x80", {"value_base64": "4ICA"}),  # overlong
])
def test_json_holds_any_bytes(broker, fake, value, told):
    done = run(broker, "put", 5, "--json", input=value)
    assert json.loads(done.stdout) == {"key": 5, "node": 77}
    assert json.loads(run(broker, "--json", "get", 5).stdout) == {"key": 5, **told}


@pytest.mark.parametrize("key", ["", " ", "-1", "4294967296", "18446744073709551617", "12345678901234567890", "abc",
                                 "1a", " 1", "1 ", "+1", "0x10", "1.0", "1e3"])
@pytest.mark.parametrize("verb", ["put", "get"])
def test_bad_keys(verb, key):
    arguments = ["--", key] + (["value"] if verb == "put" else [])
    refuses(run("mqtt://127.0.0.1:1", verb, *arguments), USAGE, repr(key), "0 to 4294967295")


def test_empty_values_are_refused():
    refuses(run("mqtt://127.0.0.1:1", "put", 5, ""), USAGE, "empty", "absent")
    refuses(run("mqtt://127.0.0.1:1", "put", 5, input=b""), USAGE, "empty", "absent")


def test_too_large_values_are_refused():
    refuses(run("mqtt://127.0.0.1:1", "put", 5, input=b"x" * ((16 << 20) + 1)), USAGE, "16 MiB")


def test_an_unreadable_input_is_named(broker):
    folder = os.open("/", os.O_RDONLY)
    done = subprocess.run([ctl_binary(), "--broker", broker.url, "put", "5"], stdin=folder, capture_output=True)
    os.close(folder)
    refuses(done, LOCAL, "standard input", "Is a directory")


def test_an_output_that_cannot_be_written_is_an_error(broker, fake):
    fake.records[b"5"] = b"value"
    with open("/dev/full", "wb") as full:
        done = subprocess.run([ctl_binary(), "--broker", broker.url, "get", "5"], stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == LOCAL
    assert b"cannot write to standard output: No space left on device" in done.stderr


def test_other_peoples_answers_are_not_ours(broker, fake):
    fake.acks = False
    fake.before_ack = b"somebody1s/77"
    refuses(run(broker, "put", 5, "x", "--timeout", "300ms"), TIMEOUT, "key 5", "300ms", "may have been stored")
    fake.records[b"5"] = b"ours"
    fake.before_answer = b"6/theirs"
    assert run(broker, "get", 5).stdout == b"ours"


# Terminals


def test_a_terminal_gets_escapes_and_a_whole_line(broker, fake):
    fake.records[b"5"] = "a\x1b[31m\x07\x9bä".encode() + b"\xff"
    code, shown, _, _ = Terminal(broker, "get", 5, stdout="tty").finish()
    assert (code, shown) == (0, "a\\x1b[31m\\x07\\xc2\\x9bä\\xff\r\n".encode())
    fake.records[b"5"] = b"line\n"
    assert Terminal(broker, "get", 5, stdout="tty").finish()[1] == b"line\r\n"


def test_an_error_wipes_the_progress_bar(broker, fake):
    fake.answer = lambda key, value: b"wrong"
    code, shown, _, _ = Terminal(broker, "demo", "--keys", 1, stderr="tty").finish()
    assert code == NO and b"\r\x1b[Kdhtctl: key " in shown and shown.endswith(b"\r\x1b[K")


def test_retained_messages_answer_nobody(broker, fake):
    fake.client.publish("res-get", b"5/old", retain=True)
    assert run(broker, "put", 5, "new").returncode == 0
    assert run(broker, "get", 5).stdout == b"new"


def test_put_never_waits_silently_for_a_terminal(broker):
    code, _, out, err = Terminal(broker, "put", 5, stdin="tty").finish()
    assert (code, out) == (USAGE, b"")
    assert b"no value" in err and b"put 5 VALUE" in err


def test_put_dash_reads_a_terminal(broker, fake):
    terminal = Terminal(broker, "put", 5, "-", stdin="tty")
    os.write(terminal.ours, b"typed\n\x04")
    code, _, _, err = terminal.finish()
    assert code == 0 and b"Ctrl-D" in err
    assert fake.records[b"5"] == b"typed\n"


# demo


def test_demo(broker, fake):
    done = run(broker, "demo")
    assert done.returncode == 0 and done.stderr == b"", done
    assert re.fullmatch(rb"100/100 .* \d+\.\d{3} s\n", done.stdout)
    assert len(fake.puts) == 100 and len(fake.records) == 100
    assert len({p.partition(b"/")[0] for p in fake.puts}) == 1
    assert all(re.fullmatch(rb"[A-Za-z0-9]{10}", value) for value in fake.records.values())
    told = json.loads(run(broker, "demo", "--keys", 20, "--json").stdout)
    assert (told["keys"], told["equal"]) == (20, 20) and 0 < told["seconds"] < 20
    assert run(broker, "demo", "--keys", 3, "--quiet").stdout == b""


def test_demo_tells_what_is_not_equal(broker, fake):
    seen = []
    fake.answer = lambda key, value: seen.append(key) or (b"" if len(seen) == 3 else b"0123456789"
                                                          if len(seen) == 5 else value)
    done = run(broker, "demo", "--keys", 10)
    assert done.returncode == NO and done.stdout.startswith(b"8/10 ")
    assert b"key " + seen[2] in done.stderr and b"key " + seen[4] in done.stderr


@pytest.mark.parametrize("which", ["put", "get"])
def test_demo_ends_when_nobody_answers(broker, fake, which):
    setattr(fake, "acks" if which == "put" else "gets", False)
    refuses(run(broker, "demo", "--timeout", "300ms"), TIMEOUT, f"the {which} of key", "300ms")


def test_demo_draws_a_bar_on_a_terminal_only(broker, fake):
    code, shown, out, _ = Terminal(broker, "demo", stderr="tty").finish()
    assert code == 0 and out.startswith(b"100/100 ")
    assert b"put [" in shown and shown.endswith(b"\r\x1b[K")


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
    assert re.search(r"^a  first +1073741824  active +\(80000000, 40000000\] +75\.0% +0  0 ms$", text, re.M), text
    assert re.search(r"^b  n2147483648 +2147483648  active +\(40000000, 80000000\] +25\.0% +1  1 s$", text, re.M), text
    drawing, table = text.split("\n\n", 1)
    assert drawing.count("a") > 2.5 * drawing.count("b") > 10
    assert run(broker, "ring", "--quiet").stdout.decode() == table


def test_ring_draws_64_nodes(broker, make_fake):
    make_fake(*nodes(*((i << 26) + 5 for i in range(64))))
    done = run(broker, "ring")
    assert done.returncode == 0 and b"64 nodes" in done.stdout and b"problem" not in done.stdout


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
            "run-nodes")
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
        assert run(broker, "leave", name, "--timeout", "15s").stdout == f"node {node.name} has left\n".encode()
        assert node.wait() == 0
        if left < len(nodes):
            assert run(broker, "get", 5).stdout == VALUES["all bytes"]
    refuses(run(broker, "ring", "--timeout", "300ms"), TIMEOUT, "no ring answers")


def test_large_values_and_real_nodes(broker, ring):
    ring(2)
    for key, name in enumerate(("1 MiB", "16 MiB")):
        assert run(broker, "put", key, "--timeout", "15s", input=VALUES[name]).returncode == 0
        assert run(broker, "get", key, "--timeout", "15s").stdout == VALUES[name]


# Brokers


VERBS = [("put", "5", "x"), ("get", "5"), ("ring",), ("leave", "5"), ("demo",)]


@contextlib.contextmanager
def server(talk):
    """A TCP server: talk(connection) for each connection, in a thread."""
    listener = socket.create_server(("127.0.0.1", 0))
    stop = threading.Event()

    def serve():
        while not stop.is_set():
            if select.select([listener], [], [], 0.05)[0]:
                connection = listener.accept()[0]
                connection.settimeout(10)
                with contextlib.suppress(OSError):
                    talk(connection)
                threading.Timer(0, lambda c=connection: stop.wait(20) and c.close()).start()
    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"mqtt://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        stop.set()
        thread.join()
        listener.close()


@pytest.mark.parametrize("verb", VERBS, ids=lambda v: v[0])
def test_no_broker(verb):
    url = f"mqtt://127.0.0.1:{free_port()}"
    refuses(run(url, *verb), UNREACHABLE, f"cannot reach broker {url} (--broker): connection refused (",
            "tools/quickstart" if verb[0] == "demo" else "is mosquitto running?", "DHT_BROKER")


def test_where_the_setting_came_from():
    def error(**env):
        env = {**{k: v for k, v in os.environ.items() if not k.startswith("DHT_")}, **env}
        return subprocess.run([ctl_binary(), "get", "5", "--timeout", "2s"], capture_output=True, env=env).stderr
    assert b"mqtt://127.0.0.1:1 (DHT_BROKER): connection refused" in error(DHT_BROKER="mqtt://127.0.0.1:1")
    assert b"invalid DHT_TOPIC_PREFIX" in error(DHT_TOPIC_PREFIX="x" * 70)
    assert b"invalid broker URL 'x' (DHT_BROKER): the scheme" in error(DHT_BROKER="x")


@pytest.mark.parametrize("url, parts", [
    ("mqtt://nosuch.invalid", ["nosuch.invalid"]),
    ("unix:///nonexistent/socket", ["unix:///nonexistent/socket", "no such file"]),
])
def test_unreachable_places(url, parts):
    refuses(run(url, "get", 5), UNREACHABLE, "cannot reach broker", *parts)


@pytest.mark.parametrize("url", ["", "localhost", "http://h", "mqtt://h:0", "mqtt://me:secret@h:x", "unix://x"])
def test_bad_urls(url):
    error = refuses(run(url, "get", 5), USAGE, "broker" if url else "--broker")
    assert "secret" not in error


def test_a_broker_that_refuses(make_broker):
    broker = make_broker(settings="allow_anonymous false")
    refuses(run(broker, "get", 5), REFUSED, broker.url, "(--broker)", "user:password@host")
    error = refuses(run(f"mqtt://me:secret@127.0.0.1:{broker.port}", "get", 5), REFUSED, "me:***@")
    assert "secret" not in error


def test_a_reader_that_goes_away_ends_it_silently(broker, fake):
    fake.records[b"5"] = b"x" * (1 << 20)
    process = subprocess.Popen([ctl_binary(), "-b", broker.url, "get", "5"], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, preexec_fn=die_with_parent)
    assert process.stdout.read(1) == b"x"
    process.stdout.close()
    assert (process.wait(20 * PATIENCE), process.stderr.read()) == (-signal.SIGPIPE, b"")
    process.stderr.close()


@pytest.mark.parametrize("code, exit_code, text", [(1, REFUSED, "protocol"), (3, REFUSED, "unavailable"),
                                                   (5, REFUSED, "not authorised (give mqtt://user:password@host")])
def test_a_connack_that_refuses(code, exit_code, text):
    def talk(connection):
        connection.recv(1000)
        connection.sendall(b"\x20\x02\x00" + bytes([code]))
    with server(talk) as url:
        refuses(run(url, "get", 5), exit_code, f"broker {url} (--broker) refused us: ", text)


def test_a_broker_that_hangs():
    with server(lambda connection: None) as url:
        before = time.monotonic()
        refuses(run(url, "get", 5, "--timeout", "500ms"), UNREACHABLE, "cannot reach broker " + url)
        assert 0.3 < time.monotonic() - before < 5 * PATIENCE


def answer_and_close(connection):
    connection.recv(1000)   # or it would be a reset, not an end
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\nServer: x\r\n\r\n<html>")
    connection.close()


@pytest.mark.parametrize("talk, cause", [
    (lambda c: c.sendall(b"HTTP/1.1 400 Bad Request\r\nServer: x\r\n\r\n<html>"), "connected, but no MQTT answer"),
    (lambda c: c.sendall(b"220 mail ESMTP\r\n"), "connected, but no MQTT answer"),
    (lambda c: c.sendall(bytes(1000)), "a network protocol error"),
    (lambda c: c.close(), "connection closed by the broker"),
    (answer_and_close, "connection closed by the broker"),
], ids=["http", "smtp", "zeros", "closes", "http-closes"])
def test_no_mqtt(talk, cause):
    with server(talk) as url:
        before = time.monotonic()
        refuses(run(url, "get", 5, "--timeout", "2s"), UNREACHABLE, f"cannot reach broker {url} (--broker): {cause}",
                "(is it an MQTT broker? set --broker or DHT_BROKER)")
        assert time.monotonic() - before < 5 * PATIENCE


def test_a_subscription_that_is_refused():
    def talk(connection):
        connection.recv(1000)
        connection.sendall(b"\x20\x02\x00\x00")
        subscribe = connection.recv(1000)
        connection.sendall(b"\x90\x03" + subscribe[2:4] + b"\x80")
    with server(talk) as url:
        refuses(run(url, "get", 5), REFUSED, "refused the subscription to 'res-get'")


def test_a_subscription_that_is_not_answered():
    def talk(connection):
        connection.recv(1000)
        connection.sendall(b"\x20\x02\x00\x00")
    with server(talk) as url:
        refuses(run(url, "get", 5, "--timeout", "500ms"), UNREACHABLE, "did not answer a subscription", "500ms")


def test_a_connection_that_is_lost(broker, make_fake, make_proxy):
    proxy = make_proxy()
    proxy.upward = lambda topic, payload: topic != "put" or proxy.cut
    refuses(run(proxy.url, "put", 5, "x"), UNREACHABLE, "lost the connection", "may have been stored")


def test_a_unix_socket(make_broker):  # tmp_path would be too long for one
    path = f"/tmp/dhtctl-{os.getpid()}.sock"
    broker = make_broker(settings=f"listener 0 {path}")
    try:
        with contextlib.closing(FakeRing(broker.port)):
            wait_for("the socket", lambda: os.path.exists(path))
            assert run(f"unix://{path}", "put", 5, "x").returncode == 0
            assert run(f"unix://{path}", "get", 5).stdout == b"x"
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)


def test_a_password_cannot_be_read_from_the_process_list():
    with server(lambda connection: None) as url:
        process = subprocess.Popen([ctl_binary(), "-b", url.replace("//", "//me:secret@"), "get", "5"],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=die_with_parent)
        try:
            def arguments():
                with open(f"/proc/{process.pid}/cmdline", "rb") as f:
                    return f.read()
            wait_for("the mask", lambda: b"me:******@" in arguments())
            assert b"secret" not in arguments()
        finally:
            process.kill()
            process.communicate()


def test_the_time_out_bounds_the_whole_command(broker, fake):
    fake.gets = False
    before = time.monotonic()
    refuses(run(broker, "get", 5, "--timeout", "700ms"), TIMEOUT, "key 5", "700ms")
    assert 0.6 < time.monotonic() - before < 5 * PATIENCE


# The surface


@pytest.mark.parametrize("args, parts", [
    (["--bogus", "get", "5"], ["unknown option '--bogus'", "see 'dhtctl --help'"]),
    (["get", "5", "--brokr=x"], ["did you mean '--broker'?"]),
    (["-x"], ["unknown option '-x'"]),
    (["gte", "5"], ["unknown command 'gte'", "did you mean 'get'?"]),
    (["a\n\tb"], ["unknown command 'a\\x0a\\x09b'"]),
    (["frobnicate"], ["unknown command 'frobnicate'; see 'dhtctl --help'"]),
    (["get"], ["too few arguments", "dhtctl get KEY"]),
    (["get", "1", "2"], ["too many arguments", "dhtctl get KEY"]),
    (["put", "1", "2", "3"], ["too many arguments", "dhtctl put KEY [VALUE]"]),
    (["ring", "x"], ["too many arguments", "dhtctl ring"]),
    (["leave"], ["too few arguments", "dhtctl leave NODE"]),
    (["demo", "--keys", "0"], ["invalid --keys '0'", "1 to 100000"]),
    (["get", "5", "--keys", "5"], ["'--keys' belongs to 'dhtctl demo'"]),
    (["get", "5", "--timeout", "5"], ["invalid --timeout '5'", "5s"]),
    (["get", "5", "--timeout", "0s"], ["invalid --timeout '0s'", "10ms to 60m"]),
    (["get", "5", "--timeout"], ["'--timeout' needs a value"]),
    (["get", "5", "--json=yes"], ["'--json' takes no value"]),
])
def test_usage(args, parts):
    refuses(run("mqtt://127.0.0.1:1", *args), USAGE, *parts)


@pytest.mark.parametrize("args", [["--help"], ["-h"], ["get", "--help"], ["--help", "--bogus"], ["help"], ["help", "get"],
                                  ["--version"], ["-V"]])
def test_help_needs_no_broker(args):
    done = run("mqtt://127.0.0.1:1", *args)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(b"dhtctl " if args[0] in ("--version", "-V") else b"usage: dhtctl ")
    assert max(map(len, done.stdout.split(b"\n"))) <= 110


def test_help_names_every_command_and_option():
    text = run("mqtt://127.0.0.1:1", "--help").stdout.decode()
    for word in ("put KEY [VALUE]", "get KEY", "leave NODE", "ring", "demo", "--broker URL", "DHT_BROKER", "--timeout",
                 "--json", "--quiet", "--topic-prefix", "--keys", "--version"):
        assert word in text
    for verb in VERBS:
        assert f"dhtctl [OPTIONS] {verb[0]}" in run("mqtt://127.0.0.1:1", verb[0], "--help").stdout.decode()


def test_without_arguments(broker, make_fake):
    done = run("mqtt://127.0.0.1:1")
    assert done.returncode == 0 and done.stdout.count(b"\n") + done.stderr.count(b"\n") <= 20
    assert b"dhtctl put" in done.stdout and b"cannot reach broker" in done.stderr
    done = run(broker)
    assert done.returncode == 0 and b"no ring answers" in done.stdout
    make_fake(*nodes(5, 6, 7))
    done = run(broker)
    assert f"broker {broker.url} (--broker): 3 nodes, healthy".encode() in done.stdout

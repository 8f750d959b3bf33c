"""dhtctl at brokers that are not there, refuse, hang, go away, or are no brokers."""
import contextlib
import os
import select
import signal
import socket
import subprocess
import threading
import time

import pytest

from fake_ring import FakeRing
from harness import PATIENCE, ctl_binary, die_with_parent, free_port, wait_for
from manners import NO, REFUSED, TIMEOUT, UNREACHABLE, USAGE, refuses, run


# Brokers


VERBS = [("put", "5", "x"), ("get", "5"), ("del", "5"), ("cas", "--absent", "5", "x"), ("incr", "5"), ("ring",),
         ("leave", "5"), ("demo",)]


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


@pytest.mark.parametrize("verb", [*VERBS, ("status",), ("ls",), ("watch",), ("bench",)], ids=lambda v: v[0])
def test_a_prefix_that_nobody_is_below_is_named(broker, fake, verb):
    env = {**os.environ, "DHT_TOPIC_PREFIX": "else"}
    for args, env, origin in ((["--topic-prefix", "other"], None, "'other' (--topic-prefix)"),
                              ([], env, "'else' (DHT_TOPIC_PREFIX)")):
        done = subprocess.run([ctl_binary(), "-b", broker.url, "-t", "400ms", *args, *verb], capture_output=True, env=env)
        assert done.returncode in (TIMEOUT, NO), done
        assert f"{broker.url} (--broker) below prefix {origin} " in done.stderr.decode()


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
    refuses(run(broker, "get", 5), REFUSED, broker.url, "(--broker)", "user@host", "--password-file")
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
                                                   (5, REFUSED, "not authorised (give mqtt://user@host")])
def test_a_connack_that_refuses(code, exit_code, text):
    def talk(connection):
        connection.recv(1000)
        connection.sendall(b"\x20\x02\x00" + bytes([code]))
    with server(talk) as url:
        refuses(run(url, "get", 5), exit_code, f"broker {url} (--broker) refused us: ", text)


@pytest.mark.parametrize("user, given, remedy", [
    ("", False, "give mqtt://user@host as --broker or DHT_BROKER, and --password-file"),
    ("", True, "the password is for a user, and the URL has none: give mqtt://user@host as --broker or DHT_BROKER"),
    ("me@", False, "give the password of user 'me': --password-file"),
    ("me@", True, "does the broker know user 'me', and is the password right?"),
    ("me:secret@", False, "does the broker know user 'me', and is the password right?")])
def test_who_is_not_let_in_learns_what_is_missing(tmp_path, user, given, remedy):
    (tmp_path / "password").write_text("secret\n")
    (tmp_path / "password").chmod(0o600)

    def talk(connection):
        connection.recv(1000)
        connection.sendall(b"\x20\x02\x00\x05")
    with server(talk) as url:
        url = url.replace("//", "//" + user)
        error = refuses(run(url, "get", 5, *(["--password-file", tmp_path / "password"] if given else [])), REFUSED)
        assert f"refused us: not authorised ({remedy})\n" in error and "secret" not in error, error


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
                "(is it an MQTT broker? one with TLS is mqtts://; set --broker or DHT_BROKER)")
        assert time.monotonic() - before < 5 * PATIENCE


def test_a_subscription_that_is_refused():
    def talk(connection):
        connection.recv(1000)
        connection.sendall(b"\x20\x02\x00\x00")
        subscribe = connection.recv(1000)
        connection.sendall(b"\x90\x03" + subscribe[2:4] + b"\x80")
    with server(talk) as url:
        refuses(run(url, "get", 5), REFUSED, "refused the subscription to 'to/")


def test_a_subscription_that_is_not_answered():
    def talk(connection):
        connection.recv(1000)
        connection.sendall(b"\x20\x02\x00\x00")
    with server(talk) as url:
        refuses(run(url, "get", 5, "--timeout", "500ms"), UNREACHABLE, "did not answer a subscription", "500ms")


def test_a_connection_that_is_lost_while_it_is_asked_alone(broker, make_fake, make_proxy):
    """Not every question may be asked again."""
    proxy = make_proxy()
    proxy.upward = lambda topic, payload: topic != "ring" or proxy.cut
    refuses(run(proxy.url, "ring"), UNREACHABLE, "lost the connection to broker", proxy.url)


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
    fake.answers = False
    before = time.monotonic()
    refuses(run(broker, "get", 5, "--timeout", "700ms"), TIMEOUT, "no answer for key 5", "700ms", "is a ring there?")
    assert 0.6 < time.monotonic() - before < 5 * PATIENCE

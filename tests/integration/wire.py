"""Plain MQTT clients for the tests: a spy, and a client of the reference's wire that reports instead of dying."""
import itertools
import random
import socket
import string
import threading
import time

import paho.mqtt.client as mqtt

import frames
from harness import PATIENCE, Timeout

_random = random.SystemRandom()


def text(n=10):
    return "".join(_random.choices(string.ascii_letters + string.digits, k=n))


def random_key():
    return _random.randrange(1 << 32)


def _no_delay(client, userdata, sock):
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def connect(port, topics, on_message, client_id="", on_ready=None, on_lost=None, prefix=""):
    """A paho client in its own thread that (re)connects quickly and subscribes at every connect.  Returns when the
    subscriptions are granted; on_ready is called each time they are."""
    client = mqtt.Client(client_id, clean_session=True)
    ready = threading.Event()
    prefix = prefix + "/" if prefix else ""

    def connected(c, userdata, flags, rc):
        if rc == 0:
            c.subscribe([(prefix + t, 0) for t in topics])

    def subscribed(c, userdata, mid, granted):
        ready.set()
        if on_ready:
            on_ready()

    def lost(c, userdata, rc):
        if on_lost:
            on_lost()

    client.on_connect = connected
    client.on_subscribe = subscribed
    client.on_disconnect = lost
    client.on_socket_open = _no_delay
    client.on_message = on_message
    client.reconnect_delay_set(0.05, 0.2)
    client.max_queued_messages_set(0)
    client.connect("127.0.0.1", port, keepalive=30)
    client.loop_start()
    if not ready.wait(10 * PATIENCE):
        raise Timeout("subscriptions not granted")
    return client


class Message:
    __slots__ = ("topic", "payload", "retain", "at")

    def __init__(self, topic, payload, retain, at):
        self.topic, self.payload, self.retain, self.at = topic, payload, retain, at

    @property
    def text(self):
        return self.payload.decode(errors="replace")

    def __repr__(self):
        name = frames.name(self.topic, self.payload)
        return f"{self.topic} {self.payload!r}" if name == self.topic else f"{self.topic} <{name}>"


class Spy:
    """Records every message in the broker's order."""

    def __init__(self, port, topics=("#",)):
        self.messages = []
        self.changed = threading.Condition()
        self.watchers = []
        self.client = connect(port, topics, self._on_message)

    def _on_message(self, client, userdata, m):
        message = Message(m.topic, m.payload, m.retain, time.monotonic())
        with self.changed:
            self.messages.append(message)
            watchers = list(self.watchers)
            self.changed.notify_all()
        for watcher in watchers:
            watcher(message)

    def watch(self, function):
        """function(message) is called for each message from now on, in the network thread."""
        with self.changed:
            self.watchers.append(function)

    def mark(self):
        return len(self.messages)

    def select(self, *topics, since=0):
        with self.changed:
            return [m for m in self.messages[since:] if not topics or m.topic in topics]

    def texts(self, topic, since=0):
        return [m.text for m in self.select(topic, since=since)]

    def wait(self, condition, timeout=15, since=0, what="a message"):
        """The first message for which condition(message) is true."""
        end = time.monotonic() + timeout * PATIENCE
        at = since
        with self.changed:
            while True:
                while at < len(self.messages):
                    if condition(self.messages[at]):
                        return self.messages[at]
                    at += 1
                left = end - time.monotonic()
                if left <= 0:
                    seen = "\n".join(repr(m)[:200] for m in self.messages[-30:])
                    raise Timeout(f"the spy ({'at' if self.client.is_connected() else 'away from'} the broker) has not heard "
                                  f"{what}: {len(self.messages) - since} messages since it waits; the last it heard:\n{seen}")
                self.changed.wait(left)

    def wait_text(self, topic, payload, timeout=15, since=0):
        return self.wait(lambda m: m.topic == topic and m.text == payload, timeout, since, f"{topic} {payload}")

    def settle(self):
        """Returns when everything published before is recorded: its own message has come back behind it."""
        token = text(20)
        since = self.mark()
        self.client.publish("spy", token)
        self.wait_text("spy", token, since=since)

    def close(self):
        self.client.disconnect()
        self.client.loop_stop()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Client:
    """One operation at a time over the reference's topics.  Every put carries a fresh client name, so that each answer
    belongs to one put; answers are counted for ever."""

    def __init__(self, port, timeout=15.0, prefix=""):
        self.timeout = timeout
        self.prefix = prefix + "/" if prefix else ""
        self.changed = threading.Condition()
        self.acks = {}     # name -> [node id, ...]
        self.answers = {}  # key text -> [value bytes, ...]
        self.names = (f"{text(8)}x{i}" for i in itertools.count())
        self.client = connect(port, ("ack-put", "res-get"), self._on_message, prefix=prefix)

    def _on_message(self, client, userdata, m):
        with self.changed:
            name, _, rest = m.payload.partition(b"/")
            if m.topic.endswith("ack-put"):
                self.acks.setdefault(name.decode(errors="replace"), []).append(rest.decode(errors="replace"))
            else:
                self.answers.setdefault(name.decode(errors="replace"), []).append(rest)
            self.changed.notify_all()

    def publish(self, topic, payload=b""):
        self.client.publish(self.prefix + topic, payload)

    def _await(self, table, key, before, what, timeout):
        end = time.monotonic() + (timeout or self.timeout) * PATIENCE
        with self.changed:
            while len(table.get(key, ())) <= before:
                left = end - time.monotonic()
                if left <= 0:
                    raise Timeout(f"no answer to {what}")
                self.changed.wait(left)
            return table[key][before]

    def put(self, key, value, timeout=None):
        """Returns the id of the node that acknowledged."""
        name = next(self.names)
        value = value.encode() if isinstance(value, str) else value
        self.client.publish(self.prefix + "put", f"{name}/{key} ".encode() + value)
        return int(self._await(self.acks, name, 0, f"put {key}", timeout))

    def get(self, key, timeout=None):
        """Returns the value as bytes; b"" if there is none."""
        before = len(self.answers.get(str(key), ()))
        self.client.publish(self.prefix + "get", str(key))
        return self._await(self.answers, str(key), before, f"get {key}", timeout)

    def fill(self, n, prefix="v"):
        """n random keys with values; returns them."""
        records = {random_key(): f"{prefix}{i}-{text(6)}" for i in range(n)}
        for key, value in records.items():
            self.put(key, value)
        return records

    def check(self, records):
        for key, value in records.items():
            got = self.get(key)
            assert got == value.encode(), f"key {key}: put {value}, got {got!r}"

    def close(self):
        self.client.disconnect()
        self.client.loop_stop()

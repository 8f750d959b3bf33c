#!/usr/bin/python3
"""A stand-in for the reference's client, weaknesses included: what a server must tolerate.

One operation in flight; the first `ack-put` with its name is taken for the answer; every `ack-put` and `res-get` of
everybody is split at `/` into exactly two, and whoever can't be split so kills it; it gives up after 50 s.

As a script: reference_client.py --port 1883 [--keys 100]: puts, gets and compares; prints how many were right.
"""
import argparse
import random
import string
import sys
import threading

import paho.mqtt.client as mqtt

TIMEOUT = 50


class Died(SystemExit):
    """What its network thread dies of."""


class ReferenceClient:
    def __init__(self, port, host="127.0.0.1", timeout=TIMEOUT):
        self.timeout = timeout
        self.name = "".join(random.choices(string.ascii_letters + string.digits, k=10))
        self.dead = None            # what killed it
        self.changed = threading.Condition()
        self.acked_by = None
        self.waiting_key = None
        self.value = None
        self.ready = threading.Event()
        self.client = mqtt.Client()
        self.client.on_connect = lambda c, u, f, rc: c.subscribe([("ack-put", 0), ("res-get", 0)])
        self.client.on_subscribe = lambda *_: self.ready.set()
        self.client.on_message = self._on_message
        self.client.connect(host, port)
        self.client.loop_start()
        self.ready.wait(10)

    def _on_message(self, client, userdata, message):
        with self.changed:
            try:
                head, rest = message.payload.decode().split("/")
            except ValueError:
                self.dead = f"{message.topic} {message.payload!r}"
                self.changed.notify_all()
                raise Died(self.dead) from None
            if message.topic == "ack-put" and head == self.name:
                self.acked_by = rest
            elif message.topic == "res-get" and head == self.waiting_key:
                self.value = rest
            self.changed.notify_all()

    def _wait(self, condition):
        with self.changed:
            if not self.changed.wait_for(lambda: condition() or self.dead, self.timeout):
                raise TimeoutError(f"no answer in {self.timeout} s")
            if self.dead:
                raise RuntimeError(f"killed by {self.dead}")

    def put(self, key, value):
        """Returns the id of the node that acknowledged, as text."""
        self.acked_by = None
        self.client.publish("put", f"{self.name}/{key} {value}")
        self._wait(lambda: self.acked_by is not None)
        return self.acked_by

    def get(self, key):
        self.value, self.waiting_key = None, str(key)
        self.client.publish("get", str(key))
        self._wait(lambda: self.value is not None)
        return self.value

    def close(self):
        self.client.disconnect()
        self.client._thread_terminate = True
        self.client.loop_stop()


def job(client, keys=100):
    """The reference's job: returns how many of the keys came back right."""
    records = {}
    while len(records) < keys:
        records[random.randrange(1 << 32)] = "".join(random.choices(string.ascii_letters + string.digits, k=10))
    for key, value in records.items():
        client.put(key, value)
    return sum(client.get(key) == value for key, value in records.items())


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--port", type=int, default=1883)
    parser.add_argument("--keys", type=int, default=100)
    options = parser.parse_args()
    client = ReferenceClient(options.port)
    right = job(client, options.keys)
    client.close()
    print(f"{right}/{options.keys}")
    return 0 if right == options.keys else 1


if __name__ == "__main__":
    sys.exit(main())

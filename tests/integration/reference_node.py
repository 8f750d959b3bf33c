#!/usr/bin/python3
"""A stand-in for a node of the reference, faults included.

It behaves on the wire as the reference was seen to behave (common/PROTOCOL.md, "The reference's topics" and "Mixed
rings").  Its faults are why it exists: a ring that works beside a friendlier stand-in proves nothing.  Each can be
switched off, to find out which one a failing test is about.

As a script: reference_node.py --port 1883 [--id N] [--name NAME] [--without FAULT]...; SIGTERM makes it leave.
"""
import argparse
import dataclasses
import random
import signal
import sys
import threading
import time

import paho.mqtt.client as mqtt

SPACE = 1 << 32
JOIN_INTERVAL = 0.01
JOIN_ATTEMPTS = 100
LINGER = 0.05  # between the last word of a leave and the disconnect: gets are still answered


class Died(SystemExit):
    """What a Python thread dies of; SystemExit passes paho's handlers and is not printed."""


@dataclasses.dataclass
class Faults:
    """All on: the reference."""
    dies_at_absent_get: bool = True      # the network thread dies; the connection and the arc stay
    dies_at_bad_number: bool = True      # the same
    takes_any_integer: bool = True       # negative and beyond 2^32-1; else they are ignored
    moves_arc_at_join: bool = True       # before the newcomer has subscribed; else at its confirm
    deaf_after_reconnect: bool = True    # connects again, but subscribes to nothing
    founds_when_unanswered: bool = True  # a ring of its own after 100 joins; else it goes on asking
    alone_by_two_equal: bool = True      # `leave x/a/a` makes everybody take itself for alone
    gives_up_by_ack_leave: bool = True   # two `ack-leave` with its id make it deaf for puts, even if it never left


class ReferenceNode:
    """One node: a paho client with its network thread, and a thread that joins.

    States: joining, active, left; .dead tells that the network thread has died.  .records is what it holds,
    .predecessor and .successor are None when it is alone.
    """

    TOPICS = ("join", "put", "get", "leave", "ack-leave")

    def __init__(self, port, id=None, name=None, faults=None, host="127.0.0.1", keepalive=60, founding_gate=None):
        self.id = random.randrange(SPACE) if id is None else id
        self.name = name or str(self.id)
        self.faults = faults or Faults()
        self.host, self.port, self.keepalive = host, port, keepalive
        self.records = {}
        self.predecessor = self.successor = None
        self.state = "new"
        self.dead = self.killed = False
        self.listening = False  # the broker has granted what an active node subscribes to
        self.leaving = False
        self.leave_acks = 0
        self.started_heard = False
        self.acked_by = {}     # side -> who said so, while joining
        self.founding_gate = founding_gate  # a barrier: several begin to join at the same moment
        self.changed = threading.Condition()
        self.client = mqtt.Client(f"Node_{self.name}", clean_session=True)
        self.client.on_message = self._on_message
        self.client.on_connect = self._on_connect
        self.client.on_subscribe = self._on_subscribe
        self.client.reconnect_delay_set(1, 2)
        self.connects = 0

    # Life.

    def start(self):
        """Begins to join, in a thread of its own."""
        self.client.connect(self.host, self.port, self.keepalive)
        self.client.loop_start()
        threading.Thread(target=self._join, daemon=True, name=f"reference-{self.name}").start()
        return self

    def _on_connect(self, client, userdata, flags, rc):
        self.connects += 1
        if self.connects == 1:
            client.subscribe([("has_started", 0), ("ack-join", 0)])
        elif not self.faults.deaf_after_reconnect:
            client.subscribe([(t, 0) for t in ("has_started", "ack-join") + self.TOPICS])

    def _on_subscribe(self, client, userdata, mid, granted):
        self.listening = len(granted) >= len(self.TOPICS)

    def _join(self):
        self.state = "joining"
        while self.connects == 0:
            time.sleep(JOIN_INTERVAL)
        if self.founding_gate is not None:
            self.founding_gate.wait(10)
        attempts = 0
        while not self.dead:
            with self.changed:
                if len(self.acked_by) == 2:
                    break
                if attempts >= JOIN_ATTEMPTS and not self.started_heard and self.faults.founds_when_unanswered:
                    break
            self._publish("join", str(self.id))
            attempts += 1
            time.sleep(JOIN_INTERVAL)
        if self.dead:
            return
        with self.changed:
            joined = len(self.acked_by) == 2
            if joined:
                self.successor, self.predecessor = self.acked_by["sucessor"], self.acked_by["antecessor"]
            self.state = "active"
            self.client.subscribe([(t, 0) for t in self.TOPICS])
            if joined:
                self._publish("ack-join", f"{self.id}/{self.successor}/antecessor")
            self.changed.notify_all()

    def leave(self, timeout=10):
        """Leaves in the reference's order; True if both acks came in time."""
        with self.changed:
            self.leaving = True
            others = self.successor is not None
            self._publish("leave", f"{self.id}/{self.successor}/{self.predecessor}")
            if others and not self.dead:
                self.changed.wait_for(lambda: self.state == "left", timeout)
        done = self.state == "left" or not others
        time.sleep(LINGER)
        self._end()
        return done

    def kill(self):
        """The process is gone: the socket closes without a word (the reference has no will)."""
        self.dead = self.killed = True
        self.state = "left"
        self._stop_thread()
        if self.client.socket() is not None:
            self.client.socket().close()

    def close(self):
        """For the end of a test: whatever it is doing."""
        self.dead = True
        if not self.killed:
            self._end()

    def _end(self):
        self.state = "left"
        self.client.disconnect()
        self._stop_thread()

    def _stop_thread(self):
        self.client._thread_terminate = True
        self.client.loop_stop()

    # Who owns what.

    def owns(self, key):
        if self.predecessor is None:
            return self.faults.takes_any_integer or 0 <= key < SPACE
        if self.predecessor < self.id:
            return self.predecessor < key <= self.id
        top = SPACE if self.faults.takes_any_integer else SPACE - 1
        return self.predecessor < key <= top or 0 <= key <= self.id

    @staticmethod
    def _between(low, high, id):
        return id not in (low, high) and (id - low) % SPACE < ((high - low) % SPACE or SPACE)

    # What it hears, in the network thread.

    def _publish(self, topic, payload):
        self.client.publish(topic, payload)

    def _die(self, why):
        self.dead = True
        raise Died(why)

    def _number(self, text):
        try:
            return int(text)
        except ValueError:
            if self.faults.dies_at_bad_number:
                self._die(f"not a number: {text!r}")
            return None

    def _on_message(self, client, userdata, message):
        if self.dead:
            raise Died("dead")
        text = message.payload.decode(errors="replace")
        with self.changed:
            getattr(self, "_on_" + message.topic.replace("-", "_"))(text)
            self.changed.notify_all()

    def _on_has_started(self, text):
        self.started_heard = True

    def _on_join(self, text):
        id = self._number(text)
        if id is None:
            return
        self._publish("has_started", "yes")
        if id in (self.id, self.predecessor, self.successor) or self.state != "active" or self.leaving:
            return
        if self.predecessor is None:
            self._move(id)
            self.successor = id
            self._publish("ack-join", f"{self.id}/{id}/sucessor")
            self._publish("ack-join", f"{self.id}/{id}/antecessor")
            return
        if self._between(self.predecessor, self.id, id):
            self._move(id)
            self._publish("ack-join", f"{self.id}/{id}/sucessor")
        if self._between(self.id, self.successor, id):
            self.successor = id
            self._publish("ack-join", f"{self.id}/{id}/antecessor")

    def _move(self, id):
        if self.faults.moves_arc_at_join or self.predecessor is None:
            self.predecessor = id

    def _on_ack_join(self, text):
        source, target, side = text.split("/")
        if self._number(target) != self.id:
            return
        source = self._number(source)
        if self.state == "joining":
            self.acked_by[side] = source
        elif side == "sucessor":
            self.successor = source
        else:
            self.predecessor = source
            self._hand_over()

    def _hand_over(self):
        for key in [k for k in self.records if not self.owns(k)]:
            self._publish("put", f"None/{key} {self.records.pop(key)}")

    def _on_put(self, text):
        head, _, value = text.partition(" ")
        parts = head.split("/")
        if len(parts) != 2:
            if self.faults.dies_at_bad_number:
                self._die(f"no client: {text!r}")
            return
        key = self._number(parts[1])
        if key is not None and self.owns(key):
            self.records[key] = value
            self._publish("ack-put", f"{parts[0]}/{self.id}")

    def _on_get(self, text):
        key = self._number(text)
        if key is None or not self.owns(key):
            return
        if key not in self.records:
            if self.faults.dies_at_absent_get:
                self._die(f"absent: {key}")
            return
        self._publish("res-get", f"{key}/{self.records[key]}")

    def _on_leave(self, text):
        leaver, successor, predecessor = text.split("/")
        if leaver == str(self.id):
            return
        if successor == predecessor and (self.faults.alone_by_two_equal or successor == str(self.id)):
            self.successor = self.predecessor = None
            if successor == str(self.id):
                self._publish("ack-leave", f"{leaver}/{self.id}")
                self._publish("ack-leave", f"{leaver}/{self.id}")
            return
        leaver = self._number(leaver)
        if leaver == self.predecessor:
            self.predecessor = self._number(predecessor)
            self._publish("ack-leave", f"{leaver}/{self.id}")
        if leaver == self.successor:
            self.successor = self._number(successor)
            self._publish("ack-leave", f"{leaver}/{self.id}")

    def _on_ack_leave(self, text):
        leaver, _ = text.split("/")
        if leaver != str(self.id) or not (self.leaving or self.faults.gives_up_by_ack_leave):
            return
        self.leave_acks += 1
        if self.leave_acks < 2:
            return
        self.leave_acks = 0
        self.client.unsubscribe("put")
        for key, value in self.records.items():
            self._publish("put", f"{self.id}/{key} {value}")
        self.records = {}
        if self.leaving:
            self.state = "left"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--port", type=int, default=1883)
    parser.add_argument("--id", type=int)
    parser.add_argument("--name")
    parser.add_argument("--without", action="append", default=[],
                        choices=[f.name for f in dataclasses.fields(Faults)], help="a fault to leave out")
    options = parser.parse_args()
    node = ReferenceNode(options.port, options.id, options.name, Faults(**{f: False for f in options.without}))
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    node.start()
    stop.wait()
    return 0 if node.leave() else 1


if __name__ == "__main__":
    sys.exit(main())

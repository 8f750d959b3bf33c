"""Clients that never stop: put a value never used before, get, compare, one operation in flight, for ever.

What is counted:
 lost        a get answered "absent" although a value was acknowledged
 wrong       a get answered with another value than the last acknowledged one
 doubled     a put acknowledged, or a get answered, more than once
 unanswered  no answer within the time limit, and the client's connection held
 cut         the client's own connection ended while the operation was in flight: it may have happened or not
"""
import random
import threading
import time

from harness import PATIENCE
from wire import connect, text


class Record:
    """What one key may hold: the last acknowledged value, or one of the puts nobody knows the fate of."""
    __slots__ = ("value", "maybe")

    def __init__(self):
        self.value = None
        self.maybe = []


class Hammer:
    """One client in the network thread of its connection.  It alone uses its keys, so every answer about them is to one
    of its own requests."""

    def __init__(self, port, keys=100, seed=None, timeout=10.0, gets=0.5, key_range=None, pace=0.0, prefix=""):
        self.random = random.Random(seed)
        low, high = key_range or (0, (1 << 32) - 1)
        self.key_range = (low, high)
        self.records = {}
        while len(self.records) < keys:
            self.records[self.random.randint(low, high)] = Record()
        self.keys = list(self.records)
        self.resting = {}      # keys with a request that was never answered: looked at again in the end
        self.timeout = timeout * PATIENCE
        self.gets = gets
        self.pace = pace
        self.port = port
        self.prefix = prefix + "/" if prefix else ""
        self.name = text(8)
        self.number = 0
        self.lock = threading.RLock()
        self.idle = threading.Condition(self.lock)
        self.running = False
        self.usable = False
        self.pending = None    # (kind, key, name or None, value or None, since)
        self.open_puts = set()  # numbers of puts without an ack that are not in flight: one may still come
        self.late_gets = {}    # key -> answers that may still come to requests that were given up
        self.acks = self.answers = 0
        self.lost, self.wrong, self.doubled, self.unanswered, self.cut = [], [], [], [], 0
        self.longest = (0.0, None)
        self.client = None

    def start(self):
        self.running = True
        self.client = connect(self.port, ("ack-put", "res-get"), self._on_message, on_ready=self._on_ready,
                              on_lost=self._on_lost, prefix=self.prefix.rstrip("/"))
        with self.lock:
            self._begin()
        threading.Thread(target=self._watch, daemon=True, name="hammer-watch").start()
        return self

    def _begin(self):
        if self.running and self.usable and self.pending is None and self.client is not None:
            self._next()

    # The network thread.

    def _on_ready(self):
        with self.lock:
            self.usable = True
            self._begin()

    def _on_lost(self):
        with self.lock:
            self.usable = False
            if self.pending is not None:
                kind, key, _, value, _ = self.pending
                self.cut += 1
                if kind == "put":
                    self.records[key].maybe.append(value)
                    self.open_puts.add(self.number)
                self.pending = None
                self.idle.notify_all()

    def _next(self):
        key = self.random.choice(self.keys)
        record = self.records[key]
        if (record.value is not None or record.maybe) and self.random.random() < self.gets:
            self._send_get(key)
        else:
            self.number += 1
            name = f"{self.name}x-{self.number}"
            value = f"{self.name}={self.number}"
            self.pending = ("put", key, name, value, time.monotonic())
            self.client.publish(self.prefix + "put", f"{name}/{key} {value}")

    def _send_get(self, key):
        self.pending = ("get", key, None, None, time.monotonic())
        self.client.publish(self.prefix + "get", str(key))

    def _done(self):
        waited = time.monotonic() - self.pending[4]
        if waited > self.longest[0]:
            self.longest = (waited, f"{self.pending[0]} {self.pending[1]} at {time.strftime('%H:%M:%S')}")
        self.pending = None
        if self.running and self.usable:
            if self.pace:
                time.sleep(self.pace)
            self._next()
        else:
            self.idle.notify_all()

    def _on_message(self, client, userdata, m):
        with self.lock:
            if m.topic.endswith("ack-put"):
                self._on_ack(m.payload)
            else:
                self._on_answer(m.payload)

    def _on_ack(self, payload):
        mine, _, number = payload.partition(b"/")[0].decode(errors="replace").partition("x-")
        if mine != self.name:
            return
        number = int(number)
        pending = self.pending
        if pending is not None and pending[0] == "put" and number == self.number:
            self.acks += 1
            record = self.records[pending[1]]
            record.value, record.maybe = pending[3], []
            self._done()
        elif number in self.open_puts:
            self.open_puts.remove(number)
        else:
            self.doubled.append(f"put {payload!r} acknowledged again at {time.strftime('%H:%M:%S')}")

    def _on_answer(self, payload):
        key, _, value = payload.partition(b"/")
        try:
            key = int(key)
        except ValueError:
            return
        if key not in self.records and key not in self.resting:
            return
        pending = self.pending
        if pending is None or pending[0] != "get" or pending[1] != key:
            if self.late_gets.get(key):
                self.late_gets[key] -= 1
            else:
                self.doubled.append(f"get {key} answered again: {payload!r} at {time.strftime('%H:%M:%S')}")
            return
        self.answers += 1
        self._judge(key, value.decode(errors="replace"))
        self._done()

    def _judge(self, key, value):
        record = self.records.get(key) or self.resting[key]
        if value == (record.value or ""):
            return
        if value in record.maybe:
            record.value, record.maybe = value, []
            return
        verdict = f"get {key}: acknowledged {record.value}, perhaps {record.maybe}, got {value!r}" \
                  f" at {time.strftime('%H:%M:%S')}"
        (self.lost if value == "" else self.wrong).append(verdict)

    # The watching thread: time limits.

    def _watch(self):
        while self.running or self.pending is not None:
            time.sleep(0.05)
            with self.lock:
                if self.pending is not None and time.monotonic() - self.pending[4] > self.timeout:
                    self._give_up()

    def _give_up(self):
        kind, key, name, value, since = self.pending
        self.unanswered.append((since, f"{kind} {key} {value or ''} ({name or ''}) at {time.strftime('%H:%M:%S')}"))
        record = self.records.get(key) or self.resting[key]
        if kind == "put":
            record.maybe.append(value)
            self.open_puts.add(self.number)
        else:
            self.late_gets[key] = self.late_gets.get(key, 0) + 1
        if key in self.records:  # an answer to the old request must not pass for one to a new one
            self.resting[key] = self.records.pop(key)
            self.keys.remove(key)
            while True:
                fresh = self.random.randint(*self.key_range)
                if fresh not in self.resting and fresh not in self.records:
                    break
            self.records[fresh] = Record()
            self.keys.append(fresh)
        self.pending = None
        if self.running and self.usable:
            self._next()
        else:
            self.idle.notify_all()

    # The test's thread.

    def wait_operations(self, n, timeout=20):
        """Waits until n more operations are answered."""
        from harness import wait_for
        goal = self.acks + self.answers + n
        wait_for(lambda: f"{n} more answers to {self.name}; {self.summary()}", lambda: self.acks + self.answers >= goal,
                 timeout)
        return self

    def stop(self):
        """No new operation; returns when the one in flight is answered or given up."""
        with self.lock:
            self.running = False
            end = time.monotonic() + self.timeout + 5
            while self.pending is not None and time.monotonic() < end:
                self.idle.wait(0.5)
        return self

    def verify(self):
        """Gets every key that ever held anything and judges it; for a quiet ring, after stop()."""
        self.verifying = True
        threading.Thread(target=self._watch_until_verified, daemon=True, name="hammer-verify").start()
        try:
            for key, record in list(self.records.items()) + list(self.resting.items()):
                if record.value is None and not record.maybe:
                    continue
                with self.lock:
                    self._send_get(key)
                    end = time.monotonic() + self.timeout + 5
                    while self.pending is not None and time.monotonic() < end:
                        self.idle.wait(0.5)
        finally:
            self.verifying = False
        return self

    def _watch_until_verified(self):
        time.sleep(0.05)
        while self.verifying:
            time.sleep(0.05)
            with self.lock:
                if self.pending is not None and time.monotonic() - self.pending[4] > self.timeout:
                    self._give_up()

    def summary(self):
        return (f"{self.acks} puts, {self.answers} gets, lost {self.lost[:3]}, wrong {self.wrong[:3]}, "
                f"doubled {self.doubled[:3]}, unanswered {[u[1] for u in self.unanswered[:3]]}, cut {self.cut}, "
                f"longest wait {self.longest[0]:.3f} s ({self.longest[1]})")

    def assert_clean(self, minimum=50, unanswered=False):
        """Nothing lost, wrong, doubled or (unless allowed) unanswered, and enough was done to tell."""
        assert not (self.lost or self.wrong or self.doubled), self.summary()
        assert unanswered or not self.unanswered, self.summary()
        assert self.acks + self.answers >= minimum, self.summary()
        return self

    def finish(self, minimum=50, unanswered=False):
        """A request that died with its node has held up all others for the whole of `timeout`: they are waited for."""
        with self.lock:
            end = time.monotonic() + 2 * self.timeout + 5
            while self.acks + self.answers < minimum and time.monotonic() < end:
                self.idle.wait(0.1)
        self.stop().verify().assert_clean(minimum, unanswered)

    def close(self):
        self.running = False
        if self.client is not None:
            self.client.disconnect()
            self.client.loop_stop()

"""A ring as a tool sees it, in one paho client: keeps records, answers operations, WHO and LEAVE.  For tests of
dhtctl's manners, above all of what no healthy ring does."""
import os
import re

import cbor2

from wire import connect

_HEADERS = os.path.join(os.path.dirname(__file__), "..", "..", "common", "frame.h")


def _enum(name, header=_HEADERS):
    with open(header) as f:
        body = re.sub(r"/\*.*?\*/", "", f.read(), flags=re.S)
    body = re.search(r"enum %s \{(.*?)\}" % name, body, re.S).group(1)
    return {word: number for number, word in enumerate(re.findall(r"\w+", body))}


TYPES, REASONS, STATES = _enum("frame_type"), _enum("frame_reason"), _enum("node_state")
_OPERATIONS = os.path.join(os.path.dirname(_HEADERS), "operation.h")
KINDS, STATUSES = _enum("operation_kind", _OPERATIONS), _enum("operation_status", _OPERATIONS)
VERSION, TYPE, FROM, COUNT, REASON, ARC, STATE, SINCE, PREDECESSOR, SUCCESSOR, NAME, SOFTWARE, REPLY = \
    0, 1, 2, 7, 10, 11, 13, 14, 15, 16, 18, 19, 20
TO, FLAG, DOUBTS = 3, 12, 42
EPOCH, COPIES, WANTED, BEHIND = 37, 38, 39, 40
CLIENT, BASE, TOKEN, OPERATIONS, ANSWERS, OWNER = 24, 25, 27, 28, 29, 30


def _head(major, n):
    for size, code in ((0, None), (1, 24), (2, 25), (4, 26), (8, 27)):
        if code is None and n < 24:
            return bytes([major << 5 | n])
        if code is not None and n < 1 << 8 * size:
            return bytes([major << 5 | code]) + n.to_bytes(size, "big")
    raise ValueError(n)


def encode(value):
    """The part of CBOR that frames need."""
    if isinstance(value, bool):
        return b"\xf5" if value else b"\xf4"
    if value is None:
        return b"\xf6"
    if isinstance(value, int):
        return _head(0, value) if value >= 0 else _head(1, -1 - value)
    if isinstance(value, bytes):
        return _head(2, len(value)) + value
    if isinstance(value, str):
        return _head(3, len(value.encode())) + value.encode()
    if isinstance(value, list):
        return _head(4, len(value)) + b"".join(map(encode, value))
    return _head(5, len(value)) + b"".join(encode(k) + encode(v) for k, v in value.items())


def decode(data, at=0):
    """(value, end)."""
    major, n = data[at] >> 5, data[at] & 31
    at += 1
    if major == 7:
        return {20: False, 21: True, 22: None}[n], at
    if n >= 24:
        size = 1 << (n - 24)
        n, at = int.from_bytes(data[at:at + size], "big"), at + size
    if major in (0, 1):
        return (n if major == 0 else -1 - n), at
    if major in (2, 3):
        return (data[at:at + n].decode() if major == 3 else data[at:at + n]), at + n
    items = []
    for _ in range(n * (2 if major == 5 else 1)):
        item, at = decode(data, at)
        items.append(item)
    return (dict(zip(items[::2], items[1::2])) if major == 5 else items), at


class FakeNode:
    def __init__(self, id, name="", state="NODE_ACTIVE", arc=None, predecessor=0, successor=0, records=0, since=0):
        self.id, self.name, self.state, self.arc = id, name, state, arc
        self.predecessor, self.successor, self.records, self.since = predecessor, successor, records, since
        self.doubts = []  # [lo, hi, number, maker, id or None, copy]
        self.operated = True  # they end by a word alone
        self.copies = None  # (epoch, copies, wanted, behind)

    def status(self, state=None):
        frame = {VERSION: 1, TYPE: TYPES["FRAME_STATUS"], FROM: [self.id, self.id + 1, 5, 1], COUNT: self.records,
                 STATE: STATES[state or self.state], SINCE: self.since, PREDECESSOR: self.predecessor,
                 SUCCESSOR: self.successor, SOFTWARE: "fake"}
        if self.arc:
            frame[ARC] = list(self.arc)
        if self.doubts:
            frame[DOUBTS] = self.doubts
            frame[FLAG] = self.operated
        if self.copies:
            frame.update(zip((EPOCH, COPIES, WANTED, BEHIND), self.copies))
        if self.name:
            frame[NAME] = self.name
        return encode(frame)


def nodes(*ids, **names):
    """A whole ring of these ids."""
    ids = sorted(ids)
    return [FakeNode(id, names.get(f"n{id}", f"n{id}"), arc=(ids[i - 1], id), predecessor=ids[i - 1],
                     successor=ids[(i + 1) % len(ids)], records=i, since=1000 * i) for i, id in enumerate(ids)]


class FakeRing:
    """On the reference's topics .answer(key, value) may change what a get is told, and .acks, .gets are whether there
    are answers at all.  Of operations: .answers is whether there are, .requests has them, .before(topic, request) is
    called ahead of each and may return False: no answer.  .records has both's, by the number's digits or the name, and
    .versions the counters of what was put by operations.  .looks is how often somebody asked who is there.
    .leaves: what a LEAVE does: "left", "refused" or "stays"."""

    def __init__(self, port, members=(), prefix=""):
        self.prefix = prefix + "/" if prefix else ""
        self.members = list(members)
        self.records, self.versions = {}, {}
        self.puts = []
        self.acks = self.gets = self.answers = True
        self.requests = []
        self.looks = 0
        self.before = None
        self.counter = 0
        self.answer = lambda key, value: value
        self.leaves = "left"
        self.recovers = True
        self.words = []
        self.client = connect(port, ("put", "get", "ring", "in/+", "op/#", "ask/+"),
                              self._on_message, prefix=prefix)

    def _publish(self, topic, payload, retain=False):
        self.client.publish(self.prefix + topic, payload, retain=retain)

    def _on_message(self, client, userdata, m):
        topic = m.topic[len(self.prefix):]
        if topic == "put":
            self._on_put(m.payload)
        elif topic == "get" and self.gets:
            value = self.answer(m.payload, self.records.get(m.payload, b""))
            self._publish("res-get", m.payload + b"/" + value)
        elif topic == "ring":
            self._on_who(decode(m.payload)[0])
        elif topic.startswith("in/"):
            frame = decode(m.payload)[0]
            if frame[TYPE] == TYPES["FRAME_RECOVER"]:
                self._on_recover(int(topic[3:], 16), frame)
            else:
                self._on_leave(int(topic[3:], 16), frame)
        elif topic.startswith(("op/", "ask/")) and self.answers:
            self._on_request(decode(m.payload)[0])

    def _on_put(self, payload):
        name, _, rest = payload.partition(b"/")
        key, _, value = rest.partition(b" ")
        self.records[key] = value
        self.puts.append(payload)
        if self.acks:
            self._publish("ack-put", name + b"/77")

    def _on_request(self, request):
        """As one node that owns everything."""
        topic = "to/" + request[CLIENT].hex()
        self.requests.append(request)
        if self.before and self.before(topic, request) is False:
            return
        answers = [self._execute(request, *operation) for operation in request[OPERATIONS]]
        self.answer_operations(topic, request, answers)

    def answer_operations(self, topic, request, answers):
        self._publish(topic, encode({VERSION: 1, TYPE: TYPES["FRAME_ANSWER"], ARC: [77, 77], BASE: request[BASE],
                                     TOKEN: [1, self.counter, 7], ANSWERS: answers, OWNER: 77}))

    def _execute(self, request, offset, kind, key, value=None, condition=None, life=None):
        key = key if isinstance(key, bytes) else b"%d" % key
        if kind == KINDS["OPERATION_GET"]:
            if key in self.records:
                return [offset, STATUSES["ANSWER_DONE"], self.counter, self.records[key]]
            return [offset, STATUSES["ANSWER_ABSENT"]]
        if TOKEN not in request:
            return [offset, STATUSES["ANSWER_TOKEN"]]
        assert kind == KINDS["OPERATION_PUT"] and life is None, "not played"
        if condition is not None and (key in self.records) != (condition != 0) or \
                condition and condition != [1, self.versions[key]]:
            return [offset, STATUSES["ANSWER_FAILED"]] + ([self.versions[key]] if key in self.records else [])
        self.counter += 1
        self.records[key], self.versions[key] = value, self.counter
        return [offset, STATUSES["ANSWER_DONE"], self.counter]

    def _on_who(self, frame):
        if frame[TYPE] == TYPES["FRAME_WHO"]:
            self.looks += 1
            for node in self.members:
                self.client.publish(frame[REPLY], node.status())

    def _on_leave(self, id, frame):
        assert frame[TYPE] == TYPES["FRAME_LEAVE"]
        node = next(n for n in self.members if n.id == id)
        reason = "REASON_NOT_ACTIVE" if self.leaves == "refused" else "REASON_LEAVING"
        self.client.publish(frame[REPLY], encode({VERSION: 1, TYPE: TYPES["FRAME_REPLY"], FROM: [id, id + 1, 5, 1],
                                                  REASON: REASONS[reason]}))
        if self.leaves != "refused":
            self._publish(f"node/{id:08x}", node.status("NODE_LEAVING"), retain=True)
        if self.leaves == "left":
            self._publish(f"node/{id:08x}", node.status("NODE_LEFT"), retain=True)

    def _on_recover(self, id, frame):
        """.recovers: what the word does: True; False: it comes too late; None: nothing is said."""
        node = next(n for n in self.members if n.id == id)
        assert frame[TO] == [5, 1]
        self.words.append(frame[DOUBTS])
        if self.recovers is not None:
            reason = {} if self.recovers else {REASON: REASONS["REASON_ABSENT"]}
            self.client.publish(frame[REPLY], encode({VERSION: 1, TYPE: TYPES["FRAME_REPLY"],
                                                      FROM: [id, id + 1, 5, 1], **reason}))
        if self.recovers:
            node.doubts = [d for d in node.doubts if d not in frame[DOUBTS]]
            node.arc = node.healed

    def close(self):
        self.client.disconnect()
        self.client.loop_stop()


QUARTER = 1 << 30


def in_doubt(make_fake):
    """Node n3221225472 waits for 2147483648, which had the arc before its own; nothing is answered about that arc."""
    fake = make_fake(*[node for node in nodes(*(i * QUARTER for i in range(4))) if node.id != 2 * QUARTER])
    node = fake.members[-1]
    node.doubts = [[QUARTER, 2 * QUARTER, 77, 5, 2 * QUARTER, False]]
    node.healed = (QUARTER, 3 * QUARTER)
    node.predecessor = QUARTER
    fake.members[1].successor = 3 * QUARTER
    return fake


def plays(fake, *pages):
    """The played ring gives these pages, one after another, and then says nothing."""
    left = list(pages)

    def answer(topic, request):
        if left:
            page = left.pop(0)
            value = page if isinstance(page, bytes) else cbor2.dumps(page)
            fake.answer_operations(topic, request, [[request[OPERATIONS][0][0], STATUSES["ANSWER_DONE"], 1, value]])
        return False
    fake.before = answer

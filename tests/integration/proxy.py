"""A TCP proxy before the broker that understands MQTT's framing: cuts, delays, swallows, drops one packet, stops the world
right behind one, or refuses a subscription."""
import selectors
import socket
import threading
import time


def split_packets(data):
    """(whole packets, rest) of a stream of MQTT bytes."""
    packets, at = [], 0
    while len(data) - at >= 2:
        length, shift, i = 0, 0, at + 1
        while True:
            if i >= len(data):
                return packets, data[at:]
            byte = data[i]
            length |= (byte & 0x7F) << shift
            shift += 7
            i += 1
            if not byte & 0x80:
                break
        if i + length > len(data):
            break
        packets.append(data[at:i + length])
        at = i + length
    return packets, data[at:]


def body(packet):
    """Where it begins, behind the length."""
    i = 1
    while packet[i] & 0x80:
        i += 1
    return i + 1


def parse_publish(packet):
    """(topic, payload) of a PUBLISH of QoS 0, else None."""
    if packet[0] >> 4 != 3:
        return None
    i = body(packet)
    size = int.from_bytes(packet[i:i + 2], "big")
    topic = packet[i + 2:i + 2 + size].decode(errors="replace")
    return topic, packet[i + 2 + size:]


def refusal(packet, refuses):
    """The SUBACK to a SUBSCRIBE of which some filter is refused (0x80: MQTT 3.1.1, 3.9.3), else None."""
    if packet[0] >> 4 != 8:
        return None
    start = body(packet)
    at, codes = start + 2, b""
    while at < len(packet):
        size = int.from_bytes(packet[at:at + 2], "big")
        codes += b"\x80" if refuses(packet[at + 2:at + 2 + size].decode()) else b"\0"
        at += 2 + size + 1
    return bytes([0x90, 2 + len(codes)]) + packet[start:start + 2] + codes if 0x80 in codes else None


class _Link:
    """One accepted connection and its twin to the broker."""

    def __init__(self, down, up):
        self.down, self.up = down, up   # towards the node, towards the broker
        self.rest = {down: b"", up: b""}
        self.queue = []                 # (due, socket, bytes), in order


class Proxy:
    """Everything runs in one thread; the hooks are called in it, and while a hook runs nothing moves.

    .upward(topic, payload) and .downward(topic, payload) see each PUBLISH from and to the node: True or None forwards
    it, False drops it, a function forwards it and is then called.  .delay: seconds that either direction takes.
    .swallow: nothing is forwarded, the connections stay open.  .refuse: new connections are closed at once.
    .refuses(filter): such a subscription is refused with those that come with it, and the broker never hears of it.
    .hold(True): nothing is forwarded until .hold(False), and then all of it is, in order.
    """

    def __init__(self, broker_port):
        self.broker_port = broker_port
        self.upward = self.downward = self.refuses = None
        self.delay = 0.0
        self.swallow = False
        self.refuse = False
        self.held = False
        self.accepted = 0
        self.links = []
        self.todo = []
        self.lock = threading.Lock()
        self.stopping = False
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.port = self.listener.getsockname()[1]
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.listener, selectors.EVENT_READ, None)
        self.wake_in, self.wake_out = socket.socketpair()
        self.selector.register(self.wake_in, selectors.EVENT_READ, None)
        self.thread = threading.Thread(target=self._run, daemon=True, name="proxy")
        self.thread.start()

    @property
    def url(self):
        return f"mqtt://127.0.0.1:{self.port}"

    def cut(self):
        """Ends every connection now; a hook may do so too."""
        self._call(lambda: [self._drop(link) for link in list(self.links)])

    def hold(self, on):
        def set_held():
            self.held = on
        self._call(set_held)

    def close(self):
        self.stopping = True
        self.wake_out.send(b"x")
        self.thread.join(10)
        assert not self.thread.is_alive(), "a hook of the proxy does not return"
        self.wake_in.close()    # only now: the thread may have seen .stopping before the byte was sent
        self.wake_out.close()

    def _call(self, function):
        if threading.current_thread() is self.thread:
            function()
            return
        done = threading.Event()
        with self.lock:
            self.todo.append((function, done))
        self.wake_out.send(b"x")
        assert done.wait(10)

    def _drop(self, link):
        if link in self.links:
            self.links.remove(link)
            for s in (link.down, link.up):
                self.selector.unregister(s)
                s.close()

    def _accept(self):
        down, _ = self.listener.accept()
        if self.refuse:
            down.close()
            return
        try:
            up = socket.create_connection(("127.0.0.1", self.broker_port), 5)
        except OSError:
            down.close()
            return
        self.accepted += 1
        link = _Link(down, up)
        self.links.append(link)
        for s in (down, up):
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.selector.register(s, selectors.EVENT_READ, link)

    def _run(self):
        while not self.stopping:
            due = [] if self.held else [item[0] for link in self.links for item in link.queue[:1]]
            timeout = max(0.0, min(due) - time.monotonic()) if due else None
            for key, _ in self.selector.select(timeout):
                if key.fileobj is self.listener:
                    self._accept()
                elif key.fileobj is self.wake_in:
                    self.wake_in.recv(4096)
                elif key.data in self.links:
                    self._read(key.data, key.fileobj)
            with self.lock:
                todo, self.todo = self.todo, []
            for function, done in todo:
                function()
                done.set()
            now = time.monotonic()
            for link in list(self.links):
                self._flush(link, now)
        for link in list(self.links):
            self._drop(link)
        self.listener.close()
        self.selector.close()

    def _flush(self, link, now):
        while not self.held and link in self.links and link.queue and link.queue[0][0] <= now:
            _, target, data = link.queue.pop(0)
            self._send(link, target, data)

    def _send(self, link, target, data):
        try:
            target.settimeout(5)
            target.sendall(data)
        except OSError:
            self._drop(link)

    def _read(self, link, source):
        target = link.up if source is link.down else link.down
        try:
            data = source.recv(65536)
        except OSError:
            data = b""
        if not data:
            self._drop(link)
            return
        if self.swallow:
            link.rest[source] = b""
            return
        packets, link.rest[source] = split_packets(link.rest[source] + data)
        hook = self.upward if source is link.down else self.downward
        for packet in packets:
            refused = refusal(packet, self.refuses) if self.refuses and source is link.down else None
            if refused:
                self._send(link, link.down, refused)
                continue
            verdict = None
            publish = parse_publish(packet) if hook else None
            if publish:
                verdict = hook(*publish)
            if verdict is False:
                continue
            if self.delay or self.held or link.queue:  # in order
                link.queue.append((time.monotonic() + self.delay, target, packet))
            else:
                self._send(link, target, packet)
            if callable(verdict):
                verdict()
            if link not in self.links:
                return

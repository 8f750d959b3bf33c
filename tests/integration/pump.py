"""One thread that reads what the processes of the tests say: their output, and what they tell the service manager."""
import os
import random
import selectors
import socket
import threading
import time


class Lines:
    """What a process says, into its file, each line with the time it came."""

    def __init__(self, fd, path):
        self.fd = fd
        self.out = open(path, "ab", buffering=0)
        self.rest = b""

    def read(self):
        """False at the end."""
        data = os.read(self.fd, 65536)
        now = time.time()
        stamp = (time.strftime("%H:%M:%S", time.localtime(now)) + f".{int(now * 1000) % 1000:03d} ").encode()
        lines = (self.rest + data).split(b"\n")
        self.rest = lines.pop() if data else b""
        self.out.write(b"".join(stamp + line + b"\n" for line in lines if data or line))
        return bool(data)

    def end(self):
        self.out.close()
        os.close(self.fd)


class Notes:
    """What a process tells the service manager.  Read as it comes: a full queue would stop the process."""

    def __init__(self):
        # A path may not be longer than 107 bytes: an abstract name needs no file.
        self.name = f"dht-test-{os.getpid()}-{random.getrandbits(64):x}"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + self.name)
        self.fd = self.socket.fileno()
        self.heard = []

    def read(self):
        """False at the end: the empty datagram of close()."""
        text = self.socket.recv(65536).decode(errors="replace")
        self.heard += [x for x in text.split("\n") if x]
        return bool(text)

    def end(self):
        self.socket.close()

    def close(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
            try:
                s.sendto(b"", "\0" + self.name)
            except OSError:
                pass


class Pump:
    """One thread that reads all Lines and Notes."""

    def __init__(self):
        self.selector = selectors.DefaultSelector()
        self.added = []
        self.wake_read, self.wake_write = os.pipe()
        self.selector.register(self.wake_read, selectors.EVENT_READ, None)
        threading.Thread(target=self._run, daemon=True, name="pump").start()

    def add(self, source):
        self.added.append(source)
        os.write(self.wake_write, b"x")

    def settle(self, timeout):
        """Everything that was said before now has been read."""
        settled = threading.Event()
        self.add(settled)
        settled.wait(timeout)

    def _read(self, timeout):
        """Reads whatever is ready; returns the sources added meanwhile."""
        added = []
        for key, _ in self.selector.select(timeout):
            if key.data is None:
                os.read(self.wake_read, 1)
                added.append(self.added.pop(0))
            elif not key.data.read():
                self.selector.unregister(key.fileobj)
                key.data.end()
        return added

    def _run(self):
        while True:
            for source in self._read(None):
                if isinstance(source, threading.Event):
                    # What was there before the request is read, one piece of each source at a time.
                    for _ in range(1000):
                        if not self.selector.select(0):
                            break
                        for late in self._read(0):
                            self.add(late)
                    source.set()
                else:
                    self.selector.register(source.fd, selectors.EVENT_READ, source)


_pump = None


def pump():
    global _pump
    if _pump is None:
        _pump = Pump()
    return _pump

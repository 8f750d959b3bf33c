"""Real processes for the tests: a Mosquitto on a free port, nodes, and the tool that looks at their ring.

The binaries come from $DHT_BUILD (the meson build folder); everything that is started is registered and killed at the
end, also when a test fails.  Nothing here sleeps and hopes: `wait_for` waits for a state, with a generous limit.
"""
import ctypes
import json
import os
import random
import re
import signal
import socket
import subprocess
import time

from pump import Lines, Notes, pump

os.environ["DHT_CONFIG"] = os.environ["DHT_NODE_CONFIG"] = ""  # whoever runs the tests may have settings of his own
os.environ["TERM"] = "xterm"  # and a terminal that is dumb, or none
BUILD = os.environ.get("DHT_BUILD", os.path.join(os.path.dirname(__file__), "..", "..", "build", "gcc"))
# Sanitizers and a loaded machine make everything slower; every limit is multiplied by this.
PATIENCE = float(os.environ.get("DHT_PATIENCE", "1"))


def setting(name, default):
    """For who wants more of a test than is run each time: DHT_KILLS=50, say."""
    return type(default)(os.environ.get(name, default))
SPACE = 1 << 32
LIBC = ctypes.CDLL(None)
PR_SET_PDEATHSIG = 1


def node_binary():
    return os.path.join(BUILD, "daemon", "dht-node")


def ctl_binary():
    return os.path.join(BUILD, "tools", "dhtctl")


class Timeout(AssertionError):
    pass


def wait_for(what, condition, timeout=15.0, interval=0.02):
    """Returns the first true value of condition(); `what` (a text or a function) says what was waited for."""
    end = time.monotonic() + timeout * PATIENCE
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Timeout(f"not within {timeout * PATIENCE:g} s: {what() if callable(what) else what}")
        time.sleep(interval)


def die_with_parent():
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def free_port():
    """A free port below the range of outgoing connections, so that it stays free while a broker restarts."""
    while True:
        port = random.SystemRandom().randrange(15000, 32000)
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


class Broker:
    """A Mosquitto of its own."""

    def __init__(self, folder, persistence=False, settings=""):
        self.folder = str(folder)
        os.makedirs(self.folder, exist_ok=True)
        self.persistence = persistence
        self.settings = settings
        self.process = None
        self.log_path = os.path.join(self.folder, "mosquitto.log")
        self.port = 0

    @property
    def url(self):
        return f"mqtt://127.0.0.1:{self.port}"

    def _configure(self):
        self.config_path = os.path.join(self.folder, "mosquitto.conf")
        with open(self.config_path, "w") as f:
            f.write(f"listener {self.port} 127.0.0.1\n"
                    "allow_anonymous true\n"
                    "user root\n"
                    "set_tcp_nodelay true\n"
                    "max_queued_messages 100000\n"
                    f"persistence {'true' if self.persistence else 'false'}\n"
                    f"persistence_location {self.folder}/\n"
                    "log_dest stderr\n"
                    "log_type error\nlog_type warning\nlog_type notice\nlog_type information\n"
                    f"{self.settings}\n")

    def start(self):
        for _ in range(5):
            if not self.port:
                self.port = free_port()
            self._configure()
            with open(self.log_path, "ab") as log:
                self.process = subprocess.Popen(["mosquitto", "-c", self.config_path], stdin=subprocess.DEVNULL,
                                                stdout=log, stderr=log, preexec_fn=die_with_parent)
            if self._wait_listening():
                return self
            self.process.wait()
            if "Address already in use" not in self.log_text():
                break
            self.port = 0
        raise RuntimeError("mosquitto does not start:\n" + self.log_text()[-2000:])

    def _wait_listening(self):
        end = time.monotonic() + 10 * PATIENCE
        while time.monotonic() < end and self.process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return True
            except OSError:
                time.sleep(0.01)
        return False

    def stop(self):
        """SIGTERM: sends every client's will, saves what it keeps."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            try:
                self.process.wait(10 * PATIENCE)
            except subprocess.TimeoutExpired:
                self.kill()

    def kill(self):
        """SIGKILL: no wills, nothing saved."""
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def restart(self, kill=False, down=0.0):
        """Back on the same port, `down` seconds later."""
        if kill:
            self.kill()
        else:
            self.stop()
        if down:
            time.sleep(down)
        return self.start()

    def log_text(self):
        try:
            with open(self.log_path, errors="replace") as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def connected_ids(self):
        """The client ids of every connection so far, in order."""
        return re.findall(r"New client connected from \S+ as (\S+) \(", self.log_text())

    def ended_ids(self):
        return re.findall(r"Client (\S+) (?:disconnected|closed its connection|has exceeded timeout|already connected)",
                          self.log_text())

    def open_ids(self):
        """The client ids of the connections that have not ended."""
        ended = set(self.ended_ids())
        return [i for i in self.connected_ids() if i not in ended]


class Node:
    """A dht-node process.  Its log and what it tells the service manager (sd_notify) are kept."""

    def __init__(self, url, folder, name=None, id=None, args=(), env=None, program=None):
        self.url = url
        self.name = name
        self.id = id
        self.label = name or (str(id) if id is not None else f"anonymous-{random.randrange(10**6)}")
        self.args = list(args)
        self.env = env or {}
        self.program = program or node_binary()
        self.folder = str(folder)
        self.log_path = os.path.join(self.folder, f"node-{self.label}.log")
        self.process = None
        self.killed = False
        self.notes = None

    def start(self):
        if not os.access(self.program, os.X_OK):
            raise RuntimeError(f"no {self.program}: set DHT_BUILD to the meson build folder")
        self.notes = Notes()
        pump().add(self.notes)
        command = [self.program, "--broker", self.url]
        if self.name is not None:
            command += ["--name", self.name]
        if self.id is not None:
            command += ["--id", str(self.id)]
        env = {**os.environ, "NOTIFY_SOCKET": "@" + self.notes.name, **self.env}
        read, write = os.pipe()
        self.started = time.monotonic()
        self.killed = False
        self.process = subprocess.Popen(command + self.args, stdin=subprocess.DEVNULL, stdout=write, stderr=write,
                                        env=env, preexec_fn=die_with_parent)
        os.close(write)
        pump().add(Lines(read, self.log_path))
        return self

    @property
    def pid(self):
        return self.process.pid

    def running(self):
        return self.process is not None and self.process.poll() is None

    def notifications(self):
        """Everything it told by sd_notify so far, as a list of "KEY=value"."""
        return list(self.notes.heard)

    def ready(self):
        return "READY=1" in self.notifications()

    def wait_ready(self, timeout=20):
        def state():
            if not self.running():
                raise AssertionError(f"{self.label} ended with {self.process.returncode} before it was active:\n"
                                     + self.tail())
            return self.ready()
        wait_for(lambda: f"{self.label} active\n" + self.tail(), state, timeout)
        return self

    def signal(self, number):
        if self.running():
            self.process.send_signal(number)

    def term(self):
        """SIGTERM: leave in good order."""
        self.signal(signal.SIGTERM)

    def kill(self):
        """SIGKILL."""
        self.killed = True
        if self.running():
            self.process.kill()
            self.process.wait()

    def pause(self):
        self.signal(signal.SIGSTOP)

    def resume(self):
        self.signal(signal.SIGCONT)

    def wait(self, timeout=20):
        """The exit code."""
        try:
            code = self.process.wait(timeout * PATIENCE)
        except subprocess.TimeoutExpired:
            raise Timeout(f"{self.label} still runs after {timeout * PATIENCE:g} s\n{self.tail()}") from None
        pump().settle(10 * PATIENCE)
        return code

    def leave(self, timeout=20):
        self.term()
        code = self.wait(timeout)
        assert code == 0, f"{self.label} left with exit code {code}\n{self.tail()}"

    def log_text(self):
        try:
            with open(self.log_path, errors="replace") as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def tail(self, lines=30):
        return f"--- log of {self.label}\n" + "\n".join(self.log_text().splitlines()[-lines:])

    def close(self):
        if self.running():
            self.killed = True
            self.process.kill()
            self.process.wait()
        if self.notes is not None:
            self.notes.close()

    def complaint(self):
        """What is wrong with how the process lived, or None: a crash, or a sanitizer's report."""
        text = self.log_text()
        found = re.search(r".*(AddressSanitizer|LeakSanitizer|runtime error:|UndefinedBehaviorSanitizer"
                          r"|Assertion .* failed).*", text)
        if found:
            return f"{self.label}: {text[found.start():][:3000]}"
        code = self.process.poll() if self.process else None
        if code is not None and code < 0 and not self.killed:
            return f"{self.label} died of signal {-code}\n{self.tail()}"
        return None


def ctl(url, *args, timeout=20, input=None, check=True, **options):
    """Runs dhtctl; with check, a failure is the test's."""
    command = [ctl_binary(), "--broker", url, *map(str, args)]
    done = subprocess.run(command, input=input, capture_output=True, timeout=timeout * PATIENCE, **options)
    if check and done.returncode:
        raise AssertionError(f"{' '.join(command)} -> {done.returncode}\n{done.stderr.decode(errors='replace')}")
    return done


def partition_fault(nodes):
    """Why these active nodes do not share the space among them, or None."""
    order = sorted(nodes, key=lambda n: n["id"])
    ids = [n["id"] for n in order]
    if len(set(ids)) != len(ids):
        return "an id twice"
    for i, node in enumerate(order):
        before, after = ids[i - 1], ids[(i + 1) % len(ids)]
        if len(ids) == 1 and node["predecessor"] in (None, node["id"]):
            continue
        if node["predecessor"] != before:
            return f"{node['id']} has predecessor {node['predecessor']}, not {before}"
        if node["successor"] != after:
            return f"{node['id']} has successor {node['successor']}, not {after}"
    return None


def copies_fault(nodes):
    """Why these are not a ring with all copies, or None."""
    lacking = [n["name"] for n in nodes if n["copies"] < n["wanted"] or n["behind"]]
    return partition_fault(nodes) or (f"copies lacking of {lacking}" if lacking else None)


def in_arc(low, high, key):
    """(low, high] on the ring; low == high is everything."""
    if low == high:
        return True
    return (key - low) % SPACE != 0 and (key - low) % SPACE <= (high - low) % SPACE


class Ring:
    """Nodes at one broker."""

    def __init__(self, broker, folder, prefix=None):
        self.broker = broker
        self.folder = str(folder)
        self.prefix = prefix
        self.nodes = []
        self.count = 0
        self.env = {}  # of every node: DHT_RECOVER_AFTER, ... for what would take long with the defaults
        self.look_timeout = f"{PATIENCE:g}s"  # dhtctl waits for whoever is silent

    def add(self, name=None, id=None, url=None, args=(), env=None, anonymous=False):
        """Starts one more node; does not wait for it."""
        self.count += 1
        if name is None and not anonymous:
            name = f"n{self.count}"
        args = list(args) + (["--topic-prefix", self.prefix] if self.prefix else [])
        node = Node(url or self.broker.url, self.folder, name, id, args, {**self.env, **(env or {})})
        self.nodes.append(node)
        return node.start()

    def start(self, n, ids=None):
        """n nodes at once; waits until they are one ring."""
        for i in range(n):
            self.add(id=ids[i] if ids else None)
        self.wait_whole(n)
        return self

    def living(self):
        return [n for n in self.nodes if n.running()]

    def look(self):
        args = ["--timeout", self.look_timeout]
        args += ["--topic-prefix", self.prefix] if self.prefix else []
        done = ctl(self.broker.url, *args, "ring", "--json", check=False)
        return json.loads(done.stdout)["nodes"] if done.stdout.strip() else []

    def wait_whole(self, n, timeout=20, fault=partition_fault):
        """Waits until exactly n nodes are active and their arcs partition the space; returns what dhtctl tells of
        them, by id."""
        last = ["nothing yet"]

        def whole():
            nodes = self.look()
            active = [x for x in nodes if x["state"] == "active"]
            others = sorted((x["id"], x["state"]) for x in nodes if x["state"] != "active")
            if len(active) != n:
                last[0] = f"{len(active)} active, others {others}"
                return None
            last[0] = fault(active)
            return {x["id"]: x for x in active} if last[0] is None else None
        return wait_for(lambda: f"a whole ring of {n}: {last[0]}\n" + self.tails(), whole, timeout, 0.05)

    def by_id(self, id):
        """The process whose node has that id."""
        names = {x["id"]: x["name"] for x in self.look()}
        return next(n for n in self.nodes if n.running() and (n.id == id or n.name == names.get(id)))

    def ids(self):
        """id of every node that runs, by name."""
        return {x["name"]: x["id"] for x in self.look()}

    def tails(self, lines=12):
        return "\n".join(n.tail(lines) for n in self.nodes)

    def close(self):
        for node in self.nodes:
            node.close()

    def complaints(self):
        return [c for c in (n.complaint() for n in self.nodes) if c]

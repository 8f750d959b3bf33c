"""A machine with a real systemd: an overlay over this one's root file system, booted by systemd-nspawn, with what
`meson install` gives.  Nothing of it outlives the tests; what they write lies on a tmpfs."""
import contextlib
import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))

import harness  # noqa: E402

BUILD = os.environ.get("DHT_BUILD", os.path.join(os.path.dirname(__file__), "..", "..", "build", "gcc"))
ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8",
               "HOME": "/root", "TERM": "dumb", "SYSTEMD_COLORS": "0", "SYSTEMD_PAGER": "", "DHT_CONFIG": ""}
MOSQUITTO = """listener 1883 127.0.0.1
listener 0 /run/mqtt/broker.sock
allow_anonymous true
max_queued_messages 100000
"""


def wait_for(what, condition, timeout=20.0, interval=0.05):
    return harness.wait_for(what, condition, timeout, interval)


def report_journal(item, outcome):
    """A failed test prints the end of the journal."""
    report = outcome.get_result()
    m = getattr(item, "funcargs", {}).get("machine")
    if report.failed and m is not None and m.leader:
        report.sections.append(("journal", m.read("-n", "60")))


@contextlib.contextmanager
def booted(machine):
    try:
        yield machine.make().boot()
    finally:
        machine.close()


def hierarchies():
    """Folders in which systemd keeps control groups: that of version 2, and of version 1 its own."""
    own = {}
    with open("/proc/self/cgroup") as f:
        for number, controllers, path in (line.rstrip("\n").split(":", 2) for line in f):
            own["cgroup2" if number == "0" else controllers] = path
    with open("/proc/self/mountinfo") as f:
        for line in f:
            before, _, behind = line.partition(" - ")
            kind, _, options = behind.split()[:3]
            key = "cgroup2" if kind == "cgroup2" else "name=systemd" if "name=systemd" in options.split(",") else None
            if key in own:
                yield os.path.normpath(before.split()[4] + own.pop(key))


class Machine:
    def __init__(self, folder):
        self.folder = str(folder)
        self.tmpfs = os.path.join(self.folder, "tmpfs")
        self.root = os.path.join(self.tmpfs, "root")
        self.process = None
        self.leader = None
        self.cursor = None  # in the journal: where the test has begun
        name = f"dht-tests-{os.urandom(4).hex()}"
        self.groups = [os.path.join(h, name) for h in hierarchies()]

    # ---- life ----

    def make(self):
        os.makedirs(self.tmpfs)
        self.host("mount", "-t", "tmpfs", "-o", "mode=755", "dht-tests-system", self.tmpfs)
        for name in ("upper", "work", "root"):
            os.mkdir(os.path.join(self.tmpfs, name))
        self.host("mount", "-t", "overlay", "-o", f"lowerdir=/,upperdir={self.tmpfs}/upper,workdir={self.tmpfs}/work",
                  "overlay", self.root)
        self._forget_this_machine()
        self.install()
        for name in ("passwd", "group"):  # a machine on which it has never been
            with open(f"{self.root}/etc/{name}") as f:
                kept = [line for line in f if not line.startswith("dht-node:")]
            self.write(f"/etc/{name}", "".join(kept))
        return self

    def install(self):
        """What is to be tested, and its broker's settings."""
        with open(os.path.join(BUILD, "build.ninja")) as lock:  # one installs at a time
            fcntl.flock(lock, fcntl.LOCK_EX)
            self.host("meson", "install", "-C", BUILD, "--no-rebuild", "--destdir", self.root)
        with open(f"{self.root}/usr/local/share/doc/dht-node/examples/unix-broker.conf") as f:
            line = next(x for x in f if "d /run/mqtt" in x)
        self.write("/etc/tmpfiles.d/mqtt.conf", line.lstrip("# "))  # as it says there
        self.write("/etc/mosquitto/conf.d/dht-tests.conf", MOSQUITTO)

    def _forget_this_machine(self):
        """Only mosquitto starts of what is enabled here, and no journal or setting is inherited."""
        system = os.path.join(self.root, "etc/systemd/system")
        for name in os.listdir(system):
            path = os.path.join(system, name)
            if name.endswith((".wants", ".requires")) and os.path.isdir(path):
                shutil.rmtree(path)
        for gone in ("var/log/journal", "etc/dht-node", "etc/dht", "etc/mosquitto/conf.d", "etc/credstore",
                     "var/lib/dht-node"):
            shutil.rmtree(os.path.join(self.root, gone), ignore_errors=True)
        for path in ("etc/dht-node", "etc/mosquitto/conf.d", "var/log/journal"):
            os.makedirs(os.path.join(self.root, path))
        self.write("/etc/machine-id", os.urandom(16).hex() + "\n")
        # /etc/mosquitto/mosquitto.conf includes conf.d, and is as the package has it
        self.host("systemctl", f"--root={self.root}", "--quiet", "enable", "mosquitto.service")

    def boot(self):
        for group in self.groups:
            os.makedirs(group, exist_ok=True)
        env = {**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"}
        with open(os.path.join(self.folder, "console"), "ab") as console:
            self.process = subprocess.Popen(
                ["systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "-D", self.root, "--private-network",
                 # else these are refused to all anyhow; without CAP_SYS_TIME nobody can set it by them
                 "--system-call-filter=@clock", "--link-journal=no", "--console=pipe", "--boot"],
                stdin=subprocess.DEVNULL, stdout=console, stderr=console, env=env, preexec_fn=self._join_groups)
        self.leader = wait_for(lambda: "a leader\n" + self.console(), self._find_leader)
        wait_for(lambda: "booted\n" + self.console() + self.show("list-jobs"), self._is_up, 60, 0.1)
        self.run("systemd-sysusers")
        self.run("ip", "address", "add", "192.0.2.1/32", "dev", "lo")  # no localhost, as a filter of addresses has it
        self.run("journalctl", "--update-catalog")
        return self

    def _join_groups(self):
        """Two machines in one group would kill each other's processes."""
        os.setsid()
        for group in self.groups:
            with open(os.path.join(group, "cgroup.procs"), "w") as f:
                f.write("0")

    def _find_leader(self):
        if self.process.poll() is not None:
            raise AssertionError("systemd-nspawn has ended:\n" + self.console())
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children") as f:
            return next((int(pid) for pid in f.read().split() if self._is_first(pid)), None)

    @staticmethod
    def _is_first(pid):
        """Process 1 of a machine, and no helper on the way to it."""
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            with open(f"/proc/{pid}/status") as f:
                return re.search(r"(?m)^NSpid:(\t\d+)+\t1$", f.read()) is not None
        return False

    def _is_up(self):
        done = self.run("systemctl", "is-system-running", check=False)
        return done.stdout.strip() in ("running", "degraded")

    def pull_the_plug(self):
        """Every process of it dies at once."""
        if self.process is None:
            return
        with contextlib.suppress(ProcessLookupError, TypeError):
            os.kill(self.leader, signal.SIGKILL)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = self.leader = None

    def close(self):
        self.pull_the_plug()
        for group in self.groups:
            wait_for(lambda: f"{group} to be empty", lambda: self._remove_group(group))
        for path in (self.root, self.tmpfs):
            if os.path.ismount(path):
                self.host("umount", path)

    @staticmethod
    def _remove_group(group):
        for folder, _, _ in os.walk(group, topdown=False):
            with contextlib.suppress(OSError):
                os.rmdir(folder)
        return not os.path.exists(group)

    # ---- what can be done with it ----

    @staticmethod
    def host(*command):
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        return done.stdout

    def console(self):
        with open(os.path.join(self.folder, "console"), errors="replace") as f:
            return f.read()[-3000:]

    def run(self, *command, check=True, input=None, timeout=60, text=True, env=None):
        done = subprocess.run(["nsenter", "-t", str(self.leader), "-a", *map(str, command)], capture_output=True,
                              text=text, input="" if input is None and text else input or b"" if not text else input,
                              timeout=timeout * harness.PATIENCE, env={**ENVIRONMENT, **(env or {})})
        if check and done.returncode != 0:
            raise AssertionError(f"{command}: {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def start(self, *command):
        """One that runs beside the test; the caller ends it."""
        return subprocess.Popen(["nsenter", "-t", str(self.leader), "-a", *map(str, command)], stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT)

    def write(self, path, text, mode=0o644):
        """Into a machine that runs or not."""
        path = self.root + path
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as f:
            f.write(text)
        os.chmod(path, mode)

    def remove(self, path):
        with contextlib.suppress(FileNotFoundError):
            if os.path.isdir(self.root + path):
                shutil.rmtree(self.root + path)
            else:
                os.unlink(self.root + path)

    def systemctl(self, *arguments, check=True, timeout=60):
        return self.run("systemctl", *arguments, check=check, timeout=timeout)

    def show(self, *arguments):
        return self.run("systemctl", "--no-pager", *arguments, check=False).stdout

    def property(self, unit, name):
        return self.run("systemctl", "show", "--value", "-p", name, unit).stdout.strip()

    def mark(self):
        """The journal begins here."""
        mark = os.urandom(8).hex()
        self.run("systemd-cat", "--identifier=mark", "echo", mark)

        def cursor():
            shown = self.run("journalctl", "-t", "mark", "-n", "1", "--show-cursor", "--no-pager", "-o", "cat",
                             check=False).stdout
            return shown.startswith(mark) and shown.rpartition("-- cursor: ")[2].strip()
        self.cursor = wait_for("the mark", cursor)

    def read(self, *arguments):
        """What journalctl prints of the time since the mark.  (--after-cursor would skip the first that matches.)"""
        self.run("journalctl", "--sync")
        done = self.run("journalctl", "--no-pager", *(["--cursor", self.cursor] if self.cursor else []), *arguments,
                        check=False)
        return done.stdout

    def journal(self, *matches):
        """Entries, the earliest first, each a dict."""
        lines = self.read("-o", "json", "--all", *matches).splitlines()
        return [json.loads(line) for line in lines]

    # ---- nodes ----

    def end_nodes(self):
        self.systemctl("stop", "dht-node@*.service", check=False)
        self.systemctl("kill", "-s", "KILL", "dht-node@*.service", check=False)

    def forget_ring(self):
        """What has ended stays in directories, and at the broker, which keeps what is retained: the next test's node would
        wait for it."""
        self.run("sh", "-c", "rm -rf /var/lib/dht-node/*")
        self.systemctl("stop", "mosquitto.service")
        self.remove("/var/lib/mosquitto/mosquitto.db")
        self.systemctl("start", "mosquitto.service")

    def unit(self, instance):
        return f"dht-node@{instance}.service"

    def settings(self, instance, text):
        self.write(f"/etc/dht-node/{instance}.conf", text)

    def drop_in(self, text, instance=""):
        self.write(f"/etc/systemd/system/dht-node@{instance}.service.d/test.conf", text)
        self.systemctl("daemon-reload")

    def ring(self, *arguments):
        done = self.run("dhtctl", *arguments, "ring", "--json", check=False)
        return json.loads(done.stdout)["nodes"] if done.stdout.strip() else []

    def active(self, *arguments):
        return {n["name"] for n in self.ring(*arguments) if n["state"] == "active"}

    def wait_ring(self, names, *arguments, timeout=20):
        wait_for(lambda: f"a ring of {names}: {self.ring(*arguments)}\n" + self.show("status", "dht-node@*"),
                 lambda: self.active(*arguments) == set(names), timeout, 0.1)

    def pid(self, instance):
        return int(self.property(self.unit(instance), "MainPID"))

    def log(self, instance, *matches):
        """What the node has said, not what systemd says of it."""
        return self.journal(f"_SYSTEMD_UNIT={self.unit(instance)}", *matches)

    def texts(self, instance):
        return "\n".join(e["MESSAGE"] for e in self.log(instance))

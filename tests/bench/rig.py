"""What compare, scale and cost share: rings side by side at one broker, echo responders, Redis, pairs of runs and their ratios.

The machine these run on is rarely theirs alone.  So nothing here is told but ratios of two runs, one right behind the
other, A B A B ..., and of these the median; what a run came to by itself is printed beside it, for the eye only.
"""
import argparse
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(ROOT, "tests", "integration"))
import harness  # noqa: E402


def need(*packages):
    """As tools/lib.sh has it.  RUNLEVEL=1: what brings a service must not start it."""
    subprocess.run(["bash", "-euc", '. "$1"; shift; need_packages "$@"', "bench",
                    os.path.join(ROOT, "tools", "lib.sh"), *packages], check=True, env={**os.environ, "RUNLEVEL": "1"})


def parser(text, program):
    p = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter, prog=program)
    p.add_argument("--build", help="a meson build folder (default: build/gcc, else build)")
    p.add_argument("--runs", type=int, default=5, help="pairs of each comparison (default: 5)")
    return p


def choose_build(p, given):
    folders = [given] if given else [os.path.join(ROOT, "build", "gcc"), os.path.join(ROOT, "build")]
    for folder in folders:
        if os.access(os.path.join(folder, "tests", "bench", "echo"), os.X_OK):
            harness.BUILD = os.path.realpath(folder)
            return
    p.error(f"no tests/bench/echo in {' or '.join(folders)}: build first, or give --build DIR")


def load():
    return os.getloadavg()[0]


def output(command, timeout=300, **options):
    done = subprocess.run([str(x) for x in command], capture_output=True, timeout=timeout, text=True,
                          preexec_fn=harness.die_with_parent, **options)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))} -> {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # what was started ends with us


class Rig:
    """One broker, and all that is at it; leaves nothing behind.  with Rig() as rig: ..."""

    def __init__(self, settings=""):
        self.folder = tempfile.mkdtemp(prefix="dht-bench-")
        self.broker = harness.Broker(os.path.join(self.folder, "broker"), settings=settings)
        self.rings, self.processes = {}, []

    def __enter__(self):
        self.broker.start()
        return self

    def __exit__(self, *_):
        for ring in self.rings.values():
            ring.close()
        for process in self.processes:
            process.kill()
            process.wait()
        self.broker.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def ring(self, n, replicas=1):
        """A ring of n nodes below a topic prefix of its own."""
        name = f"n{n}r{replicas}"
        if name not in self.rings:
            folder = os.path.join(self.folder, name)
            os.makedirs(folder)
            ring = self.rings[name] = harness.Ring(self.broker, folder, name)
            # Ids at equal distances, so that the size of the arcs is not a matter of luck.
            for i in range(n):
                ring.add(id=(i * 2**32 // n + 12345) % 2**32,
                         env={"NOTIFY_SOCKET": "", "DHT_REPLICAS": str(replicas)})
            ring.wait_whole(n, timeout=120)
        return self.rings[name]

    def bench(self, n, *args, replicas=1):
        self.ring(n, replicas)
        return json.loads(output([harness.ctl_binary(), "--broker", self.broker.url, "--topic-prefix", f"n{n}r{replicas}",
                                  "--json", "-q", "-t", "20s", "bench", *args]))

    def echo_binary(self):
        return os.path.join(harness.BUILD, "tests", "bench", "echo")

    def responders(self, n):
        """n of them share the topics; those before them go."""
        for process in self.processes:
            process.kill()
            process.wait()
        self.processes = []
        for i in range(n):
            self.processes.append(subprocess.Popen(
                [self.echo_binary(), "answer", "--index", str(i), "--of", str(n), "--broker", self.broker.url],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, preexec_fn=harness.die_with_parent))
        for process in self.processes:
            assert process.stdout.readline() == b"ready\n"

    def echo(self, *args):
        return json.loads(output([self.echo_binary(), "ask", "--broker", self.broker.url, "--size", 90, *args]))

    def by_reference(self, n, *args):
        self.ring(n)
        return json.loads(output([self.echo_binary(), "reference", "--broker", self.broker.url, "--topic-prefix", f"n{n}r1",
                                  *args]))


class Redis:
    """redis-server without persistence.  Debian's redis-tools hold it, under another name."""

    def __init__(self, folder):
        self.folder, self.port = folder, harness.free_port()

    def __enter__(self):
        need("redis-tools")
        self.process = subprocess.Popen(["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "",
                                         "--appendonly", "no", "--dir", self.folder],
                                        executable="/usr/bin/redis-check-rdb", stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, preexec_fn=harness.die_with_parent)
        harness.wait_for("Redis", lambda: self.cli("ping", check=False) == "PONG\n")
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def cli(self, *args, check=True):
        done = subprocess.run(["redis-cli", "-p", str(self.port), *args], capture_output=True, text=True)
        assert done.returncode == 0 or not check, done
        return done.stdout

    def memory(self):
        info = dict(line.split(":", 1) for line in self.cli("info", "memory").splitlines() if ":" in line)
        return int(info["used_memory_rss"])

    def bench(self, test, clients, pipeline, keys=1000000, operations=1000000):
        text = output(["redis-benchmark", "-p", self.port, "-c", clients, "-P", pipeline, "-r", keys, "-n", operations,
                       "-d", 32, "-t", test, "--csv"])
        return float(text.splitlines()[1].split(",")[1].strip('"'))


class Pairs:
    """What A came to, by what B came to, pair by pair."""

    def __init__(self, runs, a, b):
        self.a, self.b = [], []
        for _ in range(runs):
            self.a.append(a())
            self.b.append(b())
        self.ratios = [x / y for x, y in zip(self.a, self.b)]
        self.ratio = statistics.median(self.ratios)


class Table:
    HEAD = ("what", "ratio", "of 5", "target", "", "A", "B")

    def __init__(self, runs):
        self.rows, self.good = [], True
        self.head = tuple(h.replace("5", str(runs)) for h in self.HEAD)

    def add(self, what, pairs, least=None, most=None, digits=2):
        missed = (least is not None and pairs.ratio < least) or (most is not None and pairs.ratio > most)
        self.good &= not missed
        target = f">= {least:g}" if least is not None else f"<= {most:g}" if most is not None else ""
        self.rows.append((what, f"{pairs.ratio:.{digits}f}", f"{min(pairs.ratios):.2f}-{max(pairs.ratios):.2f}", target,
                          "MISSED" if missed else "", f"{statistics.median(pairs.a):,.0f}",
                          f"{statistics.median(pairs.b):,.0f}"))
        print("  " + "  ".join(x for x in self.rows[-1] if x), flush=True)

    def print(self):
        widths = [max(len(r[i]) for r in self.rows + [self.head]) for i in range(len(self.head))]
        print()
        for r in [self.head] + self.rows:
            print("  ".join(c.ljust(w) if i in (0, 4) else c.rjust(w)
                            for i, (c, w) in enumerate(zip(r, widths))).rstrip())

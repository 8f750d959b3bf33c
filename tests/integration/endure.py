"""Clients of our own protocol that never stop (tests/endure), and what the judge finds in what they saw."""
import json
import os
import subprocess
import time

import harness

TIMEOUT = 120  # seconds that a client asks again and again before it gives an operation up


def binary(name):
    return os.path.join(harness.BUILD, "tests", "endure", name)


class Client:
    """One process."""

    def __init__(self, url, folder, name, *args):
        self.seen = os.path.join(folder, name + ".seen")
        self.lines = os.path.join(folder, name + ".lines")
        self.name = name
        with open(self.lines, "wb") as out:
            self.process = subprocess.Popen(
                [binary("endure-client"), "--broker", url, "--file", self.seen, "--timeout", f"{TIMEOUT}s",
                 *map(str, args)],
                stdin=subprocess.DEVNULL, stdout=out, stderr=out, preexec_fn=harness.die_with_parent)

    def told(self):
        """How far it is: begun, ended, unanswered, lost (answers, on purpose), longest."""
        with open(self.lines) as f:
            lines = [line for line in f.read()[-1000:].split("\n")[:-1] if line.startswith("{") and line.endswith("}")]
        return json.loads(lines[-1]) if lines else {"begun": 0, "ended": 0, "unanswered": 0, "lost": 0, "longest": 0.0}

    def fault(self):
        """Why it is not as it should be, or None."""
        code = self.process.poll()
        if not code:
            return None
        with open(self.lines, errors="replace") as f:
            return f"client {self.name} ended with {code}: {f.read()[-500:]}"

    def wait(self, timeout):
        try:
            self.process.wait(timeout * harness.PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return f"client {self.name} does not end"
        return self.fault()

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


class Clients:
    """Several that share their keys, and one that looks at all of these when the others have ended."""

    def __init__(self, url, folder, count, seconds, seed, rate, lives=True):
        self.url, self.folder = url, folder
        self.common = ["--of", count, "--seed", seed % (1 << 31), "--length", f"{max(round(seconds), 1)}s",
                       "--rate", rate, "--origin", int(time.monotonic()) + 2, *([] if lives else ["--no-lives"])]
        self.list = [Client(url, folder, f"client{i}", "--client", i, *self.common) for i in range(count)]

    def told(self):
        told = [client.told() for client in self.list]
        return {**{name: sum(t[name] for t in told) for name in ("begun", "ended", "unanswered", "lost")},
                "longest": max(t["longest"] for t in told)}

    def faults(self):
        return [fault for fault in (client.fault() for client in self.list) if fault]

    def finish(self):
        """Ends them, looks at every key, and has it all judged: (findings, what is wrong with clients, which keys)."""
        for client in self.list:
            client.process.terminate()
        faults = [fault for fault in (client.wait(TIMEOUT + 30) for client in self.list) if fault]
        looker = Client(self.url, self.folder, "looker", "--look", *self.common)
        self.list.append(looker)
        fault = looker.wait(TIMEOUT * 5)
        faults += [fault] if fault else []
        judged = subprocess.run([binary("endure-judge"), *(client.seen for client in self.list)],
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=True)
        return json.loads(judged.stdout), faults, judged.stderr

    def close(self):
        for client in self.list:
            client.close()

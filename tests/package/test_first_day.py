"""The first day of somebody who has installed the packages: eight nodes, clients that never stop, and everything that happens
to a machine.  Nothing is configured, and no timing is changed."""
import json
import os
import time

from machine import wait_for

EIGHT = [str(i) for i in range(1, 9)]
ENOUGH = "/root/enough"


class Load:
    """Real clients in the machine (load.py), from here to end()."""

    def __init__(self, machine):
        self.machine = machine
        machine.remove(ENOUGH)
        machine.copy(os.path.join(os.path.dirname(__file__), "load.py"))
        self.process = machine.start("python3", "/root/debs/load.py", ENOUGH, "4")
        self.goes_on()

    def visits(self):
        return int(self.machine.run("dhtctl", "--timeout", "30s", "get", "load/visits", check=False).stdout or 0)

    def goes_on(self):
        """At this moment, that is."""
        before = self.visits()
        wait_for("clients to be answered", lambda: self.visits() > before + 20, 30)

    def end(self):
        self.machine.write(ENOUGH, "")
        out, err = self.process.communicate(timeout=60)
        assert self.process.returncode == 0, err
        return json.loads(out)


class Known:
    """What has to be in the ring: each value that was put last, and how often was counted."""

    def __init__(self, machine):
        self.machine = machine
        self.values, self.counted = {}, 0

    def learn_all(self):
        """All that there is, of which `dhtctl demo` has just said that it is right."""
        lines = self.machine.run("dhtctl", "export", "-").stdout.splitlines()
        self.values = {str(r["key"]): r["value"] for r in map(json.loads, lines)}

    def learn(self, load):
        """No client of it has noticed anything."""
        load.goes_on()
        done = load.end()
        assert done["wrong"] == [] and done["counted"] > 20
        self.values.update(done["put"])
        self.counted += done["counted"]

    def is_all_there(self):
        keys = "".join(f"{key}\n" for key in self.values)
        found = self.machine.run("dhtctl", "--timeout", "30s", "get", "-", input=keys).stdout
        found = dict(line.split("\t") for line in found.splitlines())
        lost = {key: (value, found.get(key)) for key, value in self.values.items() if found.get(key) != value}
        assert not lost, f"{len(lost)} of {len(self.values)}: {lost}"
        assert self.machine.run("dhtctl", "get", "load/visits").stdout == str(self.counted)


def two_copies(machine):
    wait_for(lambda: f"two copies of all: {machine.ring()}",
             lambda: [n["copies"] for n in machine.ring() if n["state"] == "active"] == [2] * 8, 30)


def another_process(machine, instance, before, within):
    wait_for(f"another process of {instance}", lambda: machine.pid(instance) not in (0, before), within)
    machine.wait_ring(EIGHT, timeout=30)
    two_copies(machine)


def test_the_first_day(machine):
    # Eight nodes, by one command: one ring within 10 s, that works.
    begun = time.monotonic()
    machine.run("bash", "-c", "systemctl enable --now dht-node@{1..8}")
    assert machine.active() == set(EIGHT)
    assert time.monotonic() - begun < 10
    assert machine.run("dhtctl", "demo").stdout.startswith("100/100 keys put, got back and equal")
    known = Known(machine)
    known.learn_all()
    assert len(known.values) == 100
    two_copies(machine)

    # One is stopped: it hands over first.
    load = Load(machine)
    machine.systemctl("stop", "dht-node@3")
    assert machine.active() == set(EIGHT) - {"3"}
    known.learn(load)
    known.is_all_there()
    machine.systemctl("start", "dht-node@3")
    two_copies(machine)

    # One is killed: it is back by itself.
    load = Load(machine)
    before = machine.pid("4")
    machine.systemctl("kill", "-s", "KILL", "dht-node@4")
    load.goes_on()
    another_process(machine, "4", before, 10)
    known.learn(load)
    known.is_all_there()

    # One hangs: the others go on, and the watchdog has it started anew.
    load = Load(machine)
    before = machine.pid("5")
    machine.systemctl("kill", "-s", "STOP", "dht-node@5")
    load.goes_on()
    another_process(machine, "5", before, 60)
    assert any("Watchdog timeout" in e["MESSAGE"] for e in machine.journal("UNIT=dht-node@5.service"))
    known.learn(load)
    known.is_all_there()

    # All are restarted at once.
    machine.systemctl("restart", "dht-node.target")
    machine.wait_ring(EIGHT, timeout=30)
    known.is_all_there()

    # The power fails, and comes back.
    machine.pull_the_plug()
    machine.start_again()
    machine.wait_ring(EIGHT, timeout=60)
    known.is_all_there()
    assert machine.run("dhtctl", "status", check=False).returncode == 0

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


def is_all_there(machine, done):
    """Each value that was put last, and a count that is exact."""
    keys = "".join(f"{key}\n" for key in done["put"])
    found = machine.run("dhtctl", "--timeout", "30s", "get", "-", input=keys).stdout
    assert dict(line.split("\t") for line in found.splitlines()) == done["put"]
    assert machine.run("dhtctl", "get", "load/visits").stdout == str(done["counted"])


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
    two_copies(machine)
    load = Load(machine)
    load.goes_on()

    # One is stopped: it hands over first.
    machine.systemctl("stop", "dht-node@3")
    assert machine.active() == set(EIGHT) - {"3"}
    load.goes_on()
    machine.systemctl("start", "dht-node@3")
    two_copies(machine)

    # One is killed: it is back by itself.
    before = machine.pid("4")
    machine.systemctl("kill", "-s", "KILL", "dht-node@4")
    load.goes_on()
    another_process(machine, "4", before, 10)

    # One hangs: the others go on, and the watchdog has it started anew.
    before = machine.pid("5")
    machine.systemctl("kill", "-s", "STOP", "dht-node@5")
    load.goes_on()
    another_process(machine, "5", before, 60)
    assert any("Watchdog timeout" in e["MESSAGE"] for e in machine.journal("UNIT=dht-node@5.service"))

    # No client has noticed any of that.
    done = load.end()
    assert done["wrong"] == [] and done["counted"] > 100
    is_all_there(machine, done)

    # All are restarted at once.
    machine.systemctl("restart", "dht-node.target")
    machine.wait_ring(EIGHT, timeout=30)
    is_all_there(machine, done)

    # The power fails, and comes back.
    machine.pull_the_plug()
    machine.start_again()
    machine.wait_ring(EIGHT, timeout=60)
    is_all_there(machine, done)
    assert machine.run("dhtctl", "status", check=False).returncode == 0

"""What a reader sees of a join, a leave, a crash, a lost broker and a refused access list: by `journalctl -x`, and by `dhtctl
log`.  Each test prints both; `tests/system/run -- -rP -k test_reader` shows them."""
import re

import pytest

from machine import wait_for

# The broker's, that lets anybody do anything but hear what is for a node alone.
DEAF = "topic readwrite #\ntopic deny in/#\n"


class Reader:
    """From here on."""

    def __init__(self, machine):
        self.machine = machine
        machine.mark()
        self.begin = machine.run("date", "-u", "+%Y-%m-%dT%H:%M:%S.%NZ").stdout.strip()

    def sees(self, title, instance):
        """(entries of `journalctl -x`, lines of `dhtctl log`), and prints them."""
        said = self.machine.read("-x", "-u", f"dht-node@{instance}")
        log = self.machine.run("dhtctl", "log", "--since", self.begin).stdout
        print(f"\n######## {title}\n# journalctl -x -u dht-node@{instance}\n{said}\n# dhtctl log\n{log}")
        return entries(said), log.splitlines()


def entries(said):
    """{what is said of it: how it is explained, in one line}, in their order."""
    found, message = {}, ""
    for line in said.splitlines():
        if line.startswith("░░"):
            found[message] += line.removeprefix("░░").rstrip() + " "
        else:
            message = line.split("]: ", 1)[-1]
            found[message] = ""
    return {message: " ".join(text.split()) for message, text in found.items()}


def explained(seen, message, subject, meaning, todo):
    """That one of them is that, as a regular expression, and has this for its explanation."""
    found = next((m for m in seen if re.fullmatch(message, m)), None)
    assert found, f"{message} in {list(seen)}"
    text = seen[found]
    assert f"Subject: Node {subject} " in text and meaning in text and f"To do: {todo}" in text, text


def told(log, line):
    """In the log, behind the time."""
    assert any(re.fullmatch(r"\S+ \S+  " + line, x) for x in log), (line, log)


@pytest.fixture
def two(machine):
    machine.systemctl("start", "dht-node@kitchen")
    machine.systemctl("start", "dht-node@attic")
    return machine


def test_a_join(machine):
    machine.systemctl("start", "dht-node@kitchen")
    reader = Reader(machine)
    machine.systemctl("start", "dht-node@attic")
    seen, log = reader.sees("a join", "attic")
    explained(seen, r"attic: arc .*: taken over from node \w{8} with 0 records", "attic: received", "answers for it", "nothing.")
    explained(seen, "attic: joining -> active", "attic: state", "active: it owns an arc", "nothing.")
    told(log, r"kitchen +\(\w{8}, (\w{8})\]  offered to node \1 \(attic\)")
    told(log, r"attic +joining -> active")


def test_a_leave(two):
    reader = Reader(two)
    two.systemctl("stop", "dht-node@attic")
    seen, log = reader.sees("a leave", "attic")
    explained(seen, "attic: asked to stop -> leaving", "attic: leaving", "hands its records to its successor first",
              "nothing. It takes as long as its records take")
    explained(seen, "attic: left the ring in good order", "attic: left", "its records are with the others", "nothing.")
    told(log, r"attic +\(\w{8}, \w{8}\]  handed over to node \w{8} \(kitchen\) with 0 records")
    told(log, r"attic +left the ring in good order")


def test_a_crash_and_who_takes_over(two):
    reader = Reader(two)
    two.systemctl("kill", "-s", "KILL", "dht-node@attic")
    wait_for("it is taken over", lambda: "is out -> taken over" in two.texts("kitchen"))
    two.wait_ring({"kitchen", "attic"})
    seen, log = reader.sees("a crash with takeover", "kitchen")
    explained(seen, r"kitchen: node \w{8}: its connection ended -> .*", "kitchen: node lost", "it died, hangs, or", "nothing.")
    explained(seen, r"kitchen: arc .*: node \w{8} is out -> taken over with the copy of its 0 records", "kitchen: taken over",
              "nothing of it is lost", "start the node again")
    told(log, r"attic +warning: systemd: Main process exited, code=killed, status=9/KILL")
    told(log, r"kitchen +\(\w{8}, (\w{8})\]  warning: node \1 \(attic\) is out -> taken over .*")


def test_a_lost_broker(two):
    """Once for each kind of failure, and once that it is back: they come back by themselves."""
    reader = Reader(two)
    two.systemctl("stop", "mosquitto.service")
    wait_for("it tries again", lambda: "Connection refused -> trying again" in two.texts("kitchen"))
    two.systemctl("start", "mosquitto.service")
    two.wait_ring({"kitchen", "attic"})
    wait_for("it is as it was", lambda: "suspect -> active" in two.texts("kitchen"))
    seen, log = reader.sees("a lost broker", "kitchen")
    url = re.escape("mqtt://127.0.0.1:1883")
    for why in (r"connection closed by the broker -> trying again in .*",
                r"Connection refused -> trying again in .* \(is it running\?.*"):
        explained(seen, rf"kitchen: broker {url} \(default\): {why}", "kitchen: broker lost",
                  "Nobody is served meanwhile, and nothing is lost.", "is the broker running, and does it let this node in?")
        assert len([x for x in log if re.fullmatch(rf"\S+ \S+  kitchen +warning: broker {url} \(default\): {why}", x)]) == 1, log
    explained(seen, rf"kitchen: broker {url}: connected again, after [0-9.]+ s and \d+ attempts that failed", "kitchen: connected",
              "There is a connection to the broker.", "nothing.")
    told(log, rf"attic +broker {url}: connected again, after .*")
    told(log, "kitchen +suspect -> active")


def test_a_refused_access_list(machine):
    """Mosquitto grants the topic and is silent: that is told after 5 s, with the topic, and that it is over, too."""
    machine.write("/etc/mosquitto/acl", DEAF)
    machine.write("/etc/mosquitto/conf.d/acl.conf", "acl_file /etc/mosquitto/acl\n")
    try:
        machine.systemctl("restart", "mosquitto.service")
        reader = Reader(machine)
        machine.systemctl("start", "--no-block", "dht-node@kitchen")
        wait_for("it is told", lambda: "has not come back" in machine.texts("kitchen"))
        wait_for("systemctl status has it", lambda: "in/" in machine.property(machine.unit("kitchen"), "StatusText"))
        assert machine.property(machine.unit("kitchen"), "ActiveState") == "activating"
        machine.write("/etc/mosquitto/acl", "topic readwrite #\n")
        machine.systemctl("reload", "mosquitto.service")
        machine.wait_ring({"kitchen"}, timeout=30)
        seen, log = reader.sees("a refused access list", "kitchen")
    finally:
        machine.remove("/etc/mosquitto/conf.d/acl.conf")
        machine.systemctl("restart", "mosquitto.service")
    complaint = (r"in/\w{8}: the broker has granted it, but what this node publishes there has not come back for \d+ s -> its access "
                 r"list probably lets this user not read there, or not write; allow both \('dhtctl broker-config' makes a list that "
                 r"does\)")
    over = r"in/\w{8}: what this node publishes there comes back"
    explained(seen, f"kitchen: {complaint}", "kitchen: access silent", "Mosquitto's access lists refuse in this way",
              "change the broker's access list")
    explained(seen, f"kitchen: {over}", "kitchen: access back", "comes back again", "nothing.")
    told(log, f"kitchen +error: {complaint}")
    told(log, f"kitchen +{over}")

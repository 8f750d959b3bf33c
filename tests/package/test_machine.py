"""A machine that has the packages and nothing else: installed, upgraded while a ring runs on it, removed, purged."""
import os
import re

import pytest

from machine import wait_for
from packaged import DEBS

NODES = ["1", "2", "3"]


def pairs(count):
    return "".join(f"k/{i}\tvalue {i}\n" for i in range(count))


def found(machine, text):
    keys = "".join(line.partition("\t")[0] + "\n" for line in text.splitlines())
    return machine.run("dhtctl", "--timeout", "30s", "get", "-", input=keys, check=False).stdout


@pytest.fixture
def three(machine):
    """A ring with records, and two copies of them."""
    machine.systemctl("enable", "--now", *(f"dht-node@{i}" for i in NODES))
    machine.run("dhtctl", "put", "-", input=pairs(500))
    wait_for("two copies of all", lambda: all(n["copies"] == 2 for n in machine.ring()))
    return machine


def pids(machine):
    return {i: machine.pid(i) for i in NODES}


def upgrade(machine, path):
    machine.copy(path, "later.deb")
    return machine.dpkg("--install", "/root/debs/later.deb")


# ---- installed ----

def test_three_nodes_from_the_packages_alone(machine):
    """What Debian's own testers would run (debian/tests)."""
    assert machine.property("dht-node.target", "ActiveState") == "active"
    assert machine.show("list-units", "--all", "--plain", "--no-legend", "dht-node@*") == ""
    assert machine.run("stat", "-c", "%U:%G %a", "/etc/dht-node/dht-node.conf").stdout == "root:root 644\n"
    machine.copy(os.path.join(DEBS, "dht/debian/tests/ring"))
    done = machine.run("sh", "/root/debs/ring")
    assert "100/100 keys put, got back and equal" in done.stdout
    assert re.search(r"(?m)^ring +3 nodes, whole \(3 active\)$", done.stdout)


def test_everything_is_where_it_is_looked_for(machine):
    for page in (("1", "dhtctl"), ("5", "dht-node.conf"), ("7", "dht-node.catalog"), ("8", "dht-node")):
        assert machine.run("man", "-w", *page).stdout
    shown = machine.run("bash", "-c", "source /usr/share/bash-completion/completions/dhtctl; complete -p dhtctl").stdout
    assert "dhtctl" in shown
    machine.systemctl("start", "dht-node@1")
    told = machine.read("-x", "-u", "dht-node@1")
    assert "Subject: Node 1: founded" in told and "man:dht-node.catalog(7)" in told
    assert machine.run("systemd-analyze", "verify", "--man=yes", "dht-node@1.service").stderr == ""


def test_settings_of_its_reader(machine):
    """In the file that is there; an upgrade that does not change it leaves it alone."""
    machine.write("/etc/dht-node/dht-node.conf", "topic-prefix = house\nlog-level = debug\n")
    machine.systemctl("start", "dht-node@1")
    machine.wait_ring({"1"}, "--topic-prefix", "house")
    machine.install_packages()
    assert machine.run("cat", "/etc/dht-node/dht-node.conf").stdout == "topic-prefix = house\nlog-level = debug\n"


def test_enabled_nodes_are_there_after_a_boot(three):
    three.systemctl("disable", "--now", "dht-node@1")  # which leaves: else the others would wait for it
    three.pull_the_plug()
    three.start_again()
    three.wait_ring({"2", "3"}, timeout=60)
    assert three.property("dht-node.target", "ActiveState") == "active"


# ---- upgraded ----

COUNT = """
n=0
until [ -e /root/enough ]; do
	dhtctl --quiet --timeout 30s incr visits >/dev/null || exit
	n=$((n + 1))
done
echo "$n"
"""


def test_upgrade_one_after_the_other(three, later):
    """While a client counts: no error, each once, nothing lost; and never are two nodes away."""
    three.remove("/root/enough")
    load = three.start("sh", "-c", COUNT)
    before = pids(three)
    said = upgrade(three, later("dht-node", "9.9"))
    three.write("/root/enough", "")
    out, err = load.communicate(timeout=60)
    assert (load.returncode, err) == (0, "")
    assert int(out) > 10 and found(three, "visits\t") == f"visits\t{int(out)}\n"
    assert set(found(three, pairs(500)).splitlines()) == set(pairs(500).splitlines())

    assert re.findall(r"(?m)^Restarting (\S+)$", said) == [f"dht-node@{i}.service" for i in NODES]
    after = pids(three)
    assert all(after[i] not in (0, before[i]) for i in NODES)
    for i in NODES:
        assert not three.run("readlink", f"/proc/{after[i]}/exe").stdout.strip().endswith("(deleted)")
    # was active again before the next one went
    back, gone = ([int(three.property(three.unit(i), f"Active{what}TimestampMonotonic")) for i in NODES]
                  for what in ("Enter", "Exit"))
    assert all(gone[n] > back[n - 1] for n in (1, 2)) and all(back[n] > gone[n] for n in range(3))
    assert three.active() == set(NODES)


def test_upgrade_leaves_a_node_that_has_the_whole_ring_in_memory_alone(machine, later):
    """Nobody would keep its records."""
    machine.settings("1", "data-dir = none\n")
    machine.systemctl("start", "dht-node@1")
    machine.run("dhtctl", "put", "door", "open")
    before = machine.pid("1")
    said = upgrade(machine, later("dht-node", "9.9"))
    assert "dht-node@1.service has the whole ring in memory alone and goes on as it was" in said and "Restarting" not in said
    assert machine.pid("1") == before
    assert machine.run("dhtctl", "get", "door").stdout == "open"


def test_upgrade_restarts_a_node_that_has_the_whole_ring_on_a_disk(machine, later):
    """Its directory keeps them."""
    machine.systemctl("start", "dht-node@1")
    machine.run("dhtctl", "put", "door", "open")
    before = machine.pid("1")
    said = upgrade(machine, later("dht-node", "9.9"))
    assert re.findall(r"(?m)^Restarting (\S+)$", said) == ["dht-node@1.service"]
    assert machine.pid("1") not in (0, before) and machine.active() == {"1"}
    assert machine.run("dhtctl", "get", "door").stdout == "open"


def test_upgrade_leaves_nodes_without_a_broker(three, later):
    """They could not hand on."""
    before = pids(three)
    three.systemctl("stop", "mosquitto.service")
    for i in NODES:
        wait_for(lambda: three.property(three.unit(i), "StatusText"),
                 lambda: not three.property(three.unit(i), "StatusText").startswith("active"))
    said = upgrade(three, later("dht-node", "9.9"))
    assert said.count("is not active in a ring and goes on as it was") == 3
    three.systemctl("start", "mosquitto.service")
    three.wait_ring(NODES)
    assert pids(three) == before
    assert set(found(three, pairs(500)).splitlines()) == set(pairs(500).splitlines())


def test_upgrade_to_what_does_not_run_stops_at_the_first_node(three, later):
    def break_it(root):
        (root / "usr/bin/dht-node").write_text("#!/bin/sh\nexit 70\n")
    before = pids(three)
    said = upgrade(three, later("dht-node", "9.9", break_it))
    assert "dht-node@1.service did not become active again; the other nodes go on as they were" in said
    assert three.installed("dht-node") == "installed 9.9"
    assert {i: three.pid(i) for i in "23"} == {i: before[i] for i in "23"}
    assert set(found(three, pairs(500)).splitlines()) == set(pairs(500).splitlines())


def test_upgrade_starts_no_node_that_was_stopped(three, later):
    three.systemctl("stop", "dht-node@2")
    said = upgrade(three, later("dht-node", "9.9"))
    assert re.findall(r"(?m)^Restarting (\S+)$", said) == ["dht-node@1.service", "dht-node@3.service"]
    assert three.active() == {"1", "3"}


# ---- removed, purged ----

def test_remove_stops_all_in_good_order_and_keeps_settings_and_records(three):
    three.settings("2", "log-level = debug\n")
    said = three.dpkg("--remove", "dht-node", "dhtctl")
    assert "The nodes' directories stay in /var/lib/dht-node" in said
    assert three.show("list-units", "--plain", "--no-legend", "--state=active", "dht-node*") == ""
    ends = [three.texts(i).splitlines()[-2:] for i in NODES]
    assert sorted(re.sub(r"^\d: ", "", end[0]) for end in ends) == ["left the ring in good order"] * 2 + \
        ["the last node leaves: 500 records stay in its directory, and the ring with them"]
    assert all(end[1].endswith(" -> left") for end in ends)
    assert three.run("ls", "/etc/dht-node").stdout.split() == ["2.conf", "dht-node.conf"]
    three.install_packages()
    three.wait_ring(NODES)
    assert set(found(three, pairs(500)).splitlines()) == set(pairs(500).splitlines())


def test_purge_leaves_the_user_and_nothing_else(three):
    three.settings("2", "log-level = debug\n")
    three.write("/etc/credstore/dht-node.password", "secret\n", 0o600)
    said = three.dpkg("--purge", "dht-node", "dhtctl")
    assert "warning" not in said and "Removing the nodes' directories in /var/lib/dht-node with what they hold" in said
    names = three.run("find", "/etc", "/var/lib", "/run", "/usr", "/lib/systemd", "-xdev", "(", "-name",
                      "dht-node*", "-o", "-name", "dhtctl*", ")", check=False).stdout.splitlines()
    assert names == ["/etc/credstore/dht-node.password"]  # whose maker is its reader
    assert three.run("id", "-un", "dht-node").stdout == "dht-node\n"
    assert three.installed("dht-node") == three.installed("dhtctl") == ""
    assert three.systemctl("daemon-reload").stderr == ""

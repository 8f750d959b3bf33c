"""Settings, passwords and names: what is right works, and what is wrong is told in one line of the journal."""
import re

import pytest

from machine import wait_for


def fails(machine, instance, code, *parts):
    """The start ends at once with that exit code, is explained, and is not tried again."""
    assert machine.systemctl("start", f"dht-node@{instance}", check=False, timeout=15).returncode != 0
    unit = machine.unit(instance)
    assert machine.property(unit, "ExecMainStatus") == str(code)
    assert machine.property(unit, "ActiveState") == "failed" and machine.property(unit, "NRestarts") == "0"
    told = [e for e in machine.log(instance) if e["PRIORITY"] == "3"]
    assert len(told) == 1 and "MESSAGE_ID" in told[0], told
    status = machine.property(unit, "StatusText")
    for part in parts:
        assert part in told[0]["MESSAGE"] and part in status, (told[0]["MESSAGE"], status)
    return told[0]["MESSAGE"]


def test_both_files_are_read(machine):
    machine.write("/etc/dht-node/dht-node.conf", "topic-prefix = house\nreplicas = 1\n")
    machine.settings("1", "# this one\nname = first\nreplicas = 2\n")
    machine.systemctl("start", "dht-node@1", "dht-node@2")
    assert machine.active("--topic-prefix", "house") == {"first", "2"}
    told = machine.run("dht-node", "--check-config", "--instance", "1").stdout
    assert "# /etc/dht-node/1.conf:3" in told and "# /etc/dht-node/dht-node.conf:1" in told


def test_a_typo(machine):
    machine.settings("1", "# ours\nreplikas = 2\n")
    said = fails(machine, "1", 78, "/etc/dht-node/1.conf:2: unknown setting 'replikas'", "did you mean 'replicas'?")
    done = machine.run("dht-node", "--check-config", "--instance", "1", check=False)
    assert done.returncode == 78 and done.stderr.strip().removeprefix("dht-node: ") in said
    machine.settings("1", "replicas = 2\n")
    machine.systemctl("start", "dht-node@1")
    assert machine.active() == {"1"}


def test_a_file_that_the_node_cannot_read(machine):
    machine.write("/etc/dht-node/1.conf", "replicas = 2\n", 0o600)
    fails(machine, "1", 78, "/etc/dht-node/1.conf: permission denied")


def test_a_directory_of_another_node(machine):
    """It is the first that the process says, and the last."""
    machine.systemctl("start", "dht-node@1")
    machine.systemctl("stop", "dht-node@1")
    machine.settings("1", "name = other\n")
    fails(machine, "1", 78, "/var/lib/dht-node/1 is of node ", " (1), not of node ", " (other) -> name that node's own")


@pytest.fixture
def guarded(machine):
    """A broker that wants a password."""
    machine.run("mosquitto_passwd", "-b", "-c", "/etc/mosquitto/users", "node", "swordfish")
    machine.run("chown", "mosquitto", "/etc/mosquitto/users")
    machine.write("/etc/mosquitto/conf.d/zz.conf", "allow_anonymous false\npassword_file /etc/mosquitto/users\n")
    conf = machine.run("cat", "/etc/mosquitto/conf.d/dht-tests.conf").stdout
    machine.write("/etc/mosquitto/conf.d/dht-tests.conf", conf.replace("allow_anonymous true\n", ""))
    machine.systemctl("restart", "mosquitto.service")
    machine.write("/etc/dht-node/dht-node.conf", "broker = mqtt://node@localhost\n")
    yield machine
    machine.remove("/etc/mosquitto/conf.d/zz.conf")
    machine.write("/etc/mosquitto/conf.d/dht-tests.conf", conf)


def is_in(machine, broker="mqtt://node:swordfish@localhost"):
    return machine.active("--broker", broker) == {"1"}


def not_told(machine):
    assert "swordfish" not in machine.read("-o", "export")
    assert machine.run("sh", "-c", "grep -al swordfis[h] /proc/*/cmdline || true").stdout == ""


def test_a_password_by_credential(guarded):
    guarded.write("/etc/credstore/dht-node.password", "swordfish\n", 0o600)
    guarded.systemctl("start", "dht-node@1")
    assert is_in(guarded)
    assert "password from the credential dht-node.password" in guarded.texts("1")
    not_told(guarded)


def test_a_password_by_file(guarded):
    guarded.write("/etc/dht-node/dht-node.conf", "broker = mqtt://node@localhost\npassword-file = /etc/dht-node/secret\n")
    guarded.write("/etc/dht-node/secret", "swordfish\n", 0o640)
    guarded.run("chgrp", "dht-node", "/etc/dht-node/secret")
    guarded.systemctl("start", "dht-node@1")
    assert is_in(guarded)
    not_told(guarded)


@pytest.mark.parametrize("mode, part", [(0o644, "its mode is 0644, so that others can read it -> chmod 600"),
                                        (0o620, "others can change it"), (0o600, "permission denied")])
def test_a_password_file_of_the_wrong_mode(guarded, mode, part):
    guarded.write("/etc/dht-node/dht-node.conf", "broker = mqtt://node@localhost\npassword-file = /etc/dht-node/secret\n")
    guarded.write("/etc/dht-node/secret", "swordfish\n", mode)
    if mode == 0o620:
        guarded.run("chown", "dht-node", "/etc/dht-node/secret")
    fails(guarded, "1", 78, "password file /etc/dht-node/secret: ", part)
    not_told(guarded)


def test_a_broker_that_does_not_let_it_in(guarded):
    guarded.write("/etc/credstore/dht-node.password", "sawdust\n", 0o600)
    guarded.systemctl("start", "--no-block", "dht-node@1")
    wait_for(lambda: guarded.texts("1"), lambda: "--password-file" in guarded.texts("1"))
    assert "me:sawdust" not in guarded.texts("1")
    guarded.systemctl("stop", "dht-node@1")
    assert guarded.property(guarded.unit("1"), "Result") == "success"


@pytest.mark.parametrize("typed, name", [
    ("living-room", "living-room"), ("a b", "a b"), ("küche", "küche"), ("x@y", "x@y"), ("100%", "100%"), ("n" * 63, "n" * 63)])
def test_odd_names(machine, typed, name):
    """The node is called as it was typed; of its directories and file the name is as systemd writes it."""
    escaped = machine.run("systemd-escape", typed).stdout.strip() if not typed.isascii() or {" ", "@", "%"} & set(typed) \
        else typed
    machine.settings(escaped, "replicas = 1\n")
    machine.systemctl("start", f"dht-node@{escaped}.service")
    assert machine.active() == {name}
    assert f"/etc/dht-node/{escaped}.conf:1" in machine.run("dht-node", "--check-config", "--instance", escaped).stdout
    assert machine.log(escaped)[-1]["DHT_NODE"] == name
    done = machine.run("stat", "-c", "%a %U", f"/var/lib/dht-node/{escaped}", f"/run/dht-node/{escaped}")
    assert done.stdout.split("\n")[:2] == ["700 dht-node"] * 2
    assert machine.ring()[0]["wanted_copies" if "wanted_copies" in machine.ring()[0] else "copies"] == 1


def test_where_the_records_are(machine):
    """In the unit's state directory; where the settings say; in memory alone.  systemctl status says which."""
    machine.run("install", "-d", "-m", "700", "-o", "dht-node", "/var/lib/dht-node/elsewhere")
    machine.settings("2", "data-dir = /var/lib/dht-node/elsewhere\n")
    machine.settings("3", "data-dir = none\n")
    for instance, place, said in (("a:b", "/var/lib/dht-node/a:b", "0 records on disk"), ("3", "memory alone", "in memory")):
        machine.systemctl("start", f"dht-node@{instance}")
        assert f", records in {place}" in machine.texts(instance)
        assert said in machine.property(machine.unit(instance), "StatusText")
    done = machine.systemctl("start", "dht-node@2", check=False)  # which the sandbox does not let it write
    assert done.returncode != 0 and "/var/lib/dht-node/elsewhere" in machine.texts("2")
    machine.drop_in("[Service]\nReadWritePaths=/var/lib/dht-node/elsewhere\n", "2")
    machine.systemctl("restart", "dht-node@2")
    assert machine.active() == {"a:b", "2", "3"}
    there = machine.run("sh", "-c", "ls -d /var/lib/dht-node/*/data.mdb").stdout.split()
    assert there == ["/var/lib/dht-node/a:b/data.mdb", "/var/lib/dht-node/elsewhere/data.mdb"]


def test_several_state_directories(machine):
    """A drop-in adds to the unit's own, and systemd gives them in no order that counts."""
    machine.drop_in("[Service]\nStateDirectory=a-backup\n")
    fails(machine, "1", 78, "/var/lib/a-backup:/var/lib/dht-node/1", "data-dir")
    machine.settings("1", "data-dir = /var/lib/dht-node/1\n")
    machine.systemctl("start", "dht-node@1")
    assert machine.active() == {"1"}
    machine.run("rm", "-r", "/var/lib/a-backup")


def test_a_name_with_a_slash(machine):
    """systemctl itself makes a '-' of it."""
    done = machine.systemctl("start", "dht-node@a/b", check=False)
    assert done.returncode == 0 and machine.active() == {"a-b"}, done.stderr


def test_a_name_of_200_bytes(machine):
    """Too long for systemd itself, which goes on trying."""
    unit = "dht-node@" + "n" * 200
    assert machine.systemctl("start", unit, check=False).returncode != 0
    assert "File name too long" in machine.read("_PID=1")


def test_a_name_of_100_bytes(machine):
    """Too long for a node, and not for systemd: the file may say how it is called."""
    fails(machine, "n" * 100, 64, "invalid name (--instance): 1 to 63 bytes")
    machine.settings("n" * 100, "name = short\n")
    machine.systemctl("start", "dht-node@" + "n" * 100)
    assert machine.active() == {"short"}


def test_two_instances_with_one_id(machine):
    """The second is refused and says by whom; it goes on trying, more and more slowly, and is in when the first has left."""
    for i in "12":
        machine.settings(i, "id = 4711\ndata-dir = none\n")  # else the ring is in the first one's directory
    machine.systemctl("start", "dht-node@1")
    assert machine.systemctl("start", "dht-node@2", check=False).returncode != 0
    machine.wait_ring({"1"})
    pid = machine.pid("1")
    assert 'refused: the id 4711 is in use by node "1" -> choose another --id or --name' in machine.texts("2")
    wait_for(lambda: machine.texts("2"), lambda: "waiting for 2 s" in machine.texts("2"), 30)
    machine.wait_ring({"1"})
    assert machine.pid("1") == pid and not re.search("leaving|giving up", machine.texts("1")), machine.texts("1")
    assert machine.property(machine.unit("2"), "ActiveState") == "activating"
    machine.systemctl("stop", "dht-node@1")
    machine.wait_ring({"2"}, timeout=40)


def test_a_broker_on_a_unix_socket(machine):
    """By the shipped drop-in, without any network."""
    machine.run("sh", "-c", "mkdir -p '/etc/systemd/system/dht-node@.service.d' && cp "
                            "/usr/local/share/doc/dht-node/examples/unix-broker.conf '/etc/systemd/system/dht-node@.service.d'")
    machine.systemctl("daemon-reload")
    machine.write("/etc/dht-node/dht-node.conf", "broker = unix:///run/mqtt/broker.sock\n")
    machine.systemctl("start", "dht-node@1", "dht-node@2")
    assert machine.active() == {"1", "2"}
    assert "nameserver" not in machine.texts("1")
    for i in "12":
        links = machine.run("nsenter", "-t", machine.pid(i), "-n", "ip", "-brief", "link").stdout.split("\n")
        assert len(links) == 2 and links[0].startswith("lo ")

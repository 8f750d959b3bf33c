"""Starting, stopping, dying, hanging: what systemd makes of it, and what becomes of the ring."""
import re
import time

from machine import wait_for

EIGHT = [str(i) for i in range(1, 9)]


def pairs(count, seed="k"):
    return "".join(f"{seed}/{i}\tvalue {i}\n" for i in range(count))


def lost(machine, text):
    """Keys of these pairs that are not there as they were put."""
    keys = "".join(line.partition("\t")[0] + "\n" for line in text.splitlines())
    found = machine.run("dhtctl", "--timeout", "30s", "get", "-", input=keys, check=False).stdout
    return set(text.splitlines()) - set(found.splitlines())


def test_eight_at_once(machine):
    """One ring within 10 s, and the start was over when each was active."""
    begun = time.monotonic()
    machine.systemctl("enable", "--now", *(f"dht-node@{i}" for i in EIGHT))
    assert machine.active() == set(EIGHT)
    assert time.monotonic() - begun < 10
    assert "100/100 keys put, got back and equal" in machine.run("dhtctl", "demo").stdout
    for i in EIGHT:
        assert re.match(r"active, \d+\.\d % of the ring \(\w{8}, \w{8}\], \d+ records on disk, \d of 2 copies; \d\d:\d\d:\d\d ",
                        machine.property(machine.unit(i), "StatusText"))


def test_a_stop_hands_over_first(machine):
    """While lines are put: none is lost, and no put fails."""
    machine.systemctl("start", *(f"dht-node@{i}" for i in EIGHT[:4]))
    before = pairs(500)
    machine.run("dhtctl", "put", "-", input=before)
    machine.write("/root/pairs", pairs(4000, "l"))
    load = machine.start("sh", "-c", "dhtctl --quiet --timeout 30s put - </root/pairs")
    machine.systemctl("stop", "dht-node@3")
    out, err = load.communicate(timeout=60)
    assert (load.returncode, err) == (0, "")
    assert machine.active() == {"1", "2", "4"}
    assert not lost(machine, before + pairs(4000, "l"))
    assert machine.property(machine.unit("3"), "Result") == "success"
    said = machine.texts("3")
    assert said.rindex("leaving the ring") < said.rindex("handed over to node") < said.rindex("left the ring in good order")


def test_a_rolling_restart_loses_nothing(machine):
    """As READY=1 means active, one after the other is safe."""
    three = EIGHT[:3]
    machine.systemctl("start", *(f"dht-node@{i}" for i in three))
    text = pairs(500)
    machine.run("dhtctl", "put", "-", input=text)
    for i in three:
        machine.systemctl("restart", f"dht-node@{i}")
        assert i in machine.active()
    assert not lost(machine, text)


def test_kill_9_comes_back(machine):
    machine.systemctl("start", *(f"dht-node@{i}" for i in EIGHT[:3]))
    text = pairs(500)
    machine.run("dhtctl", "put", "-", input=text)
    wait_for("two copies of all", lambda: all(n["copies"] == 2 for n in machine.ring()))
    before = machine.pid("2")
    machine.systemctl("kill", "-s", "KILL", "dht-node@2")
    wait_for("another process", lambda: machine.pid("2") not in (0, before))
    machine.wait_ring({"1", "2", "3"})
    assert machine.property(machine.unit("2"), "NRestarts") == "1"
    assert not lost(machine, text)
    assert "earlier starts came to nothing" not in machine.texts("2")


def test_a_node_that_hangs_is_started_anew(machine):
    machine.drop_in("[Service]\nWatchdogSec=2s\n")
    machine.systemctl("start", *(f"dht-node@{i}" for i in EIGHT[:3]))
    before = machine.pid("2")

    def fed():
        return int(machine.property(machine.unit("2"), "WatchdogTimestampMonotonic"))
    since = fed()
    wait_for("whoever turns is left alone for twice that long", lambda: fed() >= since + 4_000_000)
    assert machine.pid("2") == before
    machine.systemctl("kill", "-s", "STOP", "dht-node@2")
    wait_for("another process", lambda: machine.pid("2") not in (0, before))
    machine.wait_ring({"1", "2", "3"})
    told = machine.journal("UNIT=dht-node@2.service")
    assert any("Watchdog timeout" in e["MESSAGE"] for e in told)


def test_the_target_is_all_of_them(machine):
    machine.systemctl("enable", "dht-node@1", "dht-node@2", "dht-node@3")
    machine.systemctl("disable", "dht-node@3")  # which the others do not notice
    assert {"dht-node@1.service", "dht-node@2.service"} <= set(machine.show("list-dependencies", "--plain",
                                                                            "multi-user.target").split())
    machine.systemctl("start", "dht-node.target")
    assert machine.active() == {"1", "2"}
    machine.systemctl("restart", "dht-node.target")
    machine.wait_ring({"1", "2"})
    machine.systemctl("start", "dht-node@3")  # not enabled, but one of them
    machine.systemctl("stop", "dht-node.target")
    wait_for("all inactive", lambda: set(machine.show("is-active", *(f"dht-node@{i}" for i in "123")).split())
             == {"inactive"})


def test_a_broker_that_comes_late(machine):
    """A start without a broker ends as failed, so that nobody waits for it for ever; the node goes on trying."""
    machine.drop_in("[Service]\nTimeoutStartSec=3s\n")
    machine.systemctl("stop", "mosquitto.service")
    done = machine.systemctl("start", "dht-node@1", check=False)
    assert done.returncode != 0
    wait_for("it is started anew", lambda: int(machine.property(machine.unit("1"), "NRestarts")) >= 1)
    pid = wait_for("a process", lambda: machine.pid("1"))
    wait_for("a sentence", lambda: "onnection refused" in machine.property(machine.unit("1"), "StatusText"))
    since = int(machine.property(machine.unit("1"), "ExecMainStartTimestampMonotonic"))
    wait_for("it is twice as old as the first one became", lambda: time.monotonic() * 1e6 >= since + 6_000_000)
    assert machine.pid("1") == pid
    machine.systemctl("start", "mosquitto.service")
    machine.wait_ring({"1"})
    assert machine.pid("1") == pid
    assert machine.property(machine.unit("1"), "ActiveState") == "active"


def test_reload(machine):
    machine.systemctl("start", "dht-node@1")
    pid = machine.pid("1")
    machine.settings("1", "log-level = debug\nreplicas = 1\n")
    machine.systemctl("reload", "dht-node@1")
    wait_for(lambda: machine.texts("1"), lambda: "settings read anew -> these wait for a restart: replicas"
             in machine.texts("1"))
    machine.settings("1", "log-level = loud\n")
    machine.systemctl("reload", "dht-node@1")
    wait_for(lambda: machine.texts("1"), lambda: "going on with those that were in force" in machine.texts("1"))
    assert machine.pid("1") == pid and machine.property(machine.unit("1"), "ActiveState") == "active"


def test_power_cut(machine):
    """The plug is pulled; behind the next boot those that are enabled are one ring, by themselves."""
    machine.systemctl("enable", "--now", "dht-node@1", "dht-node@2", "dht-node@3")
    machine.pull_the_plug()
    machine.boot()
    machine.wait_ring({"1", "2", "3"})
    order = [e.get("UNIT") or e.get("_SYSTEMD_UNIT") for e in machine.journal("-b", "JOB_TYPE=start")
             if e.get("JOB_RESULT") == "done"]
    assert order.index("mosquitto.service") < order.index("dht-node@1.service")

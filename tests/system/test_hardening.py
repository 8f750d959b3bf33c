"""Each line of the unit's sandbox is in force: what it forbids is tried from inside."""
import os
import re

import pytest

from machine import wait_for

NEEDS = {"own state", "AF_UNIX", "send to this machine"}
# By programs for the kernel (BPF) at the control group, which a sandbox may not let be loaded; systemd then goes on without.
# What says so is a service that has nothing but the one directive.
BY_BPF = {
    "listen": (["SocketBindDeny=any"], "s.bind(('127.0.0.1', 44445))"),
    "send beyond this machine": (["IPAddressDeny=any"], "s.sendto(b'x', ('127.0.0.1', 9))"),
}


@pytest.fixture(scope="module")
def tried(booted):
    """{what: outcome}"""
    with open(os.path.join(os.path.dirname(__file__), "probe.py")) as f:
        booted.write("/usr/local/lib/probe.py", f.read())
    booted.write("/etc/systemd/system/dht-node@probe.service.d/test.conf",
                 "[Service]\nExecStartPre=/usr/bin/python3 /usr/local/lib/probe.py\n")
    booted.systemctl("daemon-reload")
    booted.run("install", "-d", "-m", "700", "-o", "dht-node", "/var/lib/dht-node/other")  # as systemd makes it
    booted.systemctl("start", "dht-node@probe")
    lines = [e["MESSAGE"] for e in booted.journal("_SYSTEMD_UNIT=dht-node@probe.service", "_COMM=python3")]
    booted.systemctl("stop", "dht-node@probe")
    booted.forget_ring()
    return dict(line.split(": ", 1) for line in lines)


def names():
    with open(os.path.join(os.path.dirname(__file__), "probe.py")) as f:
        return re.findall(r'(?m)^    "([^"]+)": lambda', f.read())


@pytest.mark.parametrize("what", names())
def test_what_the_unit_forbids(tried, what, booted):
    if what in NEEDS:
        assert tried[what] == "done"
    elif what in BY_BPF and tried[what] == "done":
        directives, attempt = BY_BPF[what]
        done = booted.run("systemd-run", "--quiet", "--wait", "--pipe", *(f"-p{d}" for d in directives), "python3", "-c",
                          f"import socket; s = socket.socket(type=socket.SOCK_DGRAM); {attempt}", check=False)
        assert done.returncode == 0, f"{directives} alone is in force here, and not in the unit"
        pytest.skip(f"{directives[0]} has no effect here by itself, either: no BPF in this sandbox")
    else:
        assert tried[what] != "done", tried


def test_the_process_has_no_rights(machine):
    machine.systemctl("start", "dht-node@1")
    status = dict(line.split(":\t", 1) for line in
                  machine.run("cat", f"/proc/{machine.pid('1')}/status").stdout.splitlines() if ":\t" in line)
    assert all(int(status[f"Cap{x}"], 16) == 0 for x in ("Inh", "Prm", "Eff", "Bnd", "Amb"))
    assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2"
    assert set(status["Uid"].split()) == {machine.run("id", "-u", "dht-node").stdout.strip()}
    user, ours = machine.run("readlink", f"/proc/{machine.pid('1')}/ns/user", "/proc/1/ns/user").stdout.split()
    assert user != ours


def test_nothing_of_it_was_refused(machine):
    """The node under its system call filter: joins, hands over, takes over, resolves a name, is reloaded."""
    machine.write("/etc/dht-node/dht-node.conf", "broker = mqtt://localhost\n")
    machine.systemctl("start", "dht-node@1", "dht-node@2", "dht-node@3")
    machine.systemctl("kill", "-s", "KILL", "dht-node@2")
    machine.systemctl("reload", "dht-node@1")
    machine.systemctl("stop", "dht-node@3")
    machine.wait_ring({"1", "2"})
    assert machine.property(machine.unit("1"), "NRestarts") == "0"


def test_systemd_itself_has_nothing_to_say(machine):
    machine.systemctl("start", "dht-node@1")
    done = machine.run("systemd-analyze", "verify", "--man=no", "/lib/systemd/system/dht-node@.service", check=False)
    assert (done.returncode, done.stderr) == (0, "")
    text = machine.run("systemd-analyze", "security", "--no-pager", "dht-node@1").stdout
    assert float(re.search(r"exposure level for \S+: ([0-9.]+)", text)[1]) <= 1.0
    wait_for("no warning of systemd about the unit", lambda: not [
        e for e in machine.journal("_PID=1", "UNIT=dht-node@1.service", "PRIORITY=4") if "bpf" not in e["MESSAGE"].lower()])

"""Each line of the unit's sandbox is in force: what it forbids is tried in a service that has this line alone, in one without
it, and in the unit as it is."""
import functools
import os
import re

import pytest

import probe
from machine import wait_for

FOLDER = os.path.dirname(__file__)
UNIT = "/lib/systemd/system/dht-node@.service"
# What else stands in [Service]: when it starts, stops and comes back, and what it is given.
NO_SANDBOX = {"Type", "NotifyAccess", "ExecStart", "CPUSchedulingPolicy", "ExecReload", "LoadCredential", "TimeoutStartSec",
              "KillSignal", "TimeoutStopSec", "WatchdogSec", "TimeoutAbortSec", "Restart", "RestartSec",
              "RestartPreventExitStatus", "StateDirectory", "RuntimeDirectory", "RuntimeDirectoryPreserve"}
# By programs for the kernel (BPF) at the control group, which the sandbox that these machines run in may not let be loaded;
# systemd then warns, and goes on without.  What it has understood of the line is then all that can be shown: its line in
# `systemd-analyze security`, or, as that does not judge it, in `systemctl show`.
BY_BPF = {
    "SocketBindDeny=any": ("show", r"(?m)^SocketBindDeny=any$"),
    "IPAddressDeny=any": ("security", r"IPAddressDeny= +Service defines IP address allow list with only localhost entries"),
    "IPAddressAllow=localhost": ("show", r"(?m)^IPAddressAllow=.*127\.0\.0\.0/8.*$"),
}


def in_its_service(machine, lines, numbers):
    """What comes of these probes in a service that has these lines."""
    done = machine.run("systemd-run", "--quiet", "--wait", "--pipe", *(f"-p{line}" for line in lines), "/usr/bin/python3",
                       "/usr/local/lib/probe.py", *numbers)
    said = dict(line.split(": ", 1) for line in done.stdout.splitlines())
    return and_what_is_left(machine, said)


def and_what_is_left(machine, said):
    left = machine.run("rm", f"/dev/shm/{probe.MARK}", check=False).returncode == 0
    if said.get("leave shared memory") == "done" and not left:
        said["leave shared memory"] = "removed"
    return said


@pytest.fixture(scope="module")
def prepared(booted):
    """With what there is to be seen."""
    with open(os.path.join(FOLDER, "probe.py")) as f:
        booted.write("/usr/local/lib/probe.py", f.read())
    for path in ("/tmp", "/var/tmp", "/home", "/root", "/usr/lib/modules"):
        booted.run("install", "-D", "/dev/null", f"{path}/{probe.MARK}")
    booted.run("install", "-o", "1", "/dev/null", f"/usr/local/lib/{probe.MARK}-1")
    booted.run("install", "-m", "4755", "/usr/bin/id", f"/usr/local/lib/{probe.MARK}-id")
    booted.run("/usr/bin/python3", "-c", "import sys; sys.path.insert(0, '/usr/local/lib'); import probe; "
                                         "probe.call('semget', probe.IPC_KEY, 1, 0o1600)")
    return booted


@pytest.fixture(scope="module")
def tried(prepared):
    """{what: outcome} in the unit."""
    prepared.write("/etc/systemd/system/dht-node@probe.service.d/test.conf",
                   "[Service]\nExecStartPre=/usr/bin/python3 /usr/local/lib/probe.py\n")
    prepared.systemctl("daemon-reload")
    prepared.run("install", "-d", "-m", "700", "-o", "dht-node", "/var/lib/dht-node/other")  # as systemd makes it
    prepared.systemctl("start", "dht-node@probe")
    lines = [e["MESSAGE"] for e in prepared.journal("_SYSTEMD_UNIT=dht-node@probe.service", "_COMM=python3")]
    prepared.systemctl("stop", "dht-node@probe")
    prepared.forget_ring()
    return and_what_is_left(prepared, dict(line.split(": ", 1) for line in lines))


@pytest.fixture(scope="module")
def without(prepared):
    """Of a probe: what comes of it without its line."""
    @functools.cache
    def outcomes(beside):
        return in_its_service(prepared, beside, [i for i, p in enumerate(probe.PROBES) if p.beside == beside])
    return lambda p: outcomes(p.beside)[p.what]


def with_its_line(machine, p):
    return in_its_service(machine, [*p.beside, p.line], [probe.PROBES.index(p)])[p.what]


def judged(machine, line):
    """What systemd has to say of a line."""
    where, expected = BY_BPF[line]
    if where == "show":
        text = machine.run("systemctl", "show", "-p", line.partition("=")[0], "dht-node@probe").stdout
    else:
        text = machine.run("systemd-analyze", "security", "--no-pager", "dht-node@probe").stdout
    found = re.search(expected, text)
    assert found, text
    return " ".join(found[0].split())


@pytest.mark.parametrize("p", probe.PROBES, ids=lambda p: f"{p.line}, {p.what}")
def test_a_line_forbids_it(p, tried, without, prepared):
    before, alone = without(p), with_its_line(prepared, p)
    if p.line in BY_BPF and alone == before:
        pytest.skip(f"{p.line} has no effect here by itself, either: no BPF in this sandbox; systemd has it as "
                    f"'{judged(prepared, p.line)}'")
    assert (before, alone) == (p.otherwise, p.outcome)
    assert tried[p.what] != p.otherwise, tried


def test_what_takes_more_than_a_line(tried):
    assert tried["write another instance's state"] != "done" and tried["keys"] != "done"


def test_what_it_needs(tried):
    assert {tried[what] for what in ("own state", "AF_UNIX", "send to this machine")} == {"done"}


def test_there_is_no_other_line(machine):
    """Whoever adds one to the sandbox shows it here, or says why it cannot be shown; and none is shown that is not there."""
    text = machine.run("cat", UNIT).stdout.partition("\n[Service]\n")[2].partition("\n[")[0]
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert {line for line in lines if line.partition("=")[0] not in NO_SANDBOX} == {p.line for p in probe.PROBES}


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

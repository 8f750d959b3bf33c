"""systemd/GUIDE.md, done as it stands there, line by line, on two machines that are booted for it and know only each other."""
import os
import re
import subprocess

import pytest

import guide
import packaged
from machine import ENVIRONMENT

TEXT = os.path.join(packaged.DEBS, "dht", "systemd", "GUIDE.md")
ADDRESSES = {"hub": "10.78.0.1", "attic": "10.78.0.2"}
# as for whoever sits there
SEEN_BY_ITS_READER = {k: v for k, v in ENVIRONMENT.items() if k != "DHT_CONFIG"}
COPY = re.compile(r"scp (-r )?(.+) (\w+):(\S+)")


class Machine(packaged.Machine):
    def install(self):
        super().install()
        self.remove("/etc/mosquitto/conf.d/dht-tests.conf")
        self.write("/etc/hostname", f"{self.name}\n")


@pytest.fixture
def machines(tmp_path, later):
    """The two, with a line between them, and the packages in root's home: those of today, and later ones in `later`."""
    both = {name: Machine(tmp_path / name) for name in ADDRESSES}
    try:
        for name, m in both.items():
            m.name = name
            m.make().boot()
            m.run("sh", "-c", "mv /root/debs/* /root; mkdir /root/later")
            for package in packaged.PACKAGES:
                m.copy(later(package, "9.9"), f"../later/{package}_9.9_all.deb")
        m.host("ip", "link", "add", "uplink", "netns", str(both["hub"].leader), "type", "veth", "peer", "name", "uplink",
               "netns", str(both["attic"].leader))
        for name, m in both.items():
            m.run("ip", "address", "add", f"{ADDRESSES[name]}/24", "dev", "uplink")
            m.run("ip", "link", "set", "uplink", "up")
        yield both
    finally:
        for m in both.values():
            m.close()


def copy_over(machines, step, copy):
    """What scp does, where there is no sshd."""
    there = machines[copy[3]]
    for path in copy[2].split():
        subprocess.run(["cp", *(copy[1] or "").split(), f"{machines[step.machine].root}{path}", f"{there.root}{copy[4]}"], check=True)


def do(machines, step):
    copy = COPY.fullmatch(step.command)
    if copy:
        copy_over(machines, step, copy)
        return ""
    done = subprocess.run(["nsenter", "-t", str(machines[step.machine].leader), "-a", "bash", "-c",
                           f"exec 2>&1; cd /root; {step.command}"], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=120, env=SEEN_BY_ITS_READER)
    return done.stdout


def test_every_line_of_it(machines):
    with open(TEXT) as f:
        steps = guide.steps(f.read())
    assert len(steps) > 40
    for step in steps:
        said = do(machines, step)
        assert step.is_as_told(said), f"{step}\n---- printed:\n{said}---- and not:\n" + "\n".join(step.expected)


def test_a_line_that_is_not_so_is_seen():
    text = "```console\nhub# one \\\n  more\na ... c\nhub# two\n...\nlast\n```\n"
    one, two = guide.steps(text)
    assert (one.machine, one.command, one.line) == ("hub", "one \\\n  more", 2)
    assert one.is_as_told("a b c\n") and not one.is_as_told("a b d\n") and not one.is_as_told("a b c\nd\n")
    assert not one.is_as_told("") and one.is_as_told("a b c   ")
    assert two.is_as_told("last\n") and two.is_as_told("x\ny\nlast\n") and not two.is_as_told("last\nx\n")
    assert guide.steps("<!-- not run: no sshd -->\n" + text) == []

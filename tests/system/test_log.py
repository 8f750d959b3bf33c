"""`dhtctl log`, over what journald itself has."""
import json
import re

from machine import wait_for


def told(machine, *arguments):
    machine.run("journalctl", "--sync")
    return [json.loads(line) for line in machine.run("dhtctl", "--json", "log", *arguments).stdout.splitlines()]


def test_a_join_and_a_death_in_one_story(machine):
    """What each has said of it, in the order in which it happened, and what systemd says of the dead one."""
    begin = machine.run("date", "-u", "+%Y-%m-%dT%H:%M:%SZ").stdout.strip()
    for name in ("kitchen", "attic"):
        machine.systemctl("start", f"dht-node@{name}")
    ids = {n["name"]: n["id"] for n in machine.ring()}
    machine.systemctl("kill", "-s", "KILL", "dht-node@attic")

    def story():
        return [(e["from"], e["node"], e["kind"]) for e in told(machine, "--since", begin)]
    wait_for(story, lambda: ("node", "kitchen", "taken-over") in story())
    wait_for(story, lambda: story().count(("node", "attic", "started")) == 2)
    entries = told(machine, "--since", begin)
    events = [(e["from"], e["node"], e["kind"]) for e in entries]
    steps = [("node", "kitchen", "started"), ("node", "kitchen", "founded"), ("node", "attic", "started"),
             ("node", "kitchen", "handed-over"), ("node", "attic", "received"), ("systemd", "attic", None),
             ("node", "kitchen", "taken-over")]
    places = [events.index(step) for step in steps]
    assert places[:3] == sorted(places[:3]) and max(places[3:5]) < min(places[5:]), events
    assert [e["time"] for e in entries] == sorted(e["time"] for e in entries)
    dead = next(e for e in entries if e["from"] == "systemd")
    assert "status=9/KILL" in dead["text"]
    taken = next(e for e in entries if e["kind"] == "taken-over")
    assert (taken["peer"], taken["peer_name"], taken["level"]) == (ids["attic"], "attic", "warn")

    machine.run("journalctl", "--sync")
    text = machine.run("dhtctl", "log", "--since", begin, "attic").stdout
    assert "(attic) is out -> taken over" in text and re.search(r"attic .* systemd: Main process exited", text)
    assert "kitchen" in text and not re.search(r"kitchen .*founded", text)
    line = next(x for x in text.splitlines() if "is out -> taken over" in x)
    assert re.fullmatch(rf"\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{{3}}  kitchen   \(\w{{8}}, {ids['attic']:08x}\]  warning: "
                        rf"node {ids['attic']:08x} \(attic\) is out -> taken over .*", line), line


def test_follow_tells_it_as_it_happens(machine):
    machine.systemctl("start", "dht-node@kitchen")
    follower = machine.start("dhtctl", "log", "-f", "-n", "1")
    try:
        assert "kitchen" in follower.stdout.readline()
        machine.systemctl("stop", "dht-node@kitchen")
        seen = ""
        while "leaving" not in seen:
            seen = follower.stdout.readline()
            assert seen
    finally:
        follower.kill()
        follower.wait()


def test_who_may_read_it(machine):
    """Root, and members of systemd-journal; others are told what to do."""
    machine.systemctl("start", "dht-node@kitchen")
    machine.run("journalctl", "--sync")
    somebody = ["setpriv", "--reuid=nobody", "--regid=nogroup"]
    done = machine.run(*somebody, "--clear-groups", "dhtctl", "log", check=False)
    assert (done.returncode, done.stdout) == (7, "")
    assert "you may not read the journal" in done.stderr and "usermod -aG systemd-journal" in done.stderr
    done = machine.run(*somebody, "--groups=systemd-journal", "dhtctl", "log")
    assert "founded ring" in done.stdout and done.stderr == ""

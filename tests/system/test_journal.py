"""What stands in the journal: fields, explanations, and nobody's values."""
import re

from machine import wait_for

ALWAYS = {"MESSAGE", "MESSAGE_ID", "PRIORITY", "DHT_NODE", "DHT_ID", "DHT_STATE"}


def two(machine):
    machine.systemctl("start", "dht-node@kitchen")
    machine.systemctl("start", "dht-node@attic")
    return {n["name"]: f"{int(n['id']):08x}" for n in machine.ring()}


def test_every_entry_has_its_fields(machine):
    ids = two(machine)
    entries = machine.log("kitchen")
    assert len(entries) >= 6
    for entry in entries:
        assert ALWAYS <= set(entry) and entry["_TRANSPORT"] == "journal", entry
        assert re.fullmatch("[0-9a-f]{32}", entry["MESSAGE_ID"]) and entry["PRIORITY"] in "3467"
        assert (entry["DHT_NODE"], entry["DHT_ID"]) == ("kitchen", ids["kitchen"])
        assert entry["MESSAGE"].startswith("kitchen: ") and entry["SYSLOG_IDENTIFIER"] == "dht-node"
    view = next(e for e in entries if " holds, backup " in e["MESSAGE"])
    assert re.fullmatch(r"\(\w{8}, \w{8}\]", view["DHT_ARC"]) and re.fullmatch("[0-9a-f]+", view["DHT_EPOCH"])
    assert f"view {view['DHT_EPOCH']} of {view['DHT_ARC']} holds, backup {view['DHT_PEER']}" in view["MESSAGE"]
    assert next(e for e in entries if "joining -> active" in e["MESSAGE"])["DHT_STATE"] == "active"


def test_one_life_and_what_others_say_of_it(machine):
    ids = two(machine)
    assert {e["DHT_NODE"] for e in machine.journal(f"DHT_ID={ids['attic']}")} == {"attic"}
    machine.systemctl("kill", "-s", "KILL", "dht-node@attic")
    wait_for("its death is told", lambda: machine.journal("DHT_NODE=kitchen", f"DHT_PEER={ids['attic']}", "PRIORITY=4"))
    assert all(ids["attic"] in e["MESSAGE"] for e in machine.journal("DHT_NODE=kitchen", f"DHT_PEER={ids['attic']}"))


def test_each_is_explained(machine):
    """journalctl -x shows of every entry what it means and what to do, with the fields' values."""
    ids = two(machine)
    machine.systemctl("kill", "-s", "KILL", "dht-node@attic")
    wait_for("its death is told", lambda: machine.journal("DHT_NODE=kitchen", f"DHT_PEER={ids['attic']}", "PRIORITY=4"))
    machine.systemctl("stop", "dht-node@*.service")  # nothing more comes while it is read
    catalog = machine.run("journalctl", "--list-catalog").stdout
    entries = machine.log("kitchen")
    assert all(e["MESSAGE_ID"] in catalog for e in entries)
    text = machine.read("-x", "_SYSTEMD_UNIT=dht-node@kitchen.service")
    assert text.count("Subject: Node kitchen: ") == text.count("To do: ") == len(entries)
    assert f"journalctl DHT_ID={ids['attic']}" in " ".join(text.split())
    assert "@" not in re.sub(r"dht-node@\w+|man:\S+", "", text)


def test_no_value_is_in_it(machine):
    """Not at the level debug either, nor of words that nobody understands."""
    machine.settings("kitchen", "log-level = debug\n")
    two(machine)
    machine.run("dhtctl", "put", "door", "sesame")
    for topic, payload in (("put", "me/5x sesame"), ("put", "sesame"), ("op/0/0/0/0", "sesame"), ("ring", "sesame")):
        machine.run("mosquitto_pub", "-t", topic, "-m", payload)
    wait_for("the drops are told", lambda: "bytes dropped" in machine.texts("kitchen"))
    machine.systemctl("stop", "dht-node@attic")
    assert "door" not in (told := machine.read("-o", "export")) and "sesame" not in told and "kitchen" in told


def test_a_flood_is_bounded(machine):
    """5,000 messages that nobody understands are a few entries, and how many more there were."""
    machine.systemctl("start", "dht-node@kitchen")
    before = len(machine.log("kitchen"))
    machine.run("sh", "-c", "seq 5000 | sed 's/.*/x/' | mosquitto_pub -t put -l")
    wait_for(lambda: machine.texts("kitchen"), lambda: re.search(r"\d{3,4} more messages", machine.texts("kitchen")), 30)
    assert len(machine.log("kitchen")) - before < 40

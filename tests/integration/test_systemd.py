"""The unit of systemd/, and what a node tells a service manager."""
import os
import re
import subprocess

import harness

UNIT = "dht-node@.service"


def unit_text():
    with open(os.path.join(harness.BUILD, "systemd", UNIT)) as f:
        return f.read()


def verify(folder, text):
    """What systemd-analyze says against a unit.  Its exit code alone would hide unknown keys."""
    path = os.path.join(folder, UNIT)
    with open(path, "w") as f:
        f.write(text)
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", path],
                          capture_output=True, text=True, timeout=60)
    return done.stderr


def with_our_binary(text):
    text, count = re.subn(r"(?m)^ExecStart=\S+/dht-node$", f"ExecStart={harness.node_binary()}", text)
    assert count == 1
    return text


def test_unit_is_clean(tmp_path):
    assert verify(tmp_path, with_our_binary(unit_text())) == ""


def test_verify_sees_what_is_wrong(tmp_path):
    text = with_our_binary(unit_text())
    assert "Unknown key" in verify(tmp_path, text.replace("NotifyAccess=", "NotifiesAccess="))
    assert "not executable" in verify(tmp_path, unit_text().replace("ExecStart=/", "ExecStart=/nowhere/"))


def test_unit_says_what_the_readme_says():
    lines = unit_text().splitlines()
    for line in ("Type=notify", "NotifyAccess=main", "Environment=DHT_NAME=%i", "KillSignal=SIGTERM",
                 "EnvironmentFile=-/etc/dht-node/dht-node.conf", "EnvironmentFile=-/etc/dht-node/%i.conf",
                 "Restart=on-failure", "RestartPreventExitStatus=64 65 77 78", "StateDirectory=dht-node/%i"):
        assert line in lines
    # the later file wins
    assert lines.index("EnvironmentFile=-/etc/dht-node/%i.conf") > lines.index(
        "EnvironmentFile=-/etc/dht-node/dht-node.conf")


def test_ready_status_stopping(ring):
    nodes = ring(2).nodes
    for node in nodes:
        told = node.wait_ready().notifications()
        assert told.count("READY=1") == 1
        assert any(t.startswith("STATUS=") and len(t) > len("STATUS=") for t in told)
        assert "STOPPING=1" not in told
    nodes[0].leave()
    assert "STOPPING=1" in nodes[0].notifications()
    assert "STOPPING=1" not in nodes[1].notifications()


def test_not_ready_without_a_broker(make_broker, make_ring):
    broker = make_broker()
    broker.stop()
    node = make_ring(broker).add()
    harness.wait_for("a word about the connection", lambda: [t for t in node.notifications() if "STATUS=" in t])
    assert not node.ready()
    broker.start()
    node.wait_ready()


def test_settings_from_the_environment(broker, make_ring):
    """As the unit gives them: DHT_NAME from the instance, the rest from a file."""
    node = harness.Node(broker.url, make_ring(broker).folder, env={
        "DHT_NAME": "from-the-unit", "DHT_ID": "123456", "DHT_TOPIC_PREFIX": "p/q", "DHT_LOG_LEVEL": "debug"})
    try:
        node.start().wait_ready()
        done = harness.ctl(broker.url, "--topic-prefix", "p/q", "ring", "--json")
        assert b'"from-the-unit"' in done.stdout and b"123456" in done.stdout
        node.leave()
    finally:
        node.close()

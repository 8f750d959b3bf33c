"""The units of systemd/, and what a node tells a service manager.  tests/system/run has a real one."""
import os
import re
import shutil
import signal
import subprocess

import pytest

import harness

UNIT = "dht-node@.service"
SOURCE = os.path.join(os.path.dirname(__file__), "..", "..", "systemd")


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
    text, count = re.subn(r"(?m)^ExecStart=\S+/dht-node ", f"ExecStart={harness.node_binary()} ", text)
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
    for line in ("Type=notify", "NotifyAccess=main", "KillSignal=SIGTERM", "LoadCredential=dht-node.password", "LoadCredential=dht-node.key",
                 "StateDirectory=dht-node/%i", "Restart=on-failure", "StartLimitIntervalSec=0",
                 "RestartPreventExitStatus=64 65 78", "PartOf=dht-node.target",
                 "WantedBy=multi-user.target dht-node.target"):
        assert line in lines
    assert any(re.fullmatch(r"ExecStart=\S+/dht-node --instance %i", line) for line in lines)


def exposure(folder, drop_in=None):
    """What systemd-analyze makes of the unit, 0 the best."""
    path = os.path.join(folder, UNIT)
    with open(path, "w") as f:
        f.write(with_our_binary(unit_text()))
    if drop_in:
        os.makedirs(path + ".d")
        shutil.copy(os.path.join(SOURCE, drop_in), path + ".d")
    done = subprocess.run(["systemd-analyze", "security", "--offline=yes", "--no-pager", path], capture_output=True,
                          text=True, timeout=60)
    assert done.stderr == "", done.stderr
    return float(re.search(r"Overall exposure level for \S+: ([0-9.]+)", done.stdout)[1])


@pytest.mark.parametrize("drop_in, at_most", [(None, 0.9), ("remote-broker.conf", 1.0), ("unix-broker.conf", 0.2)])
def test_the_unit_is_hardened(tmp_path, drop_in, at_most):
    assert exposure(tmp_path, drop_in) <= at_most


def test_the_user_is_made(tmp_path):
    (tmp_path / "etc").mkdir()
    done = subprocess.run(["systemd-sysusers", f"--root={tmp_path}", os.path.join(SOURCE, "dht-node.sysusers")],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert re.search(r"(?m)^dht-node:x:\d+:\d+:DHT node:/:\S*nologin$", (tmp_path / "etc" / "passwd").read_text())
    assert "User=dht-node" in unit_text().splitlines()


def test_everything_is_installed_where_systemd_looks(tmp_path):
    done = subprocess.run(["meson", "install", "-C", harness.BUILD, "--no-rebuild", "--destdir", tmp_path],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    there = {os.path.relpath(os.path.join(folder, f), tmp_path) for folder, _, files in os.walk(tmp_path) for f in files}
    for end in ("systemd/system/dht-node@.service", "systemd/system/dht-node.target", "sysusers.d/dht-node.conf",
                "systemd/catalog/dht-node.catalog", "man/man7/dht-node.catalog.7", "examples/remote-broker.conf",
                "examples/unix-broker.conf", "bin/dht-node"):
        assert any(path.endswith(end) for path in there), (end, there)
    docs = re.search(r"drop-ins: (\S+)/examples", unit_text())[1]
    assert f"{docs}/examples/unix-broker.conf".lstrip("/") in there


def test_without_systemd_it_is_built_and_nothing_of_systemd_installed(tmp_path):
    """As in a container of Debian's, where quickstart is to run: libsystemd is there, systemd.pc is not."""
    (tmp_path / "pc").mkdir()
    places = subprocess.run(["pkg-config", "--variable=pc_path", "pkg-config"], capture_output=True, text=True, check=True)
    for folder in filter(os.path.isdir, places.stdout.strip().split(":")):
        for name in set(os.listdir(folder)) - {"systemd.pc"} - set(os.listdir(tmp_path / "pc")):
            (tmp_path / "pc" / name).symlink_to(os.path.join(folder, name))
    build = tmp_path / "build"
    done = subprocess.run(["meson", "setup", build, os.path.join(SOURCE, ".."), "-Dtests=false"], capture_output=True,
                          text=True, env={**os.environ, "PKG_CONFIG_LIBDIR": str(tmp_path / "pc")})
    assert done.returncode == 0, done.stdout + done.stderr
    installed = subprocess.run(["meson", "introspect", "--installed", build], capture_output=True, text=True, check=True)
    assert "bin/dht-node" in installed.stdout and "man8/dht-node.8" in installed.stdout
    assert not re.search(r"dht-node@|\.target|sysusers|catalog\"", installed.stdout), installed.stdout


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


def test_a_directory_that_is_refused_is_told_to_the_manager(broker, make_ring, tmp_path):
    """In the sentence of `systemctl status`, and in the log under the node's name: nothing else comes before its end."""
    r = make_ring(broker)
    r.add("first", args=["--data-dir", str(tmp_path / "data")]).wait_ready()
    second = r.add("second", args=["--data-dir", str(tmp_path / "data")])
    assert second.wait() == 75
    said = f"{tmp_path}/data is in use by another process: {r.nodes[0].pid} -> "
    assert [x for x in second.notifications() if x.startswith("STATUS=" + said)], second.notifications()
    assert "<3>second: " + said in second.log_text()


def test_not_ready_without_a_broker(make_broker, make_ring):
    broker = make_broker()
    broker.stop()
    node = make_ring(broker).add()
    harness.wait_for("a word about the connection", lambda: [t for t in node.notifications() if "STATUS=" in t])
    assert not node.ready()
    broker.start()
    node.wait_ready()


def test_the_sentence_is_current(broker, make_ring, client):
    """What it has, and the last thing that happened."""
    r = make_ring(broker, 1)
    client.fill(25)
    harness.wait_for(lambda: f"25 records in {r.nodes[0].notifications()}",
                     lambda: any(re.match(r"STATUS=active, 100.0 % of the ring \(\w{8}, \w{8}\], 25 records in memory, 1 of 2 "
                                          r"copies; \d\d:\d\d:\d\d founded ring", x)
                                 for x in r.nodes[0].notifications()), 20)
    r.add()
    r.wait_whole(2)
    harness.wait_for(lambda: f"two copies in {r.nodes[0].notifications()[-3:]}",
                     lambda: "2 of 2 copies" in [x for x in r.nodes[0].notifications() if "STATUS" in x][-1], 20)


@pytest.fixture
def handover(broker, make_ring, make_proxy):
    """A node that is being given 200 records of 32 KiB over a line that is slow, and that line."""
    r = make_ring(broker, 1, ids=[0])
    harness.ctl(broker.url, "--timeout", "30s", "put", "-", input=b"".join(b"k%d\t%s\n" % (i, b"x" * 32768) for i in range(200)))
    line = make_proxy()
    line.delay = 0.15
    return r.add(id=harness.SPACE - 1, url=line.url), line


def more_time(told):
    """How often it was asked for, and for how long."""
    asked = [int(t.partition("=")[2]) for t in told if t.startswith("EXTEND_TIMEOUT_USEC=")]
    assert set(asked) <= {30_000_000}
    return len(asked)


@pytest.mark.slow
def test_more_time_while_a_handover_makes_progress(handover):
    """At a start and at a stop, once a second, and not in between."""
    node, line = handover
    told = node.wait_ready().notifications()
    ready = told.index("READY=1")
    assert more_time(told[:ready]) >= 2 and "200 records" in node.log_text()
    node.leave(40)
    told = node.notifications()
    stopping = told.index("STOPPING=1")
    assert more_time(told[ready:stopping]) == 0 and more_time(told[stopping:]) >= 2, told


@pytest.mark.slow
def test_no_more_time_for_one_that_stands_still(handover):
    node, line = handover
    harness.wait_for("more time", lambda: more_time(node.notifications()))
    line.hold(True)
    before = more_time(node.notifications())
    harness.wait_for(node.tail, lambda: "no progress -> given up" in node.log_text())  # more than two seconds later
    assert more_time(node.notifications()) <= before + 1
    node.kill()


def test_the_watchdog_is_fed_by_the_loop(broker, make_ring):
    node, beside = (make_ring(broker, prefix=p).add(env={"WATCHDOG_USEC": "600000"}).wait_ready() for p in ("a", "b"))

    def fed(by):
        return by.notifications().count("WATCHDOG=1")
    harness.wait_for("five times", lambda: fed(node) >= 5)
    node.pause()
    before, goal = fed(node), fed(beside) + 5
    harness.wait_for("another is fed five times", lambda: fed(beside) >= goal)
    assert fed(node) <= before + 1
    node.resume()
    harness.wait_for("it goes on", lambda: fed(node) > before + 1)
    assert make_ring(broker, prefix="other").add().wait_ready().notifications().count("WATCHDOG=1") == 0


@pytest.fixture
def reloadable(broker, make_ring, tmp_path):
    """A node, its file of settings, and what happens at SIGHUP."""
    path = tmp_path / "settings"
    path.write_text("topic-prefix = reload\n")
    node = harness.Node(broker.url, str(tmp_path), "n1", env={"DHT_NODE_CONFIG": str(path)})
    node.start().wait_ready()

    def reload(text, said):
        path.write_text(text)
        ready = node.notifications().count("READY=1")
        seen = len(node.log_text())
        node.signal(signal.SIGHUP)
        harness.wait_for("READY=1 again", lambda: node.notifications().count("READY=1") == ready + 1)
        told = node.notifications()
        assert told.index("RELOADING=1") < len(told) and any(x.startswith("MONOTONIC_USEC=") for x in told)
        if said:
            harness.wait_for(lambda: f"{said}\n" + node.tail(), lambda: said in node.log_text()[seen:])
        return node.log_text()[seen:]
    try:
        yield node, path, reload
    finally:
        node.close()


def test_reload_changes_the_level(reloadable, broker):
    node, path, reload = reloadable
    reload("topic-prefix = reload\nlog-level = error\n", "settings read anew")
    assert reload("topic-prefix = reload\nlog-level = error\n", None) == ""
    reload("topic-prefix = reload\nlog-level = debug\n", "settings read anew")
    node.leave()


def test_reload_says_what_waits_for_a_restart(reloadable):
    node, path, reload = reloadable
    text = reload("topic-prefix = other\nreplicas = 1\nbroker = mqtt://elsewhere\n",
                  "settings read anew -> these wait for a restart: topic-prefix replicas")
    assert "broker" not in text  # an option is stronger


def test_reload_of_wrong_settings_changes_nothing(reloadable):
    node, path, reload = reloadable
    text = reload("log-level = error\nreplikas = 2\n", f"<3>n1: settings read anew: {path}:2: unknown setting")
    assert "did you mean 'replicas'?" in text and "going on with those that were in force" in text
    reload("topic-prefix = reload\n", "<6>n1: settings read anew")
    path.unlink()
    node.signal(signal.SIGHUP)
    harness.wait_for("a word about it", lambda: "there is no such file" in node.log_text())
    node.leave()


def test_a_reload_before_it_is_ready_does_not_make_it_so(make_broker, make_ring):
    broker = make_broker()
    broker.stop()
    node = make_ring(broker).add()
    harness.wait_for("it tries", lambda: "refused" in node.log_text())
    node.signal(signal.SIGHUP)
    harness.wait_for("it has read them", lambda: "settings read anew" in node.log_text())
    assert not {"READY=1", "RELOADING=1"} & set(node.notifications())


def test_starts_that_come_to_nothing_wait(broker, make_ring, tmp_path):
    """A node whose id is in use ends with 77; systemd starts it again; it waits 1 s, 2 s, ..."""
    r = make_ring(broker, 1, ids=[7])
    env = {"RUNTIME_DIRECTORY": str(tmp_path)}
    second = r.add("second", 7, env=env)
    assert second.wait() == 77
    second.start()
    assert second.wait() == 77 and "earlier starts came to nothing -> waiting for 1 s" in second.log_text()
    third = r.add("third", 7, env=env)
    harness.wait_for("it waits", lambda: "waiting for 2 s" in third.log_text())
    harness.wait_for("and says so", lambda: any("waiting for 2 s" in x for x in third.notifications()))
    third.term()
    assert third.wait() == 0
    assert (tmp_path / "starts").read_text() == "3\n"
    (tmp_path / "starts").unlink()
    r.add("fourth", env=env).wait_ready()
    assert not (tmp_path / "starts").exists()


def test_who_waits_for_a_broker_is_given_time(make_broker, make_ring, tmp_path):
    """Not by the first start, so that nobody waits for it for ever; by those that systemd makes of itself."""
    broker = make_broker()
    broker.stop()
    node = make_ring(broker).add(env={"RUNTIME_DIRECTORY": str(tmp_path)})
    harness.wait_for("it tries", lambda: "refused" in node.log_text())
    harness.wait_for("that is no fault of its own", lambda: (tmp_path / "starts").read_text() == "0\n")
    node.kill()
    assert not any(x.startswith("EXTEND_TIMEOUT_USEC") for x in node.notifications())
    node.start()
    harness.wait_for("more time", lambda: any(x.startswith("EXTEND_TIMEOUT_USEC") for x in node.notifications()))
    assert "waiting for" not in node.log_text()
    broker.start()
    node.wait_ready()
    assert not (tmp_path / "starts").exists()


def test_settings_from_the_environment(broker, make_ring):
    """Every setting has a variable."""
    node = harness.Node(broker.url, make_ring(broker).folder, env={
        "DHT_NAME": "from-the-unit", "DHT_ID": "123456", "DHT_TOPIC_PREFIX": "p/q", "DHT_LOG_LEVEL": "debug"})
    try:
        node.start().wait_ready()
        done = harness.ctl(broker.url, "--topic-prefix", "p/q", "ring", "--json")
        assert b'"from-the-unit"' in done.stdout and b"123456" in done.stdout
        node.leave()
    finally:
        node.close()

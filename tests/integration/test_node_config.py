"""Where dht-node's settings come from: option, environment, the instance's file, the machine's, default; what is wrong
with them; and where its password is, and is not."""
import os
import re
import subprocess

import pytest

import harness

USAGE, CONFIG = 64, 78


def run(*args, env=None):
    clean = {k: v for k, v in os.environ.items()
             if not k.startswith(("DHT_", "CREDENTIALS_")) and k not in ("STATE_DIRECTORY", "SYSTEMD_EXEC_PID")}
    return subprocess.run([harness.node_binary(), *map(str, args)], capture_output=True, text=True, timeout=20,
                          env={**clean, "DHT_NODE_CONFIG": "", **{k: str(v) for k, v in (env or {}).items()}})


def check(*args, env=None):
    """{setting: (value, from)} and the remarks."""
    done = run("--check-config", *args, env=env)
    assert (done.returncode, done.stderr) == (0, ""), done
    lines = done.stdout.splitlines()
    found = [re.fullmatch(r"(?:# )?([a-z-]+) += (.*?) +# (.*)", line) for line in lines]
    return {m[1]: (m[2], m[3]) for m in found if m}, [line for line, m in zip(lines, found) if not m]


def refuses(done, code, *parts):
    assert done.returncode == code and done.stdout == "", done
    assert done.stderr.startswith("dht-node: ") and done.stderr.count("\n") == 1, done.stderr
    for part in parts:
        assert str(part) in done.stderr, done.stderr
    return done.stderr


@pytest.fixture
def files(tmp_path):
    """files(instance's, machine's): the value of DHT_NODE_CONFIG for files with these lines."""
    def make(*texts):
        make.paths = [tmp_path / f"file{i}.conf" for i in range(len(texts))]
        for path, text in zip(make.paths, texts):
            path.write_text(text)
        return {"DHT_NODE_CONFIG": ":".join(map(str, make.paths))}
    return make


def secret(tmp_path, text="swordfish\n", mode=0o600):
    path = tmp_path / "password"
    path.write_text(text)
    path.chmod(mode)
    return path


def test_every_option_that_a_file_may_have_is_printed():
    told, _ = check()
    text = run("--help").stdout
    with_variable = set(re.findall(r"--([a-z-]+)(?: (?:[A-Z]+|[a-z|]+))?\s[^()]*(?:\([a-z]*\)[^()]*)*\([^()]*DHT_[A-Z_]+\)", text))
    assert set(told) == with_variable and "broker" in told and len(told) >= 15
    assert all(origin == "default" for _, origin in told.values())


def test_each_source_is_stronger_than_the_next(files):
    env = files("broker = mqtt://one.example\n", "\nbroker=mqtt://all.example:7\n replicas = 1 \n")
    instance, machine = files.paths
    told, _ = check(env=env)
    assert told["broker"] == ("mqtt://one.example:1883", f"{instance}:1")
    assert told["replicas"] == ("1", f"{machine}:3")
    env["DHT_BROKER"] = "mqtt://env.example"
    assert check(env=env)[0]["broker"] == ("mqtt://env.example:1883", "DHT_BROKER")
    assert check("-b", "mqtt://option.example", env=env)[0]["broker"] == ("mqtt://option.example:1883", "--broker")


def test_what_it_prints_is_a_file_of_settings(files):
    args = ["--instance", "kitchen", "--replicas", "1", "--ping", "3s"]
    printed = run("--check-config", *args).stdout
    told, _ = check(env=files(printed))
    assert {k: v for k, (v, _) in told.items()} == {k: v for k, (v, _) in check(*args)[0].items()}
    assert told["name"] == ("kitchen", f"{files.paths[0]}:7")


def test_which_id_a_name_has():
    """As others say it of a node that is away."""
    assert check("--name", "kitchen")[0]["id"] == ("2997469524", "of the name")
    assert check("--name", "kitchen", "--id", "7")[0]["id"] == ("7", "--id")
    assert check()[0]["id"] == ("", "default")


def test_the_files_of_the_machine_and_of_the_instance_are_looked_for():
    done = run("--check-config", "--instance", "not-there\\x20", env={"DHT_NODE_CONFIG": ""})
    assert "/etc" not in done.stdout  # the tests' own
    env = {k: v for k, v in os.environ.items() if k != "DHT_NODE_CONFIG"}
    done = subprocess.run([harness.node_binary(), "--check-config", "--instance", "not-there\\x20"], env=env,
                          capture_output=True, text=True, timeout=20)
    assert done.stdout.index("# /etc/dht-node/not-there\\x20.conf") < done.stdout.index("# /etc/dht-node/dht-node.conf")


@pytest.mark.parametrize("instance, name", [
    ("kitchen", "kitchen"), ("living-room", "living-room"), ("a\\x20b", "a b"), ("k\\xc3\\xbcche", "küche"),
    ("dash\\x2dboard", "dash-board"), ("odd\\x", "odd\\x"), ("odd\\xZZ", "odd\\xZZ"), ("8", "8"), ("n" * 63, "n" * 63)])
def test_the_name_comes_from_the_instance(instance, name):
    assert check("--instance", instance)[0]["name"] == (name, "--instance")
    assert check("--instance", instance, "--name", "other")[0]["name"] == ("other", "--name")


@pytest.mark.parametrize("instance, part", [
    ("a/b", "without '/'"), ("", "must not be empty"), ("n" * 64, "1 to 63 bytes"), ("n" * 201, "at most 200 bytes"),
    ("a\\x0ab", "control characters"), ("a\\xff", "UTF-8")])
def test_instances_that_no_node_can_have(instance, part):
    refuses(run("--check-config", "--instance", instance), USAGE, "--instance", part)


def test_a_long_instance_may_have_a_name(files):
    assert check("--instance", "n" * 200, env=files("name = short"))[0]["name"][0] == "short"


STATE = {"STATE_DIRECTORY": "/var/lib/dht-node/kitchen"}


def where(*args, env=None):
    told, _ = check(*args, env=env)
    assert told["recover-after"][1].startswith("never") == (told["data-dir"][0] != "none")
    return told["data-dir"]


def test_where_a_service_keeps_what_it_has(files):
    """In the state directory that systemd made, unless something is set; then that counts, and `none` is memory alone."""
    assert where() == ("none", "default")
    assert where(env=STATE) == ("/var/lib/dht-node/kitchen", "StateDirectory= of the unit")
    assert where("--data-dir", "/x", env=STATE) == ("/x", "--data-dir")
    assert where("--data-dir", "none", env=STATE) == ("none", "--data-dir")
    assert where(env={"DHT_DATA_DIR": "none", **STATE}) == ("none", "DHT_DATA_DIR")
    env = {**STATE, **files("data-dir = none", "data-dir = /y")}
    assert where(env=env) == ("none", f"{files.paths[0]}:1")
    assert where("--data-dir", "./none", env=env) == ("./none", "--data-dir")
    env = {**STATE, **files("", "data-dir = /y")}
    assert where(env=env) == ("/y", f"{files.paths[1]}:1")
    assert where(env={"STATE_DIRECTORY": ""}) == ("none", "default")


def test_check_config_says_of_an_instance_what_its_unit_will_have(files):
    assert where("--instance", "oven") == ("/var/lib/dht-node/oven", "StateDirectory= of the unit, when systemd starts it")
    assert where("--instance", "oven", env=files("data-dir = none"))[0] == "none"


def test_the_directory_of_another_service_is_none_of_ours():
    """systemd writes down which process it has started itself; what that one starts inherits everything."""
    assert where(env={**STATE, "SYSTEMD_EXEC_PID": "1"}) == ("none", "default")
    script = 'SYSTEMD_EXEC_PID=$$ exec "$0" --check-config'
    done = subprocess.run(["sh", "-c", script, harness.node_binary()], env={**os.environ, **STATE, "DHT_NODE_CONFIG": ""},
                          capture_output=True, text=True)
    assert re.search(r"(?m)^data-dir += /var/lib/dht-node/kitchen +# StateDirectory= of the unit$", done.stdout)


def test_a_unit_with_several_directories_has_to_say_which(files):
    """systemd sorts them.  A ':' may also stand in the name of an instance."""
    several = {"STATE_DIRECTORY": "/var/lib/backup:/var/lib/dht-node/kitchen"}
    refuses(run("--check-config", env=several), CONFIG, several["STATE_DIRECTORY"], "data-dir", "none")
    assert where(env={**several, **files("data-dir = /var/lib/dht-node/kitchen")})[0] == "/var/lib/dht-node/kitchen"
    assert where(env={"STATE_DIRECTORY": "/var/lib/dht-node/a:b:"})[0] == "/var/lib/dht-node/a:b:"


def test_durability_asks_for_a_directory():
    refuses(run("--check-config", "--durability", "os"), USAGE, "--durability without a data directory")
    refuses(run("--check-config", "--durability", "os", "--data-dir", "none", env=STATE), USAGE, "--durability without")
    assert check("--durability", "os", env=STATE)[0]["durability"] == ("os", "--durability")


@pytest.mark.parametrize("line, parts", [
    ("data-dir =", ["invalid data-dir ''", "must not be empty"]),
    ("replikas = 2", ["unknown setting 'replikas'", "did you mean 'replicas'?"]),
    ("frobnicate = x", ["unknown setting 'frobnicate'", "broker password-file cafile certfile keyfile id name"]),
    ("DHT_BROKER=mqtt://h", ["unknown setting 'DHT_BROKER'", "did you mean 'broker'?"]),
    ("instance = x", ["unknown setting 'instance'"]),
    ("check-config = yes", ["unknown setting 'check-config'"]),
    ("password = secret", ["unknown setting 'password'"]),
    ("mqtt://me:secret@h", ["expected NAME = VALUE"]),
    ("[node]", ["expected NAME = VALUE"]),
    ("grace = 5", ["invalid grace '5'", "such as 5s"]),
    ("grace = 0s", ["invalid grace '0s'", "1ms to 10m"]),
    ("replicas = 6", ["invalid replicas '6'", "from 1 to 5"]),
    ("log-level = loud", ["error, warn, info or debug"]),
    ("id = 4294967296", ["invalid id '4294967296'", "0 to 4294967295"]),
    ("id = 7\nid = 7", [":3: 'id' stands in line 2 already"]),
    ("topic-prefix = A", ["invalid topic prefix 'A'"]),
    ("name = " + 64 * "n", ["1 to 63 bytes"]),
    ("broker = http://me:secret@h", ["'http' is not known"]),
    ("broker = mqtt://me:secret@h:x", ["'mqtt://me:***@h:x'", "port must be"]),
    ("id = 7\x00", ["expected NAME = VALUE"]),
])
@pytest.mark.parametrize("args", [["--check-config"], []], ids=["check", "start"])
def test_mistakes_in_a_file_have_a_place(files, line, parts, args):
    env = files(f"# ours\n{line}\n")
    error = refuses(run(*args, env=env), CONFIG, *parts, f"{files.paths[0]}:{3 if line.count('id = 7') == 2 else 2}")
    assert "secret" not in error


def test_files_that_cannot_be_read(tmp_path):
    refuses(run(env={"DHT_NODE_CONFIG": tmp_path}), CONFIG, tmp_path, "directory")
    refuses(run(env={"DHT_NODE_CONFIG": tmp_path / "none"}), CONFIG, "none", "no such file", "DHT_NODE_CONFIG")


def test_what_is_wrong_on_the_command_line_is_wrong_usage(files):
    refuses(run("--check-config", "--id", "x", env=files("id = 7")), USAGE, "invalid id 'x' (--id)")
    refuses(run("--check-config", env={"DHT_ID": "x", **files("id = 7")}), USAGE, "invalid id 'x' (DHT_ID)")


def test_the_places_of_a_password(tmp_path, files):
    env = files(f"broker = mqtt://me@h\npassword-file = {secret(tmp_path)}\n")
    told, remarks = check(env=env)
    assert told["broker"][0] == "mqtt://me:***@h:1883" and f"# the password is from {tmp_path}/password" in remarks
    (tmp_path / "dht-node.password").write_text("swordfish")
    (tmp_path / "dht-node.password").chmod(0o440)  # systemd's business
    credential = {"CREDENTIALS_DIRECTORY": tmp_path}
    told, remarks = check("-b", "mqtt://me@h", env=credential)
    assert told["broker"][0] == "mqtt://me:***@h:1883"
    assert "# the password is from the credential dht-node.password" in remarks
    assert f"# the password is from {tmp_path}/password" in check(env={**env, **credential})[1]
    assert "# the password is from the broker's URL" in check("-b", "mqtt://me:x@h", env={**env, **credential})[1]
    told, remarks = check("-b", "mqtt://me@h", env={"CREDENTIALS_DIRECTORY": tmp_path / "none"})
    assert told["broker"][0] == "mqtt://me@h:1883" and any("no password" in r for r in remarks)
    assert not any("the password is" in r for r in check("-b", "mqtt://h", env={**env, **credential})[1])


@pytest.mark.parametrize("mode, text, part", [
    (0o644, "swordfish", "its mode is 0644, so that others can read it -> chmod 600"),
    (0o604, "swordfish", "others can read it"), (0o620, "swordfish", "others can change it"),
    (0o602, "swordfish", "others can change it"), (0o666, "swordfish", "others can change it"),
    (0o600, "", "it is empty"), (0o600, "\n", "it is empty"), (0o600, "sword\nfish", "more than one line"),
    (0o600, "sword\0fish", "more than one line"), (0o600, "s" * 128, "at most 127 bytes")])
def test_password_files_that_are_refused(tmp_path, mode, text, part):
    path = secret(tmp_path, text, mode)
    error = refuses(run("-b", "mqtt://me@h", "--password-file", path), CONFIG, f"password file {path}: ", part)
    assert "swordf" not in error and "ssss" not in error
    error = refuses(run("--check-config", "-b", "mqtt://me@h", "--password-file", path), CONFIG, part)
    done = harness.ctl("mqtt://me@h", "--password-file", path, "get", "5", check=False)
    assert done.returncode == 7 and part in done.stderr.decode() and done.stderr.count(b"\n") == 1


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o640, 0o440])
def test_password_files_that_are_guarded(tmp_path, mode):
    path = secret(tmp_path, "s" * 127 + "\r\n", mode)
    assert check("-b", "mqtt://me@h", "--password-file", path)[0]["broker"][0] == "mqtt://me:***@h:1883"


def test_password_files_that_are_none(tmp_path):
    path = secret(tmp_path)
    os.chown(path, 4711, 0)
    refuses(run("-b", "mqtt://me@h", "--password-file", path), CONFIG, "belongs to another user")
    refuses(run("-b", "mqtt://me@h", "--password-file", tmp_path), CONFIG, "no regular file")
    refuses(run("-b", "mqtt://me@h", "--password-file", tmp_path / "none"), CONFIG, "none: no such file")


@pytest.fixture
def guarded(tmp_path, make_broker):
    """A broker that wants a password; returns it and the file that has it."""
    users = tmp_path / "users"
    subprocess.run(["mosquitto_passwd", "-b", "-c", users, "me", "swordfish"], check=True, capture_output=True)
    broker = make_broker(settings=f"allow_anonymous false\npassword_file {users}")
    return broker, secret(tmp_path)


def test_a_node_and_dhtctl_are_let_in_by_their_password_files(guarded, tmp_path):
    broker, path = guarded
    url = broker.url.replace("mqtt://", "mqtt://me@")
    node = harness.Node(url, str(tmp_path), "n1", args=["--password-file", str(path), "--log-level", "debug"])
    try:
        node.start().wait_ready()
        with open(f"/proc/{node.process.pid}/cmdline") as f:
            assert "swordfish" not in f.read()
        assert harness.ctl(url, "--password-file", path, "put", "5", "five").returncode == 0
        done = harness.ctl(url, "--password-file", path, "config")
        assert str(path).encode() in done.stdout and b"swordfish" not in done.stdout
        assert "swordfish" not in node.log_text() + "".join(node.notifications())
        node.leave()
    finally:
        node.close()


def test_a_wrong_password_is_not_told(guarded, tmp_path):
    broker, path = guarded
    path.write_text("sawdust")
    node = harness.Node(broker.url.replace("mqtt://", "mqtt://me@"), str(tmp_path), "n1",
                        args=["--password-file", str(path), "--log-level", "debug"])
    try:
        node.start()
        harness.wait_for(lambda: "a word about it\n" + node.tail(), lambda: "--password-file" in node.log_text())
        assert "me:***@" in node.log_text() and "sawdust" not in node.log_text() + "".join(node.notifications())
        node.process.terminate()
        assert node.process.wait(20) == 0
    finally:
        node.close()

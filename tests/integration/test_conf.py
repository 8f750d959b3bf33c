"""dht-node.conf(5) and the file that is installed as an example: both are printed from the table of options."""
import os
import re
import subprocess

import harness

MANUAL = os.path.join(harness.BUILD, "daemon", "dht-node.conf.5")
EXAMPLE = os.path.join(harness.BUILD, "daemon", "dht-node.conf")


def checked(path):
    """{setting: (value, where it comes from)} as a node has them that is given this file alone."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("DHT_")}
    done = subprocess.run([harness.node_binary(), "--check-config"], env={**env, "DHT_NODE_CONFIG": str(path)},
                          capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return {name: (value, origin) for name, value, origin in
            re.findall(r"(?m)^(?:# )?([a-z-]+) += (\S*) +# (.+)$", done.stdout)}


def test_mandoc_has_nothing_to_say():
    done = subprocess.run(["mandoc", "-Tlint", "-Wwarning", MANUAL], capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_every_setting_is_in_the_manual(tmp_path):
    (tmp_path / "empty").touch()
    settings = checked(tmp_path / "empty")
    shown = subprocess.run(["mandoc", "-Tascii", "-Owidth=400", MANUAL], capture_output=True, check=True).stdout
    part = re.sub(r".\x08", "", shown.decode()).partition("SETTINGS")[2].partition("EXAMPLES")[0]
    assert len(settings) >= 12 and set(re.findall(r"(?m)^ +([a-z-]+) = ", part)) == set(settings)


def test_the_example_says_what_holds_without_it(tmp_path):
    with open(EXAMPLE) as f:
        text = f.read()
    assert all(len(line) <= 100 for line in text.splitlines())
    assert all(line == "" or line.startswith("#") for line in text.splitlines())
    before = checked(EXAMPLE)
    assert {origin for _, origin in before.values()} == {"default"}
    lines = dict(re.findall(r"(?m)^#([a-z-]+) = (.*)$", text))
    assert set(lines) == set(before) - {"id", "name"}
    said = {name: value for name, value in lines.items() if not value.isupper()}  # else it is of what kind it is
    path = tmp_path / "conf"
    path.write_text("".join(f"{name} = {value}\n" for name, value in said.items()))
    after = checked(path)
    assert len(said) >= 10
    for name in said:
        assert after[name][0] == before[name][0] and after[name][1].startswith(str(path)), name

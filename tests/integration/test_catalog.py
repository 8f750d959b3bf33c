"""The journal's catalog and dht-node.catalog(7): both are printed from the table of kinds, and nothing is missing."""
import glob
import os
import re
import shutil
import subprocess

import pytest

import harness

DAEMON = os.path.join(os.path.dirname(__file__), "..", "..", "daemon")
COMMON = os.path.join(os.path.dirname(DAEMON), "common")
CATALOG = os.path.join(harness.BUILD, "daemon", "dht-node.catalog")
MANUAL = os.path.join(harness.BUILD, "daemon", "dht-node.catalog.7")


def text_of(path):
    with open(path) as f:
        return f.read()


def kinds():
    """{kind: MESSAGE_ID} as the source has them."""
    return dict(re.findall(r"\[NOTE_(\w+)\]\s*=\s*\{\s*\"[a-z-]+\",\s*\"([0-9a-f]{32})\"",
                           text_of(os.path.join(COMMON, "note.c"))))


@pytest.fixture(scope="module")
def listed(tmp_path_factory):
    """What journald itself makes of it."""
    root = tmp_path_factory.mktemp("root")
    for folder in ("usr/lib/systemd/catalog", "var/lib/systemd/catalog"):
        os.makedirs(root / folder)
    shutil.copy(CATALOG, root / "usr/lib/systemd/catalog")
    done = subprocess.run(["journalctl", f"--root={root}", "--update-catalog"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    done = subprocess.run(["journalctl", f"--root={root}", "--dump-catalog"], capture_output=True, text=True, check=True)
    entries = re.split(r"(?m)^-- ([0-9a-f]{32})$", done.stdout)
    return dict(zip(entries[1::2], entries[2::2]))


def test_every_kind_is_in_the_catalog_and_back(listed):
    ids = kinds()
    enum = re.findall(r"(?m)^\tNOTE_(\w+),$", text_of(os.path.join(COMMON, "note.h")))
    assert len(enum) >= 60 and set(enum) == set(ids)
    assert set(ids.values()) == set(listed)


def test_every_entry_is_explained(listed):
    for message, text in listed.items():
        head, _, body = text.strip().partition("\n\n")
        assert "Subject: Node @DHT_NODE@: " in head and "Documentation: man:dht-node.catalog(7)" in head, text
        means, _, advice = body.partition("\n\n")
        assert len(means) > 10 and re.match("To do: [a-z]", advice), text
        assert all(len(line) <= 76 for line in body.splitlines())


def test_every_kind_is_in_the_manual():
    done = subprocess.run(["mandoc", "-Tascii", "-Owidth=400", MANUAL], capture_output=True, check=True)
    text = re.sub(r".\x08", "", done.stdout.decode())
    for kind, message in kinds().items():
        name = kind.lower().replace("_", "-")
        assert re.search(rf"(?m)^   {name} \((error|warning|info|debug)\)$", text), name
        assert f"MESSAGE_ID={message}" in text
    done = subprocess.run(["mandoc", "-Tlint", "-Wwarning", MANUAL], capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_every_kind_is_said_somewhere():
    said = set()
    for path in glob.glob(f"{DAEMON}/**/*.c", recursive=True):
        said |= set(re.findall(r"\bNOTE_(\w+)", text_of(path)))
    assert set(kinds()) <= said


def test_every_field_is_in_the_manual():
    teller = text_of(os.path.join(DAEMON, "teller.c"))
    fields = set(re.findall(r"\"(DHT_[A-Z]+)=", teller))
    assert len(fields) == 7
    manual = text_of(MANUAL)
    assert all(re.search(rf'(?m)^\.B "{field}"$', manual) for field in fields), fields


def test_lines_are_plain_text_where_the_journal_is_another_stream(broker, make_ring):
    """JOURNAL_STREAM is inherited, and the standard error here is a pipe."""
    node = make_ring(broker).add(env={"JOURNAL_STREAM": "1:2"})
    node.wait_ready()
    assert "joining -> active" in node.log_text()

"""dhtctl import into a ring that lives: what is newer there stays, whoever writes meanwhile."""
import json
import subprocess

import cbor2
import pytest

import harness
from fake_ring import OPERATIONS, TOKEN
from harness import PATIENCE, ctl_binary, die_with_parent
from manners import PARTLY, USAGE, done, put_lines, refuses, run


def exported(broker, prefix):
    """{name: record} of those that begin so, as the file has them."""
    rows = map(json.loads, run(broker, "export").stdout.splitlines())
    return {row["name"]: row for row in rows if row.get("name", "").startswith(prefix)}


def listed(broker, prefix):
    """{name: version}."""
    return {row["key"]: row["version"] for row in map(json.loads, done(broker, "ls", prefix, "--json").splitlines())}


def values(broker, prefix):
    return {name: row["value"] for name, row in exported(broker, prefix).items()}


def later(version, by=1):
    number, counter = map(int, version.split("/"))
    return f"{number}/{counter + by}"


def file_of(rows, form="json"):
    if form == "json":
        return "".join(json.dumps(row) + "\n" for row in rows).encode()
    return b"".join(cbor2.dumps([row["name"].encode(), row["value"].encode(), row.get("life"),
                                 [int(n) for n in row["version"].split("/")]]) for row in rows)


def imports(broker, rows, *args, code=0):
    """What it says, to people and to programs."""
    result = run(broker, "import", *args, input=rows if isinstance(rows, bytes) else file_of(rows))
    assert (result.returncode, result.stdout) == (code, b""), result
    return result.stderr.decode().splitlines()[-1][len("dhtctl: "):]


def test_export_has_each_version(kv, key):
    put_lines(kv, {f"{key}-{i}": b"v" for i in range(20)})
    there = listed(kv, key)
    assert len(there) == 20 and {name: row["version"] for name, row in exported(kv, key).items()} == there
    data, at = run(kv, "export", "--format", "cbor").stdout, 0
    found = {}
    while at < len(data):
        record = cbor2.loads(data[at:])
        at += len(cbor2.dumps(record))
        found[record[0]] = "%d/%d" % tuple(record[3])
    assert {name: found[name.encode()] for name in there} == there


@pytest.mark.parametrize("form", ["json", "cbor"])
def test_the_newer_one_stays(kv, key, form):
    """Of each key; the same in all ways in which a file is written."""
    names = [f"{key}-{what}" for what in ("newer", "same", "older", "deleted")]
    newer, same, older, deleted = names
    put_lines(kv, {name: b"of the file" for name in names})
    rows = exported(kv, key)
    assert sorted(rows) == sorted(names)
    put_lines(kv, {newer: b"since", older: b"before"})
    rows[older]["version"] = later(listed(kv, older)[older])  # as if the file's had come behind it, and been lost
    done(kv, "del", deleted)
    data = file_of(rows.values(), form)
    result = run(kv, "import", "--format", form, "--json", input=data)
    assert (result.returncode, result.stderr) == (0, b"")
    assert json.loads(result.stdout) == {"imported": 2, "kept": 2, "present": 2, "failed": 0, "whole": True}
    assert values(kv, key) == {newer: "since", same: "of the file", older: "of the file", deleted: "of the file"}
    # What was imported is new in the ring.
    before = listed(kv, key)
    assert imports(kv, data, "--format", form) == "imported 0, kept 4, failed 0"
    assert listed(kv, key) == before


def test_of_several_files_the_latest_goes_first(kv, key):
    """As whatever is imported is new in the ring."""
    done(kv, "put", key, "first")
    first = exported(kv, key)[key]
    done(kv, "put", key, "second")
    second = exported(kv, key)[key]
    done(kv, "del", key)
    assert imports(kv, [second]) == "imported 1, failed 0" and imports(kv, [first]) == "imported 0, kept 1, failed 0"
    assert done(kv, "get", key) == b"second"


def test_a_file_without_versions_and_the_options(kv, key):
    """--overwrite puts all; --resume never touches what is there; a record without a version is put if it is absent."""
    there, absent = names = [f"{key}-there", f"{key}-absent"]
    rows = [{"name": name, "value": "of the file"} for name in names]
    hint = " (1 of them has no version in the file: see --overwrite)"
    done(kv, "put", there, "since")
    assert imports(kv, rows) == f"imported 1, kept 1{hint}, failed 0"
    assert values(kv, key) == {there: "since", absent: "of the file"}
    assert imports(kv, rows, "--overwrite") == "imported 2, failed 0"
    assert values(kv, key) == {there: "of the file", absent: "of the file"}

    done(kv, "put", there, "before")
    done(kv, "del", absent)
    rows = [{**rows[0], "version": later(listed(kv, there)[there])}, rows[1]]
    assert imports(kv, rows, "--resume") == "imported 1, 1 there already, failed 0"
    assert values(kv, key) == {there: "before", absent: "of the file"}
    rows[0]["version"] = "1/1"  # older than anything there
    assert imports(kv, rows[:1]) == "imported 0, kept 1, failed 0"
    assert imports(kv, rows[:1], "--overwrite") == "imported 1, failed 0" and done(kv, "get", there) == b"of the file"
    refuses(run(kv, "import", "--resume", "--overwrite", input=b""), USAGE, "--resume leaves alone", "choose one")


def test_a_broken_version_names_its_line(kv, key):
    rows = [{"name": f"{key}-{i}", "value": "v", "version": "1/1"} for i in range(3)]
    rows[1]["version"] = "1-1"
    assert imports(kv, rows, code=PARTLY) == \
        "imported 2, failed 1 (first: line 2: a version that is no \"NUMBER/COUNTER\", as 'dhtctl ls -l' has it)"
    assert sorted(listed(kv, key)) == [f"{key}-0", f"{key}-2"]


def asked(fake):
    """[(condition, value)] of the puts, in order."""
    return [(operation[4] if len(operation) > 4 else None, operation[3])
            for request in fake.requests if TOKEN in request for operation in request[OPERATIONS]]


@pytest.mark.parametrize("meanwhile", ["newer", "older", "deleted"])
def test_what_changes_between_look_and_put_is_looked_at_again(broker, fake, meanwhile):
    fake.counter, fake.records, fake.versions = 5, {b"k": b"before"}, {b"k": 5}

    def before(topic, request):
        if TOKEN not in request or request[OPERATIONS][0][4:5] != [[1, 5]]:
            return
        if meanwhile == "deleted":
            fake.records.pop(b"k", None)
        else:
            fake.counter = fake.versions[b"k"] = 20 if meanwhile == "newer" else 6
            fake.records[b"k"] = b"by another"
    fake.before = before
    told = imports(broker, [{"name": "k", "value": "of the file", "version": "1/10"}])
    if meanwhile == "newer":
        assert (told, fake.records) == ("imported 0, kept 1, failed 0", {b"k": b"by another"})
        assert asked(fake) == [(0, b"of the file"), ([1, 5], b"of the file")]
    else:
        assert (told, fake.records) == ("imported 1, failed 0", {b"k": b"of the file"})
        assert asked(fake)[2:] == [([1, 6] if meanwhile == "older" else 0, b"of the file")]


def test_what_changes_each_time_is_given_up(broker, fake):
    """In a ring whose versions never come up to the file's."""
    fake.counter, fake.records, fake.versions = 5, {b"k": b"0"}, {b"k": 5}

    def before(topic, request):
        if TOKEN in request and request[OPERATIONS][0][2] == b"k":
            fake.counter += 1
            fake.versions[b"k"] = fake.counter
    fake.before = before
    rows = [{"name": name, "value": "of the file", "version": "9/9"} for name in ("k", "other")]
    assert imports(broker, rows, code=PARTLY) == ("imported 1, failed 1 (first: line 1: key 'k': not imported: it was "
                                                  "written by others each time -> import the file again)")
    assert fake.records == {b"k": b"0", b"other": b"of the file"}


def test_who_writes_meanwhile_never_loses(kv, key, make_proxy_to):
    """All that is there is older than the file's.  While it is imported, over a slow line, another writes each key, in
    the same order: much of it between the importer's look and its put."""
    names = [f"{key}-{i}" for i in range(1500)]
    put_lines(kv, {name: b"before" for name in names})
    put_lines(kv, {name + "-": b"other" for name in names})  # behind these what is written is newer than the file's
    there = listed(kv, key)
    rows = [{"name": name, "value": "of the file", "version": later(there[name])} for name in names]
    line = make_proxy_to(kv)
    line.delay = 0.02
    importer = subprocess.Popen([ctl_binary(), "-b", line.url, "import"], stdin=subprocess.PIPE, stderr=subprocess.PIPE,
                                preexec_fn=die_with_parent)
    writer = subprocess.Popen([ctl_binary(), "-b", kv.url, "-q", "put", "-", "--json"], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, preexec_fn=die_with_parent)
    importer.stdin.write(file_of(rows))
    importer.stdin.close()
    for name in names:  # one at a time: as long as the import, about
        writer.stdin.write(b"%s\tsince\n" % name.encode())
        writer.stdin.flush()
        assert json.loads(writer.stdout.readline())["status"] == "done"
    writer.communicate(timeout=30 * PATIENCE)
    error = importer.stderr.read()
    assert importer.wait(30 * PATIENCE) == 0 and b"failed 0" in error, error
    found = values(kv, key)
    lost = [name for name in names if found[name] != "since"]
    assert not lost, (len(lost), error)
    print(error)


@pytest.mark.slow
def test_a_ring_that_was_founded_anew(broker, ring, tmp_path):
    """Where the broker has kept what is retained its versions go on above those of the ring that was; else they begin
    anew, and may look older than the file's."""
    first = ring(1)
    for i in range(5):
        done(broker, "put", "k", f"old {i}")
    rows = list(exported(broker, "k").values())
    first.nodes[0].leave()
    ring(1)
    done(broker, "put", "k", "new")
    assert imports(broker, rows) == "imported 0, kept 1, failed 0" and done(broker, "get", "k") == b"new"

    other = harness.Broker(tmp_path / "other").start()
    try:
        founded = harness.Ring(other, tmp_path).start(1)
        done(other, "put", "k", "new")
        assert imports(other, rows, "--resume") == "imported 0, 1 there already, failed 0"
        for _ in range(2):  # and what was imported is no newer than the file
            assert imports(other, rows) == "imported 1, failed 0" and done(other, "get", "k") == b"old 4"
        founded.close()
    finally:
        other.kill()

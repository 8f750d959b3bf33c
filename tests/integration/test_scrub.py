"""Memory that errs: what it has changed is found, and mended from another copy (PROTOCOL section 7, "Sums")."""
import json
import re

from harness import ctl, wait_for
from test_copies import fill, wait_copied

KEY, VALUE = "spoilt", b"a value that stands nowhere else"


def spoil(node):
    """One bit of the value, wherever it stands in the node's memory; how many places that were."""
    places = 0
    with open(f"/proc/{node.pid}/maps", encoding="ascii") as maps, open(f"/proc/{node.pid}/mem", "r+b", 0) as memory:
        for line in maps:
            begin, end = (int(x, 16) for x in line.split()[0].split("-"))
            if line.split()[1][:2] != "rw" or "[v" in line or end - begin > 1 << 28:
                continue  # the sanitizers' shadow is no memory of records
            memory.seek(begin)
            found = memory.read(end - begin)
            for at in (m.start() for m in re.finditer(re.escape(VALUE), found)):
                memory.seek(begin + at + 2)
                memory.write(bytes([VALUE[2] ^ 1]))
                places += 1
    return places


def tool(broker, *args, code=0):
    done = ctl(broker.url, *args, check=False, text=True)
    assert done.returncode == code, (args, done.returncode, done.stdout, done.stderr)
    return done


def scrub(broker, code=0):
    done = tool(broker, "scrub", "--json", code=code)
    return {line["name"]: line for line in map(json.loads, done.stdout.splitlines())}, done.stderr


def get(broker):
    return tool(broker, "get", KEY).stdout


def with_copies(ring):
    """Owner and keeper of KEY."""
    ring.start(3)
    wait_copied(ring, 3)
    fill(ring.broker, 2000)
    tool(ring.broker, "put", KEY, VALUE.decode())
    owner = json.loads(tool(ring.broker, "get", "--meta", "--json", KEY).stdout)["owner"]
    shown = next(n for n in ring.look() if n["id"] == owner)
    nodes = {n["id"]: next(x for x in ring.nodes if x.name == n["name"]) for n in ring.look()}
    return nodes[owner], nodes[shown["successor"]]


def total(found, name):
    return sum(node[name] for node in found.values())


def test_nothing_to_mend(ring, broker):
    ring = ring()
    with_copies(ring)
    found, said = scrub(broker)
    assert said == "" and total(found, "records") == 2001 and {n["copies"] for n in found.values()} == {1}
    assert not any(total(found, name) for name in ("differed", "sent", "damaged", "healed", "lost"))
    told = tool(broker, "scrub").stdout.splitlines()
    assert len(told) == 3 and all(re.match(r"\S+: \d+ records?, compared with 1 copy: the same$", line) for line in told)


def test_one_is_told_as_one(ring, broker):
    ring().start(2)
    tool(broker, "put", KEY, "alone")
    wait_for("its copy", lambda: ctl(broker.url, "check", check=False).returncode == 0)
    assert sorted(line.partition(": ")[2] for line in tool(broker, "scrub").stdout.splitlines()) == [
        "0 records, compared with 1 copy: the same", "1 record, compared with 1 copy: the same"]


def test_the_owners_is_fetched_before_it_is_answered(ring, broker):
    ring = ring()
    owner, _ = with_copies(ring)
    assert spoil(owner)
    assert get(broker) == VALUE.decode()
    assert "its bytes are not what was put -> asking the other copies" in owner.log_text()
    assert "fetched anew from node" in owner.log_text()
    assert spoil(owner) and total(scrub(broker)[0], "healed") == 1
    assert get(broker) == VALUE.decode()


def test_a_keepers_is_sent_anew(ring, broker):
    ring = ring()
    owner, keeper = with_copies(ring)
    assert spoil(keeper)
    found, _ = scrub(broker)
    assert (total(found, "differed"), total(found, "damaged")) == (1, 0) and total(found, "sent") >= 1
    assert total(scrub(broker)[0], "differed") == 0
    owner.kill()
    ring.wait_whole(2)
    assert get(broker) == VALUE.decode()


def test_damaged_everywhere(ring, broker, tmp_path):
    """Said, and never answered as something else; the rest goes on, and a put makes it good.  For an import it is there."""
    ring = ring()
    owner, keeper = with_copies(ring)
    assert spoil(owner) and spoil(keeper)
    done = tool(broker, "get", KEY, code=8)
    assert done.stdout == "" and "damaged: no node has it as it was put" in done.stderr and "put it anew" in done.stderr
    found, said = scrub(broker, code=1)
    assert total(found, "lost") == 1 and "1 record is damaged in all copies" in said
    done = tool(broker, "export", str(tmp_path / "all"), code=6)
    assert f"key {KEY}: damaged in all copies, left out" in done.stderr
    lines = [json.loads(line) for line in (tmp_path / "all").read_text().splitlines()]
    assert len(lines) == 2000 and KEY not in {line.get("name") for line in lines}
    (tmp_path / "one").write_text(json.dumps({"name": KEY, "value": "of the file", "version": "1/1"}))
    assert "imported 0, kept 1" in tool(broker, "import", str(tmp_path / "one")).stderr
    assert "damaged" in tool(broker, "get", KEY, code=8).stderr
    tool(broker, "del", KEY)
    assert "imported 1" in tool(broker, "import", str(tmp_path / "one")).stderr
    assert get(broker) == "of the file"
    tool(broker, "put", KEY, "anew")
    assert get(broker) == "anew" and total(scrub(broker)[0], "lost") == 0


def test_by_themselves(ring, broker):
    ring = ring()
    for name in ("a", "b", "c"):
        ring.add(name, args=("--scrub", "2s"))
    ring.wait_whole(3)
    wait_copied(ring, 3)
    fill(broker, 500)
    wait_for(lambda: [n.tail() for n in ring.nodes],
             lambda: all(re.search(r": \d+ records, copies compared: 1 -> all the same", n.log_text()) for n in ring.nodes), 60)


def test_nobody_is_there(broker):
    assert "no ring answers" in tool(broker, "scrub", "--timeout", "500ms", code=5).stderr

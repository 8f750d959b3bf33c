"""tests/bench: what the README's numbers come from goes on working.  As small as they can be asked: what they print of this
machine, which does other things meanwhile, is not judged."""
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as xml

import pytest

import harness
from harness import PATIENCE

BENCH = os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "bench")


def bench(script, *args, codes=(0,)):
    done = subprocess.run([sys.executable, os.path.join(BENCH, script), "--build", harness.BUILD, *map(str, args)],
                          capture_output=True, text=True, timeout=300 * PATIENCE)
    assert done.returncode in codes, (done.returncode, done.stdout, done.stderr)
    return done.stdout


@pytest.mark.slow
def test_compare():
    out = bench("compare", "--runs", 1, "latency", codes=(0, 1))  # 1: missed the target
    assert re.search(r"^one at a time, 8 nodes ÷ echo: p50 .*\d\.\d", out, re.M), out


@pytest.mark.slow
def test_scale(tmp_path):
    out = bench("scale", "--runs", 1, "--nodes", "1,2", "--svg", tmp_path / "scale.svg")
    rows = re.findall(r"^(\S.*?) +(\d+\.\d\d) +(\d+\.\d\d)$", out, re.M)
    assert len(rows) == 6 and all(float(x) > 0 for row in rows for x in row[1:]), out
    picture = xml.parse(tmp_path / "scale.svg").getroot()
    assert len(picture.findall("{*}polyline")) == 6


@pytest.mark.slow
def test_cost():
    out = bench("cost", 2)
    sent = {(by, int(inflight)): float(sent) for by, inflight, sent
            in re.findall(r"^ +2  (.*?) +(\d+) +(\d+\.\d) +\d+\.\d +\d+\.\d$", out, re.M)}
    assert len(sent) == 4, out
    # counted by the broker, so a busy machine does not matter: the reference's put comes to every node
    assert sent["ours", 1] < sent["the reference's topics", 1]


@pytest.mark.parametrize("script", ["compare", "scale", "cost", "ring"])
def test_a_mistake_is_told(script):
    args = {"compare": ["nonsense"], "scale": ["--nodes", "0"], "cost": ["x"], "ring": ["nonsense"]}[script]
    done = subprocess.run([sys.executable, os.path.join(BENCH, script), *args], capture_output=True, text=True)
    assert done.returncode == 2 and f"{script}: error: " in done.stderr, done
    assert subprocess.run([sys.executable, os.path.join(BENCH, script), "--help"], capture_output=True).returncode == 0

"""What can go wrong with a node's disk and its clock, and is no signal: for tests/chaos."""
import glob
import os
import struct
import subprocess

import harness

FAKETIME = next(iter(glob.glob("/usr/lib/*/faketime/libfaketime.so.1")), None)
CLONE_NEWNS = 0x20000
PAGE = 4096
REPLACED = struct.Struct(f"=Q{PAGE}s")  # struct replaced of tests/endure/unsynced.c
MIB = 1 << 20


def unsynced_library():
    return os.path.join(harness.BUILD, "tests", "endure", "unsynced.so")


def mounts_of_our_own():
    """Whatever is mounted from here on goes with this process, however it ends."""
    if harness.LIBC.unshare(CLONE_NEWNS) != 0:
        raise OSError("no mounts of our own: run as root")
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)


def small_disk(place, mib=64):
    os.makedirs(place)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mib}m", "small", place], check=True)


def away(place):
    subprocess.run(["umount", "-l", place], check=True)


def power_off(dice, directory, journal):
    """Of what was written and not synced any part is on the disk, or none; how many pages are not, or not whole."""
    with open(journal, "rb") as f:
        old = f.read()
    before = {}
    for offset, page in REPLACED.iter_unpack(old[:len(old) - len(old) % REPLACED.size]):
        before.setdefault(offset, page)  # as it was synced last
    lost, share = 0, dice.choice((0.1, 0.5, 0.9, 1))
    with open(os.path.join(directory, "data.mdb"), "r+b") as f:
        for offset, page in before.items():
            if dice.random() < share:
                sectors = dice.choice((PAGE, PAGE, dice.randrange(512, PAGE, 512)))
                f.seek(offset)
                f.write(page[:sectors])
                lost += 1
    os.truncate(journal, 0)
    return lost


class Clock:
    """A time of day of its own, that can be set.  What counts durations is not touched."""

    def __init__(self, path):
        self.path = path
        self.set(0)

    def set(self, seconds):
        with open(self.path + ".new", "w") as f:
            f.write(f"{seconds:+d}\n")
        os.rename(self.path + ".new", self.path)

    @property
    def env(self):
        return {"FAKETIME_TIMESTAMP_FILE": self.path, "FAKETIME_CACHE_DURATION": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}


def fill(url, keys):
    """Values of 1 MiB, until there is no room; the keys that were put.  None: there is always some."""
    put = []
    for key in keys:
        done = harness.ctl(url, "put", key, "--timeout", "30s", input=b"f" * MIB, timeout=60, check=False)
        if done.returncode == 8:
            return put
        put.append(key)  # or perhaps
    return None


def empty(url, keys):
    lines = "".join(f"{key}\n" for key in keys).encode()
    harness.ctl(url, "del", "-", "--timeout", "60s", input=lines, timeout=120, check=False)

"""Reads our frames (CBOR maps with unsigned keys; the table of keys stands in common/frame.c)."""
import os
import re

HEADER = os.path.join(os.path.dirname(__file__), "..", "..", "common", "frame.h")
TYPE, FROM, COUNT, STATE, NAME = 1, 2, 7, 13, 18


def _enum(name, prefix):
    with open(HEADER) as f:
        body = re.search(r"enum %s \{(.*?)\};" % name, f.read(), re.S).group(1)
    body = re.sub(r"/\*.*?\*/", "", body, flags=re.S)
    return [word[len(prefix):] for word in re.findall(prefix + r"\w+", body)]


TYPES = _enum("frame_type", "FRAME_")
STATES = _enum("node_state", "NODE_")


def _head(data, at):
    major, info = data[at] >> 5, data[at] & 31
    at += 1
    if info < 24:
        return major, info, at
    size = {24: 1, 25: 2, 26: 4, 27: 8}[info]
    return major, int.from_bytes(data[at:at + size], "big"), at + size


def _value(data, at):
    major, n, at = _head(data, at)
    if major == 0:
        return n, at
    if major == 1:
        return -1 - n, at
    if major in (2, 3):
        return (data[at:at + n] if major == 2 else data[at:at + n].decode()), at + n
    if major == 4:
        items = []
        for _ in range(n):
            item, at = _value(data, at)
            items.append(item)
        return items, at
    if major == 5:
        table = {}
        for _ in range(n):
            key, at = _value(data, at)
            table[key], at = _value(data, at)
        return table, at
    return {20: False, 21: True, 22: None}[n], at


def decode(payload):
    """The frame as a dict by key number, or None if it is none."""
    try:
        frame, at = _value(payload, 0)
    except (IndexError, KeyError, UnicodeDecodeError):
        return None
    return frame if isinstance(frame, dict) and at == len(payload) else None


def name(topic, payload):
    """"OFFER", "STORED", ... for a frame on one of our topics; the topic itself for the reference's."""
    if topic.split("/")[0] in ("ring", "founder", "in", "cut", "node", "to"):
        frame = decode(payload)
        if frame and 0 <= frame.get(TYPE, -1) < len(TYPES):
            return TYPES[frame[TYPE]]
    return topic

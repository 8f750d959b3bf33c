"""What dhtctl export writes, read and written by somebody else."""
import base64
import io
import json

import cbor2

from manners import run


def as_json(key, value, **more):
    def field(name, data):
        try:
            return {name: data.decode()}
        except UnicodeDecodeError:
            return {name + "_base64": base64.b64encode(data).decode()}
    return {**({"key": key} if isinstance(key, int) else field("name", key)), **field("value", value), **more}


def of_json(text):
    """{key: (value, life)}"""
    found = {}
    for line in text.splitlines():
        row = json.loads(line)
        key = row["key"] if "key" in row else base64.b64decode(row["name_base64"]) if "name_base64" in row \
            else row["name"].encode()
        value = base64.b64decode(row["value_base64"]) if "value_base64" in row else row["value"].encode()
        assert key not in found
        found[key] = value, row.get("life", 0)
    return found


def of_cbor(data):
    stream, found = io.BytesIO(data), {}
    while stream.tell() < len(data):
        key, value, life, _ = cbor2.load(stream)
        assert key not in found
        found[key] = value, life
    return found


READERS = {"json": of_json, "cbor": of_cbor}


def encoded(form, records):
    if form == "cbor":
        return b"".join(cbor2.dumps([k, v, 0]) for k, v in records.items())
    return "".join(json.dumps(as_json(k, v)) + "\n" for k, v in records.items()).encode()


def exported(broker, form="json"):
    result = run(broker, "export", "--format", form, "--timeout", "20s")
    assert result.returncode == 0, result.stderr
    found = READERS[form](result.stdout)
    assert result.stderr == b"dhtctl: exported %d\n" % len(found)
    return {key: value for key, (value, _) in found.items()}

"""The recording of a real session, replayed: the same ids, the same client, and every answer byte for byte."""
import recording
from harness import wait_for


def test_replay(ring, spy, client):
    r = ring()
    wanted = recording.lines()
    for id in (recording.FIRST, recording.SECOND, recording.THIRD):
        r.add(id=id).wait_ready()
    r.wait_whole(3)
    spy.settle()
    assert set(spy.texts("ack-join")) == {p for _, p in recording.of("ack-join")}
    for id in (recording.FIRST, recording.SECOND, recording.THIRD):
        assert str(id) in spy.texts("join")

    leaver = str(recording.SECOND)
    since = spy.mark()
    asked = 0
    for topic, payload in wanted:
        if topic in ("put", "get") and not payload.startswith(leaver + "/"):
            client.publish(topic, payload)
            asked += 1
            wait_for(f"an answer to {topic} {payload}",
                     lambda: len(spy.select("ack-put", "res-get", since=since)) == asked)
    spy.settle()
    operations = ("put", "ack-put", "get", "res-get")
    end = [t for t, _ in wanted].index("leave")
    assert [(m.topic, m.payload) for m in spy.select(*operations, since=since)] == \
           [(t, p.encode()) for t, p in wanted[:end] if t in operations]

    since = spy.mark()
    r.by_id(recording.SECOND).leave()
    r.wait_whole(2)
    spy.settle()
    assert spy.texts("leave", since) == [p for _, p in recording.of("leave")]
    assert set(spy.texts("ack-leave", since)) == {p for _, p in recording.of("ack-leave")}
    for key, value in ((p.split("/")[0], p.split("/")[1]) for _, p in recording.of("res-get")):
        assert client.get(key) == value.encode()
        assert client.put(key, value) == recording.FIRST

"""A recording of a real session of the reference: 3 nodes join, one client puts and gets 5 keys, one node leaves."""
import os

SESSION = os.path.join(os.path.dirname(__file__), "reference-session.txt")

FIRST, SECOND, THIRD = 966639858, 534618657, 1017606077  # the order in which they joined


def lines():
    """[(topic, payload), ...]; repeats of join and has_started are left out in it."""
    with open(SESSION) as f:
        return [tuple(line.rstrip("\n").split(" ", 1)) for line in f if line.strip() and not line.startswith("#")]


def of(*topics):
    return [(t, p) for t, p in lines() if t in topics]

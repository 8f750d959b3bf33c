"""What may happen to a ring, for tests/chaos: each is begun with the seats that are free, and returns (seats that take part,
seconds until it ends, the end)."""
import signal
import time

import disks
import harness

LEAVE_LIMIT = 180  # another fault may keep away those who are to take its records, for a minute


def some(dice, low, high):
    """Seconds between these, mostly nearer to the lower."""
    return low * (high / low) ** dice.random()


def leave_and_join(chaos, seats):
    seat = seats[0]

    def back():
        code = seat.node.wait(LEAVE_LIMIT)
        if code != 0:
            chaos.fail(f"{seat.name} left with exit code {code}", seat.node)
        seat.sit_down()
    seat.node.term()
    return [seat], some(chaos.dice, 0.05, 3), back


WAITS_FOR_OTHERS = "leave, join", "restart"


def restart(chaos, seats):
    """As systemctl restart does: it leaves, and its successor comes at once."""
    taken, _, back = leave_and_join(chaos, seats)
    return taken, 0, back


def kill(chaos, seats):
    seats[0].node.kill()
    return [seats[0]], some(chaos.dice, 0.02, 4), seats[0].sit_down


def kill_amid_a_handover(chaos, seats):
    """One leaves; who takes, gives, or keeps a copy of it is killed a moment later."""
    leaver, killed = seats[0], chaos.dice.choice(seats[:2])

    def kill_it():
        killed.node.kill()
        if leaver is not killed:
            # with directories it may be the killed one for whom the leaver, or whose copies it keeps, waits
            time.sleep(some(chaos.dice, 0.02, 4))
            killed.sit_down()
            leaver.node.wait(LEAVE_LIMIT)
        leaver.sit_down()
    leaver.node.term()
    return [leaver, killed], some(chaos.dice, 0.001, 0.3), kill_it


def pause(chaos, seats):
    seats[0].node.pause()
    longest = 60 if chaos.dice.random() < 0.1 else 12  # one in ten: beyond every patience
    return [seats[0]], some(chaos.dice, 0.1, longest), seats[0].node.resume


def pause_two(chaos, seats):
    two = seats[:2]
    for seat in two:
        seat.node.pause()
    return two, some(chaos.dice, 0.1, 6), lambda: [seat.node.resume() for seat in two]


def cut(chaos, seats):
    seats[0].proxy.cut()
    return [seats[0]], 0, lambda: None


def cut_all(chaos, seats):
    for seat in seats:
        seat.proxy.cut()
    return seats, 0, lambda: None


def part(chaos, seats):
    """No way to the broker for some nodes, and then there is."""
    away = seats[:chaos.dice.randint(1, 3)]

    def back():
        for seat in away:
            seat.proxy.refuse = False
    for seat in away:
        seat.proxy.refuse = True
        seat.proxy.cut()
    return away, some(chaos.dice, 0.1, 8), back


def hold(chaos, seats):
    """A line stands still, and then everything comes that was on its way."""
    seats[0].proxy.hold(True)
    return [seats[0]], some(chaos.dice, 0.1, 8), lambda: seats[0].proxy.hold(False)


def swallow(chaos, seats):
    """A line loses everything, and nobody hears of it until it breaks."""
    def back():
        seats[0].proxy.swallow = False
        seats[0].proxy.cut()
    seats[0].proxy.swallow = True
    return [seats[0]], some(chaos.dice, 0.1, 8), back


def slow(chaos, seats):
    def back():
        seats[0].proxy.delay = 0.0
    seats[0].proxy.delay = some(chaos.dice, 0.01, 0.3)
    return [seats[0]], some(chaos.dice, 0.5, 4), back


def broker_restarts(chaos, seats):
    chaos.broker.stop()
    return seats, some(chaos.dice, 0.01, 3), chaos.broker.start


def broker_dies(chaos, seats):
    chaos.broker.kill()
    return seats, some(chaos.dice, 0.01, 3), chaos.broker.start


def broker_hangs(chaos, seats):
    chaos.broker.pause()
    return seats, some(chaos.dice, 0.1, 5), chaos.broker.resume


def broker_and_node_die(chaos, seats):
    def back():
        chaos.broker.start()
        time.sleep(some(chaos.dice, 0.001, 1))
        seats[0].sit_down()
    chaos.broker.kill()
    seats[0].node.kill()
    return seats, some(chaos.dice, 0.01, 2), back


def power_cut(chaos, seats):
    """All of it; whoever is back first waits for the others."""
    def back():
        back_in = list(seats)
        chaos.dice.shuffle(back_in)
        at = chaos.dice.randrange(len(back_in))
        for i, seat in enumerate(back_in):
            if i == at:
                chaos.broker.start()
            seat.sit_down()
            time.sleep(some(chaos.dice, 0.001, 2))
    for seat in seats:
        seat.node.signal(signal.SIGKILL)  # all in one moment, and amid what they write
    chaos.broker.kill()
    for seat in seats:
        seat.node.kill()
        chaos.lose_unsynced(seat)
    return seats, some(chaos.dice, 0.01, 1), back


def power_cut_of_one(chaos, seats):
    seats[0].node.kill()
    chaos.lose_unsynced(seats[0])
    return [seats[0]], some(chaos.dice, 0.02, 4), seats[0].sit_down


def disk_full(chaos, seats):
    """Of a node, by what is written to its arc; until that is deleted."""
    seat = next(seat for seat in seats if seat.small)
    said = seat.node.log_text().count("has room")
    own = next(x for x in chaos.ring.look() if x["name"] == seat.name)["arc"][1]
    put = disks.fill(chaos.broker.url, [(own - i) % (1 << 32) for i in range(200)])
    if put is None:
        chaos.fail(f"the disk of {seat.name} is never full", seat.node)

    def back():
        disks.empty(chaos.broker.url, put or [])
        harness.wait_for(lambda: f"room again\n{seat.node.tail()}",
                         lambda: seat.node.log_text().count("has room") > said, 60)
    return [seat], some(chaos.dice, 0.3, 6), back


def clock_steps(chaos, seats):
    """Some clocks are set, by seconds or by months, and later set right."""
    some_of = seats[:chaos.dice.randint(1, len(seats))]
    for seat in some_of:
        seat.clock.set(round(chaos.dice.choice((-1, 1)) * some(chaos.dice, 1, 300 * 86400)))

    def back():
        for seat in some_of:
            seat.clock.set(0)
    return seats, some(chaos.dice, 1.5, 5), back  # noticed within a second


# name: (what, may it come beside another)
KINDS = {
    "leave, join": (leave_and_join, True),
    "restart": (restart, True),
    "kill -9": (kill, False),
    "kill -9 in a handover": (kill_amid_a_handover, False),
    "pause": (pause, False),
    "pause of two": (pause_two, False),
    "cut": (cut, True),
    "cut of all": (cut_all, False),
    "no way to the broker": (part, False),
    "line held": (hold, False),
    "line swallows": (swallow, False),
    "slow line": (slow, True),
    "broker restarts": (broker_restarts, False),
    "broker dies": (broker_dies, False),
    "broker hangs": (broker_hangs, False),
    "broker and node die": (broker_and_node_die, False),
    "clock set": (clock_steps, False),
}

WITH_DISKS = {
    "power cut": (power_cut, False),
    "power cut of one": (power_cut_of_one, False),
    "disk full": (disk_full, False),
}
ALL = {**KINDS, **WITH_DISKS}

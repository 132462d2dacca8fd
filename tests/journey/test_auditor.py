"""The auditor itself: a good history passes, and each seeded bad one is flagged for the right reason."""

import random

import pytest

from harness.auditor import Confirm, Delivery, Frame, History, Send, Totals, audit

SEEDS = range(5)


def good_history(seed):
    """Two apps, six devices, forty sends one after the other, all received and confirmed in time."""
    chance = random.Random(seed)
    apps = {f"device-{number}": f"app-{number % 2}" for number in range(6)}
    history = History(apps, [], [], [], [], [])
    for number in range(40):
        add_send(history, f"app-{number % 2}", f"key-{number}", float(number), chance)
    return history


def add_send(history, app, key, began, chance):
    own = [device for device, owner in history.apps.items() if owner == app]
    devices = frozenset(chance.sample(own, chance.randint(2, 3)))
    message = f"message-{key}"
    history.sends.append(Send(key, app, devices, began, began + 0.5, message, expires=began + 60))
    for device in sorted(devices):
        history.frames.append(Frame(device, message, app, key, f"body of {key}", began + 0.6, 0.0))
        history.confirms.append(Confirm(device, message, began + 0.7))
        history.deliveries.append(Delivery(message, device, "confirmed"))
    history.totals.append(Totals(message, len(devices), {"confirmed": len(devices)}))


def some_index(history, chance):
    """The index of a frame that is neither the first nor the last of its device."""
    middle = range(len(history.frames) // 3, len(history.frames) // 2)
    return chance.choice(middle)


def change_frame(history, chance, **changes):
    index = some_index(history, chance)
    history.frames[index] = history.frames[index]._replace(**changes)


def drop_a_frame(history, chance):
    """A frame never came though the ledger says so."""
    del history.frames[some_index(history, chance)]


def leave_one_pending(history, chance):
    """A delivery never ended."""
    index = chance.randrange(len(history.deliveries))
    delivery = history.deliveries[index]._replace(state="pending")
    history.deliveries[index] = delivery
    fix_totals(history, delivery.request_id)


def forget_a_delivery(history, chance):
    """A device that was meant is not in the ledger."""
    delivery = history.deliveries.pop(chance.randrange(len(history.deliveries)))
    fix_totals(history, delivery.request_id)


def fix_totals(history, message):
    """Make the totals agree with the deliveries, so that nothing but the loss itself shows."""
    states = [one.state for one in history.deliveries if one.request_id == message]
    counts = {state: states.count(state) for state in states}
    index = next(index for index, one in enumerate(history.totals) if one.request_id == message)
    history.totals[index] = Totals(message, len(states), counts)


def refuse_a_send_that_came(history, chance):
    """A frame came of a send that was refused."""
    index = chance.randrange(len(history.sends))
    history.sends[index] = history.sends[index]._replace(request_id=None, refused=True)


def make_up_a_frame(history, chance):
    """A frame came of a send that nobody began."""
    device, app = chance.choice(sorted(history.apps.items()))
    history.frames.append(Frame(device, "message-x", app, "key-x", "body", 50.0, 0.0))


def cross_the_apps(history, chance):
    """A frame came on a device of another app."""
    frame = history.frames[some_index(history, chance)]
    other = next(device for device, app in sorted(history.apps.items()) if app != frame.app)
    history.frames.append(frame._replace(device=other))


def swap_two_frames(history, chance):
    """A device got a later send first."""
    device = chance.choice(sorted(history.apps))
    indexes = [index for index, frame in enumerate(history.frames) if frame.device == device]
    first, second = indexes[1], indexes[2]
    history.frames[first], history.frames[second] = history.frames[second], history.frames[first]


def delay_a_frame(history, chance):
    """A frame came after its expiry."""
    change_frame(history, chance, at=1000.0)


def repeat_after_confirm(history, chance):
    """A confirmed message came again on a later connection."""
    frame = history.frames[some_index(history, chance)]
    history.frames.append(frame._replace(at=55.0, opened=54.0))


def repeat_at_once(history, chance):
    """A message came twice though nothing was broken."""
    history.frames.append(history.frames[some_index(history, chance)])


def give_a_second_id(history, chance):
    """A message came a second time under another id."""
    frame = history.frames[some_index(history, chance)]
    history.frames.append(frame._replace(message_id="message-x"))


def change_a_body(history, chance):
    """A device got another text than the others."""
    change_frame(history, chance, body="another body")


def send_twice(history, chance):
    """One idempotency key led to two messages."""
    send = chance.choice(history.sends)
    history.sends.append(send._replace(request_id="message-x", devices=frozenset()))


def lose_a_count(history, chance):
    """A total does not add up."""
    index = chance.randrange(len(history.totals))
    history.totals[index] = history.totals[index]._replace(total=history.totals[index].total + 1)


def miscount_a_state(history, chance):
    """The counts add up but are not those of the deliveries."""
    index = chance.randrange(len(history.totals))
    total = history.totals[index].total
    history.totals[index] = history.totals[index]._replace(counts={"expired": total})


BAD = {
    drop_a_frame: "no loss",
    leave_one_pending: "no loss",
    forget_a_delivery: "no loss",
    refuse_a_send_that_came: "no invention",
    make_up_a_frame: "no invention",
    cross_the_apps: "isolation",
    swap_two_frames: "order",
    delay_a_frame: "expiry",
    repeat_after_confirm: "confirm",
    give_a_second_id: "identity",
    change_a_body: "identity",
    repeat_at_once: "no needless repeat",
    send_twice: "idempotency",
    lose_a_count: "conservation",
    miscount_a_state: "conservation",
}


@pytest.mark.parametrize("seed", SEEDS)
def test_auditor_passes_good_history(seed):
    """Nothing is found where nothing is wrong."""
    assert audit(good_history(seed)) == []


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("spoil", "invariant"), BAD.items(), ids=lambda one: getattr(one, "__name__", ""))
def test_auditor_flags_bad_history(spoil, invariant, seed):
    """Each way to break a promise is found under its name."""
    history = good_history(seed)
    spoil(history, random.Random(seed))
    assert invariant in {finding.invariant for finding in audit(history)}


@pytest.mark.parametrize("seed", SEEDS)
def test_auditor_allows_repeats_after_faults(seed):
    """A repeat with the same id is no finding when something was broken on purpose."""
    history = good_history(seed)._replace(faulted=True)
    history.frames.append(history.frames[0])
    assert audit(history) == []

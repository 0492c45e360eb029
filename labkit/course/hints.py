"""Hints for the exercises, one after another. A check says what is wrong; a hint says where to begin."""

from collections import Counter

from labkit.catalogue import gettext

HINTS = {
    "for_nothing": (
        "Take one parcel. Which look finds it: the first one at its minute or later. What if there is none?",
        "Collect the looks that find something in a set: a look that finds two parcels is in it once.",
        "All other looks find nothing.",
    ),
    "doorbell": (
        "Look at the message's type first. Only a challenge has the type endpoint.verify.",
        "A dict that a Flask function returns is sent as JSON. A text that it returns is sent with status 200.",
        "Both kinds of message need a `return`. Only an event has an id to append to the list `heard`.",
    ),
    "polls": (
        "Take a delay of 0 and an interval of 60. At which seconds are the first three polls sent?",
        "Now with a delay of 10: the second poll is sent after the way there, the way back and the sleep.",
        "How many of these moments are smaller than `duration`? Try 299, 300 and 301. `math.ceil` rounds up.",
    ),
    "poll": (
        "Begin with the cursor of everything, an empty text, and repeat for ever: `while True`.",
        "In each round: get, receive each event of the page, keep the page's `next` for the next round.",
        "Sleep with `clock.sleep`, and only if there are no more pages.",
    ),
    "schedule": (
        "Begin with the shortest outage. Between which two seconds must an attempt be made?",
        "Add the waits up: the attempts are made at 0, at the first wait, at the first plus the second, and so on.",
        "The next attempt must come after 20 s and before 30 s, the last one after 600 s and before 900 s.",
    ),
    "take": (
        "Another process does not see your variables, and a restart forgets them. All of them see the database.",
        "A table can refuse a second row with the same id: what makes a column unique in SQL?",
        "A refused row is an exception in Python, unless the statement says what to do with it: INSERT OR ….",
    ),
    "empty_share": (
        "How many seconds lie between two polls that reach the source?",
        "How many events happen in that time on average? Call it m.",
        "How probable are 0 events of a Poisson process, if m are expected?",
    ),
    "largest_interval": (
        "How many seconds lie between two polls that reach the source? Call it T. An event may happen anywhere in it.",
        "95 of 100 events wait less than 0.95 T for the next poll. What else passes until you receive them?",
        "Set that latency equal to `limit` and solve for the interval.",
    ),
    "requests_cross": (
        "How many polls per second are sent? They depend on the interval and the delay, and not on the events.",
        "How many requests does one event cost the webhook? Without loss and not thin it is one.",
        "If half of all attempts fail, two are needed on average; if one in five fails, 1.25. The GET does not fail.",
    ),
    "bytes_cross": (
        "Write down the bytes per second of both. Each has a part that grows with the rate of events.",
        "Polling moves `empty` bytes per poll, and `event` bytes more per event.",
        "Set both equal and solve for the rate.",
    ),
    "page": (
        "A timestamp does not say which of its seven events a consumer has. Neither does an id: it has no order.",
        "What has an order that never changes? Look at how `events` grows.",
        "A cursor can be a number, written as a text: how many events its consumer already has.",
    ),
    "next_delay": (
        "If you knew the rate λ of the events, √(2τ/λ) seconds between two polls would be best. So estimate the rate.",
        "Divide a number of events by the time in which they happened. Before the first event there are none.",
        "The rate changes. What do the last 5 events say, and what do the last 30?",
    ),
    "retry_waits": (
        "Write down when the attempts are made: the sums of your waits. The last must come after 5 hours or later.",
        "An event of the middle of an outage waits for the next attempt. How long may the step be there, at most?",
        "After 10 minutes of outage a step of 5 minutes is short enough. After 2 hours it may be an hour and more.",
        "If the steps grow with the time since the event, lateness grows with the outage. What if that time doubles?",
    ),
    "reconcile_alarm": (
        "How many events happen in one interval? So many are recovered if the channel is dead. And if it is healthy?",
        "100 weeks have 67,200 reconciliations of 900 s. About one in 560 recovers 3 events or more, by chance.",
        "Events come at random: if 23 are expected in one interval, 12 may come. The rule needs a distance from both.",
    ),
    "book": (
        "Another process does not see your variables, and a restart forgets them. All of them see the database.",
        "A table can have a key of two columns: PRIMARY KEY (a, b). What do all copies of one event have in common?",
        "`INSERT OR IGNORE` raises no error. The cursor that it returns has a `rowcount`: 1 if the row is new.",
        "Both changes must be in one transaction. `with db` rolls back everything if an error leaves it.",
    ),
    "sync": (
        "First get all pages of one call: raise `skip` by what you already have, until a page is empty.",
        "An event that is 60 s late has an earlier second than the last one that you know. Where must `since` begin?",
        "Then you fetch some events again. Keep their ids in `state`, as a list, and leave those events out.",
    ),
    "genuine": (
        "Write the ten lines of notebook 02 first. Then ask of each line what it does with a header that is junk.",
        'A missing key is a KeyError; `int` of a word is a ValueError. Which exceptions mean "not genuine"?',
        "`compare_digest` takes texts only of ASCII letters, and bytes of any kind: encode both sides.",
    ),
    "signers": (
        "Keep the second at which each earlier secret ends, in a dict: the secret, and its end.",
        "At a rotation, the secret that was the newest gets an end. What happens to the ends that are known already?",
        "An end never moves back to a later second: take the smaller one. Dicts keep their order, the oldest first.",
    ),
    "divide": (
        "An event waits half an interval on average. With f polls per hour that is 1/(2f) hours.",
        "All events of a source with rate λ wait λ/(2f) hours in each hour. The sum over all sources must be small.",
        "One poll more at a source saves λ/(2f²). If that is not equal at all sources, move polls to where it is most.",
        "So λ/f² is equal at all sources. How does f depend on λ? Then make the sum of all f the budget.",
    ),
    "come_back": (
        "N first polls, evenly spread over S seconds: how many is that per second?",
        "When all have started, each consumer polls once per period. How many polls per second do N consumers send?",
        "The period is longer than `interval`. Can the interval that you return be shorter than the given one?",
    ),
    "choose": (
        "Write down the requests per hour of each approach that meets the need. The smallest number wins.",
        "Polls per hour depend on `late` alone. A webhook sends one request per event, the hybrid one more per hour.",
        "Leave an approach out if the need forbids it: `quota`, `called`, `every`, `hold`, and nobody who looks.",
    ),
    "looks_cross": (
        "After a look that sends a request, how long does no other look send one?",
        "And how long is it from then to the next look, on average?",
        "The webhook sends a request every 1 / rate seconds. Set both equal. Can the result be negative?",
    ),
}
"""The hints of each exercise, by the name of the function to write: English texts, the catalogue's keys."""
_shown = Counter[str]()


def hint(name: str) -> None:
    """Print the first hint for an exercise; each further call prints one more. The last one says that it is the last.

    >>> hint("bytes_cross")
    1. Write down the bytes per second of both. Each has a part that grows with the rate of events.
    """
    if name not in HINTS:
        raise ValueError(f"name must be one of {', '.join(HINTS)}, got {name!r}")
    _shown[name] += 1
    for number, text in enumerate(HINTS[name][: _shown[name]], start=1):
        print(f"{number}. {gettext(text)}")
    if _shown[name] >= len(HINTS[name]):
        print(gettext("That was the last hint for {name}.", name=name))

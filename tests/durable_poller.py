"""A poller that goes on where it was killed: `python durable_poller.py URL FILE`. It prints lines of JSON, URL first.

The effects are in FILE, the cursor in FILE.cursor: an event has its effect before the cursor passes it. Killed between
the two, it reads the page again, and the inbox knows its events.
"""

import os
import sys
from pathlib import Path

import httpx

from labkit.approaches.page import pages
from labkit.cli.output import print_json_line
from labkit.clock import RealClock
from labkit.event import to_json
from labkit.receiver import Inbox


def main(url: str, file: str) -> None:
    kept, written = Path(f"{file}.cursor"), Path(f"{file}.cursor.new")
    inbox, clock = Inbox(file), RealClock()
    cursor = kept.read_text() if kept.exists() else ""
    print_json_line({"url": url})
    with httpx.Client(base_url=url, trust_env=False, timeout=10) as client:
        while True:
            for _, page in pages(client, cursor):
                for event in page["events"]:
                    print_json_line(event)
                    inbox.record(event["id"], to_json(event))
                cursor = page["next"]
                written.write_text(cursor)
                os.replace(written, kept)  # the old cursor or the new one, never half of it
            clock.sleep(0.01)


if __name__ == "__main__":  # pytest, which looks for examples in every file, imports it too
    main(*sys.argv[1:])

"""A private nginx with nchan, somebody else's event source: `/stream` by server-sent events, `/events` by long poll.

https://nchan.io: a channel's messages are kept. Each has an id: its second, and its place in that: 1700000000:2.
"""

import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path

import httpx

from labkit.clock import monotonic
from labkit.event import to_json

MODULES = [Path(folder, "ngx_nchan_module.so") for folder in ("/usr/lib/nginx/modules", "/usr/share/nginx/modules")]
MODULE = next((path for path in MODULES if path.exists()), None)
MISSING = "nginx with nchan is missing: apt-get install nginx libnginx-mod-nchan"
READY_SECONDS = 5.0

# A page is published without a cursor, and gets the message's own id on its way out: our cursor is nchan's id.
CONFIG = """
load_module {module};
daemon off;
worker_processes 1;
pid {folder}/pid;
error_log {folder}/errors warn;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  client_body_temp_path body; proxy_temp_path proxy;
  fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  server {{
    listen 127.0.0.1:{port};
    location ~ ^/publish/([a-z]+)$ {{ nchan_publisher; nchan_channel_id $1; nchan_message_buffer_length 1000; }}
    location = /stream {{ nchan_subscriber eventsource; nchan_channel_id stream; nchan_subscriber_timeout {timeout}; }}
    location = /events {{
      nchan_subscriber longpoll;
      nchan_channel_id pages;
      nchan_subscriber_timeout {timeout};
      nchan_subscriber_last_message_id $arg_after;
      sub_filter_types *;
      sub_filter '"next":""' '"next":"$nchan_message_id"';
    }}
  }}
}}
"""


def available():
    return MODULE is not None and shutil.which("nginx") is not None


class Nchan:
    """Runs in a `with` block; a subscriber is sent away after `timeout` seconds without news, 0 for never."""

    def __init__(self, timeout=0):
        self._timeout = timeout

    def __enter__(self):
        self._folder = tempfile.TemporaryDirectory(prefix="labkit-nginx-")
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        folder = Path(self._folder.name)
        config = CONFIG.format(module=MODULE, folder=folder, port=self.port, timeout=self._timeout)
        (folder / "nginx.conf").write_text(config)
        self._client = httpx.Client(base_url=self.url, trust_env=False)
        self._process = subprocess.Popen(
            ["nginx", "-p", folder, "-e", folder / "errors", "-c", folder / "nginx.conf"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._wait_for(lambda: self._client.get("/publish/none").status_code < 500)
        return self

    def __exit__(self, *error):
        self._client.close()
        self._process.terminate()
        self._process.wait(READY_SECONDS)
        self._folder.cleanup()

    @property
    def workers(self):
        """The process ids of its workers: of one, but for a moment of a reload."""
        listed = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        return [int(pid) for pid in listed.read_text().split()]

    def publish(self, document):
        """Tell both channels of one event in our wire format, alone and as a page."""
        page = to_json({"events": [document], "next": "", "has_more": False})
        self.post("stream", to_json(document))
        self.post("pages", page)

    def post(self, channel, message):
        headers = {"Content-Type": "application/json"}
        self._client.post(f"/publish/{channel}", content=message, headers=headers).raise_for_status()

    def reload(self):
        """Start a new worker and end the old one: it sends its subscribers away, and takes its messages with it."""
        old = self.workers
        self._process.send_signal(signal.SIGHUP)
        self._wait_for(lambda: not set(old) & set(self.workers))

    def _wait_for(self, condition):
        until, error = monotonic() + READY_SECONDS, None
        while monotonic() < until:
            try:
                if condition():
                    return
            except httpx.TransportError as refused:
                error = refused
            if self._process.poll() is not None:
                break
        raise RuntimeError(f"nginx: {error}: {(Path(self._folder.name) / 'errors').read_text()}")

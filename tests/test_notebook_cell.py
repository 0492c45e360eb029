"""Servers in a real Jupyter kernel: running a cell again replaces the servers that it started."""

from queue import Empty

import httpx
import jupyter_client
import pytest
from raw_http import TIMEOUT, answering, connect, is_refused, read_to_end

from labkit.server import serve


class Kernel:
    """A real kernel that runs cells as JupyterLab has it run them."""

    def __init__(self):
        self.manager = jupyter_client.KernelManager(kernel_name="python3")
        self.manager.start_kernel()
        self.attach()

    def attach(self):
        self.client = self.manager.blocking_client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=30)

    def send(self, code, cell=""):
        content = {"code": code, "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": False}
        message = self.client.session.msg("execute_request", content, metadata={"cellId": cell} if cell else {})
        self.client.shell_channel.send(message)
        return message["header"]["msg_id"]

    def finish(self, message):
        """What a cell showed, once it is done."""
        shown = ""
        while True:
            came = self.client.get_iopub_msg(timeout=20)
            content = came["content"]
            if came["parent_header"].get("msg_id") != message:
                assert came["msg_type"] == "status", came
            elif came["msg_type"] == "stream":
                shown += content["text"]
            elif came["msg_type"] == "error":
                shown += content["ename"]
            elif came["msg_type"] == "status" and content["execution_state"] == "idle":
                return shown.strip()

    def run(self, code, cell=""):
        return self.finish(self.send(code, cell))

    def stop(self):
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


@pytest.fixture(scope="module")
def kernel():
    kernel = Kernel()
    kernel.run("from flask import Flask\nfrom labkit.server import serve")
    yield kernel
    kernel.stop()


@pytest.fixture
def http():
    with httpx.Client(trust_env=False, timeout=TIMEOUT) as client:
        yield client


SERVE = "server = serve(Flask('a'))\nprint(server.url)"


def answers(http, url):
    try:
        return http.get(url).status_code == 404
    except httpx.ConnectError:
        return False


@pytest.mark.parametrize("cell", ["", "cell-a"])
def test_a_cell_run_again_replaces_its_server_and_no_other(kernel, http, cell):
    """With the cell's id, and without one: then by its text."""
    other = kernel.run(f"{SERVE}  # another cell {cell}", cell and "cell-b")
    first = kernel.run(SERVE, cell)
    assert (answers(http, other), answers(http, first)) == (True, True)
    second = kernel.run(SERVE, cell)
    assert second != first
    assert [answers(http, url) for url in (other, first, second)] == [True, False, True]
    if cell:  # its text may change then
        third = kernel.run(f"# better\n{SERVE}", cell)
        assert [answers(http, url) for url in (other, second, third)] == [True, False, True]


def test_two_servers_of_one_cell_both_live_and_are_both_replaced(kernel, http):
    both = "for _ in range(2):\n    print(serve(Flask('b')).url)"
    first, second = kernel.run(both, "cell-2").split()
    assert (answers(http, first), answers(http, second)) == (True, True)
    third, fourth = kernel.run(both, "cell-2").split()
    assert [answers(http, url) for url in (first, second, third, fourth)] == [False, False, True, True]


def test_a_cell_with_a_port_of_its_own_can_be_run_again(kernel, http):
    with serve(answering()) as server:
        port = server.port
    fixed = f"print(serve(Flask('c'), {port}).url)"
    for _ in range(2):
        url = kernel.run(fixed, "cell-3")
        assert answers(http, url), url


def test_a_cell_that_fails_prints_nothing_from_the_server(kernel, http):
    """Its views' tracebacks are in server.errors."""
    failing = "app = Flask('d')\napp.add_url_rule('/', 'x', lambda: 1 / 0)\nserver = serve(app)\nprint(server.url)"
    url = kernel.run(failing, "cell-4")
    assert http.get(url).status_code == 500
    assert kernel.run("print(server.errors)").endswith("ZeroDivisionError: division by zero")
    with pytest.raises(Empty):
        kernel.client.get_iopub_msg(timeout=0.2)


def test_an_interrupted_kernel_goes_on_serving_and_a_restarted_one_leaves_no_port(kernel, http):
    """Restarted by force, and in order."""
    url = kernel.run(SERVE, "cell-5")
    running = kernel.send("print('in')\nimport time\ntime.sleep(30)")
    while kernel.client.get_iopub_msg(timeout=10)["content"].get("text") != "in\n":
        pass
    kernel.manager.interrupt_kernel()
    assert kernel.finish(running) == "KeyboardInterrupt"
    assert answers(http, url)
    for now in (True, False):
        url = kernel.run(f"from flask import Flask\nfrom labkit.server import serve\n{SERVE}")
        port = int(url.rsplit(":", 1)[1])
        with connect(port) as connection:
            kernel.client.stop_channels()
            kernel.manager.restart_kernel(now=now)
            assert read_to_end(connection) == b""
        assert is_refused(port)
        kernel.attach()

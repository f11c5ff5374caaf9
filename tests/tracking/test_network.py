"""A run, W&B's offline one included, speaks to this machine only."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import FEW, ROOT, SMALL, run_command

# Python imports this at its start, in every process of a run, and writes down whom it speaks to.
HOOK = """
import os, socket, sys

def hook(event, details):
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        about = [details[0].family.name, details[1]]
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        about = ["name", details]
    else:
        return
    with open(os.environ["LEDGER"], "a") as file:
        print(event, *about, file=file)

sys.addaudithook(hook)
"""
LOCAL = ("127.0.0.1", "localhost", "::1", "AF_UNIX")


@pytest.fixture
def trap() -> Iterator[tuple[int, list[str]]]:
    """A proxy that answers nobody: W&B's service is no Python, but asks for the proxy, too."""
    caught: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def listen() -> None:
            while True:
                try:
                    client, _ = server.accept()
                except OSError:
                    return
                with client:
                    caught.append(client.recv(100).decode(errors="replace"))

        threading.Thread(target=listen, daemon=True).start()
        yield server.getsockname()[1], caught
        server.shutdown(socket.SHUT_RDWR)


def run(arguments: list[str], folder: Path, port: int) -> list[str]:
    """Lines of the ledger that name another machine."""
    hooks = folder / "hooks"
    hooks.mkdir(exist_ok=True)
    (hooks / "sitecustomize.py").write_text(HOOK)
    ledger = folder / "ledger"
    ledger.write_text("")
    proxies = {f"{s}_proxy": f"http://127.0.0.1:{port}" for s in ("http", "https", "all")}
    env = {"PYTHONPATH": str(hooks), "LEDGER": str(ledger), "no_proxy": "127.0.0.1,localhost"}
    done = run_command(arguments, folder, {**env, **proxies, "NO_PROXY": env["no_proxy"]})
    assert done.returncode == 0, done.stderr
    lines = ledger.read_text().splitlines()
    return [line for line in lines if not any(word in line for word in LOCAL)]


SWEEP = ["-m", "model=linear,persistence", "launcher=joblib"]


@pytest.mark.parametrize("more", [[], pytest.param(SWEEP, marks=pytest.mark.slow)])
def test_no_connection_leaves_the_machine(
    tmp_path: Path, trap: tuple[int, list[str]], more: list[str]
) -> None:
    port, caught = trap
    job = [str(ROOT / "train.py"), *more, *SMALL["lorenz"], *FEW]
    assert run(job, tmp_path, port) == []
    assert caught == []
    assert (tmp_path / "ledger").read_text(), "W&B's own service was not even seen"
    assert list(tmp_path.rglob("*.wandb"))


def test_both_watchers_see_one_that_would(tmp_path: Path, trap: tuple[int, list[str]]) -> None:
    port, caught = trap
    code = (
        "import socket, urllib.error, urllib.request\n"
        "s = socket.socket(type=socket.SOCK_DGRAM)\n"
        "s.connect(('192.0.2.1', 9))  # sends nothing\n"
        "try:\n    urllib.request.urlopen('http://example.invalid/')\n"
        "except OSError:\n    pass\n"
    )
    (line,) = run(["-c", code], tmp_path, port)
    assert "192.0.2.1" in line
    assert caught
    assert caught[0].startswith("GET http://example.invalid/")

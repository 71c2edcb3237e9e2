"""Services deployed over one another through the command line: what is broken does not replace what works."""

import hashlib
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from jubako.cli.main import main
from jubako.testing.server import ServerProcess

CANARY = "canary-91c3d2aa07"
WEB = """
import hashlib, http.server, os, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(ANSWER)
    def log_message(self, *args):
        pass
http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path / "state") as server:
        yield server


@pytest.fixture
def jubako(server: ServerProcess, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    def run(*words: str) -> tuple[int, str]:
        code = main(list(words), {"JUBAKO_SERVER": server.address})
        captured = capsys.readouterr()
        return code, captured.out + captured.err

    return run


def program(folder: Path, name: str, answer: str) -> str:
    path = folder / f"{name}.py"
    path.write_text(WEB.replace("ANSWER", answer))
    return f"{sys.executable},{path}"


def ask(server: ServerProcess) -> str:
    url = f"{server.address}/run/local/asia-northeast1/web/"
    with urllib.request.urlopen(url, timeout=30) as answer:
        return str(answer.read().decode())


def test_a_broken_revision_is_told_to_who_deploys_it_and_the_old_one_serves_on(
    server: ServerProcess, jubako: Any, tmp_path: Path
) -> None:
    deploy = ("run", "deploy", "web", "--command")
    assert jubako(*deploy, program(tmp_path, "one", "b'one'"))[0] == 0
    assert ask(server) == "one"
    code, said = jubako(*deploy, "sh,-c,exit 7")
    assert (code, len(said.strip().splitlines())) == (1, 1)
    assert "does not serve. The instance exited with code 7" in said
    assert "The revision before goes on serving." in said
    assert ask(server) == "one"
    server.kill()
    server.restart()
    assert ask(server) == "one"
    assert jubako(*deploy, program(tmp_path, "two", "b'two'"))[0] == 0
    assert ask(server) == "two"


def test_a_secret_reaches_the_instance_and_is_shown_nowhere(
    server: ServerProcess, jubako: Any, tmp_path: Path
) -> None:
    value = tmp_path / "value"
    value.write_text(CANARY)
    web = program(tmp_path, "web", "hashlib.sha256(os.environ['TOKEN'].encode()).hexdigest().encode()")
    heard = [jubako("run", "deploy", "web", "--command", web, "--set-secrets", "TOKEN=token:latest")]
    assert heard[0][0] == 1
    assert "Secret version 'projects/local/secrets/token/versions/latest'" in heard[0][1]
    heard += [
        jubako("secrets", "create", "token", f"--data-file={value}"),
        jubako("run", "deploy", "web", "--command", web, "--set-secrets", "TOKEN=token:latest"),
    ]
    assert ask(server) == hashlib.sha256(CANARY.encode()).hexdigest()
    heard += [
        jubako("run", "services", "describe", "web"),
        jubako("run", "services", "describe", "web", "--format", "export"),
        jubako("run", "services", "logs", "read", "web"),
        jubako("secrets", "versions", "list", "token"),
    ]
    assert not any(CANARY in said for _, said in heard)
    state = server.state_dir
    holders = [path for path in state.rglob("*") if path.is_file() and CANARY.encode() in path.read_bytes()]
    assert [path.relative_to(state) for path in holders] == [Path("secrets/local/token/1")]
    assert CANARY not in state.with_name("state.log").read_text("utf-8")


def test_a_secret_is_a_file_that_the_instance_alone_sees(
    server: ServerProcess, jubako: Any, tmp_path: Path
) -> None:
    if "no volumes" in server.said:
        pytest.skip(server.said)
    (tmp_path / "value").write_text(CANARY)
    place, scratch = tmp_path / "keys", tmp_path / "scratch"
    assert jubako("secrets", "create", "file", f"--data-file={tmp_path / 'value'}")[0] == 0
    read = f"(open('{place}/key').read() + str(os.listdir('{scratch}'))).encode()"
    deploy = ["run", "deploy", "web", "--command", program(tmp_path, "web", read)]
    deploy += ["--set-secrets", f"{place}/key=file:latest", "--add-volume", "name=s,type=in-memory"]
    code, said = jubako(*deploy, "--add-volume-mount", f"volume=s,mount-path={scratch}")
    assert (code, ask(server)) == (0, f"{CANARY}[]"), said
    assert (list(place.iterdir()), list(scratch.iterdir())) == ([], [])

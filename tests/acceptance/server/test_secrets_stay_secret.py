"""A canary: the value of a secret reaches the task, and nothing that the server shows, logs or stores elsewhere."""

import base64
import hashlib
import json
import sys
from pathlib import Path
from typing import Any

from jubako.testing.server import PARENT, ApiError, ServerProcess

CANARY = "canary-5b1f0c77e2"
HASHED = "import hashlib, os; print(hashlib.sha256(os.environ['TOKEN'].encode()).hexdigest())"
SECRETS = "/jubako/v1/projects/local/secrets"


def job(name: str, container: dict[str, Any]) -> dict[str, Any]:
    ref = {"secretKeyRef": {"secret": "token", "version": "latest"}}
    container = {"env": [{"name": "TOKEN", "valueSource": ref}], **container}
    return {"template": {"template": {"maxRetries": 0, "containers": [container]}}}


def test_the_value_is_where_it_must_be_and_nowhere_else(tmp_path: Path) -> None:  # noqa: PLR0915
    state, seen = tmp_path / "state", []

    def ask(verb: str, path: str, body: object = None) -> Any:
        try:
            answer = server.call(verb, path, body)
        except ApiError as error:
            answer = str(error)
        seen.append(json.dumps(answer))
        return answer

    broken = tmp_path / "broken"
    broken.write_text("#!/no/such/interpreter\n")
    broken.chmod(0o755)
    with ServerProcess(state) as server:
        ask("POST", f"{SECRETS}?secretId=token", {})
        data = base64.b64encode(CANARY.encode()).decode()
        ask("POST", f"{SECRETS}/token:addVersion", {"payload": {"data": data}})
        for bad in (
            {"payload": CANARY},
            {"payload": {"data": f"{CANARY}!"}},
            {"payload": {"data": [CANARY]}},
        ):
            ask("POST", f"{SECRETS}/token:addVersion", bad)
        ask("GET", f"{SECRETS}/token/versions")
        ask("GET", f"{SECRETS}/token/versions/1:access")
        for name, container in (
            ("hash", {"command": [sys.executable, "-c", HASHED]}),
            ("none", {"command": [str(broken)]}),
            ("fail", {"command": ["sh", "-c", "exit 3"]}),
        ):
            ask("POST", f"/v2/{PARENT}/jobs?jobId={name}", job(name, container))
            operation = ask("POST", f"/v2/{PARENT}/jobs/{name}:run", {})
            ended = ask("POST", f"/v2/{operation['name']}:wait", {"timeout": "60s"})
            assert ended["done"]
            execution = ended["metadata"]["name"]
            tasks = ask("GET", f"/v2/{execution}/tasks")["tasks"]
            ask("GET", f"/jubako/v1/{tasks[0]['name']}/attempts")
            logs = ask("GET", f"/jubako/v1/{execution}/logs")
            if name == "hash":
                assert logs["entries"][0]["textPayload"] == hashlib.sha256(CANARY.encode()).hexdigest()
        ask("GET", f"/v2/{PARENT}/jobs/hash")
        # A task that waits keeps its specification with the supervisor; the server dies and comes back meanwhile.
        ask("POST", f"/v2/{PARENT}/jobs?jobId=wait", job("wait", {"command": ["sleep", "600"]}))
        operation = ask("POST", f"/v2/{PARENT}/jobs/wait:run", {})
        server.kill()
        server.restart()
        ask("POST", f"/v2/{operation['metadata']['name']}:cancel", {})
        ask("POST", f"/v2/{operation['name']}:wait", {"timeout": "60s"})
        holders = [path for path in state.rglob("*") if path.is_file() and _holds(path)]
        assert [path.relative_to(state) for path in holders] == [Path("secrets/local/token/1")]
    assert not any(CANARY in answer or data in answer for answer in seen)
    log = state.with_name("state.log").read_text("utf-8")
    assert CANARY not in log
    assert data not in log


def _holds(path: Path) -> bool:
    content = path.read_bytes()
    return CANARY.encode() in content or base64.b64encode(CANARY.encode()) in content

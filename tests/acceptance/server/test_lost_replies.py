"""A reply that never arrives: what was asked for happened once, and whoever asks again learns of it."""

import http.client
import socket
import struct
from pathlib import Path

from jubako.testing.server import PARENT, ServerProcess

AGENT = "google-cloud-sdk gcloud/528.0.0 command/gcloud.run.jobs.execute invocation-id/" + "5c" * 16 + " env"
JOBS = "/apis/run.googleapis.com/v1/namespaces/local/jobs"


def deploy(server: ServerProcess) -> None:
    task = {"containers": [{"command": ["/bin/true"]}], "maxRetries": 0}
    server.post(f"/v2/{PARENT}/jobs?jobId=once", {"template": {"template": task}})


def run_and_hang_up(server: ServerProcess) -> None:
    """Send gcloud's request to run the job, and break the connection before the reply, by a reset."""
    host, port = server.address.removeprefix("http://").split(":")
    connection = socket.create_connection((host, int(port)))
    head = f"POST {JOBS}/once:run HTTP/1.1\r\nHost: localhost\r\nUser-Agent: {AGENT}\r\nContent-Length: 2\r\n\r\n"
    connection.sendall(head.encode() + b"{}")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def run_again(server: ServerProcess) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(server.address.removeprefix("http://"), timeout=60)
    connection.request("POST", f"{JOBS}/once:run", b"{}", {"user-agent": AGENT})
    reply = connection.getresponse()
    body = reply.read()
    connection.close()
    return reply.status, body


def executions(server: ServerProcess) -> list[str]:
    found = server.get(f"/v2/{PARENT}/jobs/once/executions").get("executions", [])
    return [execution["name"] for execution in found]


def test_gclouds_repetitions_over_broken_connections_and_a_kill_start_one_execution(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "state") as server:
        deploy(server)
        for _ in range(3):
            run_and_hang_up(server)
        status, body = run_again(server)
        assert status == 200, body
        server.kill()
        server.restart()
        status, again = run_again(server)
        assert status == 200, again
        [name] = executions(server)
        assert name.rpartition("/")[2].encode() in body
        assert name.rpartition("/")[2].encode() in again


def test_a_run_of_somebody_else_is_a_run_of_its_own(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "state") as server:
        deploy(server)
        run_again(server)
        server.post(f"/v2/{PARENT}/jobs/once:run")
        server.post(f"/v2/{PARENT}/jobs/once:run")
        assert len(set(executions(server))) == 3

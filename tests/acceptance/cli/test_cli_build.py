"""Sources become bundles and run, on a real server, by the command line and by Google's own client's words."""

import subprocess
import sys
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from jubako.testing.server import PARENT, ApiError, ServerProcess

SERVICE = """
import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(b"from a bundle")
http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path_factory.mktemp("build") / "state") as server:
        yield server


def jubako(server: ServerProcess, *words: str) -> str:
    command = [sys.executable, "-m", "jubako", "--state", str(server.state_dir), *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def ran(server: ServerProcess, job: str) -> list[str]:
    jubako(server, "run", "jobs", "execute", job, "--wait")
    return [
        line.split("] ", 1)[1] for line in jubako(server, "run", "jobs", "logs", "read", job).splitlines()
    ]


def test_a_name_is_what_it_means_when_the_job_is_run(server: ServerProcess, tmp_path: Path) -> None:
    main = tmp_path / "main.py"
    main.write_text("import sys; print('first', *sys.argv[1:])\n")
    jubako(server, "build", "-t", "named", str(tmp_path))
    container = {"image": "named", "args": ["a"]}
    template = {"template": {"containers": [container], "maxRetries": 0}}
    server.post(f"/v2/{PARENT}/jobs?jobId=named", {"template": template})
    assert ran(server, "named") == ["first a"]
    main.write_text("import sys; print('second', *sys.argv[1:])\n")
    jubako(server, "build", "-t", "named", str(tmp_path))
    assert ran(server, "named") == ["second a"]
    images = jubako(
        server, "run", "jobs", "executions", "list", "--job", "named", "--format",
        "value(template.containers[0].image)",
    ).split()  # fmt: skip
    assert len(set(images)) == 2
    assert all(image.startswith("named@sha256:") for image in images)


def test_a_service_runs_what_its_source_was(server: ServerProcess, tmp_path: Path) -> None:
    (tmp_path / "serve.py").write_text(SERVICE)
    (tmp_path / "Procfile").write_text(f"web: {sys.executable} serve.py\n")
    jubako(server, "run", "deploy", "web", "--source", str(tmp_path))
    with urllib.request.urlopen(f"{server.address}/run/local/asia-northeast1/web/", timeout=60) as reply:
        assert reply.read() == b"from a bundle"


def test_requirements_are_in_an_environment_of_its_own(server: ServerProcess, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "tiny-1.0-py3-none-any.whl", "w") as wheel:
        info = "tiny-1.0.dist-info"
        wheel.writestr("tiny.py", "def main():\n    print('tiny')\n")
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/entry_points.txt", "[console_scripts]\ntiny-says = tiny:main\n")
        wheel.writestr(f"{info}/RECORD", "")
    (tmp_path / "requirements.txt").write_text("--no-index\n./tiny-1.0-py3-none-any.whl\n")
    (tmp_path / "main.py").write_text("import subprocess, tiny; tiny.main(); subprocess.run(['tiny-says'])\n")
    jubako(server, "run", "jobs", "deploy", "tiny", "--source", str(tmp_path))
    assert ran(server, "tiny") == ["tiny", "tiny"]


def test_an_image_that_nobody_built_is_refused_with_both_ways_out(server: ServerProcess) -> None:
    template = {"template": {"containers": [{"image": "gcr.io/x/y:v1"}]}}
    server.post(f"/v2/{PARENT}/jobs?jobId=foreign", {"template": template})
    with pytest.raises(ApiError, match="jubako build") as refused:
        server.post(f"/v2/{PARENT}/jobs/foreign:run")
    assert refused.value.status == "FAILED_PRECONDITION"
    assert "--image local" in refused.value.message

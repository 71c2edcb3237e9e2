"""What the fuzzer begins with: one good input of each kind, and the words of each language."""

from collections.abc import Sequence
from pathlib import Path

from jubako.boxes.jobs.resources import CreateJobRequest, Job
from jubako.wire import protobuf_codec
from jubako.wire.google_types import Operation
from jubako.wire.h2_calls import PREFACE
from jubako.wire.run_types import Container

WORKFLOWS = Path(__file__).parents[2] / "crash" / "workflow_corpus"
JOB = b'{"template":{"template":{"containers":[{"image":"a","env":[{"name":"A","value":"b"}]}],"timeout":"3.5s"}}}'
JOBS = "/v2/projects/p/locations/l/jobs"


def request(line: str, body: bytes = b"", *headers: str) -> bytes:
    """One byte that says into how many reads it is cut, and a request."""
    length = [f"content-length: {len(body)}"] if body else []
    head = "\r\n".join([f"{line} HTTP/1.1", "host: localhost", *length, *headers, "", ""])
    return b"\x01" + head.encode() + body


def answer(head: str, body: bytes = b"") -> bytes:
    return b"\x01" + head.replace("\n", "\r\n").encode() + b"\r\n\r\n" + body


def message(cls_number: int, value: object) -> bytes:
    return bytes([cls_number]) + protobuf_codec.encode(value)  # type: ignore[arg-type]


SEEDS: dict[str, Sequence[bytes]] = {
    "port": [
        request("GET /healthz"),
        request(f"GET {JOBS}?pageSize=2&pageToken=a&$alt=json;enum-encoding=int"),
        request(f"POST {JOBS}?jobId=j&validateOnly=true", JOB),
        request(
            f"PATCH {JOBS}/j?updateMask=template.labels", JOB, "x-goog-api-client: a", "origin: http://a"
        ),
        request(f"POST {JOBS}/j:run", b'{"overrides":{"taskCount":1}}'),
        request(f"POST {JOBS}", b"2\r\n{}\r\n0\r\n\r\n", "transfer-encoding: chunked")[:-1],
        request("POST /v2/entries:list", b'{"resourceNames":["projects/p"]}', "expect: 100-continue"),
        request("GET /run/p/l/s/x%2Fy?z", b"", "connection: Upgrade", "upgrade: websocket"),
        request("CONNECT run.googleapis.com:443"),
        request("GET /healthz") + request("DELETE " + JOBS + "/j")[1:],
        b"\x01PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0",
    ],
    "answer": [
        answer("HTTP/1.1 200 OK\ncontent-length: 2", b"ok"),
        answer("HTTP/1.1 100 Continue") + answer("HTTP/1.1 200 OK\ncontent-length: 0")[1:],
        answer("HTTP/1.1 200 OK\ntransfer-encoding: chunked", b"3;x=y\r\nabc\r\n0\r\na: b\r\n\r\n"),
        answer("HTTP/1.0 404 Not Found\nconnection: close\nset-cookie: a=b", b"to the end"),
        answer("HTTP/1.1 101 Switching\nconnection: upgrade\nupgrade: h2c"),
    ],
    "metadata": [
        b"/computeMetadata/v1/instance/service-accounts/default/token?scopes=a,b",
        b"/computeMetadata/v1/instance/service-accounts/default/identity?audience=a&format=full",
        b"/computeMetadata/v1/?recursive=true",
    ],
    "frames": [
        b"\x01"
        + PREFACE
        + bytes.fromhex("000000040000000000 000013010500000001 8386840f28076c6f63616c686f7374400161")
        + b"\x01b",
        b"\x01"
        + PREFACE
        + bytes.fromhex("000011010400000001 82868441 8cf1e3c2e5f23a6ba0ab90f4ff 0000000000000000 01"),
    ],
    "protobuf": [
        message(0, CreateJobRequest(parent="projects/p/locations/l", job_id="j", job=Job(name="j"))),
        message(1, Operation(name="operations/o", done=True)),
        message(3, Container(image="a", command=["b"], args=["c"])),
    ],
    "json": [
        b"\0" + b'{"parent":"p","jobId":"j","job":' + JOB + b"}",
        b"\1{}",
        b'\3{"updateMask":"a,b","etag":null}',
    ],
    "workflow": [path.read_bytes() for path in sorted(WORKFLOWS.glob("*.yaml"))],
    "log-filter": [
        b'severity>=ERROR AND (textPayload:"a" OR NOT labels.a="b") timestamp>"2026-11-24T00:00:00Z"',
        b'logName="projects/p/logs/l" -resource.labels.x=~"^a+$" log_id("l") jsonPayload.a.b<3',
    ],
    "list-filter": [b'state="ACTIVE" AND createTime>"2026-11-24"', b"startTime desc, state"],
    "cli-filter": [b"state=ACTIVE AND (NOT labels.a:b OR severity~'^E')", b'a.b.list()>=3 -c!="d"'],
}
WORDS: dict[str, Sequence[str]] = {
    "port": [
        *(
            "GET ",
            "POST ",
            "CONNECT ",
            "PRI * HTTP/2.0\\x0d\\x0a",
            " HTTP/1.1\\x0d\\x0a",
            "\\x0d\\x0a\\x0d\\x0a",
            "host: ",
        ),
        *(
            "content-length: ",
            "transfer-encoding: chunked",
            "upgrade: websocket",
            "expect: 100-continue",
            "%2F",
            "%00",
        ),
        *(
            JOBS,
            ":run",
            ":cancel",
            "/executions/",
            "updateMask=",
            "pageToken=",
            "\\xff",
            "{",
            "}",
            "null",
            "template",
        ),
    ],
    "answer": [
        "HTTP/1.1 ",
        "\\x0d\\x0a",
        "content-length: ",
        "transfer-encoding: chunked",
        "0\\x0d\\x0a\\x0d\\x0a",
        "101 ",
    ],
    "metadata": ["/computeMetadata/v1/", "recursive=true", "project/", "instance/", "%2F", "%ff", "alt=json"],
    "frames": [
        "\\x01\\x04\\x00\\x00\\x00\\x01",
        "\\x09\\x04\\x00",
        "\\x3f\\xe1\\x1f",
        "\\xbe",
        "\\x41\\x09localhost",
    ],
    "protobuf": ["\\x0a\\xff", "\\xff\\xff\\xff\\xff\\x0f", "type.googleapis.com/", "\\x80"],
    "json": [
        "{",
        "}",
        "[",
        "]",
        "null",
        "1e400",
        "\\\\ud800",
        "template",
        "containers",
        "@type",
        "9223372036854775808",
    ],
    "workflow": [
        *(
            "main:",
            "steps:",
            "call: ",
            "assign:",
            "switch:",
            "for:",
            "parallel:",
            "try:",
            "retry:",
            "except:",
            "return: ",
        ),
        *(
            "${",
            "}",
            "&a ",
            "*a",
            "!!python/object:a",
            "<<: *a",
            "? ",
            "- ",
            "params: [",
            "next: ",
            "raise: ",
            "\\x0a  ",
        ),
    ],
    "log-filter": [
        "AND",
        "OR",
        "NOT",
        "=~",
        ">=",
        "!=",
        ":",
        "(",
        ")",
        "\\x22",
        "log_id(",
        "regexp(",
        "timestamp",
        "-",
    ],
    "list-filter": [
        "AND",
        "OR",
        "NOT",
        "=",
        ">=",
        "!=",
        ":",
        "(",
        ")",
        "\\x22",
        "state",
        "createTime",
        " desc",
        ",",
    ],
    "cli-filter": ["AND", "OR", "NOT", "~", ">=", "!=", ":", "(", ")", "\\x22", "state", "list()", "-"],
}


def write(target: str, folder: Path) -> tuple[Path, Path]:
    """Write a target's seeds and words as libFuzzer reads them; return the directory and the file."""
    corpus, words = folder / "corpus", folder / "words.dict"
    corpus.mkdir()
    for at, seed in enumerate(SEEDS[target]):
        (corpus / f"seed-{at}").write_bytes(seed)
    words.write_text("".join(f'"{word}"\n' for word in WORDS[target]), "ascii")
    return corpus, words

"""A small Google on a real socket: discovery documents, tokens, an API with and one without operations."""

import base64
import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

_STRING = {"type": "string"}


@dataclass
class FakeGoogle:
    """Answers; ``calls`` are ``(verb, path, query, headers, body)`` as they arrived."""

    address: str = ""
    calls: list[tuple[str, str, dict[str, list[str]], dict[str, str], bytes]] = field(default_factory=list)
    tokens: int = 0
    assertions: int = 0
    """How many tokens were bought with one, and what the last one said."""
    claims: dict[str, Any] = field(default_factory=dict)
    looks: int = 0
    failures: list[int] = field(default_factory=list)
    """Statuses to answer API calls with before any other."""
    operation_elsewhere: bool = False

    def sent(self, path: str) -> list[tuple[str, str, dict[str, list[str]], dict[str, str], bytes]]:
        """Return the calls of one path."""
        return [call for call in self.calls if call[1] == path]

    def answer(self, verb: str, target: str, headers: dict[str, str], body: bytes) -> tuple[int, Any]:
        """Return status and document."""
        parts = urlsplit(target)
        query = parse_qs(parts.query)
        self.calls.append((verb, parts.path, query, headers, body))
        if parts.path == "/token":
            return self._token(parse_qs(body.decode()))
        if parts.path.startswith("/discovery/"):
            return self._document(parts.path.removeprefix("/discovery/"))
        if not headers.get("authorization", "").startswith("Bearer token-"):
            return 401, {"error": {"message": "who are you?"}}
        if self.failures:
            return self.failures.pop(0), {"error": {"message": "not now"}}
        return self._api(parts.path, body)

    def _token(self, form: dict[str, list[str]]) -> tuple[int, Any]:
        if form.get("refresh_token") == ["bad"]:
            return 400, {"error": "invalid_grant", "error_description": "Token has been revoked."}
        self.tokens += 1
        if assertion := form.get("assertion"):
            self.assertions += 1
            self.claims = claims_of(assertion[0])
        return 200, {"access_token": f"token-{self.tokens}", "expires_in": 3600, "token_type": "Bearer"}

    def _document(self, api: str) -> tuple[int, Any]:
        if api not in {"library/v1", "machines/v1"}:
            return 404, {"error": {"message": "no such API"}}
        return 200, library(self.address) if api == "library/v1" else machines(self.address)

    def _api(self, path: str, body: bytes) -> tuple[int, Any]:
        given = json.loads(body) if body else None
        if path.endswith(":reprint"):
            return 200, {"name": "operations/1", "done": False}
        if path in {"/v1/operations/1", "/machines/v1/operations/1"}:
            self.looks += 1
            return 200, self._operation()
        if path.startswith("/machines/"):
            host = "http://localhost:1" if self.operation_elsewhere else self.address
            link = f"{host}/machines/v1/operations/1"
            return 200, {"operationType": "insert", "status": "RUNNING", "selfLink": link}
        return 200, {"path": path, "given": given}

    def _operation(self) -> dict[str, Any]:
        is_done = self.looks > 1
        if self.calls[-1][1].startswith("/machines/"):
            return {"operationType": "insert", "status": "DONE" if is_done else "RUNNING"}
        response = {"response": {"@type": "t", "pages": 7}} if is_done else {}
        return {"name": "operations/1", "done": is_done, **response}


def library(address: str) -> dict[str, Any]:
    """Return an API with a plain method, one with many kinds of parameters, and one that begins an operation."""
    return {
        "rootUrl": f"{address}/",
        "servicePath": "",
        "parameters": {"alt": {"location": "query"}},
        "schemas": {"Operation": {"properties": {"name": _STRING, "done": _STRING, "response": _STRING}}},
        "resources": {
            "shelves": {
                "resources": {
                    "books": {
                        "methods": {
                            "get": {
                                "httpMethod": "GET",
                                "path": "v1/{+name}",
                                "parameters": {"name": {"location": "path"}, "fields": {"location": "query"}},
                            },
                            "create": {
                                "httpMethod": "POST",
                                "path": "v1/shelves/{shelf}/books",
                                "parameters": {
                                    "shelf": {"location": "path"},
                                    "tag": {"location": "query", "repeated": True},
                                    "requestId": {"location": "query"},
                                },
                            },
                            "reprint": {
                                "httpMethod": "POST",
                                "path": "v1/{+name}:reprint",
                                "parameters": {"name": {"location": "path"}},
                                "response": {"$ref": "Operation"},
                            },
                        }
                    }
                }
            }
        },
    }


def machines(address: str) -> dict[str, Any]:
    """Return an API of Compute Engine's family."""
    properties = {"selfLink": _STRING, "status": _STRING, "operationType": _STRING, "name": _STRING}
    return {
        "rootUrl": f"{address}/",
        "servicePath": "machines/v1/",
        "schemas": {"Operation": {"properties": properties}},
        "resources": {
            "machines": {
                "methods": {
                    "insert": {
                        "httpMethod": "POST",
                        "path": "projects/{project}/machines",
                        "parameters": {"project": {"location": "path"}},
                        "response": {"$ref": "Operation"},
                    }
                }
            }
        },
    }


def claims_of(assertion: str) -> dict[str, Any]:
    """Return what an assertion says."""
    part = assertion.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return claims


def serve(google: FakeGoogle) -> ThreadingHTTPServer:
    """Serve it until ``shutdown``; its address is in ``google.address``."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", "0")))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, document = google.answer(self.command, self.path, headers, body)
            data = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = _answer  # noqa: N815 - the names that the library asks for

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    google.address = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server

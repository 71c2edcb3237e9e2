"""``jubako run deploy`` and ``jubako run services update|list|describe|delete``.

Source of the words: ``gcloud run deploy`` and ``gcloud run services`` of the Cloud SDK.
"""

import argparse
from collections.abc import Iterator
from typing import Any

from jubako.cli import policies, run_replace, service_logs
from jubako.cli.containers import add_container_flags, build_source, edit_container, edit_labels
from jubako.cli.context import Context, basename
from jubako.cli.errors import OK, CliError, UsageError
from jubako.cli.executions import FIRST_POLL_S, SLOWEST_POLL_S
from jubako.cli.flags import at_least, duration
from jubako.cli.formats import Columns, Nothing, Text
from jubako.cli.krm import with_krm
from jubako.cli.parsing import Group
from jubako.cli.paths import Path, parse_path
from jubako.cli.resources import create_or_update, delete
from jubako.cli.secret_flags import add_secret_flags, edit_secrets
from jubako.cli.terminal import Terminal, clean
from jubako.cli.times import local_time
from jubako.cli.volume_flags import add_volume_flags, edit_volumes

Service = dict[str, Any]
"""A ``google.cloud.run.v2.Service`` as JSON."""


def register(run: Group) -> None:
    """Add ``run deploy`` and the commands below ``run services``."""
    _add_deploy(run, "deploy", "Create a service, or change one: only what is given changes.")
    services = run.group("services", "Programs that answer HTTP requests.")
    _add_deploy(services, "update", "Change a service that exists: only what is given changes.")
    services.listing("list", list_services, "List services.")
    run_replace.register(services, run_replace.SERVICE)
    service_logs.register(services)
    policies.register(services, policies.SERVICE)
    for word, command, summary in (
        ("describe", describe_service, "Show a service."),
        ("delete", delete_service, "Stop and delete a service."),
    ):
        services.command(word, command, summary).add_argument("name", metavar="SERVICE")


def _add_deploy(group: Group, word: str, summary: str) -> None:
    example = f"jubako run {'services ' if word == 'update' else ''}{word} api --command python3,-m,my_app"
    deploy = group.command(word, deploy_service, summary, example=example)
    deploy.set_defaults(must_exist=word == "update")
    deploy.add_argument("name", metavar="SERVICE")
    add_container_flags(deploy)
    add_secret_flags(deploy)
    add_volume_flags(deploy)
    deploy.add_argument(
        "--async", dest="is_async", action="store_true", help="do not wait for a new revision to take over"
    )
    family = deploy.add_argument_group("requests")
    family.add_argument(
        "--port", metavar="N", type=at_least(1), help="port that a container listens on ($PORT)"
    )
    family.add_argument("--timeout", metavar="TIME", type=duration, help="per request: 60, 5m (5m)")
    family.add_argument(
        "--concurrency", metavar="N", type=at_least(1), help="requests at once for an instance (80)"
    )
    family.add_argument(
        "--min-instances", metavar="N", type=at_least(0), help="instances that are always there"
    )
    family.add_argument("--max-instances", metavar="N", type=at_least(1), help="instances at most")


def deploy_service(args: argparse.Namespace, context: Context) -> int:
    """``jubako run deploy`` and ``run services update``."""
    name = context.resource("services", args.name)
    if args.must_exist:
        context.client.get(f"/v2/{name}")
    build_source(args, context)
    service, is_new = create_or_update(context.client, name, lambda before: edit_service(before, args))
    if not args.is_async:
        service = _taken_over(context, name, service)
    context.note(f"Service [{basename(name)}] has been {'deployed' if is_new else 'updated'}.")
    context.note(f"Service URL: {url(context, name)}")
    context.show(with_krm(service), Nothing())
    return OK


def _taken_over(context: Context, name: str, service: Service) -> Service:
    """Return the service once its new revision serves; one that takes over from nothing starts when it is asked for.

    Raises:
        CliError: The new revision did not start; the one before goes on serving.

    """
    delay = FIRST_POLL_S
    while service.get("reconciling"):
        context.client.sleep(delay)
        delay = min(delay * 1.3, SLOWEST_POLL_S)
        service = context.client.get(f"/v2/{name}")
    ready, shown = service.get("terminalCondition", {}), basename(service.get("latestCreatedRevision", ""))
    has_older = service.get("latestReadyRevision") != service.get("latestCreatedRevision")
    if has_older and ready.get("state") == "CONDITION_FAILED":
        raise CliError(f"Revision [{shown}] does not serve. {clean(ready.get('message', ''))}")
    return service


def edit_service(service: Service, args: argparse.Namespace) -> Service:
    """Return ``service`` (empty for a new one) with what the flags of ``deploy`` say.

    Raises:
        UsageError: Nothing would be left to run.

    """
    template = dict(service.get("template", {}))
    containers = template.get("containers") or [{}]
    first = edit_secrets(edit_container(containers[0], args), args)
    edit_volumes(template, first, args)
    if not first.get("image") and not first.get("command"):
        raise UsageError(
            "The service has nothing to run.",
            "Give --command PROGRAM (a local program), --source DIR, or --image NAME (what was built).",
        )
    if args.port is not None:
        first["ports"] = [{"containerPort": args.port}]
    template["containers"] = [first, *containers[1:]]
    template.pop("revision", None)  # the name of a revision that exists; the next one gets its own
    scaling = dict(template.get("scaling", {}))
    for place, field, value in (
        (template, "serviceAccount", args.service_account),
        (template, "timeout", args.timeout),
        (template, "maxInstanceRequestConcurrency", args.concurrency),
        (scaling, "minInstanceCount", args.min_instances),
        (scaling, "maxInstanceCount", args.max_instances),
    ):
        if value is not None:
            place[field] = value
    if scaling:
        template["scaling"] = scaling
    edited = {**service, "template": template}
    for place in (edited, template):
        place["labels"] = edit_labels(place.get("labels", {}), args)
    return edited


def url(context: Context, name: str) -> str:
    """Return the address of a service on the server's one port."""
    _, project, _, location, _, short = name.split("/")
    return f"{context.client.server}/run/{project}/{location}/{short}/"


def list_services(args: argparse.Namespace, context: Context) -> int:
    """``jubako run services list``."""
    services = map(with_krm, context.client.list(f"/v2/{context.parent}/services", "services"))
    columns = [
        parse_path("name.basename():label=SERVICE"),
        Path.computed("READY", _readiness),
        Path.computed("URL", lambda service: url(context, service["name"])),
        Path.computed("UPDATED", lambda service: local_time(service, "updateTime")),
    ]
    context.show_list(args, services, Columns(columns))
    return OK


def _readiness(service: Service) -> str:
    state = service.get("terminalCondition", {}).get("state", "")
    return {"CONDITION_SUCCEEDED": "yes", "CONDITION_FAILED": "no"}.get(state, "not yet")


def describe_service(args: argparse.Namespace, context: Context) -> int:
    """``jubako run services describe``."""
    service = context.client.get(f"/v2/{context.resource('services', args.name)}")

    def describe(document: Service, terminal: Terminal) -> Iterator[str]:
        yield from _describe(document, terminal, url(context, document["name"]))

    context.show(with_krm(service), Text(describe))
    return OK


def _describe(service: Service, terminal: Terminal, address: str) -> Iterator[str]:
    template = service.get("template", {})
    container = (template.get("containers") or [{}])[0]
    condition = service.get("terminalCondition", {})
    yield terminal.paint(f"Service {basename(service['name'])}", "bold")
    yield f"  URL: {address}"
    if service.get("uri"):
        yield f"  Google's form: {service['uri']}"
    yield f"  Ready: {_readiness(service)} {clean(condition.get('message', ''))}".rstrip()
    yield f"  Revision: {basename(service.get('latestReadyRevision', '')) or '-'}"
    yield f"  Last updated: {local_time(service, 'updateTime')}"
    for label, value in (
        ("Image", container.get("image", "")),
        ("Command", " ".join(container.get("command", []) + container.get("args", []))),
        ("Timeout", template.get("timeout", "")),
        ("Service account", template.get("serviceAccount", "")),
    ):
        if value:
            yield f"  {label}: {clean(value)}"
    for entry in container.get("env", []):
        yield f"  {clean(entry['name'])}={clean(entry.get('value', '(from elsewhere)'))}"


def delete_service(args: argparse.Namespace, context: Context) -> int:
    """``jubako run services delete``."""
    name = context.resource("services", args.name)
    delete(context.client, name, "v2")
    context.note(f"Deleted service [{basename(name)}].")
    return OK

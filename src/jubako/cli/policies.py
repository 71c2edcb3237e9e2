"""``get-iam-policy``, ``add-`` and ``remove-iam-policy-binding`` of jobs, services, accounts and projects.

Source of the words: the Cloud SDK, which has them for every resource with a policy.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from jubako.cli.context import Context, segment
from jubako.cli.errors import OK, ApiError, CliError
from jubako.cli.formats import Yaml
from jubako.cli.parsing import Group

TRIES = 3
_CONFLICT = 409
Policy = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Kind:
    """A resource with a policy."""

    word: str
    """What it is called in the help."""
    path: Callable[[Context, str], str]
    """``path(context, name)`` returns the path of the API."""
    get: str = "POST"
    """Verb of getIamPolicy."""


def _account(context: Context, name: str) -> str:
    return f"/v1/projects/{context.project}/serviceAccounts/{segment(name, 'account')}"


JOB = Kind("JOB", lambda context, name: f"/v2/{context.resource('jobs', name)}", "GET")
SERVICE = Kind("SERVICE", lambda context, name: f"/v2/{context.resource('services', name)}", "GET")
PROJECT = Kind("PROJECT", lambda _, name: f"/v1/projects/{segment(name, 'project')}")
ACCOUNT = Kind("ACCOUNT", _account)


def register(group: Group, kind: Kind) -> None:
    """Add the commands below the group of a resource."""
    what = kind.word.lower()
    show = group.command(
        "get-iam-policy",
        lambda args, context: show_policy(args, context, kind),
        f"Show who may do what with a {what}.",
    )
    show.add_argument("name", metavar=kind.word)
    for word, change, summary in (
        ("add-iam-policy-binding", added, f"Grant a role on a {what}."),
        ("remove-iam-policy-binding", removed, f"Take a role on a {what} away."),
    ):
        _add_change(group, kind, word, summary, change)


def _add_change(
    group: Group, kind: Kind, word: str, summary: str, change: Callable[[Policy, str, str], Policy]
) -> None:
    parser = group.command(word, lambda args, context: change_policy(args, context, kind, change), summary)
    parser.add_argument("name", metavar=kind.word)
    parser.add_argument(
        "--member", required=True, metavar="MEMBER", help="serviceAccount:EMAIL, allUsers, ..."
    )
    parser.add_argument("--role", required=True, metavar="ROLE", help="such as roles/run.invoker")


def show_policy(args: argparse.Namespace, context: Context, kind: Kind) -> int:
    """Print a policy."""
    context.show(_policy(context, kind, kind.path(context, args.name)), Yaml())
    return OK


def change_policy(
    args: argparse.Namespace, context: Context, kind: Kind, change: Callable[[Policy, str, str], Policy]
) -> int:
    """Read a policy and write it back changed; again if somebody else changed it meanwhile.

    Raises:
        CliError: The binding to remove is not there.

    """
    path = kind.path(context, args.name)
    for attempt in range(1, TRIES + 1):
        policy = change(_policy(context, kind, path), args.role, args.member)
        try:
            written = context.client.call("POST", f"{path}:setIamPolicy", body={"policy": policy})
        except ApiError as error:
            if error.code != _CONFLICT or attempt == TRIES:
                raise
            continue
        context.note(f"Updated IAM policy for [{args.name}].")
        context.show(written, Yaml())
        return OK
    raise AssertionError("unreachable")


def _policy(context: Context, kind: Kind, path: str) -> Policy:
    return context.client.call(kind.get, f"{path}:getIamPolicy", is_repeatable=True)


def added(policy: Policy, role: str, member: str) -> Policy:
    """Return the policy with one binding more; one with a condition is another binding."""
    bindings = [dict(binding) for binding in policy.get("bindings", [])]
    own = next((one for one in bindings if one["role"] == role and "condition" not in one), None)
    if own is None:
        bindings.append({"role": role, "members": [member]})
    elif member not in own["members"]:
        own["members"] = [*own["members"], member]
    return {**policy, "bindings": bindings}


def removed(policy: Policy, role: str, member: str) -> Policy:
    """Return the policy without a binding.

    Raises:
        CliError: It is not there.

    """
    bindings = policy.get("bindings", [])
    if not any(one["role"] == role and member in one.get("members", []) for one in bindings):
        raise CliError(f"{member} does not have {role} here.")
    kept = [
        {**one, "members": [other for other in one["members"] if other != member]}
        if one["role"] == role
        else one
        for one in bindings
    ]
    return {**policy, "bindings": [one for one in kept if one["members"]]}

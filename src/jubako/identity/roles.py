"""What each role allows: a table of permission patterns. Pure.

Basic roles and the predefined ones of the APIs that are served; custom ones are in role_rows.py. A predefined role of
an API that is not served can be granted: there is nothing here that it could allow.

Source: cloud.google.com/iam/docs/understanding-roles; cloud.google.com/run/docs/reference/iam/roles;
cloud.google.com/workflows/docs/access-control; cloud.google.com/logging/docs/access-control.
"""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import lru_cache

OWNER = "roles/owner"
EDITOR = "roles/editor"
_READS = ("*.get", "*.list", "*.getIamPolicy", "*.listRevision")
_RUN = ("run.jobs.", "run.executions.", "run.tasks.", "run.services.", "run.revisions.", "run.workerpools.",
        "run.operations.", "run.locations.", "run.instances.")  # fmt: skip

ROLES: Mapping[str, tuple[str, ...]] = {
    OWNER: ("*",),
    EDITOR: ("*", "-*.setIamPolicy", "-iam.roles.create", "-iam.roles.update", "-iam.roles.*delete",
             "-iam.serviceAccounts.get?*Token", "-iam.serviceAccounts.sign*",
             "-iam.serviceAccounts.implicitDelegation", "-secretmanager.versions.access"),
    "roles/viewer": (*_READS, "-secretmanager.versions.access"),
    "roles/browser": ("resourcemanager.projects.get", "resourcemanager.projects.getIamPolicy"),
    "roles/resourcemanager.projectIamAdmin": ("resourcemanager.projects.get*", "resourcemanager.projects.setIamPolicy"),
    "roles/run.admin": ("run.*",),
    "roles/run.developer": (*(f"{prefix}*" for prefix in _RUN), "-*.setIamPolicy"),
    "roles/run.viewer": tuple(f"{prefix}{verb}" for prefix in _RUN for verb in ("get", "list", "getIamPolicy")),
    "roles/run.invoker": ("run.jobs.run", "run.executions.cancel", "run.routes.invoke"),
    "roles/run.servicesInvoker": ("run.routes.invoke",),
    "roles/run.jobsExecutor": ("run.jobs.run", "run.executions.cancel"),
    "roles/run.jobsExecutorWithOverrides": ("run.jobs.run", "run.jobs.runWithOverrides", "run.executions.cancel"),
    "roles/workflows.admin": ("workflows.*",),
    "roles/workflows.editor": ("workflows.*",),
    "roles/workflows.viewer": ("workflows.*.get", "workflows.*.list", "workflows.*.listRevision"),
    "roles/workflows.invoker": ("workflows.executions.*", "workflows.callbacks.*", "workflows.stepEntries.*"),
    "roles/logging.admin": ("logging.*",),
    "roles/logging.logWriter": ("logging.logEntries.create",),
    "roles/logging.privateLogViewer": ("logging.logEntries.list", "logging.logs.list"),
    "roles/logging.viewer": ("logging.logEntries.list", "logging.logs.list"),
    "roles/iam.roleAdmin": ("iam.roles.*", "resourcemanager.projects.get", "resourcemanager.projects.getIamPolicy"),
    "roles/iam.roleViewer": ("iam.roles.get", "iam.roles.list", "resourcemanager.projects.get",
                             "resourcemanager.projects.getIamPolicy"),
    "roles/iam.securityAdmin": ("*.getIamPolicy", "*.setIamPolicy", "*.list"),
    "roles/iam.serviceAccountAdmin": ("iam.serviceAccounts.create", "iam.serviceAccounts.delete",
                                      "iam.serviceAccounts.get", "iam.serviceAccounts.list",
                                      "iam.serviceAccounts.update", "iam.serviceAccounts.*IamPolicy"),
    "roles/iam.serviceAccountCreator": ("iam.serviceAccounts.create", "iam.serviceAccounts.get",
                                        "iam.serviceAccounts.list"),
    "roles/iam.serviceAccountKeyAdmin": ("iam.serviceAccountKeys.*",),
    "roles/iam.serviceAccountOpenIdTokenCreator": ("iam.serviceAccounts.getOpenIdToken",),
    "roles/iam.serviceAccountTokenCreator": ("iam.serviceAccounts.get?*Token", "iam.serviceAccounts.sign*",
                                             "iam.serviceAccounts.implicitDelegation", "iam.serviceAccounts.get",
                                             "iam.serviceAccounts.list"),
    "roles/iam.serviceAccountUser": ("iam.serviceAccounts.actAs", "iam.serviceAccounts.get",
                                     "iam.serviceAccounts.list"),
    "roles/iam.workloadIdentityUser": ("iam.serviceAccounts.get?*Token",),
    "roles/secretmanager.admin": ("secretmanager.*",),
    "roles/secretmanager.secretAccessor": ("secretmanager.versions.access",),
    "roles/secretmanager.secretVersionAdder": ("secretmanager.versions.add",),
    "roles/secretmanager.viewer": ("secretmanager.*.get", "secretmanager.*.list"),
    "roles/serviceusage.serviceUsageAdmin": ("serviceusage.*",),
    "roles/serviceusage.serviceUsageConsumer": ("serviceusage.services.get", "serviceusage.services.list"),
    "roles/serviceusage.serviceUsageViewer": ("serviceusage.services.get", "serviceusage.services.list"),
}  # fmt: skip
"""By role: patterns of permissions; a pattern behind ``-`` takes away."""


SERVED = ("iam", "logging", "resourcemanager", "run", "secretmanager", "serviceusage", "workflows")
"""Of their predefined roles one that is not listed is refused, because it would silently allow nothing."""


def is_missing(role: str) -> bool:
    """Return whether a predefined role is none of ours although its API is served."""
    api, dot, _ = role.removeprefix("roles/").partition(".")
    return role not in ROLES and (not dot or api in SERVED)


@lru_cache(maxsize=4096)
def allows(patterns: tuple[str, ...], permission: str) -> bool:
    """Return whether a role of these patterns holds a permission."""
    given = any(fnmatchcase(permission, pattern) for pattern in patterns if not pattern.startswith("-"))
    return given and not any(
        fnmatchcase(permission, pattern[1:]) for pattern in patterns if pattern.startswith("-")
    )

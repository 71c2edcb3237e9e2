"""Access, put together: which resources have policies, who evaluates them, and the APIs that change them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from jubako.boxes.jobs import rows as job_rows
from jubako.boxes.services import addresses
from jubako.boxes.services import rows as service_rows
from jubako.boxes.services.resources import Service
from jubako.core import names
from jubako.identity import accounts, grants
from jubako.identity.access import LoopbackAccess, StrictAccess
from jubako.identity.account_api import account_api
from jubako.identity.acting import Admit, Register, StrictActing, everybody
from jubako.identity.grants import UidFinder
from jubako.identity.invoker import PolicyInvoker, Rules, Target
from jubako.identity.policies import Policies, policy_methods, v1_methods
from jubako.identity.projects import PROJECT_HOSTS
from jubako.identity.role_api import RoleApi
from jubako.identity.tokens import Tokens
from jubako.server.ground import Ground
from jubako.store.port import Store, Tx
from jubako.wire import codec
from jubako.wire.dispatch import Access
from jubako.wire.google_types import Policy
from jubako.wire.method import Api, Handler, Method

RUN_HOSTS = ("run.googleapis.com",)
_PROJECTS_V1 = "google.cloudresourcemanager.v1.Projects"
_PROJECTS_V3 = "google.cloud.resourcemanager.v3.Projects"
_ACCOUNTS = "google.iam.admin.v1.IAM"


def access(store: Store, tokens: Tokens, rules: Rules) -> LoopbackAccess:
    """Return who says what callers may do."""
    if rules.is_strict:
        return StrictAccess(tokens, store, FINDERS, authenticates=rules.authenticates)
    return LoopbackAccess(tokens, authenticates=rules.authenticates)


def acting(register: Register, access: Access, rules: Rules) -> Admit:
    """Return who says what may run as which account."""
    return StrictActing(register, access) if rules.is_strict else everybody


def invoker(store: Store, tokens: Tokens, base_url: str, rules: Rules) -> PolicyInvoker:
    """Return who says who may call services."""

    def find(tx: Tx, service: str) -> Target | None:
        key = service_rows.ServiceKey(**names.SERVICE.parse(service))
        row = service_rows.find_service(tx, key)
        if row is None:
            return None
        document = codec.decode(Service, row.document)
        local = f"{base_url}{addresses.path_of(key)}"
        audiences = [addresses.uri_of(row.host), f"{addresses.uri_of(row.host)}/", local, f"{local}/"]
        return Target(
            uid=row.uid,
            audiences=[*audiences, *document.custom_audiences],
            is_open=document.invoker_iam_disabled,
        )

    return PolicyInvoker(store, tokens, find, rules)


def with_policies(ground: Ground, access: Access, jobs: Api, services: Api) -> list[Api]:
    """Return these APIs with IAM policies on jobs and services, then the same under ``/v1/``, projects and accounts."""
    store = ground.store
    of_jobs, of_services = Policies(store, access, _job_uid), Policies(store, access, _service_uid)
    v1 = Api(
        name="run",
        version="v1",
        hosts=RUN_HOSTS,
        methods=v1_methods([*jobs.methods, *services.methods]),
        handlers={
            **of_jobs.handlers("google.cloud.run.v1.Jobs"),
            **of_services.handlers("google.cloud.run.v1.Services"),
        },
    )
    return [
        replace(jobs, handlers={**jobs.handlers, **of_jobs.handlers("google.cloud.run.v2.Jobs")}),
        replace(
            services, handlers={**services.handlers, **of_services.handlers("google.cloud.run.v2.Services")}
        ),
        v1,
        *_project_policies(store, access),
        _account_policies(store, access),
    ]


def _project_policies(store: Store, access: Access) -> list[Api]:
    def initial(resource: str) -> Policy:
        return grants.initial_policy(_project_of(resource))

    policies = Policies(store, access, lambda _, name: grants.project_key(_project_of(name)), initial)
    tables: Mapping[str, tuple[str, str]] = {
        "v1": (_PROJECTS_V1, "/v1/projects/{resource}"),
        "v3": (_PROJECTS_V3, "/v3/{resource=projects/*}"),
    }
    return [
        _api("cloudresourcemanager", version, PROJECT_HOSTS, policies.handlers(service),
             policy_methods(service, path, "resourcemanager.projects"))
        for version, (service, path) in tables.items()
    ]  # fmt: skip


def _account_policies(store: Store, access: Access) -> Api:
    policies = Policies(store, access, _account_uid)
    api = account_api(store)
    documents = [*api.documents, *RoleApi(store).routes()]
    methods = policy_methods(
        _ACCOUNTS, "/v1/{resource=projects/*/serviceAccounts/*}", "iam.serviceAccounts", ""
    )
    return replace(api, methods=methods, handlers=policies.handlers(_ACCOUNTS), documents=documents)


def _api(
    name: str, version: str, hosts: Sequence[str], handlers: Mapping[str, Handler], methods: Sequence[Method]
) -> Api:
    return Api(name=name, version=version, hosts=hosts, methods=methods, handlers=handlers)


def _project_of(resource: str) -> str:
    return resource.removeprefix("projects/")


def _job_uid(tx: Tx, name: str) -> str:
    return job_rows.get_job(tx, job_rows.JobKey(**names.JOB.parse(name, "resource"))).uid


def _service_uid(tx: Tx, name: str) -> str:
    key = service_rows.ServiceKey(**names.SERVICE.parse(name, "resource"))
    return service_rows.get_service(tx, key).uid


def _account_uid(tx: Tx, name: str) -> str:
    place = _ACCOUNT_NAME.parse(name, "resource")
    email = accounts.email_of(place["account"], place["project"], "resource")
    del tx  # an account is there when it is first used
    return grants.account_key(email)


_ACCOUNT_NAME = names.Pattern("projects/{project}/serviceAccounts/{account}")


def _find_job(tx: Tx, resource: str) -> str | None:
    """Return the uid of the job that a resource is or is in. See UidFinder."""
    place = names.JOB.match("/".join(resource.split("/")[:6]))
    row = None if place is None else job_rows.find_job(tx, job_rows.JobKey(**place))
    return None if row is None else row.uid


def _find_service(tx: Tx, resource: str) -> str | None:
    place = names.SERVICE.match("/".join(resource.split("/")[:6]))
    row = None if place is None else service_rows.find_service(tx, service_rows.ServiceKey(**place))
    return None if row is None else row.uid


FINDERS: Sequence[UidFinder] = (_find_job, _find_service)

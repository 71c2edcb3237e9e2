"""Jobs, executions and tasks between Cloud Run's v1 documents and our v2 messages. Pure.

What v1 writes as annotations and v2 as fields (client, execution environment, network access) is moved; what a caller
sends in fields that only the server writes (status, creator, operation-id) is not looked at, because gcloud sends back
whole documents.
"""

from datetime import timedelta
from typing import Any

from jubako.boxes.jobs.resources import (
    Execution,
    ExecutionReference,
    ExecutionTemplate,
    Job,
    RunJobRequest,
    Task,
    TaskTemplate,
)
from jubako.wire import codec, krm, krm_volumes
from jubako.wire import krm_containers as containers
from jubako.wire.codec import invalid
from jubako.wire.google_types import LaunchStage
from jubako.wire.krm import Reader, present, timestamp
from jubako.wire.method import Document
from jubako.wire.run_types import EnvVar

VERSION = "run.googleapis.com/v1"
JOB_LABEL = "run.googleapis.com/job"
EXECUTION_LABEL = "run.googleapis.com/execution"
_COMPLETION = {
    ExecutionReference.CompletionStatus.EXECUTION_SUCCEEDED: "EXECUTION_SUCCEEDED",
    ExecutionReference.CompletionStatus.EXECUTION_FAILED: "EXECUTION_FAILED",
    ExecutionReference.CompletionStatus.EXECUTION_RUNNING: "EXECUTION_RUNNING",
    ExecutionReference.CompletionStatus.EXECUTION_PENDING: "EXECUTION_PENDING",
    ExecutionReference.CompletionStatus.EXECUTION_CANCELLED: "EXECUTION_CANCELLED",
}


def read_job(document: Document) -> tuple[Job, krm.Metadata]:
    """Return the v2 job of a v1 document (its name and place are for the caller to fill in), and its metadata.

    Raises:
        InvalidArgument: A field is wrong or unknown; the message names it as the document does.

    """
    reader = Reader(document)
    krm.check_envelope(reader, (VERSION,), "Job")
    given = krm.read_metadata(reader.child("metadata"))
    spec = reader.child("spec")
    if not spec.has("template"):
        raise invalid("spec.template", "is missing.")
    template = _read_template(spec.child("template"))
    spec.skip("template")
    spec.done()
    reader.done()
    left = dict(given.reserved)
    job = Job(
        labels=dict(given.labels),
        annotations=dict(given.annotations),
        client=left.pop(krm.CLIENT, ""),
        client_version=left.pop(krm.CLIENT_VERSION, ""),
        launch_stage=_stage(left),
        template=template,
        etag=given.etag,
    )
    krm.refuse_reserved("metadata", left)
    return job, given


def read_overrides(document: Document) -> RunJobRequest.Overrides | None:
    """Return what the body of ``:run`` asks for; None if nothing."""
    reader = Reader(document)
    if not reader.has("overrides"):
        reader.skip("overrides")
        reader.done()
        return None
    given = reader.child("overrides")
    reader.done()
    overrides = RunJobRequest.Overrides(
        container_overrides=[_read_override(one) for one in given.children("containerOverrides")],
        task_count=given.integer("taskCount") or 0,
        timeout=_read_seconds(given, "timeoutSeconds"),
    )
    given.done()
    return overrides


def job(resource: Job) -> Document:
    """Return the v1 document of a job."""
    template = resource.template
    assert template is not None, resource.name
    annotations = {
        krm.CREATOR: resource.creator,
        krm.MODIFIER: resource.last_modifier,
        krm.CLIENT: resource.client,
        krm.CLIENT_VERSION: resource.client_version,
        krm.STAGE: resource.launch_stage.name if resource.launch_stage else "",
    }
    terminal = resource.terminal_condition
    return {
        "apiVersion": VERSION,
        "kind": "Job",
        "metadata": krm.metadata(resource, {}, annotations),
        "spec": {"template": _template(template)},
        "status": {
            "observedGeneration": resource.observed_generation,
            "conditions": [krm.condition(terminal)] if terminal else [],
            **present({"executionCount": resource.execution_count}),
            **_latest(resource.latest_created_execution),
        },
    }


def execution(resource: Execution) -> Document:
    """Return the v1 document of an execution."""
    assert resource.template is not None, resource.name
    labels = {JOB_LABEL: resource.job}
    counts = {
        "runningCount": resource.running_count,
        "succeededCount": resource.succeeded_count,
        "failedCount": resource.failed_count,
        "cancelledCount": resource.cancelled_count,
        "retriedCount": resource.retried_count,
    }
    annotations = {krm.CREATOR: resource.creator, **containers.template_annotations(resource.template)}
    return {
        "apiVersion": VERSION,
        "kind": "Execution",
        "metadata": krm.metadata(resource, labels, annotations),
        "spec": {
            **present({"parallelism": resource.parallelism, "taskCount": resource.task_count}),
            "template": {"spec": _task_spec(resource.template)},
        },
        "status": {
            "observedGeneration": resource.observed_generation,
            "conditions": [krm.condition(one) for one in resource.conditions],
            **present(
                {
                    "startTime": timestamp(resource.start_time),
                    "completionTime": timestamp(resource.completion_time),
                    "logUri": resource.log_uri,
                }
            ),
            **{key: count for key, count in counts.items() if count},
        },
    }


def task(resource: Task) -> Document:
    """Return the v1 document of a task."""
    labels = {JOB_LABEL: resource.job, EXECUTION_LABEL: resource.execution}
    result = resource.last_attempt_result
    return {
        "apiVersion": VERSION,
        "kind": "Task",
        "metadata": krm.metadata(resource, labels, containers.template_annotations(resource)),
        "spec": _task_spec(resource),
        "status": {
            "observedGeneration": resource.observed_generation,
            "index": resource.index,
            "conditions": [krm.condition(one) for one in resource.conditions],
            **present(
                {
                    "startTime": timestamp(resource.start_time),
                    "completionTime": timestamp(resource.completion_time),
                    "logUri": resource.log_uri,
                    "lastAttemptResult": None if result is None else codec.to_json(result),
                }
            ),
            **({"retried": resource.retried} if resource.retried else {}),
        },
    }


def _read_template(reader: Reader) -> ExecutionTemplate:
    given = krm.read_metadata(reader.child("metadata"))
    spec = reader.child("spec")
    reader.done()
    left = {key: text for key, text in given.reserved.items() if key not in {krm.CLIENT, krm.CLIENT_VERSION}}
    template = ExecutionTemplate(
        labels=dict(given.labels),
        annotations=dict(given.annotations),
        task_count=spec.integer("taskCount") or 0,
        parallelism=spec.integer("parallelism") or 0,
        template=_read_task(spec.child("template"), given, left),
    )
    krm.refuse_reserved(f"{reader.path}.metadata", left)
    spec.done()
    return template


def _read_task(reader: Reader, given: krm.Metadata, left: dict[str, str]) -> TaskTemplate:
    spec = reader.child("spec")
    reader.skip("metadata")
    reader.done()
    template = TaskTemplate(
        volumes=krm_volumes.read_volumes(spec),
        containers=[containers.read_container(one) for one in spec.children("containers")],
        max_retries=spec.integer("maxRetries"),
        timeout=_read_seconds(spec, "timeoutSeconds"),
        service_account=spec.text("serviceAccountName"),
        execution_environment=containers.read_environment(given, left, "spec.template.metadata"),
        vpc_access=containers.read_vpc(left, "spec.template.metadata"),
        node_selector=containers.read_node_selector(spec.child("nodeSelector")),
    )
    spec.done()
    return template


def _read_override(reader: Reader) -> RunJobRequest.Overrides.ContainerOverride:
    override = RunJobRequest.Overrides.ContainerOverride(
        name=reader.text("name"),
        args=reader.words("args"),
        env=[_read_variable(one) for one in reader.children("env")],
        clear_args=reader.boolean("clearArgs"),
    )
    reader.done()
    return override


def _read_variable(reader: Reader) -> EnvVar:
    variable = EnvVar(name=reader.text("name"), value=reader.text("value"))
    reader.done()
    return variable


def _read_seconds(reader: Reader, key: str) -> timedelta | None:
    seconds = reader.integer(key)
    return None if seconds is None else timedelta(seconds=seconds)


def _stage(left: dict[str, str]) -> LaunchStage:
    word = left.pop(krm.STAGE, "")
    if not word:
        return LaunchStage.LAUNCH_STAGE_UNSPECIFIED
    if word not in LaunchStage.__members__:
        raise invalid(f"metadata.annotations[{krm.STAGE!r}]", "is not a launch stage.")
    return LaunchStage[word]


def _template(template: ExecutionTemplate) -> Document:
    assert template.template is not None, template
    inner = template.template
    annotations = {**template.annotations, **containers.template_annotations(inner)}
    return {
        "metadata": present({"labels": template.labels, "annotations": annotations}),
        "spec": {
            **present({"parallelism": template.parallelism, "taskCount": template.task_count}),
            "template": {"spec": _task_spec(inner)},
        },
    }


def _task_spec(template: Any) -> Document:  # noqa: ANN401 - TaskTemplate, or Task, which repeats its fields
    timeout = template.timeout
    return {
        "containers": [containers.container(one) for one in template.containers],
        **({} if template.max_retries is None else {"maxRetries": template.max_retries}),
        **present(
            {
                # An int64: Google's JSON writes those as text.
                "timeoutSeconds": "" if timeout is None else str(int(timeout.total_seconds())),
                "serviceAccountName": template.service_account,
                "volumes": krm_volumes.volumes(template.volumes),
            }
        ),
    }


def _latest(reference: ExecutionReference | None) -> Document:
    if reference is None:
        return {}
    return {
        "latestCreatedExecution": present(
            {
                "name": reference.name,
                "creationTimestamp": timestamp(reference.create_time),
                "completionTimestamp": timestamp(reference.completion_time),
                "completionStatus": _COMPLETION.get(reference.completion_status),
            }
        )
    }

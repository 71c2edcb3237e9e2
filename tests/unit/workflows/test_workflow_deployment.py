"""What deploying a workflow tells the operator."""

from typing import Any

from jubako.boxes.workflows.resources import UpdateWorkflowRequest, Workflow
from jubako.identity.access import LOCAL

NAME = "projects/p/locations/l/workflows/w"
DOUBTFUL = "main:\n  params: [a]\n  steps:\n    - s: {return: { b: ${a.b}, c: ${a.c} }}\n"


async def test_a_source_that_the_real_service_would_refuse_is_told_with_its_places(house: Any) -> None:
    await house.deploy(DOUBTFUL)
    told = house.events.named("workflow.source_doubted")
    assert [(one.severity, one.fields["workflow"]) for one in told] == [("WARNING", NAME)] * 2
    assert [str(one.fields["problem"])[:15] for one in told] == ["4:24: warning: ", "4:35: warning: "]


async def test_an_update_is_looked_at_likewise_and_a_clean_source_tells_nothing(house: Any) -> None:
    await house.deploy("- a: {return: 1}")
    assert house.events.named("workflow.source_doubted") == []
    workflow = Workflow(name=NAME, source_contents=DOUBTFUL)
    request = UpdateWorkflowRequest(workflow=workflow, update_mask=("source_contents",))
    await house.workflows.update(request, LOCAL)
    assert len(house.events.named("workflow.source_doubted")) == 2

import json
from dataclasses import replace

import pytest

from jubako_apps.telop.settings import BadSettings, from_environment
from jubako_apps.telop.sources import Given, Model, NobodyKnows, models_from, source_of

MODELS = models_from("ja=vosk:/models/ja, faster-whisper:/models/base")


def given(
    language: str = "en", has_script: bool = True, has_track: bool = True, has_sound: bool = True
) -> Given:
    return Given(
        name="news.mp4", language=language, has_script=has_script, has_track=has_track, has_sound=has_sound
    )


def test_the_surest_source_is_taken_first():
    assert source_of(given(), "auto", MODELS) == "script"
    assert source_of(given(has_script=False), "auto", MODELS) == "track"
    bare = given(has_script=False, has_track=False)
    assert source_of(bare, "auto", MODELS) == "faster-whisper:/models/base"
    assert source_of(given("ja", has_script=False, has_track=False), "auto", MODELS) == "vosk:/models/ja"
    assert source_of(bare, "auto", ()) == "pocketsphinx"
    assert source_of(bare, "none", MODELS) == "none"


@pytest.mark.parametrize(
    ("language", "sound", "words"), [("en", False, "has no sound"), ("ja", True, "script is needed")]
)
def test_where_nobody_knows_what_is_said_the_sender_is_told_what_to_do(language, sound, words):
    nothing = given(language, has_script=False, has_track=False, has_sound=sound)
    with pytest.raises(NobodyKnows, match=words) as refused:
        source_of(nothing, "auto", ())
    assert "speech=none" in str(refused.value)


def test_models_are_read_from_one_setting():
    assert (
        Model(name="vosk:/models/ja", language="ja"),
        Model(name="faster-whisper:/models/base", language=None),
    ) == MODELS
    assert models_from("") == ()
    wanted = {"OUTPUT_URI": "/o", "GOOGLE_CLOUD_PROJECT": "p", "GOOGLE_CLOUD_LOCATION": "l"}
    assert from_environment(wanted | {"TELOP_SPEECH_MODELS": "vosk:/m"}).speech_models[0].name == "vosk:/m"
    with pytest.raises(BadSettings, match="TELOP_SPEECH_MODELS"):
        from_environment(wanted | {"TELOP_SPEECH_MODELS": "vosk:relative"})


def test_nothing_need_be_said_where_the_sender_wants_it_so(client, place, tmp_path):
    (tmp_path / "silent.mp4").write_bytes(b"VIDEO-silent")
    body = {"path": f"{tmp_path}/silent.mp4", "language": "ja"}
    refused = client.post("/videos", json=body)
    assert refused.status_code == 422
    assert "no sound" in refused.json()["error"]["message"]
    assert client.post("/videos", json=body | {"speech": "none"}).status_code == 202
    assert client.post("/videos", json=body | {"speech": "loud"}).status_code == 400


@pytest.mark.parametrize(("models", "tasks"), [((), 4), ((Model(name="vosk:/models/en", language="en"),), 2)])
def test_only_a_recogniser_that_loads_fast_has_a_task_for_each_part(
    settings, serve, fake, tmp_path, models, tasks
):
    (tmp_path / "news.mp4").write_bytes(b"VIDEO news")
    with serve(replace(settings, tasks_max=2, speech_models=models)) as client:
        assert (
            client.post("/videos", json={"path": f"{tmp_path}/news.mp4", "language": "en"}).status_code == 202
        )
    [execution] = fake.executions.values()
    given = json.loads(execution["argument"])
    assert (given["ocr_tasks"], given["speech_tasks"]) == (2, tasks)

"""A bundled clip through reception, every task of the three jobs, and the report; no platform involved."""

import asyncio
import json
import re
from importlib.resources import as_file, files
from pathlib import Path

import pytest

from jubako_apps.telop import receptions
from jubako_apps.telop.intake import Intake
from jubako_apps.telop.pipeline import FileReader, RealStages
from jubako_apps.telop.receptions import Reception, Stage
from jubako_apps.telop.settings import Settings
from jubako_apps.telop.tasks import EXIT_DATA, run
from jubako_apps.telop.telops import Telop, telop_to_json
from jubako_apps.telop.wishes import Refused, wish_from
from jubako_sdk import Sink, get_json, put_json, sink


@pytest.fixture(scope="module")
def clips():
    for extra in ("av", "rapidocr", "pocketsphinx", "sudachipy"):
        pytest.importorskip(extra)
    with as_file(files("jubako_apps.telop").joinpath("clips")) as folder:
        yield folder


def settings_for(place: Path) -> Settings:
    return Settings(output_uri=str(place), project="p", location="l", segment_seconds=15.0)


def receive(place: Path, video: Path, **words: object) -> Reception:
    settings = settings_for(place)
    intake = Intake(sink(settings.output_uri), settings, FileReader())
    wish = wish_from({"name": video.name, **words}, None, settings)
    reception, _ = asyncio.run(intake.by_path(str(video), wish))
    return reception


def do(place: Path, reception: Reception, stage: Stage, tasks: int = 1, **more: str) -> list[int]:
    return [
        run(
            stage,
            RealStages(),
            {
                "OUTPUT_URI": str(place),
                "RECEPTION_ID": reception.id,
                "CLOUD_RUN_TASK_INDEX": str(index),
                "CLOUD_RUN_TASK_COUNT": str(tasks),
                **more,
            },
        )
        for index in range(tasks)
    ]


def results(place: Sink) -> dict[str, bytes]:
    return {name: place.get(name) for name in place.list("receptions/") if "/timing/" not in name}


@pytest.mark.slow
@pytest.mark.parametrize("language", ["en", "ja"])
def test_a_clip_with_its_script_gives_its_errors_and_the_same_bytes_again(tmp_path, clips, language):
    reception = receive(
        tmp_path, clips / f"{language}.mp4", language=language, script=str(clips / f"{language}.srt")
    )
    assert do(tmp_path, reception, "ocr", tasks=reception.segments) == [0] * reception.segments
    assert do(tmp_path, reception, "speech") == [0]
    assert do(tmp_path, reception, "report") == [0]
    before = results(sink(str(tmp_path)))
    report = get_json(sink(str(tmp_path)), f"receptions/{reception.id}/report.json")
    truth = json.loads((clips / f"{language}.truth.json").read_text("utf-8"))
    kinds = sorted({"doubled": "extra"}.get(error["kind"], error["kind"]) for error in truth["errors"])
    assert sorted(finding["kind"] for finding in report["findings"]) == kinds
    assert len(report["telops"]) == len(truth["telops"])
    # Shards in another order and number, done anew: not a byte differs.
    assert do(tmp_path, reception, "ocr", tasks=1, TELOP_AGAIN="1") == [0]
    assert do(tmp_path, reception, "report", TELOP_AGAIN="1") == [0]
    assert results(sink(str(tmp_path))) == before


def read_already(place: Path, reception: Reception, clips: Path) -> None:
    """Publish the clip's captions as they are, without reading them."""
    truth = json.loads((clips / f"{reception.language}.truth.json").read_text("utf-8"))
    read = [
        Telop(
            id=8 * number, segment=0, lane=0, start=one["start"], end=one["end"], open_end=False,
            text=one["text"], confidence=1.0, box=tuple(one["box"]),
        )
        for number, one in enumerate(truth["telops"])
    ]  # fmt: skip
    for segment in range(reception.segments):
        telops = [telop_to_json(one) for one in read] if segment == 0 else []
        name = receptions.result_name(reception.id, "ocr", segment)
        put_json(sink(str(place)), name, {"segment": segment, "telops": telops, "damaged": []})


def shifted(script: str, seconds: float) -> str:
    def later(time: re.Match[str]) -> str:
        minutes, rest = divmod(int(time[2]) * 60 + float(time[3].replace(",", ".")) + seconds, 60)
        return f"{time[1]}:{int(minutes):02d}:{rest:06.3f}".replace(".", ",")

    return re.sub(r"(\d\d):(\d\d):(\d\d,\d{3})", later, script)


@pytest.mark.parametrize("kind", ["as it is", "three seconds late", "plain text"])
def test_a_script_in_an_old_encoding_with_wrong_times_or_none_finds_what_the_right_one_finds(
    tmp_path, clips, kind
):
    text = (clips / "ja.srt").read_text("utf-8")
    lines = [line for line in text.splitlines() if line and not re.match(r"\d+$|.* --> ", line)]
    given = {
        "as it is": ("a.srt", text),
        "three seconds late": ("a.srt", shifted(text, 3.0)),
        "plain text": ("a.txt", "\n".join(lines)),
    }
    name, told = given[kind]
    (tmp_path / name).write_bytes(told.encode("cp932"))
    reception = receive(tmp_path / "out", clips / "ja.mp4", language="ja", script=str(tmp_path / name))
    read_already(tmp_path / "out", reception, clips)
    assert do(tmp_path / "out", reception, "speech") == [0]
    assert do(tmp_path / "out", reception, "report") == [0]
    report = get_json(sink(str(tmp_path / "out")), f"receptions/{reception.id}/report.json")
    truth = json.loads((clips / "ja.truth.json").read_text("utf-8"))
    kinds = sorted({"doubled": "extra"}.get(error["kind"], error["kind"]) for error in truth["errors"])
    assert sorted(finding["kind"] for finding in report["findings"]) == kinds
    assert report["speech"]["offset"] == pytest.approx(-3.0 if kind == "three seconds late" else 0.0, abs=0.6)


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "empty"), (b"<html>not a video</html>", "not a video file"), (None, "cut off")],
)
def test_what_is_no_whole_video_is_refused_at_once(tmp_path, clips, content, words):
    video = tmp_path / "bad.mp4"
    whole = (clips / "en.mp4").read_bytes()
    video.write_bytes(whole[: len(whole) // 2] if content is None else content)
    with pytest.raises(Refused, match=words) as refused:
        receive(tmp_path / "out", video)
    assert refused.value.status == 422
    assert not (tmp_path / "out").exists()


def test_a_video_that_vanishes_fails_with_a_sentence(tmp_path, clips):
    video = tmp_path / "clip.mp4"
    video.write_bytes((clips / "en.mp4").read_bytes())
    reception = receive(tmp_path / "out", video)
    video.write_bytes(b"x" * reception.size)
    assert do(tmp_path / "out", reception, "ocr") == [EXIT_DATA]
    reason = receptions.reason_of(sink(str(tmp_path / "out")), reception.id)
    assert reason is not None
    assert "clip.mp4 is not a video file" in reason


@pytest.fixture
def silent(tmp_path) -> Path:
    """Two seconds of plain grey, without sound and without a telop."""
    av = pytest.importorskip("av")
    numpy = pytest.importorskip("numpy")
    path = Path(tmp_path) / "silent.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p"
        for _ in range(20):
            picture = av.VideoFrame.from_ndarray(numpy.full((180, 320, 3), 128, numpy.uint8), format="rgb24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    return path


def test_a_video_without_sound_needs_a_script(tmp_path, silent):
    with pytest.raises(Refused, match=r"silent\.mp4 has no sound and there is no script"):
        receive(tmp_path / "out", silent)


def test_a_video_without_captions_fails_with_a_sentence(tmp_path, silent):
    script = tmp_path / "silent.srt"
    script.write_text("1\n00:00:00,000 --> 00:00:01,500\nNobody says this.\n", "utf-8")
    reception = receive(tmp_path / "out", silent, script=str(script))
    assert do(tmp_path / "out", reception, "ocr") == [0]
    assert do(tmp_path / "out", reception, "speech") == [0]
    assert do(tmp_path / "out", reception, "report") == [EXIT_DATA]
    reason = receptions.reason_of(sink(str(tmp_path / "out")), reception.id)
    assert reason == "No captions were found in silent.mp4."


@pytest.mark.parametrize(
    ("text", "words"), [(b"", "holds no"), (b"\0\1\2", "not a text"), (b"no times", "timed")]
)
def test_a_script_that_is_none_is_refused_at_once(tmp_path, silent, text, words):
    script = tmp_path / "silent.srt"
    script.write_bytes(text)
    with pytest.raises(Refused, match=words) as refused:
        receive(tmp_path / "out", silent, script=str(script))
    assert refused.value.status == 422

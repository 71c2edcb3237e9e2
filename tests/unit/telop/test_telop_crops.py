import pytest

pytest.importorskip("av")

from jubako_apps.telop.crops import Pictures
from jubako_apps.telop.findings import Finding
from jubako_apps.telop.telops import Telop


def telop(number: int) -> Telop:
    return Telop(
        id=number, segment=0, lane=0, start=float(number), end=number + 1.0, open_end=False,
        text="A caption", confidence=1.0, box=(0.1, 0.7, 0.6, 0.1),
    )  # fmt: skip


def finding(number: int) -> Finding:
    return Finding(
        id=f"{number}-0-number", telop_id=number, start=0.0, end=1.0, kind="number", telop="A caption",
        offset=2, wrong="caption", right=None, said=None, confidence=0.9, severity="high",
    )  # fmt: skip


def test_pictures_that_were_foreseen_are_the_same_and_only_findings_get_one(draw_clip, plan):
    clip = draw_clip("clip.mp4", plan(seconds=5.0))
    telops, findings = [telop(number) for number in range(4)], [finding(1), finding(3)]
    with Pictures(clip) as pictures:
        expected = pictures.crops(telops, findings)
    assert set(expected) == {1, 3}
    assert all(picture.startswith(b"\xff\xd8") for picture in expected.values())
    with Pictures(clip) as pictures:
        for one in telops[:3]:
            pictures.foresee(one)
        assert pictures.crops(telops, findings) == expected


def test_a_telop_behind_the_end_of_the_video_has_no_picture(draw_clip, plan):
    clip = draw_clip("clip.mp4", plan(seconds=2.0))
    with Pictures(clip) as pictures:
        assert pictures.crops([telop(60)], [finding(60)]) == {}

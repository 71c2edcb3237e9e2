import zlib
from itertools import pairwise
from pathlib import Path

import pytest

pytest.importorskip("av")
np = pytest.importorskip("numpy")

from jubako_apps.telop import media  # noqa: E402
from jubako_apps.telop.media import MediaError, Truncated  # noqa: E402

EVER = 1e6


def crcs(path: Path, t0: float, t1: float, fps: float = 5.0) -> list[tuple[int, int]]:
    return [(f.index, zlib.crc32(np.ascontiguousarray(f.luma))) for f in media.frames(path, t0, t1, fps)]


def test_a_video_says_what_it_is(draw_clip, plan):
    found = media.probe(draw_clip("clip.mp4", plan()))
    assert (found.width, found.height, found.has_audio, found.codec) == (320, 184, True, "h264")
    assert found.duration == pytest.approx(6.0, abs=0.1)


@pytest.mark.parametrize("length", [7.3, 15.0, 17.0, 60.0])
@pytest.mark.parametrize("duration", [0.4, 15.0, 16.0, 45.02, 61.0, 3600.0])
def test_segments_cover_the_video_once_and_leave_no_sliver(duration, length):
    cut = media.segments(duration, length)
    assert [s.index for s in cut] == list(range(len(cut)))
    assert cut[0].start == 0
    assert cut[-1].end == duration
    assert all(one.end == other.start for one, other in pairwise(cut))
    assert all(s.end - s.start >= min(duration, length / 4) for s in cut)


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv", "clip.ts"])
def test_pieces_cut_anywhere_give_the_samples_of_the_whole(draw_clip, plan, name):
    path = draw_clip(name, plan(seconds=8.0))
    cuts = [0.0, 1.13, 2.0, 4.97, 7.3, EVER]
    pieces = [sample for a, b in pairwise(cuts) for sample in crcs(path, a, b)]
    assert pieces == crcs(path, 0.0, EVER)
    assert [index for index, _ in pieces[:40]] == list(range(40))


def test_a_late_start_of_the_file_does_not_move_the_grid(draw_clip, plan):
    late = crcs(draw_clip("clip.ts", plan(offset=3.0)), 0.0, EVER)
    assert late == crcs(draw_clip("clip.ts", plan()), 0.0, EVER)


def test_with_variable_frame_rate_a_sample_is_the_picture_on_screen(draw_clip, plan):
    stamps = (0.0, 0.1, 0.2, 1.55, 1.6, 3.0, 3.1, 5.9)
    path = draw_clip("clip.mkv", plan(stamps=stamps, tone=False))
    even = dict(crcs(path, 0.0, EVER))
    changes = [index for index in sorted(even)[1:] if even[index] != even[index - 1]]
    assert changes == [1, 8, 15, 16]
    assert len(even) == 30


def test_sound_comes_at_its_own_time_and_pitch(draw_clip, plan):
    sound = media.audio(draw_clip("clip.mp4", plan()))
    assert sound.dtype == np.int16
    assert len(sound) == pytest.approx(6.0 * 16_000, abs=2000)
    seconds = sound[: 6 * 16_000].reshape(-1, 16_000).astype(float)
    loud = [float(np.abs(second[1600:-1600]).mean()) for second in seconds]
    assert [level > 1000 for level in loud] == [False, True] * 3
    crossings = np.count_nonzero(np.diff(np.signbit(seconds[1][1600:-1600])))
    assert crossings == pytest.approx(2 * 440 * 0.8, abs=3)


def test_a_piece_of_sound_is_that_piece_of_the_whole(draw_clip, plan):
    path = draw_clip("clip.mp4", plan())
    whole, piece = media.audio(path).astype(int), media.audio(path, 2.5, 4.25).astype(int)
    assert len(piece) == 28_000
    assert np.abs(piece - whole[40_000:68_000]).mean() < 400  # less than half a sample of shift


def test_sound_of_a_silent_film_is_refused_in_words(draw_clip, plan):
    path = draw_clip("clip.mp4", plan(tone=False))
    assert not media.probe(path).has_audio
    with pytest.raises(MediaError, match="has no sound track"):
        media.audio(path)


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("note.txt", b"Dear editor, this is not a video.\n" * 50, "is not a video file"),
        ("empty.mp4", b"", "is empty"),
        ("noise.mp4", bytes(range(256)) * 64, "is not a video file"),
        ("list.m3u8", b"#EXTM3U\n#EXTINF:10,\n/etc/passwd\n", "is not a video file"),
        ("list.txt", b"ffconcat version 1.0\nfile '/etc/passwd'\n", "is not a video file"),
    ],
)
def test_what_is_no_video_is_refused_in_words(tmp_path, name, data, words):
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(MediaError, match=words):
        media.probe(path)


def test_a_missing_file_and_a_folder_are_refused_in_words(tmp_path):
    with pytest.raises(MediaError, match="There is no file"):
        media.probe(tmp_path / "gone.mp4")
    with pytest.raises(MediaError, match="is a folder"):
        media.probe(tmp_path)


def test_sound_alone_is_refused_in_words(draw_clip, plan):
    with pytest.raises(MediaError, match="holds only sound"):
        media.probe(draw_clip("sound.mp4", plan(pictures=False)))


def test_a_file_cut_before_its_index_is_called_cut_off(draw_clip, plan, tmp_path):
    whole = draw_clip("clip.mp4", plan()).read_bytes()
    path = tmp_path / "cut.mp4"
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(Truncated, match=r"cut\.mp4 is cut off"):
        media.probe(path)


def test_a_file_cut_behind_its_index_gives_what_is_there_and_then_says_where_it_stops(
    draw_clip, plan, tmp_path
):
    options = (("movflags", "+faststart"),)
    whole = draw_clip("clip.mp4", plan(seconds=12.0, options=options)).read_bytes()
    path = tmp_path / "cut.mp4"
    path.write_bytes(whole[: len(whole) * 6 // 10])
    with pytest.raises(Truncated, match="is cut off"):
        media.probe(path)
    seen: list[float] = []
    with pytest.raises(Truncated, match=r"stop after \d of 12 seconds") as caught:
        seen.extend(frame.time for frame in media.frames(path, 0.0, EVER, 5.0))
    assert 4.0 < seen[-1] < 9.0
    assert caught.value.at == pytest.approx(seen[-1], abs=0.3)


def test_the_part_before_a_cut_can_still_be_read(draw_clip, plan, tmp_path):
    options = (("movflags", "+faststart"),)
    whole = draw_clip("clip.mp4", plan(seconds=12.0, options=options)).read_bytes()
    path = tmp_path / "cut.mp4"
    path.write_bytes(whole[: len(whole) * 6 // 10])
    assert len(crcs(path, 0.0, 3.0)) == 15

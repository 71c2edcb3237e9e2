from itertools import pairwise
from typing import Any

import pytest

pytest.importorskip("av")
np = pytest.importorskip("numpy")

from jubako_apps.telop import blocks, speech  # noqa: E402
from jubako_apps.telop.media import SAMPLE_RATE, MediaError  # noqa: E402
from jubako_apps.telop.merge import joined  # noqa: E402
from jubako_apps.telop.recognisers import RecogniserMissing, recogniser  # noqa: E402
from jubako_apps.telop.speech import listen, recognise, transcribe  # noqa: E402
from jubako_apps.telop.telops import Word  # noqa: E402
from jubako_apps.telop.voice import FileSound, Piece, Samples, pieces, spoken, stretches  # noqa: E402


def sound(*parts: float) -> Any:
    """Noise of speech's loudness where a part is positive, near silence where negative; lengths in seconds."""
    rng = np.random.default_rng(3)
    made = [rng.normal(0, 3000 if part > 0 else 10, round(abs(part) * SAMPLE_RATE)) for part in parts]
    return np.concatenate(made).astype(np.int16)


class Counting:
    """Hears a word every half second, named after the loudest sample in it, so that it depends on what it hears."""

    def words(self, heard: Any) -> list[Word]:
        step = SAMPLE_RATE // 2
        return [
            Word(
                start=n / 2,
                end=n / 2 + 0.5,
                text=f"w{int(abs(heard[n * step : n * step + step]).max())}",
                confidence=0.5,
            )
            for n in range(len(heard) // step)
        ]


def test_speech_is_where_it_is_loud_and_short_pauses_belong_to_it():
    found = spoken(sound(-1, 2, -0.2, 1, -0.6, 1.5, -1))
    assert np.asarray(found) == pytest.approx(np.asarray([(1.0, 4.2), (4.8, 6.3)]), abs=0.03)


def test_silence_and_no_sound_at_all_hold_no_speech():
    assert spoken(np.zeros(SAMPLE_RATE, dtype=np.int16)) == []
    assert spoken(np.zeros(0, dtype=np.int16)) == []
    assert pieces(Samples(np.zeros(10, dtype=np.int16))) == []


def test_speech_without_pause_is_cut_into_short_pieces_that_own_every_moment_once():
    cut = pieces(Samples(sound(-1, 95, -1)))
    assert len(cut) >= 5
    assert all(p.heard[1] - p.heard[0] <= 24.5 for p in cut)
    assert all(one.owned[1] == other.owned[0] for one, other in pairwise(cut))
    assert all(one.heard[1] - other.heard[0] == pytest.approx(1.0) for one, other in pairwise(cut))
    assert cut[0].owned[0] == pytest.approx(0.85, abs=0.05)
    assert cut[-1].owned[1] == pytest.approx(96.15, abs=0.05)


def test_speech_is_cut_at_a_moment_of_silence_near_the_even_cut():
    cut = pieces(Samples(sound(-1, 17, -0.2, 11, -1)))
    assert len(cut) == 2
    assert cut[0].owned[1] == pytest.approx(18.1, abs=0.05)


def test_stretches_of_speech_go_on_over_the_cuts():
    assert np.asarray(stretches(Samples(sound(-1, 40, -1, 20, -1)))) == pytest.approx(
        np.asarray([(1.0, 41.0), (42.0, 62.0)]), abs=0.05
    )


def test_a_word_belongs_to_the_piece_that_holds_its_middle():
    class Two:
        def words(self, _: Any) -> list[Word]:
            return [
                Word(start=0.0, end=0.6, text="before", confidence=1.0),
                Word(start=0.4, end=0.9, text="mine", confidence=1.0),
            ]

    piece = Piece(owned=(2.5, 9.0), heard=(2.0, 9.5))
    assert recognise(piece, sound(7.5), Two()) == [Word(start=2.4, end=2.9, text="mine", confidence=1.0)]


def test_listening_gives_one_utterance_per_stretch_of_speech_and_tells_its_progress():
    told: list[float] = []
    transcript = listen(Samples(sound(-1, 2, -0.6, 3, -30)), "en", Counting(), told.append)
    assert (transcript.source, transcript.language) == ("asr", "en")
    assert [u.id for u in transcript.utterances] == [0, 1]
    assert told == [0.5, 1.0]
    for utterance in transcript.utterances:
        assert utterance.text == " ".join(w.text for w in utterance.words)
        assert (utterance.start, utterance.end) == (utterance.words[0].start, utterance.words[-1].end)


def test_a_script_is_taken_before_the_sound(draw_clip, plan):
    path = draw_clip("clip.mp4", plan())
    script = (b"1\n00:00:01,000 --> 00:00:02,000\nHello there\n", ".srt")
    transcript = transcribe(path, "ja", script)
    assert (transcript.source, transcript.utterances[0].text) == ("script", "Hello there")


def test_a_plain_script_is_laid_over_the_sound(draw_clip, plan):
    transcript = transcribe(draw_clip("clip.mp4", plan()), "en", (b"one\ntwo\nsix\n", ".txt"))
    starts = [u.start for u in transcript.utterances]
    assert starts == [pytest.approx(t, abs=0.15) for t in (1.0, 3.0, 5.0)]


@pytest.mark.parametrize(("language", "tone"), [("ja", True), ("en", False)])
def test_without_script_recogniser_or_sound_nobody_knows_what_is_said(draw_clip, plan, language, tone):
    transcript = transcribe(draw_clip("clip.mp4", plan(tone=tone)), language)
    assert (transcript.source, transcript.utterances) == ("none", ())


def test_a_file_that_is_no_video_is_refused_whatever_the_script(tmp_path):
    path = tmp_path / "note.txt"
    path.write_text("no video")
    with pytest.raises(MediaError):
        transcribe(path, "en", (b"words", ".txt"))


def test_the_recogniser_hears_nothing_in_noise_and_does_not_remember():
    pytest.importorskip("pocketsphinx")
    heard_by = recogniser("pocketsphinx", "en")
    noise = sound(0.5)
    first = heard_by.words(noise)
    heard_by.words(sound(2))
    assert heard_by.words(noise) == first
    assert heard_by.words(np.zeros(160, dtype=np.int16)) == []


@pytest.mark.parametrize("count", [2, 3, 7])
def test_tasks_that_share_the_speech_hear_exactly_what_one_alone_hears(count):
    track = Samples(sound(-1, 47, -1, 3, -0.5, 2.5, -2, 31, -1))
    alone = listen(track, "en", Counting())
    shares = [listen(track, "en", Counting(), part=speech.Part(index=n, count=count)) for n in range(count)]
    assert len(alone.utterances) > 5
    assert joined(shares[::-1], "en") == alone
    assert sum(bool(share.utterances) for share in shares) > 1
    assert max(len(share.utterances) for share in shares) < len(alone.utterances)


def test_the_sound_of_a_file_is_heard_the_same_by_whoever_shares_it(draw_clip, plan):
    clip = FileSound(draw_clip("clip.mp4", plan(seconds=40.0, pictures=False)), 40.0)
    alone = listen(clip, "en", Counting())
    shares = [listen(clip, "en", Counting(), part=speech.Part(index=n, count=3)) for n in range(3)]
    assert len(alone.utterances) > 15
    assert joined(shares, "en") == alone


class Reaching:
    """Sound that notices how much of it is asked for at once."""

    duration = 43_200.0

    def __init__(self) -> None:
        self.longest = 0.0
        self.total = 0.0

    def between(self, start: float, end: float) -> Any:
        self.longest, self.total = max(self.longest, end - start), self.total + end - start
        return np.zeros(1600, dtype=np.int16)


def test_half_a_day_of_sound_is_never_held_at_once():
    clip = Reaching()
    listen(clip, "en", Counting(), part=speech.Part(index=5, count=720))
    assert clip.longest < 60
    assert clip.total < 400


def test_silence_may_be_shared_too():
    quiet = Samples(np.zeros(SAMPLE_RATE, dtype=np.int16))
    assert listen(quiet, "en", Counting(), part=speech.Part(index=1, count=2)).utterances == ()


def test_listening_is_divided_among_a_few_tasks_and_among_more_the_longer_the_sound_is():
    assert [blocks.parts(given) for given in (0.5, 20, 43, 171, 3600, 43_200)] == [1, 2, 4, 12, 60, 720]


def test_the_last_tasks_listen_half_as_long_as_the_first_ones():
    spans = [blocks.span(part, 4, 42.0) for part in range(4)]
    assert [end - start for start, end in spans] == [14.0, 14.0, 7.0, 7.0]


class Asked(Samples):
    """Notes which sound was asked for."""

    def __init__(self, pcm: Any) -> None:
        super().__init__(pcm)
        self.stretches: list[tuple[float, float]] = []

    def between(self, start: float, end: float) -> Any:
        self.stretches.append((start, end))
        return super().between(start, end)


def test_a_block_that_ends_before_a_tasks_time_is_only_looked_at_for_its_end():
    clip = Asked(sound(-1, 12, -1, 46))
    shares = [listen(clip, "en", Counting(), part=speech.Part(index=n, count=4)) for n in range(4)]
    assert joined(shares, "en") == listen(clip, "en", Counting())
    clip.stretches.clear()
    listen(clip, "en", Counting(), part=speech.Part(index=3, count=4))
    assert sum(end - start > 2 * blocks.NEAR_S for start, end in clip.stretches) == 1


@pytest.mark.parametrize(("duration", "count"), [(47.0, 3), (3600.0, 60), (100.0, 4), (5.0, 1)])
def test_the_times_of_all_tasks_cover_the_sound_once_and_each_looks_at_all_blocks_near_its_own(
    duration, count
):
    spans = [blocks.span(part, count, duration) for part in range(count)]
    for mine in spans:
        near = blocks.around(mine, duration)
        assert near.start == 0 or near.start * blocks.BLOCK_S <= mine[0] - blocks.NEAR_S
        is_last = near.stop == blocks.blocks(duration)
        assert is_last or near.stop * blocks.BLOCK_S >= mine[1] + blocks.NEAR_S
    assert spans[0][0] == 0.0
    assert spans[-1][1] == duration
    assert all(one[1] == other[0] for one, other in pairwise(spans))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("whisper.cpp:/models", "no recogniser 'whisper.cpp'"),
        ("faster-whisper:base", "is not there: base"),
        ("vosk:", "is not there"),
    ],
)
def test_a_recogniser_that_is_not_there_is_named_and_nothing_is_downloaded(name, words):
    with pytest.raises(RecogniserMissing, match=words):
        recogniser(name, "en")

"""The index of an output is found by seeking, and pages cost what they show."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jubako.telemetry.output_index import Mark, OutputIndex
from jubako.telemetry.outputs import Outputs, Position, Source

IO = Path("/proc/self/io")


def index_of(folder: Path, marks: list[Mark], torn: bytes = b"") -> OutputIndex:
    path = folder / "index"
    path.write_bytes(b"".join(b'{"t":%d,"o":%d,"e":%d}\n' % (m.t, m.o, m.e) for m in marks) + torn)
    return OutputIndex(path)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    times=st.lists(st.integers(1, 10**16), max_size=60).map(sorted),
    time_us=st.integers(0, 10**16 + 1),
    torn=st.sampled_from([b"", b'{"t":1', b'{"t":12345678901234567']),
)
def test_the_marks_from_an_instant_on_are_found_and_the_one_before(
    tmp_path: Path, times: list[int], time_us: int, torn: bytes
) -> None:
    marks = [Mark(t=t, o=n, e=n * 7) for n, t in enumerate(times)]
    before, following = index_of(tmp_path, marks, torn).since(time_us)
    assert list(following) == [mark for mark in marks if mark.t >= time_us]
    earlier = [mark for mark in marks if mark.t < time_us]
    assert before == (earlier[-1] if earlier else Mark())


def test_a_mark_that_a_full_disk_cut_hides_no_other(tmp_path: Path) -> None:
    path = tmp_path / "index"
    lines = [b'{"t":%d,"o":%d,"e":0}\n' % (n, n * 10) for n in range(1, 101)]
    lines[50] = lines[50][:9]  # the next one follows in the same line
    path.write_bytes(b"".join(lines))
    for time_us in range(1, 101):
        _, following = OutputIndex(path).since(time_us)
        assert [mark.t for mark in following] == [n for n in range(time_us, 101) if n != 51]


def test_no_index_is_no_marks(tmp_path: Path) -> None:
    before, following = OutputIndex(tmp_path / "index").since(5)
    assert (before, list(following)) == (Mark(), [])


@pytest.mark.skipif(not IO.exists(), reason="counts what is read by /proc")
async def test_a_page_in_the_middle_of_a_long_log_reads_little(tmp_path: Path) -> None:
    folder, count = tmp_path / "uid" / "0-0", 400_000
    folder.mkdir(parents=True)
    (folder / "stdout").write_bytes(b"".join(b"line %06d of a long log\n" % n for n in range(count)))
    size = len(b"line 000000 of a long log\n")
    # Ten lines a tenth of a second; and a flood at the end, all at one time.
    marks = [Mark(t=n, o=n * 10 * size) for n in range(1, 20_001)]
    index_of(folder, [*marks, Mark(t=30_000, o=count * size)])
    source = Source(folder="uid/0-0", index=0, attempt=0, started_us=1, ended_us=40_000)
    outputs = Outputs(tmp_path)
    for number, time_us in ((99_999, 10_000), (300_000, 30_000)):
        after = Position(time_us=time_us, index=0, attempt=0, stream="stdout", offset=number * size)
        began = read_so_far()
        page = await outputs.lines([source], after, 2**62, 10)
        took = read_so_far() - began
        assert [line.data[:11] for line in page] == [b"line %06d" % n for n in range(number + 1, number + 11)]
        assert took < 300_000, took


def read_so_far() -> int:
    return int(IO.read_text().split()[1])

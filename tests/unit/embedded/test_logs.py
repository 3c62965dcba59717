from worker.embedded.logs import PartLog


def test_grows_to_its_limit_and_keeps_so_many_old_ones(tmp_path):
    log = PartLog(tmp_path / "log" / "worker.log", limit=30, kept=2)
    for number in range(20):
        log.write(b"line %02d 9\n" % number)
    sizes = {path.name: path.stat().st_size for path in (tmp_path / "log").iterdir()}
    assert set(sizes) <= {"worker.log", "worker.log.1", "worker.log.2"}
    assert max(sizes.values()) <= 30
    newest = (tmp_path / "log" / "worker.log.1").read_bytes()
    assert newest.endswith((b"17 9\n", b"18 9\n", b"19 9\n"))


def test_tail_holds_the_last_lines_readable(tmp_path):
    log = PartLog(tmp_path / "worker.log")
    for number in range(100):
        log.write(b"%d\xff\n" % number)
    assert list(log.tail)[-1] == "99�"
    assert len(log.tail) == 12


def test_a_line_that_cannot_be_written_is_counted_and_hurts_nobody(tmp_path):
    path = tmp_path / "worker.log"
    log = PartLog(path)
    path.mkdir()  # stands for a disk that takes no line
    log.write(b"one\n")
    log.write(b"two\n")
    path.rmdir()
    log.write(b"three\n")
    log.write(b"four\n")
    assert path.read_text() == "[2 lines could not be written]\nthree\nfour\n"

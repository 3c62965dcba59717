"""Reading CSV files of every kind of wrongness, in bounded memory."""

import csv
import io
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.domain.errors import BadInput
from worker.intake import SEND, YEARLY
from worker.intake.table import RECORD_LONGEST, records, row, survey

HEADER = "name,email,country\n"


def written(path: Path, text: str | bytes) -> Path:
    file = path / "people.csv"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def test_rows_have_the_number_of_their_first_line(tmp_path: Path) -> None:
    file = written(
        tmp_path, 'name,email,country,comment\r\nA,a@b.example,GB,"two\r\nlines"\r\n\r\nB,b@b.example,GB,""""\r\n'
    )
    found = list(records(file))
    assert [(r.line, r.cells) for r in found] == [
        (1, ("name", "email", "country", "comment")),
        (2, ("A", "a@b.example", "GB", "two\r\nlines")),
        (5, ("B", "b@b.example", "GB", '"')),
    ]
    assert found[-1].end == file.stat().st_size


def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path: Path) -> None:
    assert survey(written(tmp_path, b"\xef\xbb\xbf" + HEADER.encode())).columns == ("name", "email", "country")


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("", "nothing"),
        ("name;email;country\n", "found: name;email;country"),
        ("name,email\n", "found: name, email"),
        ("name,email,country,phone\n", "found: name, email, country, phone"),
        ("name,email,country,name\n", "found: name, email, country, name"),
        ('name,email,"country\n', "found: nothing"),
    ],
)
def test_a_wrong_header_is_told_with_the_right_one(tmp_path: Path, header: str, found: str) -> None:
    with pytest.raises(
        BadInput, match="must name the columns name, email, country and may name city, comment"
    ) as caught:
        survey(written(tmp_path, header))
    assert found in str(caught.value)


def test_columns_come_in_any_order_and_case(tmp_path: Path) -> None:
    assert survey(written(tmp_path, "Country, E-mail\n".replace("E-mail", "EMAIL,Name"))).columns == (
        "country",
        "email",
        "name",
    )


@pytest.mark.parametrize("filler", [0, 300_000])
def test_a_wrong_encoding_is_told_with_its_line(tmp_path: Path, filler: int) -> None:
    file = written(
        tmp_path,
        HEADER.encode() + b"x" * filler + b"A,a@b.example,GB\n" + "Zoë".encode("latin-1") + b",z@b.example,GB\n",
    )
    with pytest.raises(BadInput, match='line 3 is not UTF-8; save the file as "CSV UTF-8"'):
        survey(file)
    with pytest.raises(BadInput, match="line 1 is not UTF-8"):
        survey(written(tmp_path, HEADER.encode("utf-16")))
    with pytest.raises(BadInput, match="line 2 is not UTF-8"):
        survey(written(tmp_path, HEADER.encode() + b"cut off \xc3"))


def test_a_missing_file_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be read: No such file"):
        survey(tmp_path / "none.csv")
    with pytest.raises(BadInput, match="is not a file"):
        survey(tmp_path)


def test_a_huge_field_costs_a_row_and_no_memory(tmp_path: Path) -> None:
    file = written(tmp_path, HEADER + "A,a@b.example,GB\n" + "x" * 10_000_000 + ",b@b.example,GB\nC,c@b.example,GB\n")
    tracemalloc.start()
    found = list(records(file))
    survey(file)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [(r.line, bool(r.fault)) for r in found] == [(1, False), (2, False), (3, True), (4, False)]
    assert "longer than 64 KiB" in found[2].fault
    assert peak < 4_000_000


def test_nothing_inside_a_long_quoted_field_is_taken_for_a_row(tmp_path: Path) -> None:
    inside = "Forged,forged@b.example,GB\n" * 6_000
    file = written(tmp_path, f'{HEADER}A,"{inside}",GB\nC,c@b.example,GB\n')
    assert [r.cells for r in records(file) if not r.fault][1:] == [("C", "c@b.example", "GB")]


def test_a_quote_that_is_never_closed_is_told(tmp_path: Path) -> None:
    file = written(tmp_path, HEADER + 'A,"a@b.example,GB\n' + "B,b@b.example,GB\n" * 10_000)
    *_, last = records(file)
    assert last.fault.endswith("lines 2 to 10002 were read as this one row")
    short = written(tmp_path, HEADER + 'A,"a@b.example,GB\nB,b@b.example,GB\n')
    assert [r.fault for r in records(short)] == ["", "not a row of a CSV file: look at its quotes"]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("A,a@b.example\n", "has 2 cells where the first line names 4"),
        ("A,a@b.example,GB,no,more\n", "has 5 cells"),
        ("A,a@b.example,GB,perhaps\n", "yearly: write yes or no"),
        ('A "B" C,a@b.example,GB,no\n', ""),
        ('"A"B,a@b.example,GB,no\n', "look at its quotes"),
        ("A,a@b.example,GB\rB,b@b.example,GB\n", "look at its quotes"),
    ],
)
def test_rows_that_are_none(tmp_path: Path, line: str, reason: str) -> None:
    _, record = records(written(tmp_path, "name,email,country,yearly\n" + line))
    found = row(("name", "email", "country", "yearly"), record)
    assert reason in found.rejected
    assert bool(found.rejected) == bool(reason)


@pytest.mark.parametrize(
    ("cell", "kinds"), [("yes", 2), ("TRUE", 2), (" 1 ", 2), ("no", 1), ("0", 1), ("", 1), ("false", 1)]
)
def test_yearly_is_granted_only_where_its_column_says_so(tmp_path: Path, cell: str, kinds: int) -> None:
    _, record = records(written(tmp_path, f"name,email,country,yearly\nA,a@b.example,GB,{cell}\n"))
    assert row(("name", "email", "country", "yearly"), record).consents == (SEND, YEARLY)[:kinds]


_CELL = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30)


@given(rows=st.lists(st.tuples(_CELL, _CELL, _CELL), max_size=8))
@settings(deadline=None)
def test_what_the_csv_module_writes_is_read_back(
    rows: list[tuple[str, str, str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    text = io.StringIO(newline="")
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows(rows)
    file = written(tmp_path_factory.mktemp("csv"), text.getvalue())
    assert [r.cells for r in records(file)] == rows


@given(data=st.binary(max_size=300).filter(lambda data: b"\xef" not in data))
@settings(deadline=None)
def test_any_bytes_are_read_or_refused(data: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    file = written(tmp_path_factory.mktemp("csv"), data)
    try:
        survey(file)
    except BadInput:
        return
    assert all(len(r.cells) <= RECORD_LONGEST for r in records(file))

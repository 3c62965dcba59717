"""Labels that no relay can multiply."""

import pytest

from worker.domain.tallying import reply_labels


@pytest.mark.parametrize(
    ("code", "enhanced", "labels"),
    [
        (250, "2.0.0", ("250", "2.0.0")),
        (550, "5.7.26", ("550", "5.7.26")),
        (450, "", ("450", "")),
        (0, "", ("none", "")),
        (0, "4.4.2", ("none", "")),
        (571, "5.7.1", ("other", "other")),
        (550, "4.7.1", ("550", "other")),
        (550, "5.7.509", ("550", "other")),
        (550, "5.8.1", ("550", "other")),
        (550, "5.07.1", ("550", "other")),
        (550, "5.7.1\n", ("550", "other")),
        (550, "5.\u0667.1", ("550", "other")),
        (550, "5.7.1 one@mail.example", ("550", "other")),
        (999_999, "9.9.9", ("other", "other")),
    ],
)
def test_a_reply_becomes_digits_of_a_fixed_set(code, enhanced, labels):
    assert reply_labels(code, enhanced) == labels


def test_a_hostile_relay_cannot_widen_the_set():
    said = {
        reply_labels(code, f"{code // 100}.{subject}.{detail}")
        for code in range(200, 600)
        for subject in range(12)
        for detail in range(0, 1000, 7)
    }
    codes = {code for code, _ in said}
    assert len(codes) < 60
    assert all(len({enhanced for c, enhanced in said if c == code}) <= 8 * 40 + 2 for code in codes)

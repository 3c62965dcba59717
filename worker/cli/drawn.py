"""Bars and curves out of characters, for a terminal."""

from collections.abc import Sequence


def bar(share: float, width: int) -> str:
    """A drawn bar of at most `width` characters; a share above nothing is never drawn as nothing."""
    eighths = max(1 if share > 0 else 0, round(min(1.0, share) * width * 8))
    return "█" * (eighths // 8) + ("▏▎▍▌▋▊▉"[eighths % 8 - 1] if eighths % 8 else "")


def spark(numbers: Sequence[float]) -> str:
    """Numbers as a line of small bars, each as high as its share of the largest."""
    most = max([1.0, *numbers])
    return "".join("▁▂▃▄▅▆▇█"[min(7, round(n / most * 7))] for n in numbers)

"""Several processes at once, on the server's own clock."""

import subprocess
import sys
from pathlib import Path

from tests.fixtures.redis import open_windows
from tests.integration.pacing.house import dial

ROOT = Path(__file__).parents[3]
MOST = 997


def test_processes_that_ask_at_once_never_get_more_than_the_limit_together(redis_server):
    open_windows(redis_server, "fleet")
    command = [sys.executable, "-m", "tests.integration.pacing.asker", redis_server.url, "fleet", str(MOST), "3600"]
    fleet = [
        subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(4)
    ]
    try:
        assert [asker.stdout.readline() for asker in fleet] == ["ready\n"] * 4
        for asker in fleet:
            asker.stdin.write("go\n")
            asker.stdin.flush()
        told = [asker.communicate(timeout=60)[0].split() for asker in fleet]
    finally:
        for asker in fleet:
            asker.kill()
            asker.communicate()
    got = [int(words[0]) for words in told]
    assert all(asker.returncode == 0 for asker in fleet)
    assert all(each > 0 for each in got)
    # Each returned some after others had given up, so a few may be left over; more than the limit, never.
    assert MOST - 4 * 7 <= sum(got) <= MOST
    with dial(redis_server) as client:
        counted = [client.hvals(name) for name in client.keys("lettershop:fleet:w:*:3600:relay:r")]
        assert sum(map(int, counted[0])) == sum(got)

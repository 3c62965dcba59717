"""One process of a fleet: asks until nothing more is granted, then prints how much it got.

python -m tests.integration.pacing.asker URL LEDGER COUNT WINDOW_S
"""

import asyncio
import sys

from tests.integration.pacing.house import granted, limit, wants
from worker.domain.clock import SystemClock
from worker.pacing import Pacer, connect


async def main(url: str, ledger: str, count: int, window_s: int) -> None:
    pacer = Pacer(connect(url), ledger, SystemClock())
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    limits = (limit("relay:r", count, window_s), limit("mailbox:a", count, 86400))
    got = back = asked = 0
    while grants := granted(await pacer.ask(wants(7, *limits))):
        asked += 1
        if asked % 3 == 0:  # every now and then one is returned, twice, as a repeated close would
            back += await pacer.give_back(grants[:1])
            back += await pacer.give_back(grants[:1])
            grants = grants[1:]
        got += len(grants)
    sys.stdout.write(f"{got} {back}\n")
    await pacer.aclose()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))

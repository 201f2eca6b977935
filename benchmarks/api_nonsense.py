"""How many of so many nonsensical requests does the API answer with 5xx? It should be none.

    python benchmarks/api_nonsense.py [COUNT]      100,000 by default

Prints one line of figures, and the first answers that were wrong.
"""

from __future__ import annotations

import collections
import random
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from appliance.audio.decode import Decoder
from tests.api.conftest import build_services, serve
from tests.api.nonsense import ask, objection


def main(count: int) -> int:
    dice = random.Random(count)
    statuses: collections.Counter[int] = collections.Counter()
    wrong: list[str] = []
    with tempfile.TemporaryDirectory() as place:
        decoder = Decoder(2)
        started = time.monotonic()
        for server in serve(build_services(Path(place) / "data", decoder), Path(place)):
            http = server.local()
            for _ in range(count):
                answer = ask(http, dice)
                statuses[answer.status_code] += 1
                if found := objection(answer):
                    wrong.append(found)
        decoder.close()
    seconds = time.monotonic() - started
    print(f"{count} requests in {seconds:.0f} s, {len(wrong)} answered wrongly; ", end="")
    print(", ".join(f"{status}: {number}" for status, number in sorted(statuses.items())))
    for line in wrong[:20]:
        print(line[:500])
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000))

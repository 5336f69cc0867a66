"""How often each field of a `MemoryCall` is read as a person labelled it: on the requests that the rules were written
with, on those that were held back, and on others that were written later and with which the rules were widened (what was
read of them at first sight stands beside them in `support/memory_requests.py`).

One JSON object on stdout.

    python tests/benchmarks/bench_memory_call.py [--show dev|held|later]
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from memporium_services.reader.domain.memory_calls import parse
from support.memory_requests import LATER, NOW, REQUESTS, read_as

FIELDS = (
    "kind",
    "time",
    "entities",
    "speaker",
    "persona",
    "scope",
    "types",
    "tags",
    "limit",
    "output",
    "content",
    "query",
)


def main() -> None:
    """Print the accuracy of each field."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--show", choices=("dev", "held", "later"), help="print what is read otherwise")
    show = options.parse_args().show
    answer: dict[str, object] = {"requests": len(REQUESTS) + len(LATER)}
    parts = {
        "dev": ("written_with", [one for one in REQUESTS if not one.held_back]),
        "held": ("held_back", [one for one in REQUESTS if one.held_back]),
        "later": ("widened_with", list(LATER)),
    }
    for key, (part, some) in parts.items():
        right = dict.fromkeys(FIELDS, 0)
        asked = dict.fromkeys(FIELDS, 0)
        whole = 0
        for one in some:
            wanted, got = read_as(one, parse(one.text, NOW))
            wrong = [name for name in FIELDS if wanted[name] != got[name]]
            whole += not wrong
            for name in FIELDS:
                right[name] += name not in wrong
                # How often the field is there at all: an empty field is easily right.
                asked[name] += bool(wanted[name])
            if wrong and show == key:
                shown = {name: [wanted[name], got[name]] for name in wrong}
                sys.stderr.write(f"{one.text}\n    {shown}\n")
        count = len(some)
        answer[part] = {
            "requests": count,
            "all_fields_right": round(whole / count, 3),
            **{name: {"right": round(right[name] / count, 3), "labelled": asked[name]} for name in FIELDS},
        }
    began = time.process_time()
    for _ in range(20):
        for one in REQUESTS:
            parse(one.text, NOW)
    answer["cpu_us_a_request"] = round((time.process_time() - began) / 20 / len(REQUESTS) * 1e6)
    majority = max({one.kind for one in REQUESTS}, key=lambda kind: sum(one.kind == kind for one in REQUESTS))
    answer["baseline_kind_always_" + majority.lower()] = round(
        sum(one.kind == majority for one in LATER) / len(LATER), 3
    )
    print(json.dumps(answer))


if __name__ == "__main__":
    main()

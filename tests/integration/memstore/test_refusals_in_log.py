"""A refused use stands in the log with what was wanted and the term that forbade it."""

from __future__ import annotations

import asyncio
import json
import os
import sys

from memporium.governance.v1 import audit_pb2
from memporium.governance.v1.governance_service_pb2_grpc import GovernanceServiceStub
from support.integration_transfer import refusal
from support.market import Market, licence
from support.platform import running_platform


async def test_the_log_says_why(tmp_path):
    async with running_platform(("governance", "memstore"), data_dir=tmp_path) as platform:
        market = Market(platform, None)
        for org in ("seller", "buyer"):
            await market.org(org)
        agreement = await market.agreement(licence("READ"))
        error = await refusal(market.reserve(agreement.name, "a", action="DERIVE_LORA", purpose="training"))
        assert error.metadata["term"] == "permissions"
        governance = GovernanceServiceStub(platform.channel(market.keys["buyer"]))
        found = audit_pb2.LogFilter(resource=agreement.name, effect=audit_pb2.AUDIT_EFFECT_DENY)
        request = audit_pb2.QueryLogRequest(parent="orgs/buyer", filter=found)
        async with asyncio.timeout(120):
            while not (entries := (await governance.QueryLog(request)).entries):
                await asyncio.sleep(0.05)
        [entry] = entries
        record = entry.record
        assert (record.action, record.reason) == ("memstore.entitlements.reserve", "LICENCE_NOT_PERMITTED")
        assert dict(record.details) == {"action": "DERIVE_LORA", "form": "PLAINTEXT", "term": "permissions"}
        assert record.root_id
        shown = await _explain(platform, market, agreement.name, "--decision", record.root_id)
        assert (shown["title"], shown["refusals"][0]["reason"]) == ("test", "LICENCE_NOT_PERMITTED")
        asked = ("--action", "derive-lora", "--for", "training", "--refused")
        shown = await _explain(platform, market, agreement.name, *asked)
        assert (shown["verdict"]["answer"], shown["verdict"]["term"]) == ("ANSWER_DENIED", "permissions")
        assert len(shown["refusals"]) == 1


async def _explain(platform, market, *arguments):
    """Return what the command line prints, as the buyer."""
    command = [sys.executable, "-m", "memporium", "--address", platform.address, "--json", "licence", "explain"]
    environment = {**os.environ, "MEMPORIUM_API_KEY": market.keys["buyer"]}
    process = await asyncio.create_subprocess_exec(
        *command, *arguments, env=environment, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    assert process.returncode == 0
    return json.loads(output)

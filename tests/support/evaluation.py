"""A platform, a model server, and the command line that evaluates the one with the other."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys

from memporium.vault.v1 import vault_service_pb2
from memporium.vault.v1.vault_service_pb2_grpc import VaultServiceStub


def knowing(body):
    """Answer from the memories that came with the question; judge by the right answer's first word."""
    material = body["messages"][1]["content"]
    if "Verdict:" in material:
        right, given = re.search(r"Right answer: (.*)\nAnswer to judge: (.*)\n", material).groups()
        same = right.split()[0].lower() in given.lower() if right != "this is not known" else "not" in given.lower()
        return json.dumps({"right": same})
    asked = material.rsplit("Question: ", 1)[1]
    if "Options:" in material:
        return "(b)" if "sailing" in material.split("Question:")[0] else "(a)"
    if "dog" in asked:
        return "Biscuit" if "Biscuit" in material.rsplit("Question: ", 1)[0] else "not mentioned"
    return "7 May 2023" if "sign up" in asked else "That is not mentioned there."


class World:
    def __init__(self, platform, org, server):
        self.platform, self.org, self.server = platform, org, server

    def start(self, *arguments):
        kept = {key: value for key, value in os.environ.items() if not key.startswith("MEMPORIUM_")}
        environment = {
            **kept,
            "MEMPORIUM_ADDRESS": self.platform.address,
            "MEMPORIUM_API_KEY": self.org.owner_key,
            "COLUMNS": "160",
        }
        return asyncio.create_subprocess_exec(
            sys.executable, "-m", "memporium", "eval", *map(str, arguments),
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=environment,
        )  # fmt: skip

    async def run(self, *arguments):
        process = await self.start(*arguments)
        out, err = await process.communicate()
        return process.returncode, out.decode(), err.decode()

    async def result(self, *arguments):
        status, out, err = await self.run(*arguments, "--json")
        assert status == 0, err
        return json.loads(out)

    async def vaults(self):
        stub = VaultServiceStub(self.platform.channel(self.org.owner_key))
        found = await stub.ListVaults(vault_service_pb2.ListVaultsRequest(parent=self.org.name))
        return [vault.name for vault in found.vaults]

"""Names of licence terms in ODRL 2.2 (https://www.w3.org/TR/odrl-model/, https://www.w3.org/TR/odrl-vocab/).

What has a counterpart in the common vocabulary has that one's name; all else is of this platform's profile (`mp:`), as
the model's section 4 provides. A name on one side stands for exactly one on the other, so that terms come back as they
went.
"""

from __future__ import annotations

CONTEXT = "http://www.w3.org/ns/odrl.jsonld"
NAMESPACE = "https://memporium.dev/ns/odrl#"
PROFILE = "https://memporium.dev/ns/odrl"
PREFIX = "mp:"

# LicenceAction -> action. Those of the profile are narrower than odrl:use.
ACTIONS = {
    "READ": "read",
    "RETRIEVE": "mp:retrieve",
    "INFER_WITH": "mp:inferWith",
    "MATERIALISE_KV": "mp:materialiseKv",
    "DERIVE_TEXT": "derive",
    "DERIVE_LORA": "mp:deriveLora",
    "EMBED": "index",
    "EXPORT_BUNDLE": "mp:exportBundle",
    "REDISTRIBUTE": "distribute",
    "BENCHMARK": "mp:benchmark",
}

# MemoryForm -> value of the left operand mp:memoryForm.
FORMS = {"PLAINTEXT": "mp:plaintext", "ACTIVATION": "mp:activation", "PARAMETER": "mp:parameter"}
FORM = "mp:memoryForm"

# Field of the constraints with a set of values -> left operand.
SETS = {"purposes": "purpose", "regions": "spatial", "workloads": "mp:workload", "recipients": "recipient"}

# UseUnit -> unit of the left operand count.
UNITS = {
    "CALLS": "mp:calls",
    "MEMORIES": "mp:memories",
    "TOKENS": "mp:tokens",
    "BYTES": "mp:bytes",
    "DERIVATIONS": "mp:derivations",
}
COUNT = "count"

# QuotaPeriod -> calendar period as an ISO 8601 duration; AGREEMENT has none.
PERIODS = {"HOUR": "PT1H", "DAY": "P1D", "MONTH": "P1M", "YEAR": "P1Y"}

RATE, CONCURRENCY, AGGREGATION, SEATS = "mp:rate", "mp:concurrency", "mp:aggregation", "mp:seats"
DATE, ELAPSED, PLACE = "dateTime", "elapsedTime", "virtualLocation"
PLATFORM = "mp:platform"

# DutyKind -> action of an obligation.
DUTIES = {
    "ATTRIBUTE": "attribute",
    "INFORM": "inform",
    "DELETE_ON_EXPIRY": "delete",
    "OBTAIN_CONSENT": "obtainConsent",
    "COMPENSATE": "compensate",
    "WATERMARK_OUTPUT": "watermark",
    "SHARE_ALIKE": "cc:ShareAlike",
}
# The obligation to delete is tied to this event.
EVENT, ENDED = "event", "mp:agreementEnded"

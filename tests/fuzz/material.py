"""What hostile input is made of: JSON that is almost right, and bytes that are almost HTTP."""

import json
import os
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from bridge.app import describe_registry
from bridge.rpc import Access

MINUTES = float(os.environ.get("FUZZ_MINUTES", "1"))  # for each test
EXAMPLES = max(50, int(MINUTES * 3000))

HARD = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
    report_multiple_bugs=False,
)

# Left alone: what would end the bridge or this machine, or wait for something that does not come.
TABLE = describe_registry().methods
METHODS = sorted(
    name
    for name, method in TABLE.items()
    if name != "server.mqtt.subscribe" and (method.access is not Access.ADMIN or name.startswith("access."))
)
PARAMS = sorted({name for one in TABLE.values() for name in one.schema.params})

ODD = [
    *(
        "",
        " ",
        "\x00",
        "\u2028",
        "\udcff",
        "..",
        "../..",
        "%2e%2e",
        "a" * 5000,
        "G28\nM112",
        "null",
        "-0",
        "1e999",
    ),
    *(
        "~/x",
        "/etc/passwd",
        "_API_KEY_USER_",
        "{{7*7}}",
        "'; --",
        "\x1b[31m",
        "true",
        "NaN",
        "[",
        "\U0001f9ea",
    ),
]
texts = st.one_of(st.sampled_from(ODD), st.text(max_size=30))
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.integers(-(2**70), 2**70), st.floats(), texts,
)  # fmt: skip
values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(texts, inner, max_size=4)),
    max_leaves=12,
)
names = st.one_of(st.sampled_from(PARAMS), texts)
params = st.one_of(st.dictionaries(names, values, max_size=5), st.lists(values, max_size=4), values)


@st.composite
def requests(draw: st.DrawFn) -> Any:
    """A JSON-RPC request with some of it missing or wrong."""
    whole = {
        "jsonrpc": draw(st.sampled_from(["2.0", "2.0", "2.0", 2.0, "1.0", None])),
        "method": draw(st.one_of(st.sampled_from(METHODS), st.sampled_from(METHODS), values)),
        "params": draw(params),
        "id": draw(st.one_of(st.integers(0, 99), values)),
    }
    for key in draw(st.sets(st.sampled_from(["jsonrpc", "params", "id", "method"]), max_size=1)):
        del whole[key]
    return whole


messages = st.one_of(requests(), requests(), st.lists(requests(), max_size=5), values)


@st.composite
def payloads(draw: st.DrawFn) -> bytes:
    """A message as bytes, perhaps cut off or bitten into."""
    raw = json.dumps(draw(messages)).encode()
    kind = draw(st.integers(0, 9))
    if kind == 0:
        return raw[: draw(st.integers(0, len(raw)))]
    if kind == 1:
        at = draw(st.integers(0, len(raw)))
        return raw[:at] + draw(st.binary(max_size=8)) + raw[at:]
    if kind == 2:
        return draw(st.binary(max_size=200))
    if kind == 3:
        return draw(st.sampled_from([b"[", b'{"a":', b"[{"])) * draw(st.integers(1, 2000))
    return raw

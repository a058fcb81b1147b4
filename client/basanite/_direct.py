"""One item by one plain call: all that a synchronous caller's single item needs if nothing goes wrong.

It saves the way through the event loop's thread and back, a tenth of what a trivial verdict costs.
"""

from __future__ import annotations

import math

from basanite._errors import ItemFormatError
from basanite._parse import result_from_proto
from basanite._results import Assurance, Result
from basanite._run import FOREVER, Entry, encode, item_limit, request_bytes
from basanite._tasks import Item
from basanite._transport import Transport


def verify_directly(
    transport: Transport, item: Item, seconds: float | None, assurance: Assurance
) -> Result | None:
    """The item's Result, or None if anything stands in the way of a clean one: whoever asks then goes the
    long way, which knows about connecting, refusals, retries and deadlines.
    """
    info = transport.last_info
    if info is None or not isinstance(item, Item):
        return None
    try:
        body, required = encode(item, assurance)
    except ItemFormatError:
        return None
    item_id = item.id or "item-0"
    entry = Entry(item_id, body, required, [])
    if entry.size > item_limit(info.request_limits):
        return None
    limit = min((each for each in (seconds, item.deadline_seconds) if each is not None), default=math.inf)
    response = transport.call(request_bytes([entry]), None if limit >= FOREVER else limit)
    if response is None or len(response.results) != 1 or response.results[0].id != item_id:
        return None
    result = result_from_proto(response.results[0], item_id, required)
    return None if result.failure is not None and result.failure.retryable else result

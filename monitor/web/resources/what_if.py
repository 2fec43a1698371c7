"""What would follow for one group, were prices or its holdings others. Nothing is changed."""

from __future__ import annotations

import asyncio

from monitor.core.queries.what_if import WhatIf, WhatIfAnswer, what_if
from monitor.web.auth import READ
from monitor.web.borrowers import check_coins
from monitor.web.http import read_as, read_body
from monitor.web.resources.groups import visible
from monitor.web.site import Call, Endpoint


async def what_if_(call: Call) -> WhatIfAnswer:
    """What would follow; nothing is changed."""
    call.site.quotas.what_if(call.caller)
    raw = await read_body(call.request)
    look = await visible(call)

    def answer() -> WhatIfAnswer:
        asked = read_as(WhatIf, raw)
        check_coins(call.caller, look, asked)
        return what_if(look, asked)

    return await asyncio.to_thread(answer)


ROUTES = (Endpoint("POST", "/v1/groups/{id}/what-if", what_if_, READ, body=WhatIf),)

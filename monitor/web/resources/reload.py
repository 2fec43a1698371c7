"""A reload of the configuration by API: what it would do, and rules that were held confirmed."""

from __future__ import annotations

from monitor.core.portfolio.rules_preview import ReloadEffect
from monitor.core.schema import Invalid
from monitor.web.auth import ADMIN
from monitor.web.http import Param, Rejected, one_of
from monitor.web.site import Call, Endpoint

_BOOLEAN = one_of(("true", "false"))
PARAMS = (
    Param("dry_run", "`true`: says what a reload would do, and changes nothing.", _BOOLEAN),
    Param("confirm", "`true`: takes rules that were held, or that would move many groups.", _BOOLEAN),
)


async def reload(call: Call) -> ReloadEffect:
    """Takes over the file of the configuration. Rules that would move many groups are held until they are confirmed."""
    is_dry, is_confirmed = (call.query.choice(key) == "true" for key in ("dry_run", "confirm"))
    call.query.done()
    if call.caller.scope:
        raise Rejected("forbidden", "the configuration is the whole desk's; a token with a scope cannot reload it")
    if call.daemon.reload is None:
        raise Rejected("not-found", "there is no configuration to reload")
    try:
        return await call.daemon.reload(call.caller.name, is_confirmed, is_dry)
    except Invalid as e:
        raise Rejected("refused", str(e)[:2000], problems=e.problems, reason="bad_config") from None


ROUTES = (Endpoint("POST", "/v1/reload", reload, ADMIN, PARAMS, may_be_absent=True),)

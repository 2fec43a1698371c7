"""One notice to several recipients, each by a request of its own: who took it, who is asked again, who refuses for good."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable

from monitor.notifiers._base import (
    Accepted,
    DeliveryError,
    Fault,
    Notice,
    Receipt,
    RefusedRecipient,
    one_line,
    partial,
    refused_words,
)


class Recipients:
    """Remembers who took a notice that failed for others, so that a later attempt leaves them out."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        """For each recipient."""
        self._accepted = Accepted()

    async def send(
        self,
        notice: Notice,
        wanted: Iterable[str],
        is_usable: Callable[[str], bool],
        what: str,
        deliver: Callable[[str], Awaitable[str]],
    ) -> Receipt:
        """Tries each once; `deliver` returns a reference or raises DeliveryError, with Fault.NOTICE for its recipient's sake.

        Raises DeliveryError where a later attempt may succeed, or where nobody took it. `what` names a usable address.
        """
        wanted = list(wanted)
        usable = [r for r in wanted if is_usable(r)]
        lost = [RefusedRecipient(one_line(r, 40), f"not {what}") for r in wanted if r not in usable]
        if not usable:
            words = refused_words(lost) or "nobody to send it to"
            raise DeliveryError(words, fault=Fault.NOTICE, receipt=Receipt(refused=tuple(lost)))
        took: dict[str, str] = {}
        later: list[tuple[str, DeliveryError]] = []
        for recipient in self._accepted.left(notice, usable):
            try:
                async with asyncio.timeout(self._timeout_s):
                    took[recipient] = await deliver(recipient)
                self._accepted.note(notice, [recipient])
            except TimeoutError:
                later.append((recipient, DeliveryError("no answer")))
            except DeliveryError as e:
                if e.retry:
                    later.append((recipient, e))
                else:
                    lost.append(RefusedRecipient(recipient, e.reason))
        refused = tuple(lost)
        if later:
            asked_again = tuple(RefusedRecipient(recipient, e.reason) for recipient, e in later)
            worst = later[0][1]
            words = one_line(refused_words((*asked_again, *refused)), 500)
            receipt = Receipt("", tuple(took), refused, asked_again)
            raise DeliveryError(words, fault=worst.fault, after_s=worst.after_s, answer=worst.answer, receipt=receipt)
        if len(refused) == len(wanted):
            raise DeliveryError(refused_words(refused), fault=Fault.NOTICE, receipt=Receipt(refused=refused))
        self._accepted.forget(notice)
        detail = "; ".join(f"{recipient}: {reference}" for recipient, reference in took.items())
        return Receipt(partial(detail, refused), tuple(took), refused)

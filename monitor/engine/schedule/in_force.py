"""The rules in force at an instant, and what loans owe then."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

import numpy as np

from monitor.core.instants import DAY_MINUTES, day_number, micros_of
from monitor.core.rules.product import Product, Version
from monitor.core.rules.settings import Rules
from monitor.engine.columns.agreements import Agreements
from monitor.engine.columns.fields import Columns
from monitor.engine.columns.names import Names
from monitor.engine.columns.ragged import owners
from monitor.engine.schedule.debts import Debts


class InForce(NamedTuple):
    """Products are numbered by their place in Names. `agreements` has them by other terms too."""

    at: datetime
    """Interest counts up to here."""
    rules: Rules
    products: Mapping[int, Product]
    versions: Mapping[int, Version]
    agreements: Agreements
    debts: Debts

    @staticmethod
    def of(at: datetime, rules: Rules, names: Names) -> InForce:
        """The versions that are in force at a time, and the debts of that time."""
        agreements = Agreements(at, rules, names)
        debts = Debts(at, agreements, names)
        return InForce(at, rules, agreements.products, agreements.versions, agreements, debts)

    def has_other_terms(self, before: InForce) -> bool:
        """Groups are under other terms than before, by their labels."""
        return self.agreements.overrides != before.agreements.overrides

    def put_at(self, at: datetime, columns: Columns) -> Columns:
        """The columns of groups that are put at a time: interest counts from then, not from when the lines were read."""
        since = np.zeros(1 + max(self.products, default=-1), columns.since.dtype)
        for place, product in self.products.items():
            day, minute = product.moment(at)
            since[place] = day_number(day) * DAY_MINUTES + minute
        of_loan = since[columns.product[owners(columns.loans)]]
        return columns._replace(times=np.array([micros_of(at)]), put=np.zeros_like(columns.put), since=of_loan)

    def later(self, at: datetime, names: Names) -> InForce:
        """The same rules, with the debts of a later time."""
        return self._replace(at=at, debts=Debts(at, self.agreements, names))

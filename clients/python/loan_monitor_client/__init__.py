"""A typed client of the loan monitor's API."""

from loan_monitor_client._http import ApiProblem, NoAnswer
from loan_monitor_client.operations import MonitorClient

__all__ = ["ApiProblem", "MonitorClient", "NoAnswer"]

"""Where the daemon is that a command asks: at the address that is named, or where a configuration says."""

from __future__ import annotations

from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path

from monitor import config as configuration
from monitor.cli.feed_checks import daemon_port
from monitor.cli.options import URL
from monitor.client import DaemonClient, NoAnswer
from monitor.config import Config


def daemon_at(url: str, token_file: Path | None, config: Path | None) -> DaemonClient:
    """The daemon of a command. An address that is named wins over that of a configuration. Raises BadConfig, NoAnswer."""
    if config is not None and url == URL:
        url = address_of(configuration.load(config))
    return DaemonClient(url, token_file)


def address_of(config: Config) -> str:
    """Where the daemon of a configuration listens. Raises NoAnswer."""
    host, port = config.web.host, daemon_port(config)
    if port == 0:
        text = f"no daemon of {config.path} has noted its port in {config.state_dir}; start it, or name it with --url"
        raise NoAnswer(text)
    with suppress(ValueError):  # a name is no address
        if (found := ip_address(host)).is_unspecified:  # it listens everywhere; one asks it at home
            host = "127.0.0.1" if found.version == 4 else "::1"
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def zone_of(daemon: DaemonClient) -> str | None:
    """The desk's time zone, in which people read deadlines beside UTC. Raises NoAnswer."""
    zone: str | None = daemon.get("/v1/session").get("zone")
    return zone

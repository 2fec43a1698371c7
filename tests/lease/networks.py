"""A small network for one trial: machines in namespaces of their own around a router, which is where the trial runs.

The router drops what goes between two machines that are cut off, and tells neither: no refusal, no reset, no message.
Whoever uses it must be in namespaces of its own (`isolated`): what is made here ends with them, whatever else goes wrong.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

ROUTER = "10.77.0.1"
"""Where the trial itself listens; every machine reaches it."""
MACHINES = {"db": 1, "a": 2, "b": 3}
ISOLATED = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
"""Runs a command as the first process of its own world: with it ends every process in there, and every network."""
_TRY = "ip link add to-x type veth peer name x && ip rule add from 10.77.1.0/24 to 10.77.2.0/24 blackhole"


def can_isolate() -> bool:
    """Whether this machine lets us make networks."""
    if os.geteuid() != 0 or not all(map(shutil.which, ("unshare", "ip"))):
        return False
    return subprocess.run([*ISOLATED, "sh", "-c", _TRY], check=False, capture_output=True).returncode == 0


def address(machine: str) -> str:
    """Its only one."""
    return f"10.77.{MACHINES[machine]}.2"


def on(machine: str) -> list[str]:
    """The beginning of a command that runs there."""
    return ["ip", "netns", "exec", machine]


def file_of(machine: str) -> str:
    """By which a process enters its network."""
    return f"/run/netns/{machine}"


def build() -> None:
    """Makes the machines, and lets them reach each other by the router."""
    # Names of networks, and what is in memory, are seen in here alone, and are gone with it.
    os.makedirs("/run/netns", exist_ok=True)
    for folder in ("/run/netns", "/dev/shm"):
        subprocess.run(["mount", "-t", "tmpfs", "none", folder], check=True)
    _ip("link", "set", "lo", "up")
    _ip("addr", "add", f"{ROUTER}/32", "dev", "lo")
    for name, number in MACHINES.items():
        _ip("netns", "add", name)
        _ip("link", "add", f"to-{name}", "type", "veth", "peer", "name", "eth0", "netns", name)
        _ip("addr", "add", f"10.77.{number}.1/24", "dev", f"to-{name}")
        _ip("link", "set", f"to-{name}", "up")
        _ip("-n", name, "link", "set", "lo", "up")
        _ip("-n", name, "addr", "add", f"{address(name)}/24", "dev", "eth0")
        _ip("-n", name, "link", "set", "eth0", "up")
        _ip("-n", name, "route", "add", "default", "via", f"10.77.{number}.1")
    # What the router is asked itself must obey its other rules too.
    _ip("rule", "add", "pref", "1000", "lookup", "local")
    _ip("rule", "del", "pref", "0")
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")


def cut(one: str, other: str) -> None:
    """From now on nothing goes between the two, either way."""
    _both("add", one, other)


def mend(one: str, other: str) -> None:
    """Ends a cut."""
    _both("del", one, other)


def hold(machine: str, port: int) -> None:
    """From now on nothing goes from there to this port of the router: who connects asks again after 1 s, and 3 s, and 7 s."""
    _ip(*_way("add", machine, ROUTER), "ipproto", "tcp", "dport", str(port))


def release(machine: str, port: int) -> None:
    """Ends that."""
    _ip(*_way("del", machine, ROUTER), "ipproto", "tcp", "dport", str(port))


def _both(what: str, one: str, other: str) -> None:
    for source, target in ((one, other), (other, one)):
        _ip(*_way(what, source, address(target)))


def _way(what: str, machine: str, target: str) -> list[str]:
    return ["rule", what, "pref", "100", "from", address(machine), "to", target, "blackhole"]


def _ip(*args: str) -> None:
    subprocess.run(["ip", *args], check=True)

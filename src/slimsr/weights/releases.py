"""The releases whose weights we read and write, looked up by network and name."""

from __future__ import annotations

from collections.abc import Collection

from slimsr.errors import ConfigError
from slimsr.models import MODELS, SlimmableNet
from slimsr.models.release import Release

OWN = Release("slimsr", "SlimSR", shift=None)


def releases_of(network: str) -> tuple[Release, ...]:
    """Return the releases of a network by its name, our own names first."""
    return (OWN, *MODELS.get(network).releases)


def network_name(net: SlimmableNet) -> str:
    """Return the name under which the class of ``net`` is registered."""
    return next(name for name in MODELS.names() if MODELS.get(name) is type(net))


def find_release(net: SlimmableNet, key: str) -> Release:
    """Return a release by key.

    Raises:
        ConfigError: it has no such network, or none with the options of this one.
    """
    network = network_name(net)
    known = {release.key: release for release in releases_of(network)}
    if key not in known:
        raise ConfigError(f"{key!r} are no names of {network}: choose {', '.join(known)}")
    for option, value in known[key].options.items():
        found = getattr(net.config, option)
        if found != value:
            raise ConfigError(
                f"{known[key].title} has {network} with {option}={value} only, this one has "
                f"{option}={found}: choose other names ({', '.join(known)})"
            )
    return known[key]


def closest_release(net: SlimmableNet, given: Collection[str]) -> Release:
    """Return the release of this network (or ourselves) that knows the most of the names."""

    def known(release: Release) -> int:
        return len((release.parameters(net) | release.constants(net)).keys() & set(given))

    return max(releases_of(network_name(net)), key=known)

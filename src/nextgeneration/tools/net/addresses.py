"""Which network addresses may be reached: only public ones, however they are written."""

from __future__ import annotations

import ipaddress
from ipaddress import IPv4Address, IPv6Address

from nextgeneration.kernel.language import Texts

_PRIVATE = Texts("private or reserved", "privée ou réservée")
_LOOPBACK = Texts("this machine itself", "cette machine elle-même")
_LINK_LOCAL = Texts("link-local, where cloud metadata lives", "locale au lien, là où vivent les métadonnées du nuage")
_MULTICAST = Texts("multicast", "multicast")
_METADATA = Texts("a cloud provider's internal service", "un service interne d'hébergeur")
_UNREADABLE = Texts("not an address", "pas une adresse")
_TUNNEL = Texts("a tunnel address", "une adresse de tunnel")

# Public by number, but answered by the host machine of the cloud: Azure's wire server.
_HOST_SERVICES = frozenset({IPv4Address("168.63.129.16")})
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_COMPATIBLE = ipaddress.IPv6Network("::/96")
_TEREDO = ipaddress.IPv6Network("2001::/32")


def refusal(address: str) -> Texts | None:
    """Why ``address`` (as the resolver gave it) may not be reached; ``None`` when it may."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return _UNREADABLE
    if isinstance(ip, IPv6Address):
        if ip.scope_id:
            return _LINK_LOCAL
        inner = _embedded(ip)
        if inner is not None:
            return _of(inner)
        if ip in _TEREDO:
            return _TUNNEL
    return _of(ip)


def _embedded(ip: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that an IPv6 address stands for, in the forms that systems translate."""
    if ip.ipv4_mapped is not None:
        return ip.ipv4_mapped
    if ip.sixtofour is not None:
        return ip.sixtofour
    if ip in _NAT64 or (ip in _COMPATIBLE and int(ip) > 1):
        return IPv4Address(int(ip) & 0xFFFFFFFF)
    return None


def _of(ip: IPv4Address | IPv6Address) -> Texts | None:
    if ip in _HOST_SERVICES:
        return _METADATA
    if ip.is_loopback or ip.is_unspecified:
        return _LOOPBACK
    if ip.is_link_local:
        return _LINK_LOCAL
    if ip.is_multicast:
        return _MULTICAST
    if not ip.is_global or ip.is_reserved or (isinstance(ip, IPv6Address) and ip.is_site_local):
        return _PRIVATE
    return None

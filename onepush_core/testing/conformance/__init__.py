"""Conformance: classes to inherit, with the checks that a plugin of their kind has to pass."""

from __future__ import annotations

from onepush_core.testing.conformance.audience import AudienceResolverConformance
from onepush_core.testing.conformance.authentication import AuthenticatorConformance
from onepush_core.testing.conformance.transport import TransportConformance
from onepush_core.testing.conformance.vendor import VendorTransportConformance

__all__ = [
    "AudienceResolverConformance",
    "AuthenticatorConformance",
    "TransportConformance",
    "VendorTransportConformance",
]

"""Settings for tests whose examples Hypothesis makes up."""

from hypothesis import HealthCheck, settings

any_machine = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""How long an example takes only says how busy the machine is."""

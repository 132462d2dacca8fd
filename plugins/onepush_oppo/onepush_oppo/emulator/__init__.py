"""An OPPO PUSH server to test against: strict where OPPO is, and in trouble when told to be.

Written from OPPO's documents and not from the plugin's code: neither imports the other.
"""

from onepush_oppo.emulator.options import EmulatorOptions
from onepush_oppo.emulator.server import Emulator

__all__ = ["Emulator", "EmulatorOptions"]

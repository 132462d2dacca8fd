"""onepush-demo: ``onepush demo`` starts a gateway and plays the journey of a message against it.

Everything goes through the ``onepush`` command, HTTP and a WebSocket, as for any other user.
"""

__version__ = "0.1.0"

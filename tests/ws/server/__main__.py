"""Runs gunicorn with the plugin on a gateway of plain memory: ``python -m tests.ws.server FD [SETTINGS]``."""

from gevent import monkey

monkey.patch_all()

import json
import sys

from tests.ws.server.application import Server

Server(sys.argv[1], json.loads(sys.argv[2])).run()

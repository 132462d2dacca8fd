"""The API on a recording gateway behind a real gunicorn, started by test_api_gunicorn."""

import os
import sys

import gevent.os
from gunicorn.app.base import BaseApplication

from onepush_core.api import create_app, mount
from onepush_core.api.connection import TAKEN_OVER
from tests.core.api_doubles import RecordingGateway

DEADLINE = 0.5


class Echo:
    """Takes the socket over, says READY and sends back what it gets, once."""

    def on_get(self, req, resp):
        number = req.env["gunicorn.socket"].detach()
        req.env[TAKEN_OVER] = True
        os.write(number, b"READY")
        gevent.spawn(self.answer, number)

    def answer(self, number):
        os.write(number, gevent.os.nb_read(number, 100))
        os.close(number)


class Server(BaseApplication):
    """gunicorn as the gateway uses it: one gevent worker."""

    def load_config(self):
        self.cfg.set("bind", f"fd://{sys.argv[1]}")
        self.cfg.set("worker_class", "gevent")
        self.cfg.set("control_socket_disable", True)

    def load(self):
        app = create_app(RecordingGateway(body_deadline=DEADLINE))
        mount(app, [("/echo", Echo())], "echo")
        return app


if __name__ == "__main__":
    Server().run()

"""A gunicorn worker with the plugin on a gateway of plain memory.

Besides the plugin's own routes there is ``/fake``: what the core would do, on request.
"""

import falcon
import gevent
from gunicorn.app.base import BaseApplication

import onepush_ws
from onepush_core import Devices, Status
from onepush_core.clock import Clock
from tests.ws.doubles import FakeGateway, one_by_one


class Fake:
    """POST /fake: {"do": what, …}."""

    def __init__(self, gateway, plugin):
        self.gateway = gateway
        self.plugin = plugin

    def on_post(self, request, response):
        order = request.get_media()
        response.media = getattr(self, order.pop("do"))(**order)

    def register(self, platform="ANDROID"):
        return self.gateway.add_device(platform).id

    def unregister(self, device):
        self.gateway.remove_device(self.gateway.devices[device])

    def send(self, devices, **fields):
        found = [self.gateway.devices[device] for device in devices]
        message = self.gateway.add_message(*found, **fields)
        for outcome in one_by_one(self.plugin.deliver(message, Devices.of(found))):
            if outcome.status is not Status.HELD:
                self.gateway.record("ws", message, [outcome])
        return message.id

    def is_confirmed(self, message, device):
        return (message, self.gateway.devices[device].key) in self.gateway.confirms

    def is_online(self, device):
        return self.gateway.devices[device].key in self.gateway.presence


class Server(BaseApplication):
    """One gevent worker on an inherited listening socket."""

    def __init__(self, listener, settings):
        self.listener = listener
        self.settings = settings
        super().__init__()

    def load_config(self):
        for name, value in {
            "bind": f"fd://{self.listener}",
            "worker_class": "gevent",
            "worker_connections": 20_000,
            "keepalive": 5,
            "graceful_timeout": 10,
            "control_socket_disable": True,
            "loglevel": "warning",
            "post_worker_init": self.watch,
            "worker_exit": lambda _arbiter, _worker: self.draining.join(),
        }.items():
            self.cfg.set(name, value)

    def load(self):
        gateway = FakeGateway(Clock())
        self.plugin = onepush_ws.create(self.settings)
        app = falcon.App()
        self.plugin.startup(gateway)
        for path, resource in self.plugin.register_routes(gateway):
            app.add_route(path, resource)
        app.add_route("/fake", Fake(gateway, self.plugin))
        return lambda environ, start_response: self.answer(app, environ, start_response)

    def answer(self, app, environ, start_response):
        def start(*args):
            return None if environ.get("onepush.taken_over") else start_response(*args)

        body = app(environ, start)
        if environ.get("onepush.taken_over"):
            raise StopIteration
        return body

    def watch(self, worker):
        self.draining = gevent.spawn(self.drain, worker)

    def drain(self, worker):
        while worker.alive:
            gevent.sleep(0.1)
        self.plugin.shutdown()

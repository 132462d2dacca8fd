"""What tests of tags ask of a gateway, and how they read its answers."""

import requests

from harness.app import read
from harness.waiting import PATIENCE, eventually


def call(app, method, path, body=None, **options):
    """Call the API with the app's credentials."""
    options = {"auth": (app.id, app.key), "timeout": PATIENCE, **options}
    return requests.request(method, f"{app.url}/v1{path}", json=body, **options)


def tags_of(app, alias):
    """The tags of each device of an alias, as the core shows them."""
    found = read(app.get("/devices", alias=alias))["devices"]
    return {device["deviceId"]: device["tags"] for device in found}


def error_of(answer):
    """Status, code and message of a refusal."""
    return answer.status_code, answer.json()["code"], answer.json()["message"]


def count(app, **parameters):
    """Ask how many devices a send would reach."""
    return call(app, "GET", "/audience/count", params=parameters)


def reached(app, *audiences, **fields):
    """The ids of the devices that a send is for, once it is dispatched."""
    request_id = app.send(*audiences, **{"audienceType": "TAG", "needConfirm": True, **fields})
    eventually(lambda: app.status(request_id)["state"] != "dispatching")
    return {delivery["deviceId"] for delivery in app.deliveries(request_id)}


def reached_by(app, expression, **fields):
    """The same for an expression, as text or as an object."""
    audiences = expression if isinstance(expression, dict) else [expression]
    return reached(app, audienceType="TAG_EXPR", **{"audiences": audiences, **fields})

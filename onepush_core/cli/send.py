"""``onepush send``."""

from __future__ import annotations

import json
from typing import Any

import click

from onepush_core.cli.client import client_options, open_client
from onepush_core.cli.output import print_json


class JsonText(click.ParamType[Any]):
    """An option whose text is JSON."""

    name = "json"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The value that the text stands for."""
        try:
            return json.loads(value)
        except ValueError:
            self.fail("is not valid JSON", param, ctx)


@click.command(short_help="Send a message.")
@click.argument("alert")
@click.option("--to", "audiences", multiple=True, metavar="NAME", help="for whom; may be repeated")
@click.option("--all", "to_all", is_flag=True, help="for every device of the app")
@click.option(
    "--audience-type",
    metavar="TYPE",
    help="what the names are: ALIAS (default), DEVICE, or what a plugin resolves, such as TAG",
)
@click.option("--platform", default="ALL", show_default=True, help="ALL, ANDROID, IOS, PC or WEB")
@click.option("--confirm", "needConfirm", is_flag=True, help="send again until the device confirms")
@click.option("--duration", type=int, help="seconds the message may wait (default: three days)")
@click.option("--command", "is_command", is_flag=True, help="meant for the app itself (CMD), not for people")
@click.option("--title", help="title of a notification")
@click.option("--extra", type=JsonText(), help="any JSON value for the app")
@click.option("--tenant", "tenantCode", help="only devices of this tenant and of none")
@click.option("--sender", help="who sends")
@click.option("--sms", "smsMessage", help="text of the SMS for people nothing else reached")
@click.option("--sms-delay", "smsDelay", type=int, help="seconds to wait before the SMS")
@click.option("--options", type=JsonText(), help="settings for single plugins, a JSON object by plugin name")
@click.option("--idempotency-key", help="the same key with the same message is sent once")
@click.option("--json", "as_json", is_flag=True, help="print JSON")
@client_options
def send(
    url: str, app_id: str, app_key: str, as_json: bool, idempotency_key: str | None, **message: Any
) -> None:
    """Send ALERT and print the request id, by which `onepush status` finds it again.

    A message is stored, and kept as long as it lives, even while no transport is loaded; stderr says so then.
    """
    answer = open_client(url, app_id, app_key).send(message_body(**message), idempotency_key)
    if "warning" in answer:
        click.echo(f"onepush: {answer['warning']}", err=True)
    if as_json:
        return print_json(answer)
    click.echo(answer["requestId"])


def message_body(
    audiences: tuple[str, ...], to_all: bool, audience_type: str | None, is_command: bool, **fields: Any
) -> dict[str, Any]:
    """The body of the send call; what was not given is left out."""
    if to_all == bool(audiences):
        raise click.UsageError("name the audience with --to NAME or use --all, one of both")
    body = {name: value for name, value in fields.items() if value is not None}
    body["audiences"] = ["ALL"] if to_all else list(audiences)
    body["audienceType"] = audience_type or "ALIAS"
    body["pushMsgType"] = "CMD" if is_command else "MSG"
    return body

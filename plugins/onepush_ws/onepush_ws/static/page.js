// The page as a device: register, connect, show, confirm; and as a sender of test messages.
"use strict";

const find = (id) => document.getElementById(id);
const deviceForm = find("device");
const sendForm = find("send");
const shown = new Map();
const REASONS = {
  1006: "the gateway cannot be reached",
  1008: "too many frames",
  1012: "the gateway restarts",
  1013: "the gateway has too many connections",
  4403: "the app is disabled",
  4404: "the device is not registered any more",
  4408: "this device connected somewhere else",
};
const FINAL = [4400, 4403, 4404, 4408];
const FIRST_WAIT = 1000;
const LONGEST_WAIT = 30000;

let socket = null;
let reconnect = null;
let wait = FIRST_WAIT;

function token() {
  let value = localStorage.getItem("onepush-token");
  if (!value) {
    value = Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
    localStorage.setItem("onepush-token", value);
  }
  return value;
}

async function post(path, body) {
  const answer = await fetch(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  const result = await answer.json();
  if (!answer.ok) throw new Error(result.message || `HTTP ${answer.status}`);
  return result;
}

function showState(state, text) {
  find("state").dataset.state = state;
  find("state").textContent = text;
  find("connect").disabled = state !== "off" && state !== "lost";
  find("disconnect").disabled = state === "off";
}

async function register(event) {
  event.preventDefault();
  disconnect();
  find("device-note").textContent = "";
  const fields = new FormData(deviceForm);
  showState("busy", "Registering …");
  try {
    const { id } = await post("msgpush/register", {
      appId: fields.get("appId"),
      alias: fields.get("alias"),
      platform: "WEB",
      nativeToken: token(),
    });
    open(id);
  } catch (error) {
    showState("off", "Not connected");
    find("device-note").textContent = error.message;
  }
}

function open(device) {
  const address = new URL("msgpush.ws", location.href);
  address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  address.searchParams.set("deviceId", device);
  showState("busy", "Connecting …");
  const opening = new WebSocket(address);
  socket = opening;
  opening.onopen = () => { wait = FIRST_WAIT; showState("on", "Connected"); };
  opening.onmessage = (event) => arrive(event.data);
  opening.onclose = (event) => { if (socket === opening) lose(event, device); };
}

function lose(event, device) {
  socket = null;
  const reason = REASONS[event.code] || event.reason || "the connection ended";
  if (FINAL.includes(event.code)) {
    showState("lost", `Closed (${event.code}): ${reason}`);
    return;
  }
  showState("lost", `Connection lost (${event.code}): ${reason}. Trying again in ${Math.round(wait / 1000)} s`);
  reconnect = setTimeout(open, wait * (0.75 + Math.random() / 2), device);
  wait = Math.min(wait * 2, LONGEST_WAIT);
}

function disconnect() {
  clearTimeout(reconnect);
  const closing = socket;
  socket = null;
  if (closing) closing.close(1000);
  showState("off", "Not connected");
}

function arrive(text) {
  let message;
  try { message = JSON.parse(text); } catch { return; }
  if (!message.id) return;
  const entry = shown.get(message.id) || show(message);
  if (entry.confirmed || (message.needConfirm && find("automatic").checked)) confirm(message.id, entry);
}

function show(message) {
  const item = document.createElement("li");
  const text = document.createElement("p");
  text.textContent = message.title ? `${message.title}: ${message.alert}` : message.alert;
  const details = document.createElement("small");
  const extra = message.extra === undefined ? "" : ` · ${JSON.stringify(message.extra)}`;
  details.textContent = `${new Date().toLocaleTimeString()} · ${message.pushMsgType} · ${message.id}${extra}`;
  text.append(details);
  item.append(text);
  const entry = { item, confirmed: false, button: null };
  if (message.needConfirm) addButton(message.id, entry);
  find("messages").prepend(item);
  find("empty").hidden = true;
  shown.set(message.id, entry);
  return entry;
}

function addButton(id, entry) {
  entry.button = document.createElement("button");
  entry.button.textContent = "Confirm";
  entry.button.addEventListener("click", () => confirm(id, entry));
  entry.item.append(entry.button);
}

function confirm(id, entry) {
  if (!socket || socket.readyState !== WebSocket.OPEN) return;
  socket.send(`CFM:${id}`);
  if (entry.confirmed) return;
  entry.confirmed = true;
  const done = document.createElement("span");
  done.className = "confirmed";
  done.textContent = "Confirmed";
  if (entry.button) entry.button.replaceWith(done);
  else entry.item.append(done);
}

async function send(event) {
  event.preventDefault();
  const fields = new FormData(sendForm);
  const note = find("send-note");
  note.textContent = "Sending …";
  try {
    const { requestId } = await post("msgpush/send", {
      appId: deviceForm.elements.appId.value,
      appKey: fields.get("appKey"),
      platform: "ALL",
      audienceType: "ALIAS",
      audiences: [fields.get("audience")],
      alert: fields.get("alert"),
      needConfirm: fields.get("needConfirm") !== null,
    });
    note.textContent = `Accepted: ${requestId}`;
  } catch (error) {
    note.textContent = `Not sent: ${error.message}`;
  }
}

deviceForm.addEventListener("submit", register);
find("disconnect").addEventListener("click", disconnect);
sendForm.addEventListener("submit", send);

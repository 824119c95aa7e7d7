// The sandbox's page: one person's view of the workspace, drawn again whenever something changed.

import { drawBlocks, readInputs } from "./blocks.js";
import { h, mrkdwn, textObject } from "./mrkdwn.js";

const $ = (id) => document.getElementById(id);
const asked = new URLSearchParams(location.search);
const linked = location.pathname.match(/^\/archives\/([^/]+)\/p(\d+)(\d{6})$/);
const here = { person: asked.get("as") || localStorage.getItem("person"), place: asked.get("go") || linked?.[1], threads: new Set(), typed: new Map(), waiting: 0 };
let everybody = { people: [], app: {}, teams: {} };
let seen = null;
const drawn = { content: "", modal: "", nav: "" };

async function ask(path, body) {
  const options = body === undefined ? {} : { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
  const answer = await fetch(path, options);
  const found = await answer.json();
  if (!answer.ok) tell(found.reason || answer.statusText);
  return found;
}

// While the app has not acknowledged, the pointer says so.
async function does(deed, body) {
  here.waiting += 1;
  document.body.classList.add("busy");
  try {
    return await ask(`/sandbox/people/${encodeURIComponent(here.person)}/${deed}`, body);
  } finally {
    here.waiting -= 1;
    document.body.classList.toggle("busy", here.waiting > 0);
  }
}

function tell(text) {
  $("told").textContent = text;
  $("told").hidden = false;
  clearTimeout(here.telling);
  here.telling = setTimeout(() => { $("told").hidden = true; }, 6000);
}

const colleagues = () => everybody.people.filter((one) => one.team_id === everybody.home_team && !one.marks.includes("deleted") && !one.marks.includes("is_bot"));
const names = (id) => everybody.people.find((one) => one.id === id)?.real_name || (id === everybody.app.bot_user ? everybody.app.name : "");

async function start() {
  everybody = await ask("/sandbox/people");
  const active = everybody.people.filter((one) => !one.marks.includes("is_bot"));
  $("person").replaceChildren(...active.map((one) => h("option", { value: one.key, disabled: one.marks.includes("deleted") }, chooserLine(one))));
  if (!active.some((one) => one.key === here.person)) here.person = active[0].key;
  $("person").value = here.person;
  $("phone").checked = asked.get("phone") === "1";
  resize();
  listen();
  let version = 0;
  for (;;) {
    try {
      await look();
      const now = await ask(`/sandbox/version?after=${seen.version}`);
      version = now.version;
    } catch (error) {
      console.warn(error);
      $("connections").textContent = `The sandbox does not answer (last change ${version})`;
      $("connections").className = "status off";
      await new Promise((done) => setTimeout(done, 1000));
    }
  }
}

function chooserLine(one) {
  const marks = [...one.marks.map((mark) => mark.replace("is_", "")), one.team_id === everybody.home_team ? "" : everybody.teams[one.team_id]];
  const said = [...new Set(marks.filter(Boolean))].join(", ");
  return said ? `${one.real_name} (${said})` : one.real_name;
}

function listen() {
  $("person").addEventListener("change", () => {
    here.person = $("person").value;
    localStorage.setItem("person", here.person);
    here.place = undefined;
    look();
  });
  $("phone").addEventListener("change", resize);
  $("show-log").addEventListener("click", () => {
    $("log").hidden = !$("log").hidden;
    $("show-log").setAttribute("aria-expanded", String(!$("log").hidden));
    drawLog();
  });
  $("compose").addEventListener("submit", (event) => {
    event.preventDefault();
    send($("say"), here.place);
  });
}

const resize = () => document.body.classList.toggle("phone", $("phone").checked);

async function send(field, channel, thread) {
  const text = field.value.trim();
  if (!text) return;
  field.value = "";
  here.typed.delete(field.dataset.key);
  const command = text.match(/^(\/\S+)\s*([\s\S]*)$/);
  if (command && !thread) await does("command", { command: command[1], text: command[2], channel });
  else await does("say", { channel, text, thread_ts: thread });
}

async function look() {
  seen = await ask(`/sandbox/people/${encodeURIComponent(here.person)}`);
  if (here.place !== "home" && !seen.channels.some((channel) => channel.id === here.place)) here.place = seen.channels[0]?.id || "home";
  const none = /^0 /.test(seen.connections);
  $("connections").textContent = none ? "The app is not connected" : `App: ${seen.connections}`;
  $("connections").className = none ? "status off" : "status";
  drawNav();
  keepingFocus(() => { drawContent(); drawModal(); });
  if (!$("log").hidden) drawLog();
}

function drawNav() {
  const items = [...seen.channels.map((channel) => [channel.id, channelName(channel)]), ["home", "⌂ Home"]];
  const now = JSON.stringify([items, here.place]);
  if (now === drawn.nav) return;
  drawn.nav = now;
  $("nav").replaceChildren(...items.map(([id, name]) => h("button", {
    type: "button", "data-channel": id, "aria-current": id === here.place ? "page" : null, onclick: () => go(id),
  }, name)));
}

const channelName = (channel) => ({ im: "✉ ", group: "◆ ", channel: "# " })[channel.kind] + channel.name;

function go(id) {
  here.place = id;
  if (id === "home") does("home", {});
  look();
}

function drawContent() {
  const channel = seen.channels.find((one) => one.id === here.place);
  const now = JSON.stringify([here.person, here.place, [...here.threads], channel || seen.home, seen.notices]);
  if (now === drawn.content) return;
  const elsewhere = !drawn.content.startsWith(JSON.stringify([here.person, here.place]).slice(0, -1));
  drawn.content = now;
  const content = $("content");
  const atEnd = elsewhere || content.scrollHeight - content.scrollTop - content.clientHeight < 80;
  $("place").textContent = channel ? channelName(channel) : "⌂ Home";
  $("place-note").textContent = !channel ? "What the app publishes for you alone" : [channel.is_archived && "archived", channel.is_ext_shared && "shared with another workspace"].filter(Boolean).join(", ");
  $("compose").hidden = !channel || channel.is_archived;
  content.replaceChildren(...(channel ? drawMessages(channel) : [drawHome()]));
  if (linked && channel?.id === linked[1]) content.querySelector(`[data-ts="${linked[2]}.${linked[3]}"]`)?.scrollIntoView();
  else if (atEnd && channel) content.scrollTop = content.scrollHeight;
}

function drawHome() {
  if (!seen.home) return h("p", { class: "empty" }, "The app has not published a Home tab for you yet.");
  return h("section", { class: "home", "data-view-id": seen.home.id }, drawBlocks(seen.home.blocks, placeOfView(seen.home, "home")), seen.home.trouble && h("p", { class: "error", role: "alert" }, seen.home.trouble));
}

function drawMessages(channel) {
  const parents = channel.messages.filter((one) => !one.thread_ts || one.thread_ts === one.ts);
  const loose = seen.notices.filter((notice) => notice.channel === channel.id && !notice.ts);
  const shown = parents.map((one) => drawMessage(channel, one, channel.messages.filter((reply) => reply.thread_ts === one.ts && reply.ts !== one.ts)));
  return [...(shown.length ? shown : [h("p", { class: "empty" }, "No messages yet.")]), ...loose.map((notice) => h("p", { class: "notice", role: "alert" }, notice.text))];
}

function drawMessage(channel, message, replies) {
  const open = here.threads.has(message.ts);
  const troubles = seen.notices.filter((notice) => notice.channel === channel.id && notice.ts === message.ts);
  const place = placeOfMessage(channel, message);
  return h(
    "article", { class: message.only_you ? "message only-you" : "message", "data-channel": channel.id, "data-ts": message.ts },
    message.only_you && h("p", { class: "private" }, "◉ Only visible to you"),
    h("header", {}, h("strong", {}, names(message.user) || message.user), message.by_app && h("span", { class: "tag" }, "app"), h("time", {}, clock(message.ts)), message.edited && h("small", {}, "edited")),
    h("div", { class: "body" }, message.blocks ? drawBlocks(message.blocks, place) : mrkdwn(message.text, names)),
    (message.files || []).map((file) => h("p", { class: "file" }, "▤ ", h("a", { href: new URL(file.url_private).pathname, download: file.name }, file.title), ` ${file.size} bytes`)),
    (message.reactions || []).map((one) => h("span", { class: "tag" }, `:${one.name}: ${one.count}`)),
    troubles.map((notice) => h("p", { class: "notice", role: "alert" }, `⚠ ${notice.text}`)),
    channel.is_archived || message.only_you || message.thread_ts && message.thread_ts !== message.ts ? null : drawThread(channel, message, replies, open),
  );
}

function drawThread(channel, message, replies, open) {
  const toggle = () => { here.threads[open ? "delete" : "add"](message.ts); look(); };
  const label = replies.length ? `${replies.length} ${replies.length === 1 ? "reply" : "replies"}` : open ? "Reply in thread" : "Reply";
  const field = h("input", { "data-key": `reply|${message.ts}`, "aria-label": "Reply in thread", placeholder: "Reply…" });
  const submit = (event) => { event.preventDefault(); send(field, channel.id, message.ts); };
  return h("div", { class: replies.length || open ? "thread" : "thread none" }, // beside the sender: Slack has no line for it either
    h("button", { type: "button", class: "quiet", "aria-expanded": String(open), onclick: toggle }, open ? `▾ ${label}` : `▸ ${label}`),
    open && h("div", { class: "replies" }, replies.map((reply) => drawMessage(channel, reply, [])),
      h("form", { class: "reply", onsubmit: submit }, field, h("button", { type: "submit" }, "Reply"))));
}

const clock = (ts) => new Date(Number(ts) * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });

function placeOfMessage(channel, message) {
  const act = (block, element, value, enter) => does("act", { channel: channel.id, ts: message.ts, block_id: block.block_id, action_id: element.action_id, value, pressed_enter: enter });
  return { surface: "message", names, people: colleagues(), values: message.entered, act, confirm };
}

function placeOfView(view, surface) {
  const act = (block, element, value, enter) => does("act", { view_id: view.id, block_id: block.block_id, action_id: element.action_id, value, pressed_enter: enter });
  return { surface, names, people: colleagues(), values: view.state.values, errors: view.errors, act, confirm };
}

function drawModal() {
  const view = seen.modals.at(-1);
  const now = view ? JSON.stringify([here.person, view.id, view.hash, view.errors, view.trouble]) : "";
  if (now === drawn.modal) return;
  const fresh = !drawn.modal.includes(`"${view?.id}"`);
  drawn.modal = now;
  $("overlay").hidden = !view;
  $("overlay").replaceChildren(...(view ? [modal(view)] : []));
  if (view && fresh) ($("overlay").querySelector("[autofocus]") || $("overlay").querySelector(".modal")).focus();
}

function modal(view) {
  const depth = seen.modals.length;
  const submit = async (event) => {
    event.preventDefault();
    const button = node.querySelector("[data-submit]");
    button.disabled = true;
    await does("submit", { view_id: view.id, values: readInputs(node, view.blocks) });
    button.disabled = false;
  };
  const close = (everything) => does("close", { view_id: view.id, everything });
  const node = h("form", { class: "modal", role: "dialog", "aria-modal": "true", "aria-labelledby": "modal-title", "data-view-id": view.id, tabindex: "-1", novalidate: true, onsubmit: submit, onkeydown: (event) => event.key === "Escape" && close(true) },
    h("header", {}, h("h2", { id: "modal-title" }, view.title.text), depth > 1 && h("span", { class: "tag" }, `${depth} deep`), h("button", { type: "button", class: "quiet", "aria-label": "Close", onclick: () => close(true) }, "✕")),
    h("div", { class: "blocks" }, view.trouble && h("p", { class: "error", role: "alert" }, view.trouble), drawBlocks(view.blocks, placeOfView(view, "modal"))),
    h("footer", {}, h("button", { type: "button", "data-close": true, onclick: () => close(false) }, view.close?.text || (depth > 1 ? "Back" : "Cancel")), view.submit && h("button", { type: "submit", class: "act primary", "data-submit": true }, view.submit.text)));
  return node;
}

function confirm(object, then) {
  const before = document.activeElement;
  const done = (agreed) => { $("asking").hidden = true; $("asking").replaceChildren(); before?.focus(); if (agreed) then(); };
  $("asking").replaceChildren(h("div", { class: "modal small", role: "alertdialog", "aria-modal": "true", "aria-labelledby": "asking-title", onkeydown: (event) => event.key === "Escape" && done(false) },
    h("header", {}, h("h2", { id: "asking-title" }, object.title.text)),
    h("div", { class: "blocks" }, textObject(object.text, names)),
    h("footer", {}, h("button", { type: "button", "data-deny": true, onclick: () => done(false) }, object.deny.text), h("button", { type: "button", "data-confirm": true, class: `act ${object.style || "primary"}`, onclick: () => done(true) }, object.confirm.text))));
  $("asking").hidden = false;
  $("asking").querySelector("[data-deny]").focus();
}

// Drawing again must neither lose what is being typed nor move the caret.
function keepingFocus(draw) {
  const active = document.activeElement;
  const key = active?.dataset?.key;
  for (const field of document.querySelectorAll(".thread input[data-key]")) here.typed.set(field.dataset.key, field.value);
  const [value, from, to] = key ? [active.value, active.selectionStart, active.selectionEnd] : [];
  draw();
  for (const field of document.querySelectorAll(".thread input[data-key]")) field.value = here.typed.get(field.dataset.key) || "";
  const again = key && document.querySelector(`[data-key="${CSS.escape(key)}"]`);
  if (!again || again === active) return;
  if (again.matches("textarea, input:not([type])")) again.value = value;
  again.focus();
  if (typeof from === "number") again.setSelectionRange(from, to);
}

async function drawLog() {
  const { calls } = await ask("/sandbox/calls");
  const { deliveries } = await ask("/sandbox/deliveries");
  const faults = await ask("/sandbox/faults");
  const open = new Set([...$("log").querySelectorAll("details[open]")].map((one) => one.dataset.entry));
  const entry = (id, title, bad, data) => h("details", { "data-entry": id, class: bad ? "bad" : null, open: open.has(id) }, h("summary", {}, title), h("pre", {}, JSON.stringify(data, null, 1)));
  $("log").replaceChildren(
    h("h2", {}, "Make something fail"), drawFaults(faults),
    h("h2", {}, "What the app sent"),
    ...calls.slice(-60).reverse().map((call) => entry(`c${call.n}`, `${call.method} ${call.status === 0 ? "(no answer)" : call.answer?.error || (call.status === 200 ? "ok" : call.status)}`, call.status !== 200 || call.answer?.ok === false, { arguments: call.arguments, answer: call.answer })),
    h("h2", {}, "What the app received"),
    ...deliveries.map((one, n) => entry(`d${n}`, `${one.kind} ${one.acked ? "acknowledged" : one.reason}`, !one.acked, one)).slice(-60).reverse());
}

const FAULTS = [
  ["Next post: 429", { method: "chat.postMessage", status: 429, retry_after: 2 }],
  ["Next post: answer lost", { method: "chat.postMessage", silent: true }],
  ["Next update: 500", { method: "chat.update", status: 500 }],
  ["Next click: twice", { kind: "twice" }],
  ["Next click: 4 s late", { kind: "late", seconds: 4 }],
  ["Next click: out of order", { kind: "held" }],
];

function drawFaults(faults) {
  const due = [...faults.api.map((one) => `${one.method} ×${one.times}`), ...faults.delivery.map((one) => `${one.kind} ×${one.times}`)];
  const add = (fault) => ask("/sandbox/faults", fault).then(drawLog);
  const clear = () => fetch("/sandbox/faults", { method: "DELETE" }).then(drawLog);
  return h("div", { class: "faults" }, FAULTS.map(([label, fault]) => h("button", { type: "button", onclick: () => add(fault) }, label)),
    h("button", { type: "button", class: "quiet", onclick: clear }, "Heal everything"), h("p", {}, due.length ? `Due: ${due.join(", ")}` : "Nothing is due to fail."));
}

start();

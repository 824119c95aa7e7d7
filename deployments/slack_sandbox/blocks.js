// Draws Block Kit. `place` says where: { surface, names, people, values, errors, act(block, element, value, enter), confirm(object, then) }.

import { SAFE_LINK, h, link, mrkdwn, textObject } from "./mrkdwn.js";

const DELAY_OF_TYPING = 250;

export function drawBlocks(blocks, place) {
  return blocks.map((block) => {
    const node = (DRAW[block.type] || unknown)(block, place);
    node.classList.add("block", `block-${block.type}`);
    node.dataset.blockId = block.block_id;
    return node;
  });
}

const unknown = (block) => h("p", {}, `(a ${block.type} block)`);

const DRAW = {
  header: (block) => h("h3", {}, block.text.text),
  divider: () => h("hr"),
  section: (block, place) => h(
    "div", {},
    h("div", { class: "words" },
      block.text && h("div", { class: "text" }, textObject(block.text, place.names)),
      block.fields && h("div", { class: "fields" }, block.fields.map((field) => h("div", { class: "field" }, textObject(field, place.names))))),
    block.accessory && h("div", { class: "accessory" }, drawElement(block, block.accessory, place)),
  ),
  context: (block, place) => h("div", {}, block.elements.map((one) => (one.type === "image" ? image(one) : h("span", {}, textObject(one, place.names))))),
  actions: (block, place) => h("div", { role: "group" }, block.elements.map((element) => drawElement(block, element, place))),
  image: (block) => h("figure", {}, image(block), block.title && h("figcaption", {}, block.title.text)),
  input: drawInput,
  rich_text: (block, place) => h("div", { class: "rich" }, block.elements.map((part) => richPart(part, place))),
  table: drawTable,
};

function drawInput(block, place) {
  const id = `in-${block.block_id}-${block.element.action_id}`;
  const error = place.errors?.[block.block_id];
  const many = ["checkboxes", "radio_buttons"].includes(block.element.type);
  const control = drawElement(block, block.element, place, { id, label: block.label.text, wrong: Boolean(error), silent: !block.dispatch_action });
  const label = [block.label.text, block.optional ? h("span", { class: "optional" }, " (optional)") : ""];
  return h(
    "div", { class: error ? "wrong" : null },
    many ? h("span", { class: "label" }, label) : h("label", { for: id }, label),
    control,
    error && h("p", { class: "error", role: "alert", id: `${id}-error` }, error),
    block.hint && h("p", { class: "hint" }, block.hint.text),
  );
}

function drawTable(block, place) {
  const settings = block.column_settings || [];
  const cell = (one, column, tag) => h(
    tag, { class: [settings[column]?.align || "left", settings[column]?.is_wrapped ? "" : "nowrap"].join(" ").trim(), scope: tag === "th" ? "col" : null },
    one.type === "raw_text" ? one.text : one.elements.map((part) => richPart(part, place)));
  const [head, ...rows] = block.rows;
  return h("div", { tabindex: "0", role: "region", "aria-label": "Table" }, h(
    "table", {},
    h("thead", {}, h("tr", {}, head.map((one, column) => cell(one, column, "th")))),
    h("tbody", {}, rows.map((row) => h("tr", {}, row.map((one, column) => cell(one, column, "td")))))));
}

function richPart(part, place) {
  if (part.type === "rich_text_list") {
    return h(part.style === "ordered" ? "ol" : "ul", {}, part.elements.map((item) => h("li", {}, richPart(item, place))));
  }
  const tag = { rich_text_preformatted: "pre", rich_text_quote: "blockquote" }[part.type] || "span";
  return h(tag, {}, (part.elements || []).map((leaf) => richLeaf(leaf, place)));
}

function richLeaf(leaf, place) {
  if (leaf.type === "link") return link(leaf.url, leaf.text || leaf.url);
  if (leaf.type === "user") return h("mark", { class: "mention" }, `@${place.names(leaf.user_id) || leaf.user_id}`);
  if (leaf.type === "broadcast") return h("mark", { class: "loud" }, `@${leaf.range}`);
  if (leaf.type === "emoji") return `:${leaf.name}:`;
  const style = leaf.style || {};
  const tag = style.bold ? "b" : style.italic ? "i" : style.strike ? "s" : style.code ? "code" : "span";
  return h(tag, {}, leaf.text || "");
}

// Pictures of other hosts are not fetched: nothing leaves this machine.
const ownFile = (one) => one.slack_file && one.slack_file.id;
const image = (one) => ownFile(one)
  ? h("img", { class: "picture", src: `/sandbox/files/${encodeURIComponent(one.slack_file.id)}`, alt: one.alt_text })
  : h("span", { class: "image", role: "img", "aria-label": one.alt_text }, `▣ ${one.alt_text}`);

export function drawElement(block, element, place, more = {}) {
  const draw = ELEMENTS[element.type];
  if (!draw) return image(element);
  const node = draw(block, element, place, more);
  const control = node.matches("input, select, textarea, button") ? node : node.querySelector("input, select, textarea, button");
  for (const one of [node, control]) {
    one.dataset.actionId = element.action_id;
    one.dataset.blockId = block.block_id;
  }
  return node;
}

const stored = (block, element, place) => place.values?.[block.block_id]?.[element.action_id];

// A confirmation, when the element asks for one, comes before the app hears anything.
function told(block, element, place, value, enter = false) {
  const go = () => place.act(block, element, value, enter);
  if (element.confirm) place.confirm(element.confirm, go);
  else go();
}

const common = (block, element, more) => ({
  id: more.id,
  "aria-label": more.label ? null : element.placeholder?.text || element.action_id,
  "aria-invalid": more.wrong ? "true" : null,
  "aria-describedby": more.wrong ? `${more.id}-error` : null,
  "data-key": `${block.block_id}|${element.action_id}`,
  autofocus: element.focus_on_load,
});

const ELEMENTS = {
  button: (block, element, place) => h("button", {
    type: "button",
    class: `act ${element.style || ""}`,
    "aria-label": element.accessibility_label,
    onclick: () => {
      told(block, element, place, element.value);
      if (element.url && SAFE_LINK.test(element.url)) window.open(element.url, "_blank", "noopener,noreferrer");
    },
  }, element.text.text, element.url ? h("span", { class: "goes", title: element.url }, ` ↗ ${element.url}`) : ""),

  static_select: (block, element, place, more) => select(block, element, place, more, element.options.map((o) => [o.value, o.text.text]), stored(block, element, place)?.selected_option?.value),

  users_select: (block, element, place, more) => select(block, element, place, more, place.people.map((p) => [p.id, p.real_name]), stored(block, element, place)?.selected_user),

  multi_static_select: (block, element, place, more) => {
    const chosen = new Set((stored(block, element, place)?.selected_options || []).map((o) => o.value));
    const node = h("select", {
      ...common(block, element, more), multiple: true, size: Math.min(element.options.length, 6),
      onchange: () => told(block, element, place, [...node.selectedOptions].map((o) => o.value)),
    }, element.options.map((o) => h("option", { value: o.value, selected: chosen.has(o.value) }, o.text.text)));
    return node;
  },

  datepicker: (block, element, place, more) => h("input", {
    ...common(block, element, more), type: "date", value: stored(block, element, place)?.selected_date,
    onchange: (event) => told(block, element, place, event.target.value),
  }),

  plain_text_input: (block, element, place, more) => typed(block, element, place, more, h(element.multiline ? "textarea" : "input", {
    ...common(block, element, more), maxlength: element.max_length || 3000, placeholder: element.placeholder?.text, rows: element.multiline ? 4 : null,
  })),

  number_input: (block, element, place, more) => typed(block, element, place, more, h("input", {
    ...common(block, element, more), inputmode: element.is_decimal_allowed ? "decimal" : "numeric", placeholder: element.placeholder?.text,
  })),

  checkboxes: (block, element, place, more) => ticks(block, element, place, more, "checkbox"),
  radio_buttons: (block, element, place, more) => ticks(block, element, place, more, "radio"),

  overflow: (block, element, place) => {
    const node = h("select", {
      class: "overflow", "aria-label": "More actions",
      onchange: () => { const { value } = node; node.value = ""; if (value) told(block, element, place, value); },
    }, h("option", { value: "" }, "⋯"), element.options.map((o) => h("option", { value: o.value }, o.text.text)));
    return node;
  },
};

function select(block, element, place, more, options, chosen) {
  const node = h("select", { ...common(block, element, more), onchange: () => told(block, element, place, node.value || null) },
    h("option", { value: "" }, element.placeholder?.text || "Select…"),
    options.map(([value, label]) => h("option", { value, selected: value === chosen }, label)));
  return node;
}

function typed(block, element, place, more, node) {
  node.value = stored(block, element, place)?.value ?? "";
  let waiting = 0;
  node.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => node.isConnected && place.act(block, element, node.value, false), DELAY_OF_TYPING);
  });
  node.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || (element.multiline && !(event.ctrlKey || event.metaKey))) return;
    event.preventDefault();
    clearTimeout(waiting);
    place.act(block, element, node.value, true);
  });
  return node;
}

function ticks(block, element, place, more, type) {
  const entry = stored(block, element, place) || {};
  const chosen = new Set([...(entry.selected_options || []), ...(entry.selected_option ? [entry.selected_option] : [])].map((o) => o.value));
  const name = `${block.block_id}-${element.action_id}`;
  const node = h("fieldset", { "aria-label": more.label || element.action_id });
  const changed = () => {
    const values = [...node.querySelectorAll("input:checked")].map((one) => one.value);
    told(block, element, place, type === "radio" ? values[0] : values);
  };
  node.append(...element.options.map((o) => h("label", {},
    h("input", { type, name, value: o.value, checked: chosen.has(o.value), onchange: changed, "data-key": `${name}|${o.value}` }), " ",
    o.text.type === "mrkdwn" ? mrkdwn(o.text.text, place.names) : o.text.text,
    o.description ? h("small", {}, o.description.text) : "")));
  return node;
}

// What stands in a modal's inputs now, as {block_id: {action_id: value}}.
export function readInputs(root, blocks) {
  const values = {};
  for (const block of blocks) {
    if (block.type !== "input") continue;
    const node = root.querySelector(`[data-block-id="${CSS.escape(block.block_id)}"].block`);
    values[block.block_id] = { [block.element.action_id]: readControl(node, block.element.type) };
  }
  return values;
}

function readControl(node, type) {
  if (type === "checkboxes") return [...node.querySelectorAll("input:checked")].map((one) => one.value);
  if (type === "radio_buttons") return node.querySelector("input:checked")?.value ?? null;
  if (type === "multi_static_select") return [...node.querySelector("select").selectedOptions].map((one) => one.value);
  return node.querySelector("input, select, textarea").value || null;
}

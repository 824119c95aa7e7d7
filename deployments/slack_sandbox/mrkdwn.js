// Draws Slack's mrkdwn and plain text as DOM nodes. Data only ever becomes text nodes: nothing here parses HTML.

const PATTERN = /```([\s\S]+?)```|`([^`\n]+)`|<([^<>\n]+)>|\*([^*\n]+)\*|_([^_\n]+)_|~([^~\n]+)~/g;
const LOUD = new Set(["channel", "here", "everyone"]);
export const SAFE_LINK = /^(https?:|mailto:)/i;

export function h(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children.flat().filter((child) => child !== false && child !== null && child !== undefined && child !== ""));
  return node;
}

export const decoded = (text) => text.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");

export function textObject(object, names) {
  return object.type === "mrkdwn" ? mrkdwn(object.text, names) : h("span", { class: "plain" }, object.text);
}

export function mrkdwn(text, names) {
  const node = h("span", { class: "mrkdwn" });
  let quote = null;
  for (const line of splitLines(text)) {
    const quoted = line.match(/^(?:&gt;|>) ?([\s\S]*)$/);
    if (quoted) {
      if (!quote) node.append((quote = h("blockquote")));
      else quote.append("\n");
      quote.append(...inline(quoted[1], names));
    } else {
      if (node.lastChild && !quote) node.append("\n");
      quote = null;
      node.append(...inline(line, names));
    }
  }
  return node;
}

// Line by line, but a ``` block stays whole.
function splitLines(text) {
  const lines = [];
  let open = false;
  for (const line of text.split("\n")) {
    if (open) lines[lines.length - 1] += `\n${line}`;
    else lines.push(line);
    if ((line.match(/```/g) || []).length % 2) open = !open;
  }
  return lines;
}

function inline(text, names) {
  const nodes = [];
  let from = 0;
  for (const found of text.matchAll(PATTERN)) {
    const node = drawn(found, text, names);
    if (!node || found.index < from) continue;
    nodes.push(decoded(text.slice(from, found.index)), node);
    from = found.index + found[0].length;
  }
  nodes.push(decoded(text.slice(from)));
  return nodes.filter((node) => node !== "");
}

function drawn(found, text, names) {
  const [whole, block, code, entity, bold, italic, struck] = found;
  if (block !== undefined) return h("pre", {}, decoded(block.replace(/^\n/, "")));
  if (code !== undefined) return h("code", {}, decoded(code));
  if (entity !== undefined) return entityNode(entity, names);
  const inner = bold ?? italic ?? struck;
  const standsAlone = !/\w/.test(text[found.index - 1] ?? " ") && !/\w/.test(text[found.index + whole.length] ?? " ");
  if (!standsAlone || /^\s|\s$/.test(inner)) return null;
  return h(bold !== undefined ? "b" : italic !== undefined ? "i" : "s", {}, ...inline(inner, names));
}

function entityNode(entity, names) {
  const [target, ...rest] = entity.split("|");
  const label = rest.join("|");
  if (target.startsWith("!")) {
    const word = target.slice(1).split("^")[0];
    if (LOUD.has(word)) return h("mark", { class: "loud", title: "notifies everybody" }, `@${word}`);
    return h("mark", {}, decoded(label || `<${entity}>`));
  }
  if (target.startsWith("@")) return h("mark", { class: "mention" }, `@${names(target.slice(1)) || decoded(label) || target.slice(1)}`);
  if (target.startsWith("#")) return h("mark", { class: "mention" }, `#${decoded(label) || target.slice(1)}`);
  if (!SAFE_LINK.test(target)) return document.createTextNode(decoded(`<${entity}>`));
  return link(decoded(target), decoded(label) || decoded(target));
}

export function link(url, label) {
  return h("a", { href: SAFE_LINK.test(url) ? url : "#", target: "_blank", rel: "noreferrer noopener", title: url }, label);
}

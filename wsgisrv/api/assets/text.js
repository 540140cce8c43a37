// Elements and their text. The page makes elements and sets their text, never HTML, so nothing in the document
// can become a script.

export function make(tag, text, ...children) {
  const element = document.createElement(tag);
  if (text !== undefined && text !== null) element.textContent = text;
  element.append(...children);
  return element;
}

export function classed(element, name) {
  element.className = name;
  return element;
}

// Text as it is, which the keyboard scrolls as well.
export function block(name, text) {
  const element = make("pre", text);
  element.tabIndex = 0;
  element.setAttribute("role", "group");
  element.setAttribute("aria-label", name);
  return element;
}

// Of Markdown: paragraphs, lists, `code`, **bold**, *emphasis* and [links](https://...).

const MARKED = new RegExp([
  /`+([^`]+)`+/,
  /\*\*(\S(?:.*?\S)?)\*\*/,
  /\*(\S(?:[^*]*[^*\s])?)\*/,
  /\[([^\]]+)\]\((https?:\/\/[^\s()]+)\)/,
].map((part) => part.source).join("|"), "gs");

function marked([, code, bold, emphasis, text, url]) {
  if (code) return make("code", code);
  if (bold) return make("strong", null, ...inline(bold));
  if (emphasis) return make("em", null, ...inline(emphasis));
  const link = make("a", null, ...inline(text));
  Object.assign(link, { href: url, target: "_blank", rel: "noopener" });
  return link;
}

function inline(text) {
  const parts = [];
  let end = 0;
  for (const found of text.matchAll(MARKED)) {
    parts.push(text.slice(end, found.index), marked(found));
    end = found.index + found[0].length;
  }
  return [...parts, text.slice(end)];
}

export function prose(tag, text) {
  return make(tag, null, ...inline(text || ""));
}

export function paragraphs(text) {
  const blocks = [];
  let open = null; // the block that the next line belongs to
  for (const line of (text || "").split("\n")) {
    const [, mark, item] = line.match(/^\s*([-*]|\d+\.)\s+(.*)$/) || [];
    const tag = !mark ? open?.tag || "p" : mark.length > 1 ? "ol" : "ul";
    if (!line.trim()) open = null;
    else if (open?.tag !== tag) blocks.push(open = { tag, start: parseInt(mark), texts: [item ?? line] });
    else if (mark) open.texts.push(item);
    else open.texts.push(`${open.texts.pop()}\n${line}`);
  }
  return blocks.map(({ tag, start, texts }) => {
    if (tag === "p") return prose("p", texts[0]);
    const list = make(tag, null, ...texts.map((one) => prose("li", one)));
    if (tag === "ol") list.start = start;
    return list;
  });
}

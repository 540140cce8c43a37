// The docs page: shows an OpenAPI document and sends requests. It makes elements and sets their text, never
// HTML, so nothing in the document can become a script.
"use strict";

const page = document.body.dataset;
const main = document.querySelector("main");
const filter = document.querySelector("#filter");
const MOST_DEPTH = 4; // of fields within fields that are listed
const LONGEST_WORD = 50; // characters of a pattern that says something to a reader

function make(tag, text, ...children) {
  const element = document.createElement(tag);
  if (text !== undefined && text !== null) element.textContent = text;
  element.append(...children);
  return element;
}

// Of Markdown, code in backticks is shown as such.
function prose(tag, text) {
  const parts = (text || "").split(/`+([^`]+)`+/);
  return make(tag, null, ...parts.map((part, number) => (number % 2 ? make("code", part) : part)));
}

function classed(element, name) {
  element.className = name;
  return element;
}

// Schemas

function inWords(schema) {
  if (!schema) return "";
  if (schema.$ref) return schema.$ref.split("/").pop();
  if (schema.enum) return schema.enum.join(" | ");
  const kinds = schema.anyOf || schema.oneOf;
  if (kinds) return [...new Set(kinds.map(inWords))].join(" or ");
  const type = [].concat(schema.type || "any").join(" or ");
  const kind = type === "array" ? `array of ${inWords(schema.items) || "any"}` : type;
  const bounds = [
    between(schema.minimum, schema.maximum, ""),
    between(schema.minLength, schema.maxLength, " character"),
    between(schema.minItems, schema.maxItems, " item"),
  ];
  const others = ["format", "pattern", "default"]
    .filter((name) => schema[name] !== undefined && String(schema[name]).length <= LONGEST_WORD)
    .map((name) => `${name} ${schema[name]}`);
  return [kind, ...bounds.filter(Boolean), ...others].join(", ");
}

function between(low, high, unit) {
  if (low === undefined && high === undefined) return "";
  const units = unit && (high ?? low) !== 1 ? `${unit}s` : unit;
  if (high === undefined) return `at least ${low}${units}`;
  return low === undefined ? `at most ${high}${units}` : `${low} to ${high}${units}`;
}

function example(schema) {
  if (!schema) return null;
  if (schema.default !== undefined) return schema.default;
  if (schema.enum) return schema.enum[0];
  const kinds = schema.oneOf || schema.anyOf;
  if (kinds) return example(kinds[0]);
  const kind = [].concat(schema.type || "object")[0];
  if (kind === "object") {
    const names = Object.keys(schema.properties || {});
    const wanted = names.filter((name) => (schema.required || []).includes(name));
    return Object.fromEntries(wanted.map((name) => [name, example(schema.properties[name])]));
  }
  return { array: [], string: "text", integer: schema.minimum || 0, number: 0, boolean: false }[kind] ?? null;
}

function fieldRows(schema, before, depth) {
  const within = schema && (schema.anyOf || schema.oneOf || []).find((form) => form.properties || form.items);
  if (within) return fieldRows(within, before, depth);
  if (!schema || depth > MOST_DEPTH) return [];
  if (schema.items) return fieldRows(schema.items, `${before}[]`, depth);
  return Object.entries(schema.properties || {}).flatMap(([name, part]) => {
    const path = before ? `${before}.${name}` : name;
    const label = make("code", path);
    if ((schema.required || []).includes(name)) label.className = "required";
    const about = prose("div", part.description);
    about.append(make("small", inWords(part)));
    return [classed(make("div", null, label, about), "field told"), ...fieldRows(part, path, depth + 1)];
  });
}

function schemaElement(title, schema) {
  const rows = fieldRows(schema, "", 0);
  const raw = make("details", null, make("summary", "JSON Schema"), make("pre", JSON.stringify(schema, null, 2)));
  return make("details", null, make("summary", title), classed(make("div", null, ...rows), "fields"), raw);
}

// Forms

function inputFor(parameter) {
  const schema = parameter.schema || {};
  const choices = schema.enum || (schema.type === "boolean" ? ["true", "false"] : null);
  const input = make(choices ? "select" : "input");
  if (choices && !parameter.required) input.append(make("option", ""));
  for (const choice of choices || []) input.append(make("option", choice));
  if (!choices && schema.default !== undefined) input.placeholder = schema.default;
  if (schema.type === "integer") input.inputMode = "numeric";
  input.required = parameter.in === "path";
  input.classList.add("value");
  input.setAttribute("aria-label", parameter.name);
  return input;
}

function fields(operation) {
  const inputs = [];
  const list = classed(make("div"), "fields");
  for (const parameter of operation.parameters || []) {
    const input = inputFor(parameter);
    inputs.push({ parameter, input });
    const name = make("code", parameter.name);
    if (parameter.required) name.className = "required";
    const label = make("div", null, name, make("small", parameter.in));
    const about = prose("div", parameter.description);
    if (input.tagName !== "SELECT") about.append(make("small", inWords(parameter.schema)));
    list.append(classed(make("div", null, label, input, about), "field"));
  }
  return { list, inputs };
}

function bodyOf(operation) {
  const [type, { schema }] = Object.entries(operation.requestBody.content)[0];
  const area = make("textarea");
  area.setAttribute("aria-label", "body");
  area.spellcheck = false;
  const fill = (chosen) => { area.value = JSON.stringify(example(chosen), null, 2); };
  fill(schema);
  const parts = [make("h3", "Body"), area, schemaElement("Fields", schema)];
  if (schema.oneOf) {
    const forms = make("select");
    forms.setAttribute("aria-label", "form of the body");
    for (const form of schema.oneOf) forms.append(make("option", (form.required || ["any"]).join(", ")));
    const told = make("div");
    const choose = () => {
      const form = schema.oneOf[forms.selectedIndex];
      fill(form);
      told.replaceChildren(schemaElement("Fields", form));
    };
    forms.addEventListener("change", choose);
    choose();
    parts.splice(1, 2, classed(make("p", null, forms), "forms"), area, told);
  }
  return { area, type, parts };
}

// Requests

function address(server, path, inputs) {
  const query = new URLSearchParams();
  for (const { parameter, input } of inputs) {
    if (parameter.in === "path") path = path.replace(`{${parameter.name}}`, encodeURIComponent(input.value));
    if (parameter.in === "query" && input.value !== "") query.append(parameter.name, input.value);
  }
  const text = query.toString();
  // The page's own host, whatever name the document has for it: that is the one a browser lets us ask.
  return new URL(server).pathname.replace(/\/$/, "") + path + (text ? `?${text}` : "");
}

function headersOf(inputs, body) {
  const headers = { Accept: "application/json, */*;q=0.1" };
  if (body) headers["Content-Type"] = body.type;
  for (const { parameter, input } of inputs) {
    if (parameter.in === "header" && input.value !== "") headers[parameter.name] = input.value;
  }
  for (const line of document.querySelector("#headers textarea").value.split("\n")) {
    const [, name, value] = line.match(/^\s*([^:\s]+)\s*:\s*(.*?)\s*$/) || [];
    if (name) headers[name] = value;
  }
  return headers;
}

function asCurl(url, method, headers, body) {
  const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
  const parts = [`curl ${method === "GET" ? "" : method === "HEAD" ? "--head " : `-X ${method} `}${quoted(new URL(url, location).href)}`];
  for (const [name, value] of Object.entries(headers)) parts.push(`-H ${quoted(`${name}: ${value}`)}`);
  if (body) parts.push(`--data-raw ${quoted(body.area.value)}`);
  return parts.join(" \\\n  ");
}

async function shown(answer) {
  const type = answer.headers.get("content-type") || "";
  if (/json|text|xml|yaml/.test(type)) {
    const text = await answer.text();
    if (!/[/+]json\b/.test(type)) return make("pre", text);
    try { return make("pre", JSON.stringify(JSON.parse(text), null, 2)); } catch { return make("pre", text); }
  }
  const blob = await answer.blob();
  if (!blob.size) return "";
  const link = make("a", `Save ${blob.size} bytes`);
  link.href = URL.createObjectURL(blob);
  link.download = "answer";
  return make("p", null, link);
}

async function send(url, method, headers, body, output) {
  output.replaceChildren(make("p", "Waiting for the answer…"));
  const begin = performance.now();
  const parts = [];
  try {
    const answer = await fetch(url, { method, headers, body: body ? body.area.value : undefined });
    const took = `${Math.round(performance.now() - begin)} ms`;
    const status = make("p", `${answer.status} ${answer.statusText}`, classed(make("span", ` in ${took}`), "quiet"));
    parts.push(classed(status, answer.ok ? "status good" : "status bad"));
    const lines = [...answer.headers].map(([name, value]) => `${name}: ${value}`);
    parts.push(make("details", null, make("summary", `${lines.length} headers`), make("pre", lines.join("\n"))));
    parts.push(await shown(answer));
  } catch (error) {
    parts.push(classed(make("p", String(error)), "status bad"));
  }
  const command = asCurl(url, method, headers, body);
  const curl = make("details", null, make("summary", "The same with curl"), make("pre", command));
  if (navigator.clipboard) {
    const copy = classed(make("button", "Copy"), "small");
    copy.type = "button";
    copy.addEventListener("click", async () => {
      await navigator.clipboard.writeText(command);
      copy.textContent = "Copied";
    });
    curl.append(copy);
  }
  output.replaceChildren(...parts, curl);
}

// The page

function answersOf(operation) {
  const list = make("div");
  for (const [status, response] of Object.entries(operation.responses)) {
    const kinds = Object.entries(response.content || {});
    const code = classed(make("code", status), status < "400" ? "good" : "bad");
    const answer = classed(make("div", null, code, prose("span", response.description)), "answer");
    if (status < "300") {
      const others = kinds.map(([type]) => type).filter((type) => type !== "application/json");
      if (others.length) answer.lastChild.append(` (${others.join(", ")})`);
      if (kinds.length && kinds[0][1].schema) answer.append(schemaElement("Fields", kinds[0][1].schema));
    }
    list.append(answer);
  }
  return list;
}

function operationElement(server, path, method, operation) {
  const summary = make("summary", null,
    classed(make("span", method.toUpperCase()), `method ${method}`), make("code", path), prose("span", operation.summary));
  const form = make("form");
  const { list, inputs } = fields(operation);
  if (inputs.length) form.append(make("h3", "Parameters"), list);
  const body = operation.requestBody ? bodyOf(operation) : null;
  if (body) form.append(...body.parts);
  form.append(make("button", "Send"));
  const output = classed(make("div"), "output");
  output.setAttribute("aria-live", "polite");
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send(address(server, path, inputs), method.toUpperCase(), headersOf(inputs, body), body, output);
  });
  const inner = classed(make("div", null, form, output, make("h3", "Answers"), answersOf(operation)), "operation");
  const element = make("details", null, summary, inner);
  element.id = operation.operationId;
  summary.addEventListener("click", () => {
    if (!element.open) history.replaceState(null, "", `#${element.id}`);
  });
  return element;
}

function show(document_) {
  const open = [...document.querySelectorAll("main > section > details[open]")].map((element) => element.id);
  const paragraphs = (document_.info.description || "").split(/\n\s*\n/).filter(Boolean);
  document.querySelector("#description").replaceChildren(...paragraphs.map((text) => prose("p", text)));
  const groups = new Map();
  for (const [path, operations] of Object.entries(document_.paths)) {
    for (const [method, operation] of Object.entries(operations)) {
      const tag = (operation.tags || ["Others"])[0];
      if (!groups.has(tag)) groups.set(tag, make("section", null, make("h2", tag)));
      groups.get(tag).append(operationElement(document_.servers[0].url, path, method, operation));
    }
  }
  main.replaceChildren(...groups.values());
  document.querySelector("#tools").hidden = false;
  for (const id of open) document.getElementById(id)?.setAttribute("open", "");
  narrow();
}

function narrow() {
  const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const section of main.querySelectorAll("section")) {
    const elements = [...section.querySelectorAll(":scope > details")];
    for (const element of elements) {
      const text = element.firstChild.textContent.toLowerCase();
      element.hidden = !words.every((word) => text.includes(word));
    }
    section.hidden = elements.every((element) => element.hidden);
  }
}

async function load(version) {
  try {
    const query = version ? `?version=${encodeURIComponent(version)}` : "";
    const answer = await fetch(page.document + query);
    if (!answer.ok) throw new Error(`${answer.status} ${answer.statusText}`);
    show(await answer.json());
  } catch (error) {
    main.replaceChildren(make("p", `The document cannot be loaded: ${error.message}`));
  }
}

async function begin() {
  const versions = page.versions ? page.versions.split(" ").reverse() : [];
  const select = document.querySelector("#versions select");
  for (const version of versions) select.append(make("option", version));
  select.addEventListener("change", () => load(select.value));
  document.querySelector("#versions").hidden = !versions.length;
  filter.addEventListener("input", narrow);
  await load(versions[0]);
  const wanted = location.hash && document.getElementById(location.hash.slice(1));
  if (wanted) {
    wanted.open = true;
    wanted.scrollIntoView();
  }
}

begin();

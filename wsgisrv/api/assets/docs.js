// The docs page: shows an OpenAPI document and sends requests.

import { block, classed, make, paragraphs, prose } from "./text.js";
import { example, inWords, lookIn, resolved, schemaElement } from "./schemas.js";

const page = document.body.dataset;
const versions = document.querySelector("#versions select");
const filter = document.querySelector("#filter input");
const headers = document.querySelector("#headers textarea");
const notice = document.querySelector("#notice");
const operations = document.querySelector("#operations");
const METHODS = ["get", "post", "put", "patch", "delete", "head", "options", "trace"];
const typed = new Map(); // what was typed, by the field's id

// Paths are looked for where the page is found, whatever name the document has for the server: that is the
// one place a browser lets us ask, and the only one that knows a prefix which a proxy has taken off.
const { origin, pathname } = new URL(`./${page.root}`, location.href);

function place(path) {
  return origin + pathname + path.replace(/^\//, "");
}

// Forms

// Why a browser would not send the header, or "".
function refusedHeader(name, value) {
  try {
    return new Request(place("/"), { headers: [[name, value]] }).headers.has(name) ? "" : `A browser does not send ${name}.`;
  } catch {
    return "A header is a name, a colon and a value in Latin-1.";
  }
}

// Likewise for a method.
function refusedMethod(method, body) {
  try {
    new Request(place("/"), { method, body: body ? "" : null });
    return "";
  } catch {
    return `A browser does not send ${method}${body ? " with a body" : ""}; another client does.`;
  }
}

function refusedValue(parameter, value) {
  if (parameter.in === "path" && /^\.\.?$/.test(value)) return "A URL cannot carry . or .. as a segment, not even as %2e.";
  return parameter.in === "header" && value ? refusedHeader(parameter.name, value) : "";
}

function inputFor(parameter) {
  const [schema] = resolved(parameter.schema);
  const choices = schema.enum || (schema.type === "boolean" ? ["true", "false"] : null);
  const input = classed(make(choices ? "select" : "input"), "value");
  if (choices && !parameter.required) input.append(make("option", ""));
  for (const choice of choices || []) input.append(make("option", choice));
  if (!choices && schema.default !== undefined) input.placeholder = schema.default;
  if (schema.type === "integer") input.inputMode = "numeric";
  input.required = parameter.in === "path";
  return input;
}

function labelled(label, input, id) {
  input.id = id;
  label.htmlFor = id;
  return label;
}

function field(parameter, input, id) {
  const name = make("code", parameter.name);
  if (parameter.required) name.className = "required";
  const label = labelled(make("label", null, name, make("small", parameter.in)), input, id);
  const about = prose("div", parameter.description);
  if (input.tagName !== "SELECT") about.append(make("small", inWords(parameter.schema)));
  const refused = classed(make("div"), "bad");
  refused.setAttribute("aria-live", "polite");
  about.id = `${id}-about`;
  refused.id = `${id}-refused`;
  input.setAttribute("aria-describedby", `${about.id} ${refused.id}`);
  input.addEventListener("input", () => {
    refused.textContent = refusedValue(parameter, input.value);
    input.setCustomValidity(refused.textContent); // which keeps the form from being sent
  });
  return classed(make("div", null, label, make("div", null, input, refused), about), "field");
}

function bodyOf(operation) {
  const [type, { schema }] = Object.entries(operation.requestBody.content)[0];
  const [{ oneOf }] = resolved(schema);
  const area = classed(make("textarea"), "value");
  area.spellcheck = false;
  const fill = (chosen) => { area.value = JSON.stringify(example(chosen), null, 2); };
  fill(schema);
  const title = make("h3", null, labelled(make("label", "Body"), area, `${operation.operationId}-body`));
  if (!oneOf) return { area, type, parts: [title, area, schemaElement("Fields", schema)] };
  const forms = classed(make("select"), "value");
  for (const form of oneOf) forms.append(make("option", (resolved(form)[0].required || ["any"]).join(", ")));
  const label = labelled(make("label", "Form of the body "), forms, `${operation.operationId}-form`);
  const told = make("div");
  const choose = () => {
    const form = oneOf[forms.selectedIndex];
    fill(form);
    told.replaceChildren(schemaElement("Fields", form));
  };
  forms.addEventListener("input", () => {
    typed.delete(area.id); // a body of another form
    choose();
  });
  choose();
  return { area, type, parts: [title, classed(make("p", null, label, forms), "forms"), area, told] };
}

// Requests

function address(path, inputs) {
  const query = new URLSearchParams();
  for (const { parameter, input } of inputs) {
    if (parameter.in === "path") path = path.replace(`{${parameter.name}}`, encodeURIComponent(input.value));
    if (parameter.in !== "query" || input.value === "") continue;
    const isWhole = parameter.explode && resolved(parameter.schema)[0].type === "object"; // a query of any names
    const pairs = isWhole ? new URLSearchParams(input.value) : [[parameter.name, input.value]];
    for (const [name, value] of pairs) query.append(name, value);
  }
  const text = query.toString();
  return place(path) + (text ? `?${text}` : "");
}

// The headers of every request that can be sent, and why the others cannot.
function everyHeader() {
  const sent = [];
  const refusals = [];
  for (const line of headers.value.split("\n").filter((one) => one.trim())) {
    const [, name = "", value = ""] = line.match(/^\s*([^:]*?)\s*:\s*(.*?)\s*$/) || [];
    const refused = refusedHeader(name, value);
    if (refused) refusals.push(`Not sent: ${line.trim()}. ${refused}`);
    else sent.push([name, value]);
  }
  return { sent, refusals };
}

function headersOf(inputs, body) {
  const { sent } = everyHeader();
  const names = new Set(sent.map(([name]) => name.toLowerCase()));
  const others = [["Accept", "application/json, */*;q=0.1"]];
  if (body) others.push(["Content-Type", body.type]);
  for (const { parameter, input } of inputs) {
    if (parameter.in === "header" && input.value !== "") others.push([parameter.name, input.value]);
  }
  return [...others.filter(([name]) => !names.has(name.toLowerCase())), ...sent];
}

function asCurl(url, method, sent, body) {
  const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
  const parts = [`curl ${method === "GET" ? "" : method === "HEAD" ? "--head " : `-X ${method} `}${quoted(url)}`];
  for (const [name, value] of sent) parts.push(`-H ${quoted(value ? `${name}: ${value}` : `${name};`)}`);
  if (body) parts.push(`--data-raw ${quoted(body.area.value)}`);
  return parts.join(" \\\n  ");
}

async function shown(answer) {
  const type = answer.headers.get("content-type") || "";
  if (/json|text|xml|yaml/.test(type)) {
    let text = await answer.text();
    try { if (/[/+]json\b/.test(type)) text = JSON.stringify(JSON.parse(text), null, 2); } catch { /* it is shown as it is */ }
    return block("Body of the answer", text);
  }
  const blob = await answer.blob();
  if (!blob.size) return "";
  const link = make("a", `Save ${blob.size} bytes`);
  link.href = URL.createObjectURL(blob);
  link.download = "answer";
  return make("p", null, link);
}

async function send(url, method, sent, body, output) {
  output.replaceChildren(make("p", "Waiting for the answer…"));
  const begin = performance.now();
  const parts = [];
  try {
    const answer = await fetch(url, { method, headers: sent, body: body?.area.value });
    const took = `${Math.round(performance.now() - begin)} ms`;
    const status = make("p", `${answer.status} ${answer.statusText}`, classed(make("span", ` in ${took}`), "quiet"));
    parts.push(classed(status, answer.ok ? "status good" : "status bad"));
    const lines = [...answer.headers].map(([name, value]) => `${name}: ${value}`);
    parts.push(make("details", null, make("summary", `${lines.length} headers`), block("Headers of the answer", lines.join("\n"))));
    parts.push(await shown(answer));
  } catch (error) {
    parts.push(classed(make("p", String(error)), "status bad"));
  }
  const command = asCurl(url, method, sent, body);
  const curl = make("details", null, make("summary", "The same with curl"), block("The same with curl", command));
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

function formOf(path, method, operation, output) {
  const inputs = (operation.parameters || []).map((parameter) => ({ parameter, input: inputFor(parameter) }));
  const list = inputs.map(({ parameter, input }) =>
    field(parameter, input, `${operation.operationId}-${parameter.in}-${parameter.name}`));
  const body = operation.requestBody ? bodyOf(operation) : null;
  const isRequired = operation.requestBody?.required;
  const refused = refusedMethod(method, isRequired);
  const form = make(refused ? "div" : "form");
  if (inputs.length) form.append(make("h3", "Parameters"), classed(make("div", null, ...list), "fields"));
  if (body) form.append(...body.parts);
  form.append(refused ? make("p", refused) : make("button", "Send"));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const sent = body && (isRequired || body.area.value) ? body : null;
    send(address(path, inputs), method, headersOf(inputs, sent), sent, output);
  });
  return form;
}

function operationElement(path, method, operation) {
  const summary = make("summary", null,
    classed(make("span", method.toUpperCase()), `method ${method}`), make("code", path), prose("span", operation.summary));
  const output = classed(make("div"), "output");
  output.setAttribute("aria-live", "polite");
  const form = formOf(path, method.toUpperCase(), operation, output);
  const inner = make("div", null,
    ...paragraphs(operation.description), form, output, make("h3", "Answers"), answersOf(operation));
  const element = make("details", null, summary, classed(inner, "operation"));
  element.id = operation.operationId;
  summary.addEventListener("click", () => {
    if (!element.open) history.replaceState(null, "", `#${element.id}`);
  });
  return element;
}

function show(document_) {
  const open = [...operations.querySelectorAll(":scope > section > details[open]")].map((element) => element.id);
  document.querySelector("#description").replaceChildren(...paragraphs(document_.info.description));
  lookIn(document_);
  const groups = new Map();
  for (const [path, methods] of Object.entries(document_.paths)) {
    for (const method of METHODS.filter((name) => methods[name])) {
      const operation = { operationId: `${method}_${path}`, responses: {}, ...methods[method] };
      const tag = (operation.tags || ["Others"])[0];
      if (!groups.has(tag)) groups.set(tag, make("section", null, make("h2", tag)));
      groups.get(tag).append(operationElement(path, method, operation));
    }
  }
  operations.replaceChildren(...groups.values());
  document.querySelector("#tools").hidden = false;
  for (const id of open) document.getElementById(id)?.setAttribute("open", "");
  retype();
  narrow();
}

// Types again what was typed into the fields of another version that this one has too.
function retype() {
  const before = new Map(typed);
  for (const field of operations.querySelectorAll(".value")) {
    const value = before.get(field.id);
    if (value === undefined || (field.options && ![...field.options].some((option) => option.value === value))) continue;
    field.value = value;
    field.dispatchEvent(new Event("input", { bubbles: true }));
  }
}

function narrow() {
  const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const section of operations.querySelectorAll("section")) {
    const elements = [...section.querySelectorAll(":scope > details")];
    for (const element of elements) {
      const text = element.firstChild.textContent.toLowerCase();
      element.hidden = !words.every((word) => text.includes(word));
    }
    section.hidden = elements.every((element) => element.hidden);
  }
  const found = operations.querySelector("section:not([hidden])");
  notice.textContent = found ? "" : `No operation has ${words.length ? `"${words.join('" and "')}"` : "been declared"}.`;
}

async function load(version) {
  try {
    const query = version ? `?version=${encodeURIComponent(version)}` : "";
    const answer = await fetch(place(page.document) + query);
    if (!answer.ok) throw new Error(`${answer.status} ${answer.statusText}`);
    const document_ = await answer.json();
    if (version === versions.value) show(document_); // else another one was chosen meanwhile
  } catch (error) {
    operations.replaceChildren(make("p", `The document${version ? ` of version ${version}` : ""} cannot be loaded: ${error.message}`));
  }
}

function openLinked() {
  const wanted = location.hash && document.getElementById(location.hash.slice(1));
  if (!wanted) return;
  wanted.open = true;
  wanted.scrollIntoView();
}

async function begin() {
  const names = page.versions ? page.versions.split(" ").reverse() : [];
  versions.append(...names.map((name) => make("option", name)));
  versions.addEventListener("change", () => {
    history.replaceState(null, "", `?version=${versions.value}${location.hash}`);
    load(versions.value);
  });
  document.querySelector("#versions").hidden = !names.length;
  operations.addEventListener("input", ({ target }) => typed.set(target.id, target.value));
  filter.addEventListener("input", narrow);
  headers.addEventListener("input", () => {
    document.querySelector("#not-sent").replaceChildren(...everyHeader().refusals.map((text) => make("li", text)));
  });
  const version = names.length ? new URLSearchParams(location.search).get("version") ?? names[0] : "";
  versions.value = version;
  await load(version);
  openLinked();
  addEventListener("hashchange", openLinked);
}

begin();

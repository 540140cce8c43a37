// The docs page: shows an OpenAPI document and sends requests. It makes elements and sets their text, never
// HTML, so nothing in the document can become a script.
"use strict";

const page = document.body.dataset;
const main = document.querySelector("main");

function make(tag, text, ...children) {
  const element = document.createElement(tag);
  if (text !== undefined && text !== null) element.textContent = text;
  element.append(...children);
  return element;
}

function classed(element, name) {
  element.className = name;
  return element;
}

function inWords(schema) {
  if (!schema) return "";
  if (schema.$ref) return schema.$ref.split("/").pop();
  if (schema.enum) return schema.enum.join(" | ");
  const kinds = schema.anyOf || schema.oneOf;
  if (kinds) return kinds.map(inWords).join(" or ");
  const kind = [].concat(schema.type || "any").join(" or ");
  const limits = ["format", "minimum", "maximum", "minLength", "maxLength", "pattern"]
    .filter((name) => schema[name] !== undefined).map((name) => `${name} ${schema[name]}`);
  return [kind, ...limits].join(", ");
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

function fields(operation) {
  const table = make("table");
  const inputs = [];
  for (const parameter of operation.parameters || []) {
    const input = make("input");
    input.setAttribute("aria-label", parameter.name);
    const only = parameter.schema && parameter.schema.enum;
    if (only && parameter.required) input.value = only[0];
    inputs.push({ parameter, input });
    const name = make("td", null, make("code", parameter.name), make("div", parameter.in));
    if (parameter.required) name.firstChild.classList.add("required");
    const about = make("td", parameter.description || "", make("div", null, make("small", inWords(parameter.schema))));
    table.append(make("tr", null, name, make("td", null, input), about));
  }
  return { table, inputs };
}

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

function shown(text, type) {
  if (!/json/.test(type || "")) return text;
  try { return JSON.stringify(JSON.parse(text), null, 2); } catch { return text; }
}

async function send(url, method, inputs, body, output) {
  const headers = { Accept: "application/json, */*;q=0.1" };
  for (const { parameter, input } of inputs) {
    if (parameter.in === "header" && input.value !== "") headers[parameter.name] = input.value;
  }
  if (body) headers["Content-Type"] = "application/json";
  output.textContent = "…";
  try {
    const answer = await fetch(url, { method, headers, body: body ? body.value : undefined });
    const text = await answer.text();
    const names = ["content-type", "location", "etag", "openstack-api-version", "x-openstack-request-id"];
    const lines = names.filter((name) => answer.headers.has(name)).map((name) => `${name}: ${answer.headers.get(name)}`);
    const head = `${answer.status} ${answer.statusText}\n${lines.join("\n")}`;
    output.textContent = `${head}\n\n${shown(text, answer.headers.get("content-type"))}`;
  } catch (error) {
    output.textContent = String(error);
  }
}

function answersOf(operation) {
  const table = make("table");
  for (const [status, response] of Object.entries(operation.responses)) {
    const kinds = Object.values(response.content || {});
    const schema = kinds.length ? kinds[0].schema : null;
    const cell = make("td", response.description);
    if (schema && status < "300") cell.append(make("pre", JSON.stringify(schema, null, 2)));
    table.append(make("tr", null, make("td", null, make("code", status)), cell));
  }
  return table;
}

function operationElement(server, path, method, operation) {
  const summary = make("summary", null,
    classed(make("span", method.toUpperCase()), `method ${method}`), make("code", path), make("span", operation.summary));
  const inner = classed(make("div"), "operation");
  const { table, inputs } = fields(operation);
  if (inputs.length) inner.append(make("h3", "Parameters"), table);
  let body = null;
  if (operation.requestBody) {
    const schema = Object.values(operation.requestBody.content)[0].schema;
    body = make("textarea");
    body.setAttribute("aria-label", "body");
    body.value = JSON.stringify(example(schema), null, 2);
    const more = make("details", null, make("summary", "Schema"), make("pre", JSON.stringify(schema, null, 2)));
    inner.append(make("h3", "Body"), body, more);
  }
  const button = make("button", "Send");
  const output = make("pre");
  output.hidden = true;
  button.addEventListener("click", () => {
    output.hidden = false;
    send(address(server, path, inputs), method.toUpperCase(), inputs, body, output);
  });
  inner.append(button, output, make("h3", "Answers"), answersOf(operation));
  const element = make("details", null, summary, inner);
  element.id = operation.operationId;
  return element;
}

function show(document_) {
  document.querySelector("#description").textContent = document_.info.description || "";
  const groups = new Map();
  for (const [path, operations] of Object.entries(document_.paths)) {
    for (const [method, operation] of Object.entries(operations)) {
      const tag = (operation.tags || ["Others"])[0];
      if (!groups.has(tag)) groups.set(tag, []);
      groups.get(tag).push(operationElement(document_.servers[0].url, path, method, operation));
    }
  }
  main.replaceChildren();
  for (const [tag, elements] of groups) main.append(make("h2", tag), ...elements);
  const wanted = location.hash && document.getElementById(location.hash.slice(1));
  if (wanted) wanted.open = true;
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

const versions = page.versions ? page.versions.split(" ") : [];
if (versions.length) {
  const select = document.querySelector("#versions select");
  for (const version of versions.reverse()) select.append(make("option", version));
  select.addEventListener("change", () => load(select.value));
  document.querySelector("#versions").hidden = false;
}
load(versions[0]);

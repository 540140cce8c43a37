// A JSON Schema in words, as a table of fields, and as a value that satisfies it.

import { block, classed, make, prose } from "./text.js";

const MOST_DEPTH = 4; // of fields within fields that are listed
const LONGEST_WORD = 50; // characters of a pattern that says something to a reader
const NOTED = ["format", "pattern", "multipleOf", "const", "default"];

let all = {}; // the document, which every $ref leads into

export function lookIn(document_) {
  all = document_;
}

// Returns a schema with what its $ref leads to, and the $refs that are being followed: none is in a circle.
export function resolved(schema, followed = []) {
  const { $ref, ...own } = Object(schema);
  if (!$ref || followed.includes($ref)) return [own, followed];
  const steps = $ref.split("/").slice(1).map((step) => decodeURIComponent(step).replaceAll("~1", "/").replaceAll("~0", "~"));
  const [found, path] = resolved(steps.reduce((part, step) => part?.[step], all), [...followed, $ref]);
  return [{ ...found, ...own }, path];
}

export function inWords(schema) {
  if (!schema) return "";
  if (schema.$ref) return schema.$ref.split("/").pop();
  if (schema.enum) return schema.enum.join(" | ");
  const kinds = schema.anyOf || schema.oneOf;
  if (kinds) return [...new Set(kinds.map(inWords))].join(" or ");
  const type = [].concat(schema.type || "any").join(" or ");
  const kind = type === "array" ? `array of ${inWords(schema.items) || "any"}` : type;
  const bounds = [
    between(schema.minimum, schema.maximum, ""),
    schema.exclusiveMinimum !== undefined && `more than ${schema.exclusiveMinimum}`,
    schema.exclusiveMaximum !== undefined && `less than ${schema.exclusiveMaximum}`,
    between(schema.minLength, schema.maxLength, " character"),
    between(schema.minItems, schema.maxItems, " item"),
  ];
  const others = NOTED
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

// A value

const TEXTS = {
  "date-time": "2026-01-31T12:00:00Z", date: "2026-01-31", time: "12:00:00Z", duration: "P1D",
  uuid: "00000000-0000-4000-8000-000000000000", email: "name@example.org", hostname: "host.example.org",
  ipv4: "192.0.2.1", ipv6: "2001:db8::1", uri: `${location.origin}/`, "json-pointer": "/name", regex: ".*",
};

// What the schema itself says comes first. A text for a pattern is not made up, nor items that differ.
export function example(schema, followed = []) {
  const [whole, path] = flat(schema, followed);
  for (const name of ["example", "default", "const"]) if (name in whole) return whole[name];
  if (whole.enum) return whole.enum[0];
  const makers = { object: fields, array: items, string: text, integer: number, number, boolean: () => false };
  const kinds = [].concat(whole.type || (whole.items ? "array" : "object"));
  return makers[kinds.find((kind) => kind !== "null")]?.(whole, path) ?? null;
}

// A schema together with all that it has to be as well, and the first form of those that it may have.
function flat(schema, followed) {
  const [{ examples = [], oneOf = [], anyOf = [], allOf = [], ...own }, path] = resolved(schema, followed);
  if (examples.length) own.example = examples[0];
  const parts = [...oneOf.slice(0, 1), ...anyOf.slice(0, 1), ...allOf].map((part) => flat(part, path));
  return parts.reduce(([whole, paths], [part, more]) => [{
    ...part,
    ...whole,
    properties: { ...part.properties, ...whole.properties },
    required: [...(whole.required || []), ...(part.required || [])],
  }, [...paths, ...more]], [own, path]);
}

function fields({ properties = {}, required = [], minProperties = 0 }, followed) {
  const wanted = new Set(required);
  const names = [...new Set([...required, ...Object.keys(properties)])];
  const filled = names.slice(0, Math.max(wanted.size, minProperties));
  return Object.fromEntries(filled.map((name) => [name, example(properties[name], followed)]));
}

function items({ items: each, prefixItems = [], minItems = 0 }, followed) {
  return Array.from({ length: minItems }, (_, place) => example(prefixItems[place] ?? each, followed));
}

function text({ format, minLength = 0, maxLength = Infinity }) {
  return TEXTS[format] ?? "text".padEnd(minLength, "text").slice(0, maxLength);
}

function number(schema) {
  const { minimum = -Infinity, exclusiveMinimum = -Infinity, maximum = Infinity, exclusiveMaximum = Infinity } = schema;
  const step = schema.multipleOf ?? 1;
  const low = Math.max(minimum, exclusiveMinimum);
  const high = Math.min(maximum, exclusiveMaximum);
  const first = Math.ceil(low / step) * step;
  const last = Math.floor(high / step) * step;
  const fits = (one) => Number.isFinite(one) && one >= minimum && one > exclusiveMinimum && one <= maximum && one < exclusiveMaximum;
  return [0, first, first + step, last, last - step, (low + high) / 2].find(fits) ?? 0;
}

// A table

function fieldRows(schema, before, depth, followed) {
  const [whole, path] = resolved(schema, followed);
  const within = (whole.anyOf || whole.oneOf || []).find((form) => form.$ref || form.properties || form.items);
  if (within) return fieldRows(within, before, depth, path);
  if (depth > MOST_DEPTH) return [];
  if (whole.items) return fieldRows(whole.items, `${before}[]`, depth, path);
  return Object.entries(whole.properties || {}).flatMap(([name, part]) => {
    const full = before ? `${before}.${name}` : name;
    const label = make("code", full);
    if ((whole.required || []).includes(name)) label.className = "required";
    const about = prose("div", resolved(part)[0].description);
    about.append(make("small", inWords(part)));
    return [classed(make("div", null, label, about), "field told"), ...fieldRows(part, full, depth + 1, path)];
  });
}

export function schemaElement(title, schema) {
  const rows = fieldRows(schema, "", 0, []);
  const raw = make("details", null, make("summary", "JSON Schema"), block("JSON Schema", JSON.stringify(resolved(schema)[0], null, 2)));
  return make("details", null, make("summary", title), classed(make("div", null, ...rows), "fields"), raw);
}

// The API reference: reads /openapi.json and shows one operation at a time, by the address's hash.

import { byId, code, h } from '/console/dom.js';

const METHODS = ['get', 'post', 'put', 'patch', 'delete', 'head', 'options', 'trace'];
const PROBLEM = 'application/problem+json';
const TENANT = 'demo-free';
/** The links of the list that the filter leaves. */
const SHOWN = 'li:not([hidden]) a';

const wide = matchMedia('(min-width: 56rem)');
const [main, menu, search, list] = ['main', 'menu', 'search', 'operations'].map(byId);
/** What stands in `main` at first, for another try. */
const loading = [...main.childNodes];

let api = {};
let operations = [];
/** The resource that "Try" was answered last, so that the next operation's form can name it. */
let remembered = {};

// Elements

const mandatory = () => h('strong', { class: 'required' }, 'required');
const button = (label, click) => h('button', { type: 'button', click }, label);
const section = (title, ...children) => h('section', {}, h('h2', {}, title), children);
/** Scripts move the focus to a page's title. */
const heading = (title) => h('h1', { tabindex: -1 }, title);
/** A block of code. It takes the focus, so that the keyboard can scroll it. */
const block = (text, label) => h('pre', { tabindex: 0, role: 'group', 'aria-label': label }, text);
/** A description: what stands between backticks becomes code. */
const prose = (text = '') => text.split(/`([^`]+)`/).map((part, index) => (index % 2 ? code(part) : part));
/** A path that can break after its slashes. */
const breakable = (path) => code(path.split(/(?<=\/)/).map((part) => [part, h('wbr')]));
const badge = (method) => h('b', { class: `method ${method}` }, method);
const pretty = (value) => JSON.stringify(value, null, 2);

/** What a text says if it is JSON. */
function readable(text) {
  try { return JSON.parse(text); } catch { return undefined; }
}

/** A block with a button that copies what it holds by then. */
function copyable(pre) {
  const said = h('span', { role: 'status' });
  const select = () => getSelection().selectAllChildren(pre);
  const copy = () => navigator.clipboard.writeText(pre.textContent).then(
    () => { said.textContent = 'Copied'; },
    () => { select(); said.textContent = 'Selected: copy it with the keyboard'; });
  return h('div', { class: 'copyable' }, pre, h('p', {}, button('Copy', copy), said));
}

// Schemas

/** What a `#/…` reference points at. */
function target(reference) {
  const unescaped = (step) => step.replaceAll('~1', '/').replaceAll('~0', '~');
  return reference.split('/').slice(1).reduce((value, step) => value?.[unescaped(step)], api) ?? {};
}

/** A parameter, body, response or example, which may stand elsewhere in the document. */
const deref = (value = {}) => (value.$ref ? target(value.$ref) : value);

/**
 * A schema without `$ref` and `null`: references are followed, and "this or null" is this, nullable.
 * `trail` holds the references that led here. One that comes again is not followed: a schema that
 * contains itself would never end.
 */
function look(schema, trail = []) {
  if (typeof schema !== 'object' || schema === null) return { schema: {}, trail };
  const { $ref, anyOf, oneOf, ...beside } = schema;
  if ($ref) {
    const name = $ref.split('/').pop();
    if (trail.includes($ref)) return { schema: beside, trail, name, isRepeated: true };
    return { name, ...look({ ...target($ref), ...beside }, [...trail, $ref]) };
  }
  const union = anyOf ?? oneOf ?? [];
  const options = union.filter((option) => option.type !== 'null');
  const types = [schema.type ?? []].flat();
  const isNullable = options.length < union.length || types.includes('null');
  if (options.length === 1) return { ...look({ ...options[0], ...beside }, trail), isNullable };
  return { schema: beside, trail, options, isNullable, types: types.filter((type) => type !== 'null') };
}

/** The schema of each item of a list, or of each value of a map. */
function each({ schema, trail }) {
  if (schema.items) return look(schema.items, trail);
  const isMap = !schema.properties && typeof schema.additionalProperties === 'object';
  return isMap ? look(schema.additionalProperties, trail) : null;
}

function baseType(node) {
  if (node.isRepeated) return 'the same as above';
  if (node.options?.length) return 'one of several';
  const inner = each(node);
  if (inner) return `${node.schema.items ? 'array' : 'map'} of ${baseType(inner)}`;
  return node.types?.join(' or ') || (node.schema.allOf ? 'all of' : 'any value');
}

const nameOf = (node) => node && (node.name ?? nameOf(each(node)));

function range(least, most, unit = '') {
  const count = (number) => number + (number === 1 ? unit.replace(/s$/, '') : unit);
  if (least == null) return most == null ? null : `at most ${count(most)}`;
  return most == null ? `at least ${count(least)}` : `${least} to ${count(most)}`;
}

/** Bounds and patterns, each a text or a list of texts and elements. */
function rules(node) {
  const { schema } = node;
  const values = schema.enum ?? (schema.const === undefined ? [] : [schema.const]);
  const inner = each(node);
  return [
    values.length > 0 && ['only ', values.flatMap((value) => [' or ', code(String(value))]).slice(1)],
    range(schema.minLength, schema.maxLength, ' characters'),
    range(schema.minItems, schema.maxItems, ' items'),
    range(schema.minProperties, schema.maxProperties, ' members'),
    range(schema.minimum, schema.maximum),
    schema.exclusiveMinimum != null && `more than ${schema.exclusiveMinimum}`,
    schema.exclusiveMaximum != null && `less than ${schema.exclusiveMaximum}`,
    schema.uniqueItems && 'no duplicates',
    schema.format,
    schema.pattern && ['matches ', code(schema.pattern)],
    schema.default !== undefined && ['default ', code(JSON.stringify(schema.default))],
    schema.additionalProperties === false && 'no other members',
    schema.additionalProperties === true && 'any members',
    // An item that has members says its rules there.
    ...(inner && !members(inner).length ? rules(inner).map((rule) => ['each ', rule]) : []),
  ].filter(Boolean);
}

/** What a schema contains, by name. A list's members are those of its items. */
function members(node) {
  const inner = each(node);
  if (node.isRepeated) return [];
  if (inner) return members(inner);
  const { schema, trail, options = [] } = node;
  const entries = [
    ...Object.entries(schema.properties ?? {}),
    ...options.map((option, index) => [option.title ?? `option ${index + 1}`, option]),
    ...(schema.allOf ?? []).map((part, index) => [`part ${index + 1}`, part]),
  ];
  const isRequired = (name) => schema.required?.includes(name) ?? false;
  return entries.map(([name, child]) => ({ name, required: isRequired(name), node: look(child, trail) }));
}

function facts(node) {
  return [
    h('span', { class: 'type' }, baseType(node), node.isNullable && ' or null'),
    nameOf(node) && code(nameOf(node), 'dim'),
    rules(node).map((rule) => h('span', { class: 'rule' }, rule)),
    node.schema.description && h('span', { class: 'about' }, prose(node.schema.description)),
  ];
}

function branch({ name, required, node }) {
  const row = [code(name, 'name'), required && mandatory(), facts(node)];
  const inside = members(node);
  if (!inside.length) return h('li', { class: 'row' }, row);
  return h('li', {}, h('details', {}, h('summary', { class: 'row' }, row), branches(inside)));
}

/** Required members first: they are what a reader looks for. */
function branches(entries) {
  return h('ul', { class: 'tree' }, entries.sort((one, other) => other.required - one.required).map(branch));
}

function tree(schema) {
  const node = look(schema);
  const roots = branches(members(node));
  const folds = [...roots.querySelectorAll('details')];
  const toggle = ({ target: pressed }) => {
    const open = folds.some((fold) => !fold.open);
    for (const fold of folds) fold.open = open;
    pressed.textContent = open ? 'Close all' : 'Open all';
  };
  return h('div', { class: 'schema' }, h('p', { class: 'row' }, facts(node)),
    folds.length > 0 && button('Open all', toggle), roots.hasChildNodes() && roots);
}

/** A schema's example, or else the smallest value that has its required members. */
function sample(node) {
  const { examples, example, default: usual, const: only, enum: values, items } = node.schema;
  const given = examples?.[0] ?? example ?? usual ?? only ?? values?.[0];
  if (given !== undefined || node.isRepeated) return given;
  if (items) return [];
  const required = members(node).filter((member) => member.required);
  const object = Object.fromEntries(required.map((member) => [member.name, sample(member.node)]));
  return { string: '', integer: 0, number: 0, boolean: false }[node.types?.[0]] ?? object;
}

function exampleOf({ example, examples = {}, schema }) {
  return example ?? deref(Object.values(examples)[0]).value ?? sample(look(schema));
}

// An operation

function parameterRow({ name, in: place, required, description, schema }) {
  return h('tr', {},
    h('th', { scope: 'row' }, code(name, 'name'), h('span', { class: 'dim' }, place), required && mandatory()),
    h('td', {}, h('p', { class: 'row' }, facts(look(schema))), description && h('p', {}, prose(description))));
}

function parameterTable(parameters) {
  const titles = ['Parameter', 'Values'].map((title) => h('th', { scope: 'col' }, title));
  return h('table', {}, h('thead', {}, h('tr', {}, titles)), h('tbody', {}, parameters.map(parameterRow)));
}

function bodySection({ required, content }) {
  return section(required ? 'Request body' : 'Request body (optional)', Object.entries(content).map(([type, media]) =>
    [h('h3', {}, code(type)), tree(media.schema), h('h4', {}, 'Example'), block(pretty(exampleOf(media)), 'Example')]));
}

/** The problems that a response can be: the document has an example of each, by its code. */
function problemList({ examples = {} }) {
  return h('dl', {}, Object.entries(examples).map(([name, example]) => {
    const { title, detail } = deref(example).value ?? {};
    const link = h('a', { href: `/problems/${encodeURIComponent(name)}` }, code(name));
    return [h('dt', {}, link, ' ', title), h('dd', {}, prose(detail))];
  }));
}

function answerContent([type, media]) {
  const hasExample = type !== PROBLEM && look(media.schema).schema.examples;
  return [
    type === PROBLEM && problemList(media),
    h('details', {}, h('summary', {}, 'Schema, ', code(type)), tree(media.schema)),
    hasExample && h('details', {}, h('summary', {}, 'Example'), block(pretty(exampleOf(media)), 'Example')),
  ];
}

function answer([status, response]) {
  const { description, content = {}, headers = {} } = deref(response);
  const problems = Object.keys(content[PROBLEM]?.examples ?? {});
  const header = ([name, value]) =>
    h('p', { class: 'row' }, 'Header', code(name, 'name'), h('span', {}, prose(deref(value).description)));
  return h('details', { class: 'answer', open: status.startsWith('2') },
    h('summary', {}, h('strong', { class: `status s${status[0]}` }, status), ' ',
      problems.length ? code(problems.join(', ')) : prose(description)),
    Object.entries(headers).map(header), Object.entries(content).map(answerContent),
    !Object.keys(content).length && h('p', { class: 'dim' }, 'No body.'));
}

/** Who may call it. A bearer scheme lists no scopes: the description's first sentence names it. */
function accessOf({ security = api.security ?? [], description = '' }) {
  const [sentence, scope] = /^Needs the scope `([^`]+)`\.\s*/.exec(description) ?? [''];
  return { isPublic: !security.length, scope, described: description.slice(sentence.length) };
}

function showOperation(operation) {
  const { isPublic, scope, described } = accessOf(operation);
  const trial = tryForm(operation, isPublic);
  return [
    heading(operation.summary ?? operation.id),
    h('p', { class: 'endpoint' }, badge(operation.method), ' ', breakable(operation.path)),
    h('p', { class: 'row' }, h('span', {}, isPublic ? 'No token needed' : ['Scope ', code(scope ?? 'any', 'name')]),
      h('span', {}, 'Operation ', code(operation.id))),
    described && h('p', {}, prose(described)),
    operation.parameters.length > 0 && section('Parameters', parameterTable(operation.parameters)),
    operation.requestBody && bodySection(operation.requestBody),
    section('Responses', Object.entries(operation.responses ?? {}).map(answer)),
    section('curl', copyable(trial.curl),
      h('p', { class: 'dim' }, 'It follows the form below. ', h('a', { href: '#' }, 'How to set $URL and $TOKEN'))),
    section('Try', trial.parts),
  ];
}

// Curl and "Try"

/** What a field holds at first: the last answer's resource where it fits, or a value that can work. */
function firstValue(name, place, required, { pattern = '', enum: values }) {
  if (name === 'id' && new RegExp(pattern).test(remembered.id ?? '')) return remembered.id ?? '';
  if (name.toLowerCase() === 'if-match' && required) return remembered.etag ?? '"1"';
  return (place === 'path' && values?.[0]) || '';
}

function field({ name, in: place, required, schema: described }) {
  const { schema } = look(described);
  const value = firstValue(name, place, required, schema);
  // Only a path's parts must be there to have a request; the rest may be wrong, to see what comes.
  const attributes = { name: `${place}:${name}`, required: place === 'path' };
  const values = schema.enum?.map((known) => h('option', { selected: known === value }, known));
  const control = values
    ? h('select', attributes, place !== 'path' && h('option', { value: '' }, '(none)'), values)
    : h('input', { ...attributes, value, autocomplete: 'off', spellcheck: 'false' });
  return h('label', {}, code(name), ` ${place}${required ? ', required' : ''}`, control);
}

function bodyFields({ content }) {
  const area = h('textarea', { name: 'body', rows: 8, spellcheck: 'false' });
  const fill = () => { area.value = pretty(exampleOf(content[media.value])); };
  const media = h('select', { name: 'media', input: fill }, Object.keys(content).map((type) => h('option', {}, type)));
  fill();
  return [h('label', {}, 'Content type', media), h('label', {}, 'Body', area)];
}

/** encodeURIComponent, and the marks that it leaves and a shell would read. */
function encode(text) {
  return encodeURIComponent(text).replace(/[!'()*]/g, (mark) => `%${mark.charCodeAt(0).toString(16)}`);
}

/** The request that the form describes. `missing` says what stands for an empty part of the path. */
function requestOf(operation, form, missing) {
  const value = (place, name) => form.elements[`${place}:${name}`].value;
  const filled = (place) => operation.parameters.filter((parameter) => parameter.in === place)
    .map(({ name }) => [name, value(place, name)]).filter((pair) => pair[1] !== '');
  const path = operation.path.replace(/\{([^}]+)\}/g, (_, name) => encode(value('path', name)) || missing(name));
  const query = String(new URLSearchParams(filled('query')));
  const body = form.elements.body?.value.trim() || undefined;
  const type = body ? [['Content-Type', form.elements.media.value]] : [];
  return { path: query ? `${path}?${query}` : path, headers: [...filled('header'), ...type], body };
}

function curlText(operation, form, isPublic) {
  const variable = (name) => `$${name.toUpperCase().replace(/\W/g, '_')}`;
  const quote = (text) => `'${text.replaceAll("'", "'\\''")}'`;
  const { path, headers, body } = requestOf(operation, form, variable);
  const method = operation.method === 'get' ? '' : `-X ${operation.method.toUpperCase()} `;
  return [
    `curl -i ${method}"$URL${path}"`,
    !isPublic && '-H "Authorization: Bearer $TOKEN"',
    ...headers.map((header) => `-H ${quote(header.join(': '))}`),
    body && `-d ${quote(body)}`,
  ].filter(Boolean).join(' \\\n  ');
}

/** A new token each time: the local clock can be moved, and then an old one has expired. */
async function freshToken() {
  const response = await fetch('/_local/token', { method: 'POST', body: JSON.stringify({ tenant: TENANT }) });
  if (!response.ok) throw new Error(`/_local/token answered ${response.status}`);
  return (await response.json()).token;
}

async function send(operation, form, isPublic) {
  const { path, headers, body } = requestOf(operation, form, () => '');
  if (!isPublic) headers.push(['Authorization', `Bearer ${await freshToken()}`]);
  const method = operation.method.toUpperCase();
  const response = await fetch(path, { method, headers, body, cache: 'no-store' });
  return showAnswer(response, await response.text());
}

function showAnswer(response, text) {
  const value = readable(text);
  const etag = response.headers.get('etag');
  if (response.ok && etag && value?.id) remembered = { id: value.id, etag };
  const headers = [...response.headers].map((header) => header.join(': ')).join('\n');
  const status = h('strong', { class: `status s${String(response.status)[0]}` }, response.status);
  const parts = [
    h('h3', {}, 'Headers'), block(headers, 'Response headers'),
    h('h3', {}, 'Body'), block((value === undefined ? text : pretty(value)) || '(none)', 'Response body'),
  ];
  return { status: [status, ` ${response.statusText}`], parts };
}

function tryForm(operation, isPublic) {
  const curl = block('', 'curl command');
  // A screen reader says what changes in an element that was there before.
  const said = h('p', { role: 'status' });
  const result = h('div', { class: 'result' });
  const follow = () => { curl.textContent = curlText(operation, form, isPublic); };
  const submit = async (event) => {
    event.preventDefault();
    // Not `disabled`, which would take the focus away.
    if (form.ariaBusy === 'true') return;
    form.ariaBusy = 'true';
    said.textContent = 'Sending…';
    const failed = ({ message }) => ({ status: [h('span', { class: 'bad' }, `No answer: ${message}`)], parts: [] });
    const { status, parts } = await send(operation, form, isPublic).catch(failed);
    said.replaceChildren(...status);
    result.replaceChildren(...parts);
    form.ariaBusy = 'false';
  };
  const form = h('form', { input: follow, submit },
    h('p', { class: 'dim' }, 'The request is sent for real', !isPublic && `, for the tenant ${TENANT}`, '.'),
    operation.parameters.map(field), operation.requestBody && bodyFields(operation.requestBody),
    h('p', {}, h('button', { class: 'primary' }, 'Send')));
  follow();
  return { curl, parts: [form, said, result] };
}

// Pages and the list

function showStart() {
  const setup = `URL=${location.origin}\nTOKEN=$(curl -s -X POST $URL/_local/token -d '{"tenant":"${TENANT}"}' \\\n`
    + String.raw`  | sed 's/.*:"\(.*\)"}/\1/')`;
  return [
    heading(api.info?.title ?? 'API reference'), h('p', {}, prose(api.info?.description)),
    h('p', {}, 'Choose an operation from the list.'),
    section('Before you call it', h('p', {}, 'The curl commands of this page use two variables of the shell:'),
      copyable(block(setup, 'Shell variables'))),
  ];
}

/** Shows what the hash names. */
function route() {
  const { hash } = location;
  const operation = operations.find(({ id }) => hash === `#${encodeURIComponent(id)}`);
  const unknown = () => [heading('No such operation'), h('p', {}, 'The list has every operation there is.')];
  const page = operation ? showOperation(operation) : hash ? unknown() : showStart();
  main.replaceChildren(...page.filter(Boolean));
  document.title = `${main.firstChild.textContent} – API reference`;
  for (const link of list.querySelectorAll('a')) {
    link.setAttribute('aria-current', link.hash === hash ? 'page' : 'false');
  }
  menu.open = wide.matches || !operation;
}

/** Goes to another page: the eye and a screen reader start at its title. */
function turn() {
  route();
  scrollTo(0, 0);
  main.firstChild.focus({ preventScroll: true });
}

function readOperations() {
  return Object.entries(api.paths).flatMap(([path, item]) => METHODS.filter((name) => item[name]).map((method) => {
    const { operationId: id = `${method}${path}`, parameters = [], requestBody, tags, ...rest } = item[method];
    const all = [...(item.parameters ?? []), ...parameters].map(deref).filter((known) => known.in !== 'cookie');
    const body = requestBody && { content: {}, ...deref(requestBody) };
    return { ...rest, id, method, path, parameters: all, requestBody: body, tag: tags?.[0] ?? 'other' };
  }));
}

function listItem({ id, method, path, summary = '' }) {
  const words = `${id} ${method} ${path} ${summary}`.toLowerCase();
  return h('li', { 'data-words': words },
    h('a', { href: `#${encodeURIComponent(id)}` }, badge(method), breakable(path), h('span', {}, summary)));
}

function showList() {
  const groups = Map.groupBy(operations, ({ tag }) => tag);
  list.replaceChildren(...[...groups].map(([tag, group]) => section(tag, h('ul', {}, group.map(listItem)))));
  search.disabled = false;
  filter();
}

function filter() {
  const wanted = search.value.toLowerCase().split(/\s+/);
  const items = [...list.querySelectorAll('li')];
  for (const item of items) item.hidden = !wanted.every((word) => item.dataset.words.includes(word));
  for (const group of list.children) group.hidden = !group.querySelector(SHOWN);
  const shown = list.querySelectorAll(SHOWN).length;
  byId('count').textContent = `${shown} of ${items.length}`;
  byId('nothing').hidden = shown > 0;
}

function clear() {
  search.value = '';
  filter();
  search.focus();
}

/** The arrow keys go from the search box through the links below it. */
function walk(event) {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  const stops = [search, ...list.querySelectorAll(SHOWN)];
  const at = stops.indexOf(event.target.closest('a, input'));
  const next = at >= 0 && step && stops[at + step];
  if (!next) return;
  event.preventDefault();
  next.focus();
}

function openFirst(event) {
  event.preventDefault();
  list.querySelector(SHOWN)?.click();
}

async function read() {
  const response = await fetch('/openapi.json');
  if (!response.ok) throw new Error(`the answer was ${response.status}`);
  const document = readable(await response.text());
  if (typeof document?.paths !== 'object') throw new Error('the answer is not an OpenAPI document');
  return document;
}

function showFailure(error) {
  main.replaceChildren(heading('The API’s document can’t be read'),
    h('p', { role: 'alert' }, code('/openapi.json'), `: ${error.message}.`),
    h('p', {}, 'Check that the service runs, then try again.'), h('p', {}, button('Try again', again)));
}

async function start() {
  main.replaceChildren(...loading);
  main.setAttribute('aria-busy', 'true');
  try {
    api = await read();
    operations = readOperations();
    byId('home').textContent = api.info?.title ?? 'API reference';
    byId('version').textContent = api.info?.version ?? '';
    showList();
    route();
  } catch (error) {
    showFailure(error);
  }
  main.setAttribute('aria-busy', 'false');
}

/** The button that was pressed goes away, so that the focus needs another place. */
function again() {
  main.focus();
  start();
}

search.addEventListener('input', filter);
byId('filter').addEventListener('submit', openFirst);
byId('clear').addEventListener('click', clear);
byId('side').addEventListener('keydown', walk);
// The same link again changes no hash, but a narrow window's list is to fold away all the same.
list.addEventListener('click', (event) => { if (event.target.closest('a')) menu.open = wide.matches; });
wide.addEventListener('change', () => { menu.open = wide.matches; });
// The hash names an operation, so that the skip link must not change it.
byId('skip').addEventListener('click', (event) => {
  event.preventDefault();
  main.focus();
});
addEventListener('hashchange', turn);
start();

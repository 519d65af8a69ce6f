// An agent of a template: the form of its variables, what they make, and the button that creates it.

import { rows } from './align.js';
import { call, Problem } from './api.js';
import { contentOf } from './content.js';
import { button, byId, code, h, say } from './dom.js';
import { shownViolation } from './fields.js';
import { refusal } from './risks.js';
import { variableFields } from './variables.js';

const TYPING_MS = 400;

const form = byId('make-form');
const [fieldsAt, unplaced, name, key] = ['make-variables', 'make-refused', 'make-name', 'make-key'].map(byId);
const [result, status, create, publish, example] =
  ['make-preview', 'make-status', 'make-create', 'make-publish', 'make-example'].map(byId);
/** The fields that are not the template's variables, by their pointers. */
const OTHERS = new Map([['/name', name], ['/key', key]]);

/** A document as lines, with the texts of several lines as such. */
function shownDocument(document) {
  const lines = rows(document, document).map(({ depth, left }) => {
    const line = h('code', { 'data-pointer': left.pointer }, left.text || ' ');
    line.style.setProperty('--depth', depth);
    return line;
  });
  return h('div', { class: 'document', tabindex: '0', role: 'group', 'aria-label': 'The agent’s document' }, lines);
}

/** `onCreated(agent)` when an agent was made. */
export function maker({ onCreated }) {
  let shown = null;
  let fields = null;
  /** The last document that the variables made. */
  let made = null;
  let turn = 0;
  let waiting;
  let isBusy = false;

  function placeOthers(violations) {
    for (const [pointer, control] of OTHERS) {
      const own = violations.filter((violation) => violation.pointer === pointer);
      byId(`${control.id}-errors`).replaceChildren(...own.map((violation) => shownViolation(violation, pointer)));
      control.ariaInvalid = own.length ? 'true' : null;
    }
    return violations.filter(({ pointer }) => !OTHERS.has(pointer));
  }

  /** What is missing, as links to the fields. */
  const missing = (names) => names.map((one, index) => [index > 0 && ', ',
    button(fields.titleOf(one), () => fields.focus(one), { class: 'link', 'data-missing': one })]);

  function tell(state, ...inside) {
    status.dataset.outcome = state;
    status.replaceChildren(...inside.flat(Infinity).filter(Boolean));
  }

  function showRendering({ valid: isValid, agent, unresolved, unused, violations }) {
    const rest = fields.place(violations);
    if (agent) made = contentOf(agent);
    name.placeholder = made?.name ?? 'as the template says';
    const marks = violations.length - rest.length;
    const states = {
      missing: unresolved.length > 0 && ['Still needed: ', missing(unresolved), '.'],
      wrong: violations.length > 0 && (marks ? `Marked above: ${marks} to mend.` : 'The agent would be refused.'),
      valid: isValid && 'Ready: these values make an agent.',
    };
    const [state, text] = Object.entries(states).find(([, found]) => found) ?? ['wrong', 'These values make no agent.'];
    tell(state, text);
    result.ariaBusy = 'false';
    const empty = unresolved.length
      ? 'There is no document until every required variable has a value.' : 'These values make no document.';
    result.replaceChildren(...[
      unresolved.length > 0 && h('p', { 'data-preview': 'unresolved' }, h('strong', {}, 'Without a value: '),
        missing(unresolved)),
      unused.length > 0 && h('p', { class: 'hint', 'data-preview': 'unused' }, 'Not used by the template: ',
        unused.map((one, index) => [index > 0 && ', ', code(one)])),
      rest.length > 0 && h('div', { class: 'notice bad', 'data-preview': 'violations' },
        h('p', {}, h('strong', {}, 'The agent that this makes would be refused.')),
        rest.map((violation) => shownViolation(violation))),
      agent ? shownDocument(contentOf(agent)) : h('p', { class: 'state' }, empty)].filter(Boolean));
  }

  const body = (values) => ({ ...(shown.version === null ? { draft: true } : { version: shown.version }),
    variables: values });

  /** Asks what the values make. An answer to earlier ones comes to nothing. */
  async function preview(isAction) {
    clearTimeout(waiting);
    const mine = ++turn;
    const { values, mistakes } = fields.read();
    if (mistakes.length) {
      fields.place(mistakes);
      tell('wrong', 'What is marked can’t be read yet.');
      return;
    }
    result.ariaBusy = 'true';
    try {
      const rendering = await call('POST', `/v1/templates/${shown.id}/render`, { body: body(values), isAction });
      if (mine === turn) showRendering(rendering);
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      if (mine !== turn) return;
      result.ariaBusy = 'false';
      tell('wrong', 'The preview could not be asked for.');
      result.replaceChildren(refusal(problem, {}, button('Try again', () => preview(true))));
    }
  }

  function soon() {
    clearTimeout(waiting);
    waiting = setTimeout(preview, TYPING_MS, true);
  }

  function refused(problem) {
    const rest = fields.place(placeOthers(problem.errors));
    const isAllPlaced = problem.errors.length > 0 && !rest.length;
    unplaced.replaceChildren();
    if (!isAllPlaced) unplaced.append(refusal({ ...problem, message: problem.message, errors: rest }));
    tell('wrong', `${problem.title}.`);
    const first = form.querySelector('[aria-invalid="true"]');
    if (first) first.focus();
    else unplaced.scrollIntoView({ block: 'nearest' });
  }

  async function submit(isPublished) {
    if (isBusy) return;
    const { values, mistakes } = fields.read();
    if (mistakes.length) {
      fields.place(mistakes);
      form.querySelector('[aria-invalid="true"]')?.focus();
      return;
    }
    isBusy = true;
    turn += 1;
    clearTimeout(waiting);
    unplaced.replaceChildren();
    form.ariaBusy = 'true';
    const said = { version: shown.version, variables: values, ...(name.value && { name: name.value }),
      ...(key.value && { key: key.value }) };
    const mine = shown;
    try {
      const path = `/v1/templates/${shown.id}/instantiate${isPublished ? '?publish=true' : ''}`;
      const agent = await call('POST', path, { body: said, isAction: true });
      for (const control of OTHERS.values()) control.value = '';
      placeOthers([]);
      say(isPublished ? 'Created and published.' : 'Created.');
      onCreated(agent);
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      if (mine === shown) refused(problem);
    } finally {
      isBusy = false;
      form.ariaBusy = 'false';
    }
  }

  function fill(values, what) {
    fields.fill(values);
    unplaced.replaceChildren();
    say(what);
    preview(true);
  }

  /** Shows a version, and what its variables are. `isSameForm` leaves what was typed. */
  function show(version, isSameForm) {
    shown = version;
    const isDraft = version.version === null;
    for (const one of [create, publish]) one.disabled = isDraft;
    create.title = isDraft ? 'Publish the template first: an agent is made from a version.' : '';
    publish.title = create.title;
    byId('make-draft').hidden = !isDraft;
    const isOther = !isSameForm || !fields;
    if (isOther) {
      const before = fields && fieldsAt.dataset.of === version.id ? fields.read().values : {};
      fields = variableFields(version.variables, { values: [version.example, before], onInput: soon });
      fields.fill(before);
      fieldsAt.dataset.of = version.id;
      const nothing = 'This template has no variables: every agent made from it begins the same.';
      const none = h('p', { class: 'dim' }, nothing);
      fieldsAt.replaceChildren(version.variables.length ? fields.element : none);
      for (const one of ['make-example', 'make-defaults']) byId(one).hidden = !version.variables.length;
      example.disabled = !Object.keys(version.example).length;
      made = null;
      unplaced.replaceChildren();
      result.replaceChildren();
    }
    preview(false);
  }

  /** Forgets the template. */
  function clear() {
    turn += 1;
    clearTimeout(waiting);
    [shown, fields, made] = [null, null, null];
    delete fieldsAt.dataset.of;
    for (const place of [fieldsAt, unplaced, result]) place.replaceChildren();
    form.reset();
    placeOthers([]);
    tell('');
  }

  form.addEventListener('submit', (event) => {
    event.preventDefault();
    submit(false);
  });
  publish.addEventListener('click', () => submit(true));
  example.addEventListener('click', () => fill(shown.example, 'These are the example’s values.'));
  byId('make-defaults').addEventListener('click', () => fill({}, 'These are the defaults.'));
  return { show, clear };
}

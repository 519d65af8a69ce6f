// Starting a job: which agents, what is done to them, and with how much care.

import { call, Problem } from './api.js';
import { byId, code, h, say } from './dom.js';
import { shownViolation } from './fields.js';
import { refusal } from './risks.js';
import { count } from './search.js';

/** Fields by the part of the request that they make. */
const FIELDS = { '/selector': 'job-agents', '/kind': 'job-kind', '/patch': 'job-patch', '/wave_size': 'job-wave',
  '/max_failures': 'job-max-failures' };
/** What a job does, as a question and as a button. */
const VERBS = { update_agents: 'Change', archive_agents: 'Archive', delete_agents: 'Delete' };
const TYPING_MS = 300;

const view = byId('job-new');
const form = byId('job-form');
const [kind, patch, dry, wave, failures] =
  ['job-kind', 'job-patch', 'job-dry', 'job-wave', 'job-max-failures'].map(byId);
const [searched, searchedText, number, refused, start, asked] =
  ['job-searched', 'job-searched-text', 'job-count', 'job-refused', 'job-start', 'job-ask'].map(byId);

const slot = (field) => byId(`${field}-errors`);
const isObject = (value) => typeof value === 'object' && value !== null;

/** What is typed as JSON, or why it is none. */
function read(text) {
  if (!text.trim()) return { mistake: 'Say what to change, such as {"tags": ["eu"]}.' };
  try {
    const value = JSON.parse(text);
    if (isObject(value)) return { value };
    return { mistake: 'It must be an object (a merge patch) or an array (a JSON Patch).' };
  } catch (error) {
    return { mistake: `This is not JSON: ${error.message}` };
  }
}

/** What is done once, however often it is sent. `randomUUID` is for secure pages only. */
const newKey = () => [...crypto.getRandomValues(new Uint8Array(16))]
  .map((byte) => byte.toString(16).padStart(2, '0')).join('');

/** Posts what starts a job. The same request, sent again after no answer came, starts no second one. */
export function starter() {
  /** What was sent without an answer, with its key. */
  let sent = { text: '', key: '' };
  return async (path, body, told) => {
    const text = `${path} ${JSON.stringify(body)}`;
    if (sent.text !== text) sent = { text, key: newKey() };
    try {
      const job = await call('POST', path, { body, key: sent.key, isAction: true, told });
      sent = { text: '', key: '' };
      return job;
    } catch (problem) {
      // An answer is final: what is sent then is another request.
      if (problem.status > 0 && problem.status < 500) sent = { text: '', key: '' };
      throw problem;
    }
  };
}

/** A filter in words. */
export function filterText({ text, status, tag }) {
  const parts = [text && ['words ', code(text)], status && ['status ', code(status)],
    tag && ['tag ', code([tag].flat().join(' or '))]].filter(Boolean);
  return parts.map((part, index) => [index > 0 && ', ', part]);
}

/**
 * `filterOf()` is what the search looks for, empty if nothing. `onStarted(job, again)` when a job was started, with
 * what starts a dry run's in earnest, `onClose()` when none is to be.
 */
export function jobForm({ filterOf, onStarted, onClose }) {
  let filter = {};
  let counting = 0;
  let typing;
  let isBusy = false;
  const post = starter();

  const isAll = () => form.elements['job-agents-of'].value === 'all';
  const chosen = () => (isAll() ? {} : filter);

  // Mistakes stand beside their fields

  function put(field, ...mistakes) {
    slot(field).replaceChildren(...mistakes);
    const control = byId(field);
    if (control.matches('input, select, textarea')) control.ariaInvalid = mistakes.length ? 'true' : null;
  }

  const mistaken = (text) => h('p', { class: 'mistake' }, text);

  function forgetMistakes() {
    Object.values(FIELDS).forEach((field) => put(field));
    refused.replaceChildren();
  }

  /** Says what is no JSON, and gives what is. */
  function checkPatch() {
    const { value, mistake } = read(patch.value);
    put('job-patch', ...(mistake ? [mistaken(mistake)] : []));
    return value;
  }

  /** A whole number; nothing if the field is empty, `NaN` after the mistake was said. */
  function whole(control, least) {
    const text = control.value.trim();
    const isGood = /^\d+$/.test(text) && Number(text) >= least;
    put(control.id, ...(text && !isGood ? [mistaken(`A whole number, at least ${least}.`)] : []));
    if (!text) return undefined;
    return isGood ? Number(text) : NaN;
  }

  function show(problem) {
    const places = new Map();
    const rest = [];
    for (const violation of problem.errors) {
      const at = Object.keys(FIELDS).find((known) => `${violation.pointer}/`.startsWith(`${known}/`));
      if (at) places.set(at, [...(places.get(at) ?? []), shownViolation(violation, at)]);
      else rest.push(violation);
    }
    for (const [at, mistakes] of places) put(FIELDS[at], ...mistakes);
    const isTold = places.size > 0 && !rest.length;
    refused.replaceChildren(...(isTold ? [] : [refusal(Object.assign(problem, { errors: rest }))]));
    byId('job-more').open ||= places.has('/wave_size') || places.has('/max_failures');
    (view.querySelector('[aria-invalid="true"]') ?? start).focus();
  }

  // What is chosen

  /** Tells how many agents it is about, as far as the service can. */
  async function recount() {
    const mine = ++counting;
    number.textContent = 'Counting…';
    delete number.dataset.count;
    try {
      await count(chosen(), (total, isWhole) => {
        if (mine !== counting) return false;
        const what = total === 1 ? 'agent' : 'agents';
        number.textContent = `${isWhole ? '' : 'More than '}${total.toLocaleString()} ${what}`;
        if (isWhole) number.dataset.count = total;
        return true;
      });
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      if (mine === counting) number.textContent = '';
    }
  }

  /** The search looks for something else. */
  function wish() {
    filter = filterOf();
    const isEmpty = !Object.keys(filter).length;
    searched.disabled = isEmpty;
    if (isEmpty) form.elements['job-agents-of'].value = 'all';
    searchedText.replaceChildren(...(isEmpty ? ['Those that the search finds: it looks for nothing']
      : ['Those that the search finds: ', ...filterText(filter).flat(Infinity).filter(Boolean)]));
    if (view.hidden) return;
    hideQuestion();
    recount();
  }

  function showKind() {
    byId('job-patch-field').hidden = kind.value !== 'update_agents';
    start.textContent = dry.checked ? 'Try it' : `${VERBS[kind.value]}…`;
    start.className = dry.checked || kind.value !== 'delete_agents' ? 'primary' : 'danger';
    byId('job-dry-hint').textContent = dry.checked ? 'Nothing is changed: you see what would be, and can apply it then.'
      : 'It is done at once.';
  }

  // Starting

  function request() {
    forgetMistakes();
    const numbers = { wave_size: whole(wave, 1), max_failures: whole(failures, 0) };
    const value = kind.value === 'update_agents' ? checkPatch() : undefined;
    const isWrong = Object.values(numbers).some(Number.isNaN);
    byId('job-more').open ||= isWrong;
    if (isWrong || (kind.value === 'update_agents' && !value)) {
      view.querySelector('[aria-invalid="true"]')?.focus();
      return undefined;
    }
    const members = { kind: kind.value, selector: { filter: chosen() }, patch: value, dry_run: dry.checked || undefined,
      ...numbers };
    return Object.fromEntries(Object.entries(members).filter(([, member]) => member !== undefined));
  }

  async function send(body) {
    if (isBusy) return;
    isBusy = true;
    form.ariaBusy = 'true';
    try {
      const job = await post('/v1/jobs', body);
      const { dry_run: isDry, ...inEarnest } = body;
      say(isDry ? 'The dry run is started.' : 'Started.');
      onStarted(job, isDry && (() => post('/v1/jobs', inEarnest)));
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      show(problem);
    } finally {
      isBusy = false;
      form.ariaBusy = 'false';
    }
  }

  function hideQuestion() {
    asked.hidden = true;
    byId('job-choices').hidden = false;
  }

  /** What changes agents at once is asked about first. */
  function ask(body) {
    const of = number.dataset.count ?? (isAll() ? 'all' : 'the');
    const question = `${VERBS[body.kind]} ${of} ${of === '1' ? 'agent' : 'agents'}${
      body.kind === 'delete_agents' ? ' for good' : ''}, without a dry run?`;
    const answer = (isYes) => {
      hideQuestion();
      start.focus();
      if (isYes) send(body);
    };
    byId('job-question').textContent = question;
    byId('job-start-yes').textContent = VERBS[body.kind];
    byId('job-start-yes').onclick = () => answer(true);
    byId('job-start-no').onclick = () => answer(false);
    asked.hidden = false;
    byId('job-choices').hidden = true;
    byId('job-start-no').focus();
  }

  form.addEventListener('submit', (event) => {
    event.preventDefault();
    if (isBusy || !asked.hidden) return;
    const body = request();
    if (body && body.dry_run) send(body);
    else if (body) ask(body);
  });
  form.addEventListener('input', ({ target }) => {
    hideQuestion();
    refused.replaceChildren();
    if (target.name === 'job-agents-of') {
      put('job-agents');
      recount();
    }
    if (target === patch) {
      clearTimeout(typing);
      put('job-patch');
      typing = setTimeout(() => { if (patch.value.trim()) checkPatch(); }, TYPING_MS);
    } else if (FIELDS[Object.keys(FIELDS).find((at) => FIELDS[at] === target.id)]) {
      put(target.id);
    }
    showKind();
  });
  view.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape') return;
    event.stopPropagation();
    if (asked.hidden) onClose();
    else {
      hideQuestion();
      start.focus();
    }
  });
  byId('job-new-close').addEventListener('click', onClose);

  /** Shows the form: what was typed stays, and a dry run is offered first each time. */
  function open() {
    view.hidden = false;
    dry.checked = true;
    wish();
    form.elements['job-agents-of'].value = searched.disabled ? 'all' : 'search';
    showKind();
    recount();
  }

  function close() {
    view.hidden = true;
    counting += 1;
    hideQuestion();
  }

  /** Forgets everything: another tenant is next. */
  function clear() {
    clearTimeout(typing);
    // What was sent for the tenant before is never answered.
    isBusy = false;
    form.ariaBusy = 'false';
    form.reset();
    forgetMistakes();
    close();
  }

  return { open, close, clear, wish, focus: () => byId('job-new-title').focus() };
}

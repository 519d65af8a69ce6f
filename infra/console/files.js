// Files of agents: an export that writes one, and an import that reads one. Both are jobs.

import { call, Problem, quote, sendFile } from './api.js';
import { byId, h, say, size } from './dom.js';
import { shownViolation } from './fields.js';
import { refusal } from './risks.js';
import { filterText, starter } from './start.js';

/** A longer file does not go with the request, but before it and by itself, in bytes. */
const CONTENT_MAX = 256 * 1024;
/** How long a file that was sent is there for another import; the service keeps it a day. */
const KEPT_MS = 20 * 3_600_000;
/** The one format that has versions and templates. */
const NATIVE = 'agent_management';

const slot = (field) => byId(`${field}-errors`);
const mistaken = (text) => h('p', { class: 'mistake' }, text);
/** A document without the members that say nothing. */
const said = (members) => Object.fromEntries(Object.entries(members).filter(([, value]) => value));

function put(field, ...mistakes) {
  slot(field).replaceChildren(...mistakes);
  const control = byId(field);
  if (control.matches('input, select')) control.ariaInvalid = mistakes.length ? 'true' : null;
}

/**
 * What both forms have: one request at a time, and what it is refused for beside what it is about. `fields` are ids
 * by the members of the request that they make. `leave()` says whether there was something to leave before the form.
 */
function shell(name, fields, { leave = () => false, onClose }) {
  const [view, form, title, refused, start] = ['job-*', '*-form', '*-title', '*-refused', '*-start']
    .map((id) => byId(id.replace('*', name)));
  let turn = 0;
  let isBusy = false;

  function forgetMistakes() {
    Object.values(fields).forEach((field) => put(field));
    refused.replaceChildren();
  }

  function show(problem) {
    const rest = [];
    for (const violation of problem.errors) {
      const at = Object.keys(fields).find((known) => `${violation.pointer}/`.startsWith(`${known}/`));
      if (at) slot(fields[at]).append(shownViolation(violation, at));
      else rest.push(violation);
      if (at && byId(fields[at]).matches('input, select')) byId(fields[at]).ariaInvalid = 'true';
    }
    const isTold = problem.errors.length > 0 && !rest.length;
    refused.replaceChildren(...(isTold ? [] : [refusal(Object.assign(problem, { errors: rest }))]));
    (form.querySelector('[aria-invalid="true"]') ?? start).focus();
  }

  function busy(now) {
    isBusy = now;
    form.ariaBusy = String(now);
  }

  /** Does one thing at a time. A problem is shown, unless it is about what was left since. */
  async function run(act) {
    if (isBusy) return;
    const mine = turn;
    forgetMistakes();
    busy(true);
    try {
      await act();
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      // Whoever stops it knows.
      if (mine === turn && problem.code !== 'stopped') show(problem);
    } finally {
      if (mine === turn) busy(false);
    }
  }

  function clear() {
    turn += 1;
    busy(false);
    form.reset();
    forgetMistakes();
    view.hidden = true;
  }

  form.addEventListener('input', ({ target }) => {
    refused.replaceChildren();
    if (Object.values(fields).includes(target.id)) put(target.id);
  });
  view.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape') return;
    event.stopPropagation();
    if (!leave()) onClose();
  });
  return {
    form, run, clear,
    isBusy: () => isBusy,
    isWatched: () => view.checkVisibility(),
    show: () => { view.hidden = false; },
    close: () => { view.hidden = true; },
    focus: () => title.focus(),
  };
}

/**
 * `filterOf()` is what the search looks for, empty if nothing. `onStarted(job, again, isWatched)` when a job was
 * started, with whether somebody still looks at the form, `onClose()` when none is to be.
 */
export function exportForm({ filterOf, onStarted, onClose }) {
  const fields = { '/selector': 'export-agents', '/format': 'export-format', '/versions': 'export-versions',
    '/templates': 'export-templates' };
  const [searched, text] = ['export-searched', 'export-searched-text'].map(byId);
  const post = starter();
  const { form, run, isWatched, show, ...rest } = shell('export', fields, { onClose });
  const agents = form.elements['export-agents-of'];

  /** The search looks for something else. */
  function wish() {
    const filter = filterOf();
    const isEmpty = !Object.keys(filter).length;
    searched.disabled = isEmpty;
    if (isEmpty) agents.value = 'all';
    text.replaceChildren(...(isEmpty ? ['Those that the search finds: it looks for nothing']
      : ['Those that the search finds: ', ...filterText(filter).flat(Infinity).filter(Boolean)]));
  }

  form.addEventListener('submit', (event) => {
    event.preventDefault();
    run(async () => {
      const job = await post('/v1/jobs', said({
        kind: 'export_agents', format: byId('export-format').value,
        selector: agents.value === 'search' && { filter: filterOf() },
        versions: byId('export-versions').checked, templates: byId('export-templates').checked,
      }));
      say('The export is started.');
      onStarted(job, undefined, isWatched());
    });
  });
  byId('export-close').addEventListener('click', onClose);

  function open() {
    show();
    wish();
  }
  return { ...rest, open, wish };
}

/** `onStarted(job, again, isWatched)` as of an export; `again()` imports in earnest what a dry run has tried. */
export function importForm({ onStarted, onClose }) {
  const fields = { '/content': 'import-file', '/upload_id': 'import-file', '/format': 'import-format',
    '/on_conflict': 'import-conflict', '/default_model': 'import-model', '/versions': 'import-versions',
    '/templates': 'import-templates' };
  const [input, told, format, dry] = ['import-file', 'import-file-told', 'import-format', 'import-dry'].map(byId);
  const [start, choices, asked, yes, no] =
    ['import-start', 'import-choices', 'import-ask', 'import-yes', 'import-no'].map(byId);
  const [sending, bar, share, stop] = ['import-sending', 'import-bar', 'import-share', 'import-stop'].map(byId);
  const post = starter();
  let stopping = new AbortController();
  /** What was sent before the request, and is there still. */
  let sent = {};
  const { form, run, isBusy, isWatched, show, clear: clearForm, ...rest } = shell('import', fields, { onClose: close,
    leave() {
      if (asked.hidden) return false;
      hideQuestion();
      start.focus();
      return true;
    } });

  const file = () => input.files[0];
  const isLong = ({ size: bytes }) => bytes > CONTENT_MAX;

  function showChoices() {
    const isNative = format.value === NATIVE;
    byId('import-native').hidden = !isNative;
    byId('import-other').hidden = isNative;
    start.textContent = dry.checked ? 'Try it' : 'Import…';
    byId('import-dry-hint').textContent = dry.checked
      ? 'Nothing is made: you see what would be, what would be left out, and can apply it then.'
      : 'It is done at once, and can’t be reverted.';
    told.textContent = !file() ? 'JSON, or a record a line.'
      : `${size(file().size)}: ${isLong(file()) ? 'it is sent first, by itself.' : 'it goes with the request.'}`;
  }

  /** What is asked for, but for the file. */
  function options() {
    const isNative = format.value === NATIVE;
    return said({
      format: format.value, on_conflict: byId('import-conflict').value,
      default_model: !isNative && byId('import-model').value.trim(),
      versions: isNative && byId('import-versions').checked,
      templates: isNative && byId('import-templates').checked,
    });
  }

  function showShare(now) {
    sending.hidden = now === undefined;
    bar.value = now ?? 0;
    // A screen reader hears of each tenth.
    share.textContent = now === undefined ? '' : `Sending: ${Math.floor(now * 10) * 10} %`;
  }

  /** Sends a long file, unless it was before: its id, and the commands that do the same. */
  async function upload(found) {
    const { signal } = stopping;
    if (sent.file === found && Date.now() - sent.at < KEPT_MS) return sent;
    let begun;
    showShare(0);
    try {
      const place = await call('POST', '/v1/imports/uploads', { body: {}, isAction: true,
        told(make) {
          begun = make();
          return begun;
        } });
      if (found.size > place.max_bytes) {
        throw new Problem(0, { title: 'The file is too large', code: 'too_large',
          detail: `It has ${size(found.size)}, and ${size(place.max_bytes)} are taken.` });
      }
      const commands = await sendFile(place, found, { before: [begun], signal, onProgress: showShare });
      sent = { file: found, id: place.id, at: Date.now(), commands };
      return sent;
    } finally {
      showShare();
    }
  }

  /** Starts an import of the file. What starts it again does without sending a long file anew. */
  async function begin(found, members) {
    if (!isLong(found)) {
      const content = await found.text();
      const again = (more) => {
        const one = { ...members, ...more };
        // The command reads the file: as a word of the shell it would be too long.
        const filter = `${JSON.stringify(one).slice(0, -1)},"content":.}`;
        return post('/v1/imports', { ...one, content },
          (make) => `jq -Rs ${quote(filter)} ${quote(found.name)} |\n  ${make('@-')}`);
      };
      return again;
    }
    const { id, commands } = await upload(found);
    let before = [commands];
    return (more) => post('/v1/imports', { ...members, upload_id: id, ...more }, (make) => {
      const text = [...before, make()].join('\n\n');
      before = [];
      return text;
    });
  }

  async function send() {
    const found = file();
    const isDry = dry.checked;
    // A file that has changed since it was chosen can't be read any more.
    const isReadable = await found.slice(0, 1).arrayBuffer().then(() => true, () => false);
    if (!isReadable) return put('import-file', mistaken('It can’t be read any more. Choose it again.'));
    const again = await begin(found, options());
    const job = await again(isDry ? { dry_run: true } : {});
    say(isDry ? 'The dry run is started.' : 'The import is started.');
    return onStarted(job, isDry && again, isWatched());
  }

  function hideQuestion() {
    asked.hidden = true;
    choices.hidden = false;
  }

  /** What makes or changes agents at once is asked about first. */
  function ask() {
    const isHard = byId('import-conflict').value === 'overwrite';
    byId('import-question').textContent = `Import “${file().name}” without a dry run${
      isHard ? ', over what is there' : ''}?`;
    asked.hidden = false;
    choices.hidden = true;
    no.focus();
  }

  form.addEventListener('submit', (event) => {
    event.preventDefault();
    if (isBusy() || !asked.hidden) return;
    const mistake = !file() ? 'Choose a file.' : file().size === 0 && 'It is empty.';
    if (mistake) {
      put('import-file', mistaken(mistake));
      input.focus();
    } else if (dry.checked) {
      run(send);
    } else {
      ask();
    }
  });
  form.addEventListener('input', () => {
    hideQuestion();
    showChoices();
  });
  yes.addEventListener('click', () => {
    hideQuestion();
    start.focus();
    run(send);
  });
  no.addEventListener('click', () => {
    hideQuestion();
    start.focus();
  });
  stop.addEventListener('click', () => {
    halt();
    start.focus();
    say('Stopped: nothing is imported.');
  });
  byId('import-close').addEventListener('click', close);

  /** Ends the sending of a file, if one is sent. */
  function halt() {
    stopping.abort();
    stopping = new AbortController();
  }

  function close() {
    halt();
    onClose();
  }

  /** Shows the form: what was chosen stays, and a dry run is offered first each time. */
  function open() {
    show();
    if (!isBusy()) dry.checked = true;
    hideQuestion();
    showChoices();
  }

  /** Forgets everything: another tenant is next. */
  function clear() {
    halt();
    sent = {};
    clearForm();
    showShare();
    hideQuestion();
  }
  return { ...rest, open, clear };
}

// A job that is opened: how far it is, what came of it, and what can be done with it.

import { call, Problem, quote } from './api.js';
import { bones, button, byId, code, failure, h, say, size, time } from './dom.js';
import { shownViolation } from './fields.js';
import { bar, changed, isRunning, itemsPanel, numbers, stateBadge, titleOf, undone } from './outcomes.js';
import { refusal } from './risks.js';

/** Kinds that a revert does not undo. */
const FINAL = ['delete_agents', 'export_agents', 'import_agents', 'rebuild_index', 'revert'];

const view = byId('job');
const [title, marks, facts, state, body, live] =
  ['job-title', 'job-marks', 'job-facts', 'job-state', 'job-body', 'job-live'].map(byId);
const [told, actions, problemOf, result, fileOf] =
  ['job-told', 'job-actions', 'job-problem', 'job-result', 'job-file'].map(byId);
/** What is in a job's file. */
const FILES = { export_agents: 'The agents, to keep or to import elsewhere.',
  import_agents: 'Where each part of each record goes, and what is left out.' };

/** What is asked before a dry run is applied. */
function questionOf(kind, number) {
  if (kind === 'import_agents') return `Import ${counted(number, 'record')} of the file?`;
  const agents = counted(number, 'agent');
  return kind === 'delete_agents' ? `Delete ${agents} for good?` : `Do this to ${agents}?`;
}

const counted = (number, what) => `${number.toLocaleString()} ${what}${number === 1 ? '' : 's'}`;

/**
 * `onJob(job)` when a newer state of one came, `onStarted(job)` when one was started here, `onOpen(id)` when another
 * one is to be shown, `onClose()` when none is, `onAgent(id)` when an agent or a template is asked for, `nameOf(id)`
 * names one.
 * `apply(id)` gives what starts a dry run's job in earnest, if this page knows what that is.
 */
export function jobPage({ onJob, onStarted, onOpen, onClose, onAgent, nameOf, apply }) {
  let job = null;
  let wanted;
  let turn = 0;
  let isBusy = false;
  /** The action whose question stands in place of the buttons. */
  let asking = null;
  const items = itemsPanel({ nameOf, onAgent });

  const path = (rest = '') => `/v1/jobs/${wanted}${rest}`;

  /** What can be done now: the button, the question, the answer that does it, and how. */
  function offered() {
    const { kind, dry_run: isDry, cancel_requested: isLeaving } = job;
    const isOver = !isRunning(job);
    const applied = isDry && job.state === 'succeeded' && changed(job) > 0 && apply(job.id);
    return [
      !isOver && !isLeaving && { id: 'job-cancel', text: 'Cancel…', verb: 'Cancel the job', isGrave: true,
        question: 'Cancel it? What is done already stays.', act: cancel },
      applied && { id: 'job-apply', text: 'Apply it…', verb: 'Apply it', isFirst: true,
        isGrave: kind === 'delete_agents', act: () => another(applied),
        question: questionOf(kind, changed(job)) },
      isOver && !isDry && !FINAL.includes(kind) && changed(job) > 0 && { id: 'job-revert', text: 'Revert…',
        verb: 'Revert', isGrave: true, act: () => another(() => post('/revert')),
        question: `Put ${counted(changed(job), 'agent')} back as they were? Those that were changed since stay.` },
      isOver && !isDry && undone(job) > 0 && { id: 'job-retry', text: 'Retry failed…', verb: 'Retry',
        act: () => another(() => post('/retry-failed')),
        question: `Try ${counted(undone(job), 'item')} again?` },
    ].filter(Boolean);
  }

  const post = (rest) => call('POST', path(rest), { body: {}, isAction: true });

  async function cancel() {
    onJob(await post('/cancel'));
    say('It ends after what is under way.');
  }

  async function another(start) {
    const started = await start();
    onJob(started);
    say(`Started: ${titleOf(started)}.`);
    onStarted(started);
  }

  /** One action at a time. What it is refused for is told. */
  async function run(act) {
    if (isBusy) return;
    isBusy = true;
    const mine = turn;
    told.replaceChildren();
    try {
      await act();
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      if (mine !== turn) return;
      told.replaceChildren(refusal(problem, {}, problem.status === 409 && button('Read it again', () => read(true))));
      told.scrollIntoView({ block: 'nearest' });
    } finally {
      isBusy = false;
    }
  }

  function leaveQuestion(focused) {
    asking = null;
    showActions();
    byId(focused)?.focus();
  }

  function question({ id, text, verb, question: asked, isGrave, act }) {
    asking = id;
    const yes = () => {
      asking = null;
      showActions();
      title.focus();
      run(act);
    };
    const no = button('Keep it as it is', () => leaveQuestion(id), { id: 'job-no' });
    actions.replaceChildren(h('strong', {}, asked),
      button(verb, yes, { id: 'job-yes', class: isGrave && 'danger' }), no);
    actions.setAttribute('role', 'alertdialog');
    actions.setAttribute('aria-label', text);
    no.focus();
  }

  function showActions() {
    const possible = offered();
    if (asking && possible.some(({ id }) => id === asking)) return;
    const isLost = asking !== null;
    asking = null;
    const focused = document.activeElement?.id;
    for (const name of ['role', 'aria-label']) actions.removeAttribute(name);
    actions.replaceChildren(...possible.map((action) => button(action.text, () => question(action),
      { id: action.id, class: action.isFirst ? 'primary' : action.isGrave && 'danger' })));
    if (job.cancel_requested && isRunning(job)) {
      actions.append(h('span', { class: 'dim' }, 'It is being cancelled: it ends after what is under way.'));
    }
    // The focus does not get lost with a button, or with a question that is out of date.
    if (isLost) title.focus();
    else if (focused) byId(focused)?.focus();
  }

  function showFacts() {
    const { id, of, created_by: by, created_at: at, ended_at: end, started_at: start, expires_at: until } = job;
    const parts = [code(id), ['started ', time(at), by && ` by ${by}`],
      !isRunning(job) && end && ['ended ', time(end)],
      isRunning(job) && start && ['running since ', time(start)],
      of && ['of ', button(of, () => onOpen(of), { class: 'link', id: 'job-of' })],
      !isRunning(job) && until && ['kept until ', time(until)]];
    facts.replaceChildren(...parts.filter(Boolean).map((part) => h('span', {}, part)));
  }

  /** What it found beside what became of its items. */
  function showResult() {
    const found = Object.entries(job.result ?? {}).filter(([, number]) => typeof number === 'number');
    result.replaceChildren(...(found.length ? [h('dl', { id: 'job-findings' }, found.map(([name, number]) => [
      h('dt', {}, name.replaceAll('_', ' ')), h('dd', {}, number.toLocaleString())]))] : []));
  }

  /** Asks where the file is, and opens that. The link stays, for browsers that open nothing by themselves. */
  async function download({ name }) {
    const command = (make) => `curl -o ${quote(name)} "$(${make().replace('curl -i', 'curl -s')} | jq -r .url)"`;
    const { url, expires_at: until } = await call('GET', path('/file'), { isAction: true, told: command });
    const link = h('a', { href: url, download: name, id: 'job-file-link' }, name);
    const text = h('p', { class: 'dim', role: 'status' }, 'Not there yet? Open ', link, ', until ', time(until), '.');
    fileOf.querySelector('[role="status"]')?.remove();
    fileOf.append(text);
    link.click();
  }

  /** What it has written. What stands there stays while the job goes on. */
  function showFile() {
    const { kind, file } = job;
    const written = file ? `${file.name} ${file.bytes}` : '';
    if (fileOf.dataset.written === written) return;
    fileOf.dataset.written = written;
    fileOf.replaceChildren(...(file ? [h('p', { class: 'title' },
      button('Download', () => run(() => download(file)), { id: 'job-download' }),
      h('strong', {}, file.name), h('span', { class: 'dim' }, size(file.bytes))),
    FILES[kind] && h('p', { class: 'hint' }, FILES[kind])].filter(Boolean) : []));
  }

  function render() {
    view.dataset.opened = job.id;
    view.dataset.state = job.state;
    title.textContent = titleOf(job);
    marks.replaceChildren(stateBadge(job));
    showFacts();
    live.replaceChildren(bar(job, { id: 'job-progress' }), h('span', { id: 'job-numbers' }, numbers(job)));
    const { problem } = job;
    problemOf.replaceChildren(...(problem ? [h('div', { class: 'notice bad', role: 'alert', 'data-code': problem.code },
      h('p', {}, h('strong', {}, 'It ended early. '), problem.detail ?? problem.code),
      (problem.errors ?? []).map((violation) => shownViolation(violation)))] : []));
    showActions();
    showFile();
    showResult();
    state.replaceChildren();
    body.hidden = false;
    items.show(job);
  }

  /** A newer state of a job. Only all of it can be shown. */
  function put(now) {
    if (view.hidden || now.id !== wanted || !now.outcomes || job?.rev > now.rev) return;
    job = now;
    render();
  }

  async function read(isAction = false) {
    const mine = ++turn;
    view.ariaBusy = 'true';
    try {
      const found = await call('GET', path(), { isAction });
      if (mine !== turn) return;
      told.replaceChildren();
      onJob(found);
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      if (mine !== turn) return;
      if (!job) title.textContent = 'Job';
      const isGone = problem.status === 404;
      state.replaceChildren(isGone ? h('div', { class: 'state', role: 'alert' },
        h('p', {}, h('strong', {}, 'There is no such job any more.')),
        h('p', {}, 'Jobs are kept for a while after their end.')) : failure(problem, () => read(true)));
    }
    if (mine === turn) view.ariaBusy = 'false';
  }

  /** Shows a job: what is `known` of it at once. */
  function open(id, known, isAction) {
    view.hidden = false;
    if (id !== wanted) {
      forget();
      wanted = id;
      if (!known?.outcomes) state.replaceChildren(bones());
      if (known) title.textContent = titleOf(known);
    }
    if (known) put(known);
    return read(isAction);
  }

  function close() {
    view.hidden = true;
    turn += 1;
  }

  function forget() {
    turn += 1;
    [job, wanted, asking] = [null, undefined, null];
    body.hidden = true;
    title.textContent = 'Job';
    for (const name of ['opened', 'state']) delete view.dataset[name];
    delete fileOf.dataset.written;
    for (const place of [marks, facts, live, told, actions, problemOf, fileOf, result, state]) place.replaceChildren();
    items.clear();
  }

  /** Forgets everything: another tenant's jobs are next. */
  function clear() {
    forget();
    close();
  }

  view.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape') return;
    event.stopPropagation();
    if (asking) leaveQuestion(asking);
    else onClose();
  });
  byId('job-close').addEventListener('click', onClose);
  return { open, put, close, clear, rename: items.rename, focus: () => title.focus(),
    shown: () => (view.hidden ? undefined : wanted) };
}

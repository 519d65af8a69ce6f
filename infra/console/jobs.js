// The jobs: what is done to many agents at once, the newest first, each as far as it is.

import { call, Problem } from './api.js';
import { bones, button, byId, failure, h, say, time, walk } from './dom.js';
import { exportForm, importForm } from './files.js';
import { jobPage } from './job.js';
import { bar, isRunning, numbers, stateBadge, titleOf } from './outcomes.js';
import { jobForm } from './start.js';

const PAGE = 25;
const POLL_MS = 1000;
/** After such a silence of the socket, a job that runs is asked for. */
const SILENT_MS = 2000;
/** The most jobs that are asked for at once. */
const POLLED_MAX = 5;

const [list, state, more, notice] = ['jobs', 'jobs-state', 'more-jobs', 'jobs-stream'].map(byId);

/**
 * `nameOf(id)` names an agent or a template, `onAgent(id)` when one is asked for, `filterOf()` is what the search
 * looks for. `onOpen()` when another job is shown, or a form, `onClose()` when neither is to be, `onCount(number)` when
 * another number of jobs runs, `onChanged()` when a job that may have changed agents has ended.
 */
export function jobsPanel({ nameOf, onAgent, filterOf, onOpen, onClose, onCount, onChanged }) {
  const known = new Map();
  /** When something was heard of a job. */
  const heard = new Map();
  /** What starts in earnest what this page has started as a dry run, by its job. */
  const tried = new Map();
  let next = null;
  let turn = 0;
  let polling;
  let isLive = false;

  /** A job was started by a form, which somebody still looks at or not. */
  function onStarted(job, again, isWatched = true) {
    if (again) tried.set(job.id, again);
    put(job);
    if (isWatched) reveal(job.id);
  }

  const forms = {
    job: jobForm({ filterOf, onClose, onStarted }),
    export: exportForm({ filterOf, onClose, onStarted }),
    import: importForm({ onClose, onStarted }),
  };
  /** The form that is shown. */
  let shownForm = 'job';
  const page = jobPage({
    nameOf, onAgent, onClose, onJob: put, onOpen: open, onStarted: (job) => reveal(job.id),
    apply(id) {
      const again = tried.get(id);
      return again && (async () => {
        const job = await again();
        // What was applied is not offered again.
        tried.delete(id);
        return job;
      });
    },
  });

  function row(job) {
    const { id, created_by: by, created_at: at } = job;
    return h('li', {}, button([
      h('strong', {}, titleOf(job)), stateBadge(job), bar(job),
      h('span', { class: 'numbers' }, numbers(job)),
      h('span', { class: 'dim' }, time(at), by && ` by ${by}`),
    ], () => open(id), { 'data-job': id, 'data-state': job.state, 'data-rev': job.rev,
      'data-by': by ?? '', 'aria-current': id === page.shown() && 'true' }));
  }

  const newest = () => [...known.values()].sort((one, other) => (one.created_at < other.created_at ? 1 : -1));

  function render() {
    const focused = list.contains(document.activeElement) ? document.activeElement.dataset.job : undefined;
    const before = new Map([...list.querySelectorAll('[data-job]')].map((found) => [found.dataset.job, found]));
    // A row that is as it was stays, and so does its bar's movement.
    list.replaceChildren(...newest().map((job) => {
      const found = before.get(job.id);
      if (found?.dataset.rev !== String(job.rev) || found.dataset.by !== (job.created_by ?? '')) return row(job);
      found.ariaCurrent = job.id === page.shown() ? 'true' : null;
      return found.parentElement;
    }));
    if (focused) list.querySelector(`[data-job="${CSS.escape(focused)}"]`)?.focus();
    more.hidden = !next;
    state.replaceChildren();
    onCount(running().length);
    if (known.size) return;
    state.append(h('div', { class: 'state' }, h('p', {}, 'There are no jobs yet.'),
      h('p', {}, 'A job changes, archives or deletes many agents at once. Press “New job” to try one.'),
      h('p', {}, 'An export writes agents into a file, and an import reads them from one.')));
  }

  const running = () => newest().filter(isRunning);

  /** Takes over a state of a job, unless a newer one is known. */
  function keep(job) {
    const before = known.get(job.id);
    if (before?.rev > job.rev) return;
    // A summary says less than what is known, and its counts are newer.
    const isWhole = Boolean(job.outcomes);
    const isStale = !isWhole && before && before.rev !== job.rev && job.id === page.shown();
    known.set(job.id, isWhole ? job : { ...before, ...job, ...(before?.rev !== job.rev && { outcomes: undefined }) });
    if (!heard.has(job.id)) heard.set(job.id, Date.now());
    if (before && isRunning(before) && !isRunning(job)) ended(job);
    page.put(known.get(job.id));
    if (isStale) ask(job.id);
  }

  function put(job) {
    keep(job);
    render();
    watch();
  }

  function ended(job) {
    say(`${titleOf(job)}: ${job.state}, ${numbers(job)}.`);
    if (!job.dry_run && job.kind !== 'export_agents') onChanged();
  }

  // Whoever is not told asks

  /** Reads a job. What can't be read now is read later; what is gone is not shown any more. */
  async function ask(id) {
    const mine = turn;
    try {
      const job = await call('GET', `/v1/jobs/${id}`);
      if (mine === turn) put(job);
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      if (mine !== turn || problem.status !== 404) return;
      known.delete(id);
      render();
    }
  }

  /** Asks for what runs, each second, as long as the socket does not tell. */
  function watch() {
    if (polling || !running().length) return;
    const mine = turn;
    polling = setTimeout(async () => {
      const isSilent = ({ id }) => !isLive || Date.now() - heard.get(id) >= SILENT_MS;
      const first = ({ id }) => Number(id !== page.shown());
      const asked = running().filter(isSilent).sort((one, other) => first(one) - first(other)).slice(0, POLLED_MAX);
      await Promise.all(asked.map(({ id }) => ask(id)));
      if (mine !== turn) return;
      polling = undefined;
      watch();
    }, POLL_MS);
  }

  /** Something happened to a job. */
  function take({ data, data_omitted: isOmitted }) {
    heard.set(data.id, Date.now());
    if (isOmitted || !data.kind) ask(data.id);
    else put(data);
  }

  /** Whether events come in; `lost` if they did, and do not now. */
  function connection(now, isLost) {
    isLive = now === 'live';
    notice.hidden = !isLost && now !== 'off';
    notice.textContent = 'Not connected. What runs is asked for each second instead.';
  }

  // What is read

  async function read(cursor) {
    const mine = turn;
    const query = new URLSearchParams({ limit: PAGE, ...(cursor && { cursor }) });
    const { items, next_cursor: after } = await call('GET', `/v1/jobs?${query}`, { isAction: Boolean(cursor) });
    if (mine !== turn) return;
    next = after;
    // One that is opened, or was just started, may not be in the list yet.
    items.forEach(keep);
    render();
    watch();
  }

  function explained(problem) {
    if (problem.status !== 404 && problem.status !== 405) return failure(problem, load);
    return h('div', { class: 'state', role: 'alert', 'data-code': problem.code },
      h('p', {}, h('strong', {}, 'This service has no jobs.')));
  }

  /** Reads the first page. What stands there stays until it came. */
  async function load() {
    const mine = turn;
    list.ariaBusy = 'true';
    if (!known.size) state.replaceChildren(bones());
    try {
      await read();
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      if (mine === turn) state.replaceChildren(explained(problem));
    }
    if (mine === turn) list.ariaBusy = 'false';
  }

  /** Shows a job: a reader asks for it, or has just started it. */
  function reveal(id, isAction = false) {
    for (const form of Object.values(forms)) form.close();
    const opened = page.open(id, known.get(id), isAction);
    render();
    onOpen();
    page.focus();
    return opened;
  }

  function open(id) {
    return reveal(id, true);
  }

  /** Shows a form: of a job, an export or an import. */
  function openForm(name) {
    shownForm = name;
    page.close();
    for (const form of Object.values(forms)) form.close();
    forms[name].open();
    render();
    onOpen();
    forms[name].focus();
  }

  /** The search looks for something else. */
  function wish() {
    forms.job.wish();
    forms.export.wish();
  }

  /** Forgets everything: another tenant's jobs are next. */
  function clear() {
    turn += 1;
    clearTimeout(polling);
    polling = undefined;
    for (const store of [known, heard, tried]) store.clear();
    next = null;
    for (const form of Object.values(forms)) form.clear();
    page.clear();
    for (const part of [list, state]) part.replaceChildren();
    more.hidden = true;
    onCount(0);
  }

  more.addEventListener('click', async () => {
    more.disabled = true;
    try {
      await read(next);
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      state.replaceChildren(failure(problem));
    }
    more.disabled = false;
  });
  list.addEventListener('keydown', walk);
  for (const name of Object.keys(forms)) byId(`new-${name}`).addEventListener('click', () => openForm(name));
  return { load, take, open, openForm, connection, clear, wish, rename: page.rename,
    shown: () => page.shown() ?? shownForm,
    titleOf: (id) => (known.has(id) ? titleOf(known.get(id)) : 'A job') };
}

// What a job is and what came of it, in words; and its items: those that failed first.

import { call, Problem } from './api.js';
import { bones, button, byId, code, failure, h, walk } from './dom.js';
import { shownViolation } from './fields.js';

const PAGE = 50;
/** The most pages that are read for one wish: a page may be short, or empty, before the last. */
const PAGES_MAX = 8;
/** While a job runs, its items are read anew not more often than that. */
const PAUSE_MS = 500;
/** A longer value, or a patch of more steps, opens on demand. */
const LETTERS_MAX = 240;
const STEPS_MAX = 6;

const KINDS = {
  update_agents: 'Change agents', archive_agents: 'Archive agents', delete_agents: 'Delete agents',
  upgrade_template: 'Upgrade agents to a template', export_agents: 'Export agents', import_agents: 'Import agents',
  rebuild_index: 'Rebuild the index', revert: 'Revert a job',
};
const RUNNING = ['queued', 'planning', 'running'];
/** What a person may have to look at. */
const TROUBLES = ['refused', 'conflict', 'missing', 'error', 'stuck'];
/** What can be tried again. */
const UNDONE = [...TROUBLES, 'skipped'];
const OUTCOMES = [...TROUBLES, 'changed', 'unchanged', 'skipped'];
const WOULD = { changed: 'would change', unchanged: 'would stay', refused: 'would be refused' };
/** An export changes nothing: what stays as it is stands in the file. An import also makes what it changes. */
const OF_FILES = { export_agents: { unchanged: 'in the file' }, import_agents: { changed: 'imported' } };
const WOULD_OF_FILES = { import_agents: { changed: 'would be imported' } };

const [filters, list, state, more] = ['job-outcomes', 'job-items', 'job-items-state', 'more-items'].map(byId);

export const isRunning = (job) => RUNNING.includes(job.state);
export const kindText = (kind) => KINDS[kind] ?? kind.replaceAll('_', ' ');
export const titleOf = (job) => (job.dry_run ? `${kindText(job.kind)}: dry run` : kindText(job.kind));
const sum = (outcomes = {}, names) => names.reduce((total, name) => total + (outcomes[name] ?? 0), 0);
export const undone = ({ outcomes }) => sum(outcomes, UNDONE);
export const changed = ({ outcomes }) => sum(outcomes, ['changed']);

/** An outcome in words, as this job has it. */
const outcomeText = ({ kind, dry_run: isDry }, name) => (isDry
  ? WOULD_OF_FILES[kind]?.[name] ?? WOULD[name] : OF_FILES[kind]?.[name]) ?? name;
/** Whether there is what an item of a job is about: not what a dry run would only make. */
const isThere = ({ kind, dry_run: isDry }, { outcome, patch }) => kind !== 'import_agents' || !isDry
  || outcome !== 'changed' || Boolean(patch);

/** How far a job is: its numbers, in words. */
export function numbers({ kind, state: now, total, done, failed, skipped }) {
  if (now === 'queued') return 'waits to start';
  if (now === 'planning') return kind === 'import_agents' ? 'reads its file' : 'looks for its agents';
  const parts = [`${(done + failed + skipped).toLocaleString()} of ${total.toLocaleString()}`,
    failed > 0 && `▲ ${failed.toLocaleString()} failed`, skipped > 0 && `${skipped.toLocaleString()} skipped`];
  return parts.filter(Boolean).join(', ');
}

/** What an event of a job tells in the timeline. */
export const jobText = (job) => job.total !== undefined && job.state !== undefined && numbers(job);

/** A bar, which has no end yet while nobody knows how many items there are. */
export function bar(job, more = {}) {
  const isOpen = isRunning(job) && (job.state !== 'running' || !job.total);
  const value = job.done + job.failed + job.skipped;
  const max = Math.max(job.total, 1);
  const isWhole = job.state === 'succeeded' && !job.total;
  const shown = { max, value: isWhole ? max : Math.min(value, max) };
  return h('progress', { ...(isOpen ? {} : shown), 'aria-label': 'Progress', ...more });
}

export function stateBadge(job, more = {}) {
  const isLeaving = job.cancel_requested && isRunning(job);
  return h('span', { class: `badge job-${job.state}`, ...more }, isLeaving ? 'cancelling' : job.state);
}

// The items of a job

function value(found) {
  const text = typeof found === 'string' ? `“${found}”` : JSON.stringify(found);
  if (text.length <= LETTERS_MAX) return code(text);
  return h('details', {}, h('summary', {}, code(`${text.slice(0, LETTERS_MAX / 4)}…`)), code(text));
}

function step({ op, path, from, value: found }) {
  const inside = {
    remove: () => h('del', {}, code(path)),
    move: () => [code(from), ' → ', h('ins', {}, code(path))],
    copy: () => [code(from), ' → ', h('ins', {}, code(path))],
  }[op] ?? (() => [code(path), ' → ', h('ins', {}, value(found))]);
  return h('li', { 'data-op': op, 'data-path': path }, h('span', { class: 'dim' }, `${op} `), inside());
}

function patchList(patch) {
  if (!patch.length) return h('p', { class: 'dim' }, 'Nothing would change.');
  const rest = patch.slice(STEPS_MAX);
  return [h('ul', { class: 'patch' }, patch.slice(0, STEPS_MAX).map(step)),
    rest.length > 0 && h('details', {}, h('summary', {}, `and ${rest.length} more`),
      h('ul', { class: 'patch' }, rest.map(step)))];
}

function why({ code: name, detail, errors: violations = [] }) {
  return h('div', { class: 'why', 'data-code': name }, h('p', { class: 'error' }, h('span', {}, detail ?? name)),
    violations.map((violation) => shownViolation(violation)));
}

/** `nameOf(id)` names an agent or a template, `onAgent(id)` when one is asked for. */
export function itemsPanel({ nameOf, onAgent }) {
  let job = null;
  let items = [];
  /** The outcome that is asked for; empty for all. */
  let wanted = '';
  /** Where to read on: first what failed, then the rest, then nowhere. */
  let place = null;
  let turn = 0;
  let isReading = false;
  let waiting;

  function row(item) {
    const { index, id, outcome, rev, problem, patch } = item;
    const name = h('strong', {}, nameOf(id));
    return h('li', { 'data-item': id, 'data-outcome': outcome, 'data-index': index },
      h('p', { class: 'title' },
        isThere(job, item) ? button(name, () => onAgent(id), { class: 'link' }) : name,
        h('span', { class: `badge outcome-${outcome}` }, outcomeText(job, outcome)),
        rev != null && h('span', { class: 'dim' }, `rev ${rev}`)),
      problem && why(problem), patch && patchList(patch));
  }

  /** Draws anew what is another than before: what is open, or in use, stays. */
  function render() {
    const before = new Map([...list.children].map((found) => [found.dataset.index, found]));
    list.replaceChildren(...items.map((item) => {
      const found = before.get(String(item.index));
      const isSame = found?.of === JSON.stringify(item) && found.dryRun === job.dry_run;
      const drawn = isSame ? found : row(item);
      return Object.assign(drawn, { of: JSON.stringify(item), dryRun: job.dry_run });
    }));
    more.hidden = !place;
    state.replaceChildren();
    if (items.length || place) return;
    const none = wanted ? 'None is like that.' : 'It has no items yet.';
    state.append(h('p', { class: 'state' }, isRunning(job) || wanted ? none : 'There was nothing to do.'));
  }

  function renderFilters() {
    const focused = filters.contains(document.activeElement) ? document.activeElement.dataset.filter : undefined;
    const counted = OUTCOMES.map((name) => [name, job.outcomes?.[name] ?? 0]).filter(([, number]) => number > 0);
    const toggle = (name, text) => button(text, () => choose(name),
      { 'data-filter': name, 'aria-pressed': String(wanted === name), class: `outcome-${name || 'all'}` });
    filters.replaceChildren(...(counted.length ? [toggle('', 'all')] : []),
      ...counted.map(([name, number]) => toggle(name,
        `${TROUBLES.includes(name) ? '▲ ' : ''}${outcomeText(job, name)} ${number.toLocaleString()}`)));
    if (focused !== undefined) filters.querySelector(`[data-filter="${focused}"]`)?.focus();
  }

  /** Where the reading starts. Where nothing failed, no page is spent on it. */
  function beginning() {
    if (wanted) return { outcome: wanted };
    return sum(job.outcomes, TROUBLES) ? { outcome: TROUBLES.join(','), isFirst: true } : {};
  }

  /** Reads on until there are as many items as are asked for, or no more. */
  async function pages(id, from, known, number, isAction) {
    const found = [...known];
    let at = from;
    for (let page = 0; at && page < PAGES_MAX && found.length < number; page += 1) {
      const query = new URLSearchParams({ limit: PAGE, ...(at.outcome && { outcome: at.outcome }),
        ...(at.cursor && { cursor: at.cursor }) });
      const options = { isAction: isAction && page === 0 };
      const { items: read, next_cursor: cursor } = await call('GET', `/v1/jobs/${id}/items?${query}`, options);
      // Those that failed stand there already.
      const told = new Set(found.map(({ index }) => index));
      found.push(...read.filter(({ index }) => !told.has(index)));
      if (cursor) at = { ...at, cursor };
      else at = at.isFirst ? {} : null;
    }
    return { found, at };
  }

  /** Reads from the start as many as were shown. What stands there stays until they came. */
  async function read(isAction = false) {
    const mine = ++turn;
    clearTimeout(waiting);
    waiting = undefined;
    isReading = true;
    const { rev } = job;
    list.ariaBusy = 'true';
    if (!items.length) state.replaceChildren(bones());
    try {
      const { found, at } = await pages(job.id, beginning(), [], Math.max(items.length, PAGE), isAction);
      if (mine !== turn) return;
      [items, place] = [found, at];
      render();
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      if (mine !== turn) return;
      state.replaceChildren(failure(problem, () => read(true)));
    } finally {
      if (mine === turn) {
        isReading = false;
        list.ariaBusy = 'false';
      }
    }
    // What came of it meanwhile is read, too: its end is not missed.
    if (mine === turn && job.rev !== rev) soon();
  }

  function soon() {
    waiting ??= setTimeout(read, PAUSE_MS);
  }

  function choose(name) {
    wanted = name;
    items = [];
    list.replaceChildren();
    more.hidden = true;
    renderFilters();
    read(true);
  }

  async function readMore() {
    const mine = turn;
    more.disabled = true;
    try {
      const { found, at } = await pages(job.id, place, items, items.length + PAGE, true);
      if (mine === turn) {
        [items, place] = [found, at];
        render();
      }
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      if (mine === turn) state.replaceChildren(failure(problem, readMore));
    }
    more.disabled = false;
  }

  /** Shows the items of a job, or that it is further now. */
  function show(now) {
    const isOther = job?.id !== now.id;
    const isFurther = isOther || job.rev !== now.rev;
    if (isOther) clear();
    job = now;
    renderFilters();
    if (isOther) read();
    else if (isFurther && !isReading) soon();
  }

  function clear() {
    turn += 1;
    clearTimeout(waiting);
    [job, items, wanted, place, isReading, waiting] = [null, [], '', null, false, undefined];
    for (const part of [filters, list, state]) part.replaceChildren();
    more.hidden = true;
  }

  /** Agents are named by what is known of them, which may be more than it was. */
  function rename() {
    for (const found of list.children) found.querySelector('.title strong').textContent = nameOf(found.dataset.item);
  }

  more.addEventListener('click', readMore);
  filters.addEventListener('keydown', walk);
  return { show, clear, rename };
}

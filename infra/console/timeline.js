// The right panel: what happened, the newest on top.

import { call, Problem } from './api.js';
import { bones, button, byId, code, failure, h, time, walk } from './dom.js';
import { dayText } from './facts.js';
import { jobText } from './outcomes.js';
import { usageText } from './usage.js';

const PAGE = 100;
/** The most pages that are read at once, and the most rows that are kept. */
const PAGES_MAX = 20;
const ROWS_MAX = 200;
const POINTERS_MAX = 4;
const PROGRESS = 'job.progressed';

const list = byId('timeline');
const state = byId('timeline-state');

/** What an event tells besides its type and what changed, in words; of one without its data, what can be told. */
const WORDS = {
  'agent.model_retiring': ({ model_retiring: retiring, config }) => (retiring
    ? `${config.model.id} retires on ${dayText(retiring.retires_on)}; use ${retiring.fallback.id}`
    : 'its model is going to retire'),
  'entitlements.changed': ({ tier }) => (tier ? `the tier is ${tier}` : 'the tier or its limits were set'),
  'entitlements.warning': ({ usage }, changed) => (usage && usageText(usage, changed))
    || `${changed.map((name) => name.replaceAll('_', ' ')).join(', ') || 'a limit'}: 80 % or more are used`,
  'template.published': ({ published_version: version }) => version && `version ${version}`,
  ...Object.fromEntries(['progressed', 'finished', 'failed', 'cancelled'].map((what) => [`job.${what}`, jobText])),
};

/** `nameOf(id)` names what an event is about, `onSelect(id)` is told when that is asked for. */
export function timelinePanel({ nameOf, onSelect }) {
  let hasFailed = false;

  function row(isNew, { id, type, timestamp, seq, actor, changed, data }) {
    const shown = changed.slice(0, POINTERS_MAX).map((pointer) => code(pointer));
    const hidden = changed.length - shown.length;
    const about = WORDS[type]?.(data, changed.map((pointer) => pointer.split('/')[2]).filter(Boolean));
    const inside = [
      h('span', { class: 'type' }, type), time(timestamp),
      h('span', { class: 'who' }, h('strong', {}, nameOf(data.id)), h('span', { class: 'dim' }, ` by ${actor}`)),
      about && h('span', { class: 'about-event' }, about),
      h('span', { class: 'changed' }, shown, hidden > 0 && h('span', { class: 'dim' }, `and ${hidden} more`)),
    ];
    const said = { 'data-event': id, 'data-agent-id': data.id, 'data-type': type, 'data-seq': seq };
    return h('li', { class: isNew && 'new', ...said }, button(inside, () => onSelect(data.id)));
  }

  /** Puts an event in its place: nearly always that is on top. `isNew` if it has happened just now. */
  function take(event, isNew = true) {
    const rows = [...list.children];
    if (rows.some((known) => known.dataset.event === event.id)) return;
    // Of a job's progress, which comes in many steps, the last one is told.
    if (event.type === PROGRESS) {
      const steps = rows.filter(({ dataset }) => dataset.type === PROGRESS && dataset.agentId === event.data.id);
      if (steps.some(({ dataset }) => Number(dataset.seq) > event.seq)) return;
      steps.forEach((step) => step.remove());
    }
    const older = rows.find((known) => known.isConnected && Number(known.dataset.seq) < event.seq);
    list.insertBefore(row(isNew, event), older ?? null);
    if (rows.length >= ROWS_MAX) list.lastChild.remove();
    state.replaceChildren();
  }

  /** Reads the log behind a cursor, up to another or to its end, and says how far it came. */
  async function read(after, to) {
    let cursor = after;
    for (let page = 0; page < PAGES_MAX; page += 1) {
      const query = new URLSearchParams({ limit: PAGE, ...(cursor && { after: cursor }) });
      const { items, next_cursor: next } = await call('GET', `/v1/events?${query}`);
      items.forEach((event) => take(event, false));
      cursor = next ?? items.at(-1)?.cursor ?? cursor;
      if (!next || !items.length || items.some((event) => event.cursor === to)) break;
    }
    return cursor;
  }

  /** Shows what the service remembers. Gives the cursor to go on from, if there is one. */
  async function load() {
    list.ariaBusy = 'true';
    list.replaceChildren();
    state.replaceChildren(bones());
    let cursor;
    hasFailed = false;
    try {
      const { items, cursor: end } = await call('GET', `/v1/events?last=${PAGE}`);
      items.forEach((event) => take(event, false));
      cursor = end;
      state.replaceChildren();
      if (!list.children.length) {
        state.append(h('div', { class: 'state' }, h('p', {}, 'Nothing has happened yet.'),
          h('p', {}, 'Each change of an agent or a template shows up here as it is made, by whomever.')));
      }
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      hasFailed = true;
      state.replaceChildren(failure(problem, load));
    }
    list.ariaBusy = 'false';
    return cursor;
  }

  /** Agents are named by what is known of them, which may be more than it was. */
  function rename() {
    for (const { dataset, firstChild } of list.children) {
      firstChild.querySelector('strong').textContent = nameOf(dataset.agentId);
    }
  }

  list.addEventListener('keydown', walk);
  return { load, read, take, rename, hasFailed: () => hasFailed };
}

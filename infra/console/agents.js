// The left panel: the agents, newest first, kept up to date by events.

import { call, Problem } from './api.js';
import { bones, button, byId, failure, h, walk } from './dom.js';

const PAGE = 50;
/** Above this many agents to read one by one, the list is read anew. */
const FEW = 5;
const BURST_MS = 200;

const list = byId('agents');
const state = byId('agents-state');
const more = byId('more-agents');

/**
 * `onSelect(id)` when a row is chosen, `onAgent(agent)` when an event led to a newer state of one,
 * `onGone(id)` when it was deleted, `onNames()` when names may have changed.
 */
export function agentsPanel({ onSelect, onAgent, onGone, onNames }) {
  const rows = new Map();
  /** Names outlive the rows: the timeline tells of agents that are gone. */
  const names = new Map();
  const gone = new Set();
  const unread = new Set();
  let next = null;
  let selected;
  let reading;

  /** A row of this list, or of what was found. */
  function row({ id, name, status, model, rev }) {
    const inside = [h('strong', {}, name), status !== 'active' && h('span', { class: `badge ${status}` }, status),
      h('span', { class: 'dim' }, `${model.id} · rev ${rev}`)];
    const attributes = { 'data-agent': id, 'data-status': status, 'aria-current': id === selected && 'true' };
    return h('li', {}, button(inside, () => onSelect(id), attributes));
  }

  function render() {
    const focused = document.activeElement?.dataset.agent;
    list.replaceChildren(...all().map(row));
    list.querySelector(`[data-agent="${focused}"]`)?.focus();
    more.hidden = !next;
    state.replaceChildren();
    if (!rows.size) {
      state.append(h('div', { class: 'state' }, h('p', {}, 'There are no agents yet.'),
        h('p', {}, 'Press “New agent” to make the first one.')));
    }
    onNames();
  }

  function keep(agent) {
    const model = agent.model ?? agent.config.model;
    names.set(agent.id, agent.name);
    rows.set(agent.id, { ...agent, model });
  }

  async function read(cursor) {
    const query = new URLSearchParams({ limit: PAGE, ...(cursor && { cursor }) });
    const page = await call('GET', `/v1/agents?${query}`, { isAction: Boolean(cursor) });
    if (!cursor) rows.clear();
    page.items.forEach(keep);
    next = page.next_cursor;
    render();
  }

  /** Reads the first page. What stands there stays until it came. */
  async function load() {
    list.ariaBusy = 'true';
    if (!rows.size) state.replaceChildren(bones());
    try {
      await read();
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      rows.clear();
      render();
      state.replaceChildren(failure(problem, load));
    }
    list.ariaBusy = 'false';
  }

  /** Takes over a state of an agent, unless a newer one is known. */
  function put(agent) {
    const known = rows.get(agent.id);
    if (gone.has(agent.id) || known?.rev > agent.rev) return;
    const oldest = [...rows.values()].reduce((least, { created_at: at }) => (at < least ? at : least), '~');
    names.set(agent.id, agent.name);
    // What belongs to a page that was not loaded comes with that page.
    if (known || !next || agent.created_at > oldest) keep(agent);
    render();
  }

  function drop(id) {
    gone.add(id);
    rows.delete(id);
    render();
  }

  async function readChanged() {
    const ids = [...unread];
    unread.clear();
    reading = undefined;
    if (ids.length > FEW) await load();
    const wanted = ids.length > FEW ? ids.filter((id) => id === selected) : ids;
    for (const id of wanted) {
      // One that can't be read has been deleted meanwhile, and an event says so.
      const agent = await call('GET', `/v1/agents/${id}`).catch(() => null);
      if (agent) put(agent);
      if (agent) onAgent(agent);
    }
  }

  /** An event brings the agent with it, or else is reason to read it. */
  function take({ type, data, data_omitted: isOmitted }) {
    if (type === 'agent.deleted') {
      drop(data.id);
      onGone(data.id);
    } else if (isOmitted || type === 'agent.resynced') {
      unread.add(data.id);
      reading ??= setTimeout(readChanged, BURST_MS);
    } else {
      put(data);
      onAgent(data);
    }
  }

  function select(id) {
    selected = id;
    for (const found of byId('agents-panel').querySelectorAll('[data-agent]')) {
      found.ariaCurrent = found.dataset.agent === id ? 'true' : null;
    }
  }

  /** Forgets everything: another tenant's agents are next. */
  function clear() {
    clearTimeout(reading);
    reading = undefined;
    for (const store of [rows, names, gone, unread]) store.clear();
    next = null;
    selected = undefined;
    list.replaceChildren();
    more.hidden = true;
  }

  async function loadMore() {
    more.disabled = true;
    await read(next).catch((problem) => state.replaceChildren(failure(problem)));
    more.disabled = false;
  }

  /** Takes over the names of agents that were found elsewhere. */
  function learn(agents) {
    for (const { id, name } of agents) names.set(id, name);
    onNames();
  }

  more.addEventListener('click', loadMore);
  list.addEventListener('keydown', walk);
  /** Those that are known by name, in the list's order. */
  const all = () => [...rows.values()].sort((one, other) => (one.created_at < other.created_at ? 1 : -1));

  return { load, take, put, drop, select, clear, row, learn, all,
    first: () => list.querySelector('[data-agent]')?.dataset.agent, nameOf: (id) => names.get(id) ?? id };
}

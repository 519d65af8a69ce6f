// The "Versions" view: publishing, the versions of an agent, and two of them side by side.

import { call, Problem } from './api.js';
import { comparison } from './compare.js';
import { bones, button, byId, failure, h, say, time } from './dom.js';
import { isSame } from './patch.js';
import { publishing } from './publish.js';
import { isApproval } from './risks.js';
import { heaviest, inPercents } from './shares.js';

const PAGE = 20;
/** A longer note is cut, and shown when asked for. */
const NOTES_MAX = 240;

const overview = byId('versions-overview');
const [list, state, more, told] = ['versions', 'versions-state', 'more-versions', 'versions-told'].map(byId);
const [picker, from, to] = ['compare-form', 'compare-from', 'compare-to'].map(byId);

const nameOf = (version, title) => (title ? `v${version} · ${title}` : `v${version}`);
const cut = (text, most) => (text.length > most ? `${text.slice(0, most - 1).trimEnd()}…` : text);

/** See `publishing`; besides, `ask(text, verb)` asks, and `mayLeave()` if there is text that is not saved. */
export function versionsPanel(tools) {
  const { attempt, reread, changed, ask, mayLeave, onApprovals } = tools;
  let agent;
  let items = [];
  let next = null;
  /** What the list was read for. */
  let listed;
  let turn = 0;

  const publish = publishing({ ...tools, onCompare: compare });
  const compared = comparison({ onClose: () => {
    overview.hidden = false;
    picker.querySelector('button').focus();
  } });

  /** The aliases that lead to a version, each with its share. */
  const leading = (version) => Object.values(agent.aliases).flatMap(({ name, routes, paused: isPaused }) => {
    const route = inPercents(routes).find((known) => known.version === version);
    if (!route) return [];
    const said = `${name}${routes.length > 1 ? ` ${route.weight} %` : ''}${isPaused ? ', paused' : ''}`;
    return [h('span', { class: isPaused ? 'badge suspended' : 'badge' }, said)];
  });

  function noted(notes) {
    if (notes.length <= NOTES_MAX) return h('p', { class: 'notes' }, notes);
    const start = cut(notes.replaceAll(/\s+/g, ' '), NOTES_MAX);
    const summary = h('summary', {}, h('span', { class: 'start' }, start));
    return h('details', { class: 'notes' }, summary, h('p', {}, notes));
  }

  function row({ version, title, notes, published_at: at, published_by: by, model }) {
    const live = agent.aliases.live;
    const isDraft = version === agent.published_version && !agent.unpublished_changes;
    const isLive = live?.routes.length === 1 && live.routes[0].version === version;
    const isBack = live && version < heaviest(live.routes).version;
    const isArchived = agent.status === 'archived';
    const named = { 'data-version': version };
    const withDraft = () => compare(String(version), 'draft');
    return h('li', named,
      h('p', { class: 'title' }, h('strong', {}, nameOf(version, title)), ' ', leading(version), ' ',
        isDraft && h('span', { class: 'badge archived' }, 'is the draft')),
      h('p', { class: 'dim' }, time(at), ` by ${by} · ${model.id}`),
      notes && noted(notes),
      h('p', { class: 'choices' },
        !isDraft && button('Compare with draft', withDraft, { class: 'compare-version', ...named }),
        !isDraft && !isArchived
          && button('Restore into draft', () => restore(version), { class: 'restore-version', ...named }),
        live && !isLive && !isArchived && button(isBack ? 'Roll back live to this' : 'Lead live to this',
          () => rollBack(version, isBack), { class: 'roll-back', ...named })));
  }

  function options() {
    const live = agent.aliases.live;
    const named = items.map(({ version, title }) => [String(version), cut(nameOf(version, title), 48)]);
    return [['draft', 'draft'], ...(live ? [['live', `live (v${heaviest(live.routes).version})`]] : []), ...named];
  }

  function fillPicker() {
    for (const [select, usual] of [[from, 'live'], [to, 'draft']]) {
      const before = select.value || usual;
      select.replaceChildren(...options().map(([value, text]) => h('option', { value }, text)));
      select.value = before;
      if (select.selectedIndex < 0) select.value = usual;
    }
    picker.hidden = !items.length;
  }

  function render() {
    const focused = document.activeElement?.closest?.('#versions button');
    const [kind, version] = [focused?.className, focused?.dataset.version];
    list.replaceChildren(...items.map(row));
    if (kind) list.querySelector(`.${kind}[data-version="${version}"]`)?.focus();
    more.hidden = !next;
    fillPicker();
    state.replaceChildren();
    if (items.length) return;
    state.append(h('div', { class: 'state' }, h('p', {}, 'There are no versions yet.'),
      h('p', {}, 'Publishing the draft makes the first one. A version never changes, and live leads to one.')));
  }

  async function read(cursor) {
    const mine = ++turn;
    list.ariaBusy = 'true';
    if (!items.length) state.replaceChildren(bones());
    const query = new URLSearchParams({ limit: PAGE, ...(cursor && { cursor }) });
    try {
      const page = await call('GET', `/v1/agents/${agent.id}/versions?${query}`, { isAction: Boolean(cursor) });
      if (mine !== turn) return;
      items = cursor ? [...items, ...page.items] : page.items;
      next = page.next_cursor;
      render();
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      if (mine === turn) state.replaceChildren(failure(problem, () => read(cursor)));
    }
    if (mine === turn) list.ariaBusy = 'false';
  }

  function compare(one, other) {
    overview.hidden = true;
    [from.value, to.value] = [one, other];
    return compared.open(agent.id, one, other);
  }

  function restore(version) {
    return attempt(async () => {
      if (!await mayLeave()) return;
      const path = `/v1/agents/${agent.id}/versions/${version}/restore`;
      changed(await call('POST', path, { rev: agent.rev, isAction: true }), true);
      say(`The draft is version ${version} again. Nothing is published by that.`);
    }, told);
  }

  function rollBack(version, isBack) {
    return attempt(async () => {
      const { routes } = agent.aliases.live;
      const split = routes.length > 1 ? ' Its split ends.' : '';
      const [what, verb] = isBack ? ['Roll live back', 'Roll back'] : ['Lead live', 'Lead live'];
      if (!await ask(`${what} to version ${version}?${split}`, verb)) return;
      const path = `/v1/agents/${agent.id}/rollback`;
      const answer = await call('POST', path, { body: { version }, rev: agent.rev, isAction: true });
      if (isApproval(answer)) {
        told.replaceChildren(h('div', { class: 'notice', role: 'status', 'data-outcome': 'asked' },
          h('p', {}, `live leads to version ${version} once another user accepts.`),
          button('Show the approval', () => onApprovals(answer.id))));
        await reread(answer);
      } else {
        changed(answer);
        say(`live leads to version ${version}.`);
      }
    }, told);
  }

  /** Shows an agent, or a newer state of the same one. */
  function show(shown) {
    const isOther = shown.id !== agent?.id;
    agent = shown;
    publish.show(agent);
    if (isOther) {
      [items, next] = [[], null];
      [from.value, to.value] = ['', ''];
      list.replaceChildren();
      told.replaceChildren();
      more.hidden = true;
      close();
    }
    const wanted = [agent.id, agent.published_version, agent.aliases];
    if (!isSame(wanted, listed)) {
      listed = wanted;
      // Which aliases lead where is known already; whether there are others is not.
      if (items.length) render();
      if (!compared.isOpen()) told.replaceChildren();
      read();
    } else if (items.length) {
      render();
    }
  }

  function openPublish() {
    close();
    publish.open();
  }

  picker.addEventListener('submit', (event) => {
    event.preventDefault();
    compare(from.value, to.value);
  });
  more.addEventListener('click', () => read(next));
  /** Forgets the comparison: another view is next. */
  function close() {
    compared.close();
    overview.hidden = false;
  }

  /** Forgets the agent. */
  function clear() {
    turn += 1;
    close();
    publish.clear();
    [agent, listed] = [undefined, undefined];
  }

  return { show, compare, close, clear, publish: openPublish };
}

// The "History" view: each revision of an agent, with the values that it changed.

import { call, Problem } from './api.js';
import { bones, button, byId, code, failure, h, time } from './dom.js';

const PAGE = 20;
const view = byId('view-history');

/** One side of a change: its value, or only its size if it is large. */
function side(value, bytes) {
  if (bytes !== undefined) return h('span', { class: 'dim' }, `${bytes} bytes`);
  if (value === undefined) return h('span', { class: 'dim' }, 'nothing');
  return code(typeof value === 'string' ? value : JSON.stringify(value));
}

function change({ pointer, before, after, before_bytes: bytesBefore, after_bytes: bytesAfter }) {
  return [
    h('dt', {}, code(pointer)),
    h('dd', {}, h('del', {}, side(before, bytesBefore)), ' → ', h('ins', {}, side(after, bytesAfter))),
  ];
}

function entry({ rev, type, actor, at, changes }) {
  return h('li', { 'data-rev': rev, 'data-type': type },
    h('p', {}, h('strong', {}, `rev ${rev}`), ' ', h('span', { class: 'type' }, type), ' ', time(at),
      h('span', { class: 'dim' }, ` by ${actor}`)),
    changes.length > 0 && h('dl', {}, changes.map(change)));
}

/** Shows the history of an agent from its start. What another call began comes to nothing. */
export async function showHistory(id) {
  const list = h('ol', { id: 'history' });
  const rest = h('div', {}, bones());
  view.replaceChildren(list, rest);
  const read = async (cursor) => {
    const query = new URLSearchParams({ limit: PAGE, ...(cursor && { cursor }) });
    const again = () => read(cursor);
    try {
      const { items, next_cursor: next } = await call('GET', `/v1/agents/${id}/audit?${query}`, { isAction: true });
      list.append(...items.map(entry));
      const nothing = h('p', { class: 'state' }, 'Nothing is recorded yet. A change shows up here after a moment.');
      rest.replaceChildren(next ? button('Load more', () => read(next)) : list.children.length ? '' : nothing);
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      rest.replaceChildren(failure(problem, again));
    }
  };
  await read();
}

// The search over the agents: what is looked for, what was found, and how many there are.

import { call, Problem } from './api.js';
import { bones, byId, failure, h, walk } from './dom.js';

const PAGE = 25;
/** The most pages that are read for one wish: a page may be short, or empty, before the last. */
const PAGES_MAX = 8;
/** The most answers that a count is added up from. */
const COUNTS_MAX = 20;
const TYPING_MS = 250;
const CHANGES_MS = 1000;
const NEWEST = '-created_at';

const form = byId('search-form');
const [words, status, tag, sort] = ['search', 'search-status', 'search-tag', 'search-sort'].map(byId);
const [all, found, list, state, more, told] =
  ['agents-list', 'found', 'results', 'results-state', 'more-results', 'search-count'].map(byId);
const [marks, reset] = ['search-marks', 'search-reset'].map(byId);

const lettersOf = (word) => word.match(/[\p{L}\p{N}]/gu)?.length ?? 0;

/**
 * What is typed as the service searches for it. The last word counts as the beginning of one, and a single
 * letter at the end, while it `isTyping`, not at all yet.
 */
export function textOf(typed, isTyping = true) {
  const parts = typed.split(/\s+/).filter((word) => lettersOf(word) > 0);
  if (isTyping && parts.length && lettersOf(parts.at(-1)) < 2) parts.pop();
  const last = parts.at(-1);
  if (last && lettersOf(last) >= 2 && !last.endsWith('*')) parts[parts.length - 1] = `${last}*`;
  return parts.join(' ');
}

/** Counts what a filter finds. `tell(total, isWhole)` hears of each page, and says whether to go on. */
export async function count(filter, tell) {
  let total = 0;
  let cursor = null;
  for (let page = 0; page < COUNTS_MAX; page += 1) {
    const answer = await call('POST', '/v1/agents/count', { body: { filter, ...(cursor && { cursor }) } });
    total += answer.count;
    cursor = answer.next_cursor;
    if (!tell(total, !cursor) || !cursor) return;
  }
}

/**
 * `row(agent)` makes a list's row, `onFound(agents)` when there are names to know, `onWish()` when something else is
 * looked for.
 */
export function searchPanel({ row, onFound, onWish = () => {} }) {
  let wish = '';
  let rows = [];
  let next = null;
  let turn = 0;
  let waiting;
  let changing;

  /** What is asked for; nothing if that is what the list shows anyway. */
  function read(isTyping) {
    const text = textOf(words.value, isTyping);
    const tags = tag.value.split(',').map((name) => name.trim()).filter(Boolean);
    const filter = {
      ...(text && { text }), ...(status.value && { status: status.value }),
      ...(tags.length && { tag: tags.length > 1 ? tags : tags[0] }),
    };
    const isPlain = !Object.keys(filter).length && sort.value === NEWEST;
    const number = Boolean(status.value) + Boolean(tags.length) + (sort.value !== NEWEST);
    marks.textContent = number ? ` (${number})` : '';
    return isPlain ? undefined : { filter, sort: sort.value };
  }

  function render() {
    const focused = document.activeElement?.closest('#results')
      && document.activeElement.dataset.agent;
    list.replaceChildren(...rows.map(row));
    if (focused) list.querySelector(`[data-agent="${focused}"]`)?.focus();
    more.hidden = !next;
    state.replaceChildren();
    if (rows.length || next) return;
    state.append(h('div', { class: 'state' }, h('p', {}, 'No agent is like that.'),
      h('p', {}, 'All words must occur in its name or description. A word that ends in * is a beginning.')));
  }

  function explained(problem, again) {
    const isMissing = problem.status === 404 || problem.status === 405;
    if (!isMissing) return failure(problem, again);
    return h('div', { class: 'state', role: 'alert', 'data-code': problem.code },
      h('p', {}, h('strong', {}, 'This service can’t search.')),
      h('p', {}, 'The list without a search still shows every agent.'));
  }

  /** Reads on until there are as many rows as wanted, or no more. */
  async function pages(asked, known, wanted, cursor, isAction) {
    let items = known;
    let at = cursor;
    for (let page = 0; page < PAGES_MAX; page += 1) {
      const body = { ...asked, limit: PAGE, ...(at && { cursor: at }) };
      const answer = await call('POST', '/v1/agents/search', { body, isAction: isAction && page === 0 });
      items = [...items, ...answer.items];
      at = answer.next_cursor;
      if (!at || items.length >= wanted) break;
    }
    return { items, cursor: at };
  }

  function number({ filter }, mine) {
    return count(filter, (total, isWhole) => {
      if (mine !== turn) return false;
      told.textContent = `${isWhole ? '' : 'More than '}${total} ${total === 1 ? 'agent' : 'agents'}`;
      return true;
    });
  }

  /** Searches. An answer to an earlier wish comes to nothing. */
  async function search(asked, wanted, isAction) {
    const mine = ++turn;
    found.ariaBusy = 'true';
    if (!rows.length) state.replaceChildren(bones());
    number(asked, mine).catch((problem) => {
      if (!(problem instanceof Problem)) throw problem;
      if (mine === turn) told.textContent = '';
    });
    try {
      const { items, cursor } = await pages(asked, [], wanted, null, isAction);
      if (mine !== turn) return;
      [rows, next] = [items, cursor];
      render();
      onFound(items);
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      if (mine !== turn) return;
      [rows, next] = [[], null];
      render();
      state.replaceChildren(explained(problem, () => search(asked, wanted, isAction)));
    }
    if (mine === turn) found.ariaBusy = 'false';
  }

  function leave() {
    turn += 1;
    [wish, rows, next] = ['', [], null];
    all.hidden = false;
    found.hidden = true;
    list.replaceChildren();
    state.replaceChildren();
    told.textContent = '';
    onWish();
  }

  function look(isTyping) {
    clearTimeout(waiting);
    const asked = read(isTyping);
    const text = JSON.stringify(asked ?? '');
    reset.hidden = !asked && !words.value;
    if (!asked) return leave();
    if (text === wish) return undefined;
    wish = text;
    all.hidden = true;
    found.hidden = false;
    told.textContent = 'Searching…';
    onWish();
    return search(asked, 1, true);
  }

  function soon(isTyping = true) {
    clearTimeout(waiting);
    waiting = setTimeout(look, TYPING_MS, isTyping);
  }

  async function loadMore() {
    const mine = turn;
    more.disabled = true;
    try {
      const { items, cursor } = await pages(JSON.parse(wish), rows, rows.length + 1, next, true);
      if (mine === turn) {
        [rows, next] = [items, cursor];
        render();
        onFound(items);
      }
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      if (mine === turn) state.replaceChildren(failure(problem, loadMore));
    }
    more.disabled = false;
  }

  /** Agents have changed: what is shown is searched for again, when there is a pause. */
  function stale() {
    clearTimeout(changing);
    const again = () => wish && search(JSON.parse(wish), Math.max(rows.length, 1), false);
    if (wish) changing = setTimeout(again, CHANGES_MS);
  }

  function clear() {
    for (const timer of [waiting, changing]) clearTimeout(timer);
    form.reset();
    leave();
    marks.textContent = '';
    reset.hidden = true;
  }

  form.addEventListener('submit', (event) => {
    event.preventDefault();
    look(false);
  });
  form.addEventListener('input', () => soon());
  reset.addEventListener('click', () => {
    clear();
    words.focus();
  });
  more.addEventListener('click', loadMore);
  list.addEventListener('keydown', walk);
  words.addEventListener('keydown', (event) => {
    // Esc empties the box, and is not meant for the agent.
    if (event.key === 'Escape') event.stopPropagation();
    if (event.key !== 'ArrowDown') return;
    event.preventDefault();
    (found.hidden ? byId('agents') : list).querySelector('button')?.focus();
  });
  /** What is looked for; empty if that is every agent. */
  const filter = () => (wish ? JSON.parse(wish).filter : {});

  return { clear, stale, filter };
}

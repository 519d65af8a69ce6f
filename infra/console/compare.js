// The comparison: two of draft, live and versions side by side, with the risks at their places. And the table
// of any two documents.

import { middles, placeOf, rows } from './align.js';
import { call, Problem } from './api.js';
import { contentOf } from './content.js';
import { bones, button, byId, code, failure, h } from './dom.js';
import { badge, counted, riskList } from './risks.js';
import { widen, widener } from './views.js';

/** How many lines around a difference are shown, and how few that are the same are worth a fold. */
const AROUND = 2;
const FOLD_MIN = 4;

const view = byId('compare');
const [title, swap, place] = ['compare-title', 'compare-swap', 'compare-result'].map(byId);

const named = (name) => (/^\d+$/.test(name) ? `version ${name}` : name);

/** A text with its own part marked, if the rest is on the other side, too. */
function marked(text, [before, own, after]) {
  return own && (before || after) ? [before, h('mark', {}, own), after] : [text];
}

function cell(row, side, risks, parts) {
  const tag = { left: 'del', right: 'ins' }[side];
  const shown = row[side];
  const inside = shown && h('code', {}, row.state === 'same' ? shown.text : h(tag, {}, marked(shown.text, parts)));
  const badges = risks.map((risk) => [' ', badge(risk)]);
  const found = h('td', { class: side, 'data-pointer': shown?.pointer }, inside, badges);
  found.style.setProperty('--depth', row.depth);
  return found;
}

function line(row, risks) {
  const parts = row.state === 'changed' ? middles(row.left.text, row.right.text) : [['', '', ''], ['', '', '']];
  const of = (side) => risks.filter((risk) => risk.side === side).map((risk) => risk.risk);
  return h('tr', { 'data-state': row.state, tabindex: risks.length > 0 && '-1' },
    cell(row, 'left', of('left'), parts[0]), cell(row, 'right', of('right'), parts[1]));
}

/** Which rows are shown from the start: what differs, what is around it, and what that is in. */
function shownOf(all, risky) {
  const differs = (row) => row.state !== 'same' || risky.has(row);
  const around = (index) => all.slice(Math.max(0, index - AROUND), index + AROUND + 1);
  const shown = all.map((row, index) => row.inside || around(index).some(differs));
  // A fold takes a line itself: a short one is not worth it.
  for (let start = 0; start < all.length; start += 1) {
    let end = start;
    while (end < all.length && !shown[end]) end += 1;
    if (end - start < FOLD_MIN) shown.fill(true, start, end);
    start = end;
  }
  return shown;
}

function fold(hidden) {
  const open = () => {
    const lines = hidden.map((row) => line(row, []));
    mine.replaceWith(...lines);
    lines[0].tabIndex = -1;
    lines[0].focus();
  };
  const said = `${hidden.length} lines that are the same`;
  const mine = h('tr', { class: 'fold' }, h('td', { colspan: 2 }, button(said, open)));
  return mine;
}

/** The table of two documents, and a function that shows where a risk is. */
export function table(from, to, left, right, risks = []) {
  const all = rows(left, right);
  const places = risks.map((risk) => ({ risk, ...placeOf(all, risk) }));
  const risky = new Map([...Map.groupBy(places.filter(({ row }) => row), ({ row }) => row)]);
  const shown = shownOf(all, risky);
  const lines = new Map();
  const body = h('tbody');
  for (let index = 0; index < all.length; index += 1) {
    const end = shown.indexOf(true, index);
    const hidden = shown[index] ? [] : all.slice(index, end < 0 ? undefined : end);
    if (hidden.length) {
      body.append(fold(hidden));
      index += hidden.length - 1;
    } else {
      lines.set(all[index], line(all[index], risky.get(all[index]) ?? []));
      body.append(lines.get(all[index]));
    }
  }
  const head = h('thead', {}, h('tr', {}, [from, to].map((name) => h('th', { scope: 'col' }, named(name)))));
  const show = (risk) => {
    const found = lines.get(places.find((known) => known.risk === risk)?.row);
    found?.focus({ preventScroll: true });
    found?.scrollIntoView({ block: 'center' });
  };
  return { element: h('table', { class: 'diff' }, head, body), show };
}

/** `onClose()` when the reader has seen enough. */
export function comparison({ onClose }) {
  let shown = null;
  let turn = 0;
  widener(byId('compare-full'));

  async function content(id, name) {
    const path = /^\d+$/.test(name) ? `/v1/agents/${id}/versions/${name}` : `/v1/agents/${id}`;
    return contentOf(await call('GET', path));
  }

  async function read(id, from, to) {
    const mine = ++turn;
    place.ariaBusy = 'true';
    try {
      const query = new URLSearchParams({ from, to });
      const diff = await call('GET', `/v1/agents/${id}/diff?${query}`, { isAction: true });
      const [left, right] = await Promise.all([content(id, diff.from), content(id, diff.to)]);
      if (mine === turn) render(diff, left, right);
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      if (mine === turn) place.replaceChildren(failure(problem, () => read(id, from, to)));
    }
    if (mine === turn) place.ariaBusy = 'false';
  }

  function render({ from, to, patch, risks }, left, right) {
    if (!patch.length) {
      const said = `There is no difference: ${named(from)} and ${named(to)} say the same.`;
      place.replaceChildren(h('p', { class: 'state' }, said));
      return;
    }
    const { element, show } = table(from, to, left, right, risks);
    const link = { class: 'link', title: 'Show where it is' };
    const where = (risk) => button(code(risk.pointer), () => show(risk), link);
    place.replaceChildren(h('section', { class: 'card', 'aria-label': 'Risks' },
      h('p', {}, h('strong', {}, `${counted(risks)}. `),
        h('span', { class: 'dim' }, `From ${named(from)} to ${named(to)}.`)),
      riskList(risks, { place: where })), element);
  }

  function open(id, from, to) {
    shown = { id, from, to };
    view.hidden = false;
    title.textContent = `${named(from)} → ${named(to)}`;
    place.replaceChildren(bones());
    title.focus();
    return read(id, from, to);
  }

  function close() {
    turn += 1;
    if (shown) widen(false);
    shown = null;
    view.hidden = true;
  }

  function leave() {
    close();
    onClose();
  }

  byId('compare-close').addEventListener('click', leave);
  view.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape') return;
    event.stopPropagation();
    leave();
  });
  swap.addEventListener('click', () => open(shown.id, shown.to, shown.from));
  return { open, close, isOpen: () => shown !== null };
}

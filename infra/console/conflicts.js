// What differs between an agent and its template, and the choice where both changed the same.

import { table } from './compare.js';
import { button, code, h } from './dom.js';
import { shownViolation } from './fields.js';

/** A value longer than this, or with parts, is shown as a table of lines. */
const SHORT_MAX = 80;
const SIDES = ['agent', 'template'];

const isNothing = (value) => value === undefined || value === null;
const isShort = (value) => isNothing(value) || (typeof value === 'string'
  ? value.length <= SHORT_MAX && !value.includes('\n') : JSON.stringify(value).length <= SHORT_MAX);

function shown(value) {
  if (isNothing(value)) return h('span', { class: 'dim' }, 'nothing');
  return code(typeof value === 'string' ? value : JSON.stringify(value));
}

/** What a value became: in a line, or, of long ones, side by side. */
function change(pointer, before, after, names) {
  if (isShort(before) && isShort(after)) {
    return h('p', {}, h('del', {}, shown(before)), ' → ', h('ins', {}, shown(after)));
  }
  const name = pointer.slice(pointer.lastIndexOf('/') + 1);
  const side = (value) => (isNothing(value) ? {} : { [name]: value });
  return table(...names, side(before), side(after)).element;
}

/** A list of changes with its heading, or the text that says why there is none. */
export function changeList(title, changes, none, [left, right], ...versions) {
  const nameOf = (kind, version) => (kind === 'version' ? `version ${version}` : 'the agent');
  const names = [nameOf(left, versions[0]), nameOf(right, versions.at(-1))];
  const number = changes.length > 0 && h('span', { class: 'dim' }, ` ${changes.length}`);
  return [h('h3', {}, title, number), changes.length
    ? h('ul', { class: 'changes' }, changes.map(({ pointer, before, after }) => h('li', { 'data-pointer': pointer },
      h('p', {}, code(pointer || 'everything')), change(pointer, before, after, names))))
    : h('p', { class: 'dim' }, none)];
}

/** The conflicts in `place`, and what was chosen for each. `onChoice()` is called when that is another. */
export function conflictList(place, onChoice) {
  let conflicts = [];
  /** Whose value all take that nothing else was chosen for. */
  let take = null;
  const choices = new Map();
  let listed = '';

  const sideOf = (pointer) => choices.get(pointer) ?? take;

  function mark() {
    for (const input of place.querySelectorAll('input')) {
      const { pointer } = input.closest('[data-pointer]').dataset;
      input.checked = sideOf(pointer) === input.value;
    }
    const undecided = conflicts.filter(({ pointer }) => !sideOf(pointer)).length;
    const said = place.querySelector('.undecided');
    if (said) said.textContent = undecided ? `${undecided} to decide` : 'all decided';
    if (said) said.className = `undecided badge ${undecided ? 'asks' : ''}`;
  }

  function all(side) {
    take = side;
    choices.clear();
    mark();
    onChoice();
  }

  function choose(pointer, side) {
    choices.set(pointer, side);
    mark();
    onChoice();
  }

  function choice(conflict, index, side) {
    const { pointer, base } = conflict;
    const id = `conflict-${index}-${side}`;
    const input = h('input', { type: 'radio', id, name: `conflict-${index}`, value: side, class: 'take',
      'aria-describedby': `conflict-${index}-errors`, change: () => choose(pointer, side) });
    const value = conflict[side];
    const isInline = isShort(value) && isShort(base);
    const label = side === 'agent' ? 'Keep the agent’s' : 'Take the template’s';
    return h('div', { class: 'side' },
      h('p', {}, input, h('label', { for: id }, label, isInline && [': ', shown(value)])),
      !isInline && change(pointer, base, value, ['before', side === 'agent' ? 'the agent' : 'the template']));
  }

  function card(conflict, index) {
    const { pointer, base } = conflict;
    return h('fieldset', { class: 'card conflict', 'data-pointer': pointer },
      h('legend', {}, code(pointer || 'everything')),
      isShort(base) && h('p', { class: 'dim' }, 'It was ', shown(base), '.'),
      SIDES.map((side) => choice(conflict, index, side)),
      h('div', { class: 'errors', id: `conflict-${index}-errors`, 'aria-live': 'polite' }));
  }

  /** Shows conflicts. What was chosen for those that are still there stays. */
  function show(found, isQuiet) {
    conflicts = found;
    const text = JSON.stringify(found.map(({ taken, ...conflict }) => conflict));
    place.hidden = isQuiet && !found.length;
    if (text !== listed || !place.children.length) {
      listed = text;
      const pointers = new Set(found.map(({ pointer }) => pointer));
      for (const pointer of choices.keys()) if (!pointers.has(pointer)) choices.delete(pointer);
      const every = (side) => button(`All of the ${side}’s`, () => all(side), { class: 'take-all', 'data-take': side });
      place.replaceChildren(h('div', { class: 'title' }, h('h3', {}, 'Conflicts'), ' ',
        found.length > 0 && h('span', { class: 'undecided badge' })),
      ...(found.length ? [h('p', { class: 'dim' }, 'Both changed these, and differently. Say whose value to take.'),
        h('p', { class: 'choices' }, SIDES.map(every)), ...found.map(card)]
        : [h('p', { class: 'dim' }, 'None: what both changed goes together.')]));
    }
    mark();
  }

  /** What an upgrade says of them: whose value all take, and the others. */
  function chosen() {
    const others = [...choices].filter(([pointer, side]) => side !== take
      && conflicts.some((conflict) => conflict.pointer === pointer));
    const resolutions = others.length && { resolutions: Object.fromEntries(others) };
    return { ...(take && conflicts.length && { take }), ...resolutions };
  }

  /** Puts violations beside their conflicts, and gives those that have none. */
  function putBeside(violations) {
    const cards = new Map([...place.querySelectorAll('.conflict')].map((found) => [found.dataset.pointer, found]));
    for (const found of cards.values()) found.querySelector('.errors').replaceChildren();
    const rest = violations.filter((violation) => {
      const found = cards.get(violation.pointer);
      const isOwn = found && violation.code === 'merge_conflict';
      if (isOwn) found.querySelector('.errors').append(shownViolation(violation, violation.pointer));
      return !isOwn;
    });
    for (const found of cards.values()) {
      const isMarked = found.querySelector('.errors').children.length > 0;
      for (const input of found.querySelectorAll('input')) input.ariaInvalid = isMarked ? 'true' : null;
    }
    return rest;
  }

  function forget() {
    take = null;
    choices.clear();
    mark();
  }

  return { show, chosen, place: putBeside, forget };
}

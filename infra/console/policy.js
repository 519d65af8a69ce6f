// An alias's policy: what becomes of a change of the alias, by each class of risks.

import { button, h } from './dom.js';
import { classes, isElevated } from './risks.js';
import { isSame } from './patch.js';

/** What may be said of a class: nothing, or one of the policy's lists. */
const CHOICES = [['', 'admit'], ['approve', 'ask another'], ['refuse', 'refuse']];

export function policyText({ refuse = [], approve = [] }) {
  const parts = [approve.length && `${approve.length} ${approve.length === 1 ? 'asks' : 'ask'} another user`,
    refuse.length && `${refuse.length} refused`].filter(Boolean);
  return parts.length ? parts.join(', ') : 'admits every change';
}

/** Policies are sets: the order in which classes were said does not count. */
const sorted = ({ refuse = [], approve = [] }) => [[...refuse].sort(), [...approve].sort()];
export const isSamePolicy = (one, other) => isSame(sorted(one), sorted(other));

/** A field for each class. `onInput(policy)` tells what was chosen. */
export function policyEditor(alias, onInput) {
  let policy = {};
  const said = h('span', { class: 'dim' });
  const fields = h('div', { class: 'policy' });

  const choiceOf = (name) => ['approve', 'refuse'].find((choice) => policy[choice]?.includes(name)) ?? '';

  function set(wanted) {
    const of = (choice) => Object.keys(wanted).filter((name) => wanted[name] === choice);
    const [approve, refuse] = [of('approve'), of('refuse')];
    policy = { ...(refuse.length && { refuse }), ...(approve.length && { approve }) };
    said.textContent = policyText(policy);
    onInput(policy);
  }

  function chosen() {
    const selects = [...fields.querySelectorAll('select')];
    return Object.fromEntries(selects.map(({ name, value }) => [name, value]));
  }

  function field(name, isReadOnly) {
    const id = `policy-${alias}-${name}`;
    const isHigh = isElevated({ class: name });
    const select = h('select', { id, name, disabled: isReadOnly, change: () => {
      select.dataset.choice = select.value;
      set(chosen());
    } }, CHOICES.map(([value, text]) => h('option', { value }, text)));
    select.value = choiceOf(name);
    select.dataset.choice = select.value;
    const label = h('label', { for: id, title: isHigh && 'Elevated: look twice.' }, isHigh && '▲ ', name);
    return h('div', {}, label, select);
  }

  function fill(shown, isReadOnly = false) {
    policy = shown;
    presets.hidden = isReadOnly;
    said.textContent = policyText(policy);
    // A class that this page does not know is kept, and may be changed.
    const named = new Set([...classes, ...(policy.refuse ?? []), ...(policy.approve ?? [])]);
    fields.replaceChildren(...[...named].map((name) => field(name, isReadOnly)));
  }

  /** Sets many at once: `choose(name, choice)` says what becomes of each. */
  function all(choose) {
    set(Object.fromEntries(Object.entries(chosen()).map(([name, choice]) => [name, choose(name, choice)])));
    fill(policy);
  }

  const cautious = (name, choice) => choice || (isElevated({ class: name }) ? 'approve' : '');

  const presets = h('p', { class: 'choices' },
    button('Ask for all that is elevated', () => all(cautious)), button('Admit all', () => all(() => '')));
  const hint = h('p', { class: 'hint' }, `What becomes of a change of ${alias} by its risks: it is admitted, `,
    'another user is asked, or it is refused. ▲ is elevated.');
  const element = h('details', { class: 'policy-of' }, h('summary', {}, 'Policy: ', said), hint, presets, fields);
  return { element, fill };
}
